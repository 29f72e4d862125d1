/** docs/errors.md must have exactly one entry for every code, and show the real output of the program. */
import { larkErrors } from '@s18i/lark'
import { bullmqErrors } from '@s18i/lark-bullmq'
import { dashboardErrors } from '@s18i/lark-dashboard'
import { jobsErrors } from '@s18i/lark-jobs'
import { expect, it } from 'vitest'
import { blocksOf } from './markdown.ts'
import { makeApp } from './program.ts'
import { filesBelow, read } from './source.ts'

const codes: Record<string, string> = { ...larkErrors, ...jobsErrors, ...dashboardErrors, ...bullmqErrors }
const page = read('docs/errors.md')
const entries = page.split(/^### /m).slice(1)
const entryOf = new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('\n')), entry]))

it('the page has one entry for every code', () => {
  expect([...entryOf.keys()].sort()).toEqual(Object.keys(codes).sort())
  expect(entries).toHaveLength(entryOf.size)
})

it('each entry of the page has a text', () => {
  for (const [code, entry] of entryOf) {
    expect(entry.replace(/^[^\n]*\n/, '').trim().length, code).toBeGreaterThan(60)
  }
})

it('the page has an entry for every code that other pages name', () => {
  const known = new Set([...Object.keys(codes), 'LARK_UNKNOWN_KEY', 'NO_SUCH_USER'])
  const variables = /^(LARK_|NEXT_|REDIS_|NODE_|NO_COLOR|FORCE_COLOR|REPORT_|SMTP_|QUEUE_|\w+_URL$)/
  for (const file of ['README.md', ...filesBelow('docs', '.md').map((name) => `docs/${name}`)]) {
    const words = [...read(file).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map((match) => match[1]!)
    expect(
      words.filter((word) => !known.has(word) && !variables.test(word)),
      file,
    ).toEqual([])
  }
})

it('the page has only codes that the sources use', () => {
  const source = ['lark', 'lark-jobs', 'lark-dashboard', 'lark-bullmq']
    .map((name) => `packages/${name}/src`)
    .flatMap((folder) => filesBelow(folder, '.ts').map((file) => `${folder}/${file}`))
    .filter((file) => !file.endsWith('/src/errors.ts'))
    .map(read)
    .join('\n')
  // `errors.ts` has a separate function for usage errors.
  expect(Object.keys(codes).filter((code) => code !== 'USAGE' && !source.includes(`'${code}'`))).toEqual([])
})

/** How a test causes an error: the files of an application, and the words after `lark`. */
interface Case {
  files?: Record<string, string>
  words: string[]
  env?: Record<string, string>
}

const command = (name: string, key: string, body = '') => `import { Command, flag } from '@s18i/lark'
export class ${name} extends Command {
  readonly key = '${key}'
  limit = flag.number('How many', { default: 1 })
  async handle() { ${body} }
}`
const job = (name: string, fields = '') => `import { Job } from '@s18i/lark-jobs'
export class ${name} extends Job {
  ${fields}
  async handle(payload: any) {}
}`
const dispatching = (payload: string, fields = '') => ({
  files: {
    'src/jobs/SendEmailJob.ts': job('SendEmailJob', fields),
    'src/commands/Go.ts': `import { SendEmailJob } from '../jobs/SendEmailJob'
${command('Go', 'go', `await new SendEmailJob().dispatch(${payload})`)}`,
  },
  words: ['go'],
})
const queues = `export default { jobs: { queues: ['default', 'emails'] } }`

const cases: Record<string, Case> = {
  UNKNOWN_COMMAND: {
    files: { 'src/commands/A.ts': command('A', 'users:process') },
    words: ['users:porcess'],
  },
  USAGE: {
    files: { 'src/commands/A.ts': command('A', 'users:process') },
    words: ['users:process', '--limt=5'],
  },
  CONFIG_NOT_FOUND: { words: ['list'], env: { LARK_CONFIG: 'config/lark.js' } },
  CONFIG_INVALID: {
    files: { 'lark.config.js': `export default { jobs: { queues: 'emails' } }` },
    words: ['jobs:status'],
  },
  CONFIG_FAILED: {
    files: { 'lark.config.ts': `export default {\n  jobs: {\n    prefix: secrets.prefix,\n  },\n}` },
    words: ['jobs:status'],
  },
  COMMAND_INVALID: {
    files: {
      'src/commands/A.ts': command('A', 'users:process'),
      'src/commands/B.ts': command('B', 'users:process'),
    },
    words: ['users:process'],
  },
  COMMAND_FAILED_TO_LOAD: { files: { 'src/commands/Broken.ts': `import 'mongodb'` }, words: ['list'] },
  FILE_EXISTS: {
    files: { 'src/jobs/SendEmailJob.ts': job('SendEmailJob') },
    words: ['make:job', 'SendEmail'],
  },
  UNKNOWN_QUEUE: dispatching('{}', `queueName = 'email'`),
  PAYLOAD_NOT_JSON: dispatching('{ user: { save() {} } }'),
  PAYLOAD_TOO_LARGE: dispatching(`{ text: 'x'.repeat(600_012) }`),
  STORE_UNREACHABLE: { words: ['jobs:status'], env: { REDIS_URL: 'redis://127.0.0.1:1' } },
  ALREADY_CONFIGURED: {
    files: {
      'src/commands/Go.ts': `import { Jobs } from '@s18i/lark-jobs'
${command('Go', 'go', `Jobs.configure({ connection: 'redis://a' }); Jobs.configure({ connection: 'redis://b', queues: ['emails'] })`)}`,
    },
    words: ['go'],
  },
  CONFIGURED_LATE: {
    files: {
      'src/commands/Go.ts': `import { Jobs } from '@s18i/lark-jobs'
${command('Go', 'go', 'await Jobs.status(); Jobs.configure({ preset: "spread" })')}`,
    },
    words: ['go'],
  },
  STORE_NOT_CONFIGURED: {
    files: { 'lark.config.js': 'export default {}' },
    words: ['jobs:status'],
    env: { NODE_ENV: 'production' },
  },
  STORE_INVALID: { words: ['jobs:status'], env: { LARK_JOBS_URL: 'postgres://db' } },
  JOB_INVALID: dispatching('{}', `backoff = 'soon'`),
  JOB_KEY_TAKEN: {
    files: {
      'src/jobs/A.ts': job('SendEmailJob', `readonly key = 'send-email'`),
      'src/jobs/B.ts': job('SendMailJob', `readonly key = 'send-email'`),
    },
    words: ['jobs:work'],
  },
  JOB_FAILED_TO_LOAD: {
    files: { 'src/jobs/SendEmailJob.ts': `import 'nodemailer'` },
    words: ['jobs:work', '--stop-when-empty'],
  },
  OPERATE_INVALID: {
    files: {
      'src/commands/Go.ts': `import { operate } from '@s18i/lark-jobs/operate'
${command('Go', 'go', `await operate({ connection: 'redis://:secret@localhost' } as never).status()`)}`,
    },
    words: ['go'],
  },
  WORKER_INVALID: {
    files: {
      'src/commands/Go.ts': `import { Jobs } from '@s18i/lark-jobs'
${command('Go', 'go', 'await Jobs.work({ concurrency: 0 })')}`,
    },
    words: ['go'],
  },
  JOB_NOT_FOUND: { words: ['jobs:retry', 'Vbu1WuDE6eYIV'] },
}

it.each(Object.entries(cases))(
  'the page shows %s as the program prints it',
  async (code, { files, words, env }) => {
    await using app = await makeApp({ 'lark.config.js': queues, 'src/.keep': '', ...files }, env)
    const { stderr } = await app.run(...words)
    const shown = blocksOf(entryOf.get(code)!).find(({ language }) => language === 'text')!.text
    expect(stderr.replaceAll(app.folder, '/app').replaceAll('127.0.0.1:1', '127.0.0.1:6379')).toContain(shown)
  },
)
