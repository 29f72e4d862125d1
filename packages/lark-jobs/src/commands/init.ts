/**
 * The files that `lark init` writes for the queue: a first job, a command that dispatches this job, and a
 * configuration.
 */
import type { InitPart, InitProject } from '@s18i/lark'

/** Environment variables that hosting providers set, and that Lark does not read by default. */
const others = ['VALKEY_URL', 'REDISCLOUD_URL', 'REDIS_TLS_URL']

export async function init(project: InitProject): Promise<InitPart> {
  const { config, env } = project
  const job = `${await project.folderOf('jobs', config.jobs?.paths)}/SendEmailJob`
  const command = `${await project.folderOf('commands', config.commands)}/Welcome`
  const known = ['LARK_JOBS_URL', 'REDIS_URL'].find((name) => env[name])
  const other = known === undefined ? others.find((name) => env[name]) : undefined
  const named = known ?? other
  return {
    example: {
      files: { [job]: jobText(project), [command]: commandText(project, job, command) },
      commands: ['welcome'],
      firstIn: job.slice(0, job.lastIndexOf('/')),
      next: ['welcome ada@example.com'],
    },
    section: [
      'jobs: {',
      ...(other === undefined ? [] : [`  connection: process.env.${other},`]),
      "  queues: ['default'],",
      '},',
    ],
    scripts: { work: 'lark jobs:work' },
    next: ['jobs:work'],
    notes: [
      named === undefined
        ? 'Jobs are kept in .lark/jobs.db until the variable REDIS_URL names a server'
        : `Jobs are kept where the variable ${named} says`,
    ],
  }
}

function jobText(project: InitProject): string {
  const { isTypeScript, override } = project
  return `${project.importing(['Job'], '@s18i/lark-jobs')}

${project.exporting('SendEmailJob')} extends Job {
  ${isTypeScript ? `${override}readonly ` : ''}key = 'send-email'
  ${override}tries = 5

  async handle(payload${isTypeScript ? ': { to: string; subject: string }' : ''}) {
    this.info(\`Sending "\${payload.subject}" to \${payload.to}\`)
  }
}
`
}

function commandText(project: InitProject, job: string, command: string): string {
  return `${project.importing(['arg', 'Command'], '@s18i/lark')}
${project.importingFile(['SendEmailJob'], job, command)}

${project.exporting('Welcome')} extends Command {
  ${project.isTypeScript ? 'readonly ' : ''}key = 'welcome'
  to = arg.string('Whom to welcome')

  async handle() {
    await new SendEmailJob().dispatch({ to: this.to, subject: 'Welcome!' })
    this.success(\`Queued a welcome to \${this.to}\`)
  }
}
`
}
