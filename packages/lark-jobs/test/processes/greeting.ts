/**
 * A TypeScript application with two jobs and a command that dispatches them.
 */
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'

const files = {
  'lark.config.js': `export default { jobs: { queues: ['default', 'emails'], prefix: process.env.PREFIX || 'lark' } }`,
  'src/jobs/GreetJob.ts': `
    import { Job } from '@s18i/lark-jobs'
    import { greeting } from '../greeting'
    export class GreetJob extends Job {
      readonly key = 'greet'
      async handle(payload: { name: string }) {
        this.info(greeting(payload.name))
        return { greeted: payload.name }
      }
    }`,
  'src/greeting.ts': `export const greeting = (name: string): string => 'Hello, ' + name`,
  'src/jobs/BounceJob.ts': `
    import { Job } from '@s18i/lark-jobs'
    export class BounceJob extends Job {
      queueName = 'emails'
      tries = 2
      backoff = 10
      async handle(payload: { to: string }) {
        throw new Error(\`550 \${payload.to}: no such user\`)
      }
    }`,
  'src/commands/Greet.ts': `
    import { arg, Command, flag } from '@s18i/lark'
    import { BounceJob } from '../jobs/BounceJob'
    import { GreetJob } from '../jobs/GreetJob'
    export class Greet extends Command {
      readonly key = 'greet:all'
      description = 'Greet them'
      names = arg.strings('Whom')
      delay = flag.string('When', { default: '0s' })
      async handle() {
        for (const name of this.names) {
          const job = new GreetJob()
          job.delay = this.delay
          await job.dispatch({ name })
        }
        await new BounceJob().dispatch({ to: 'nobody@example.com' })
        this.success(\`Queued \${this.names.length + 1} jobs\`)
      }
    }`,
}

/** @param url the URL of its store; undefined for the embedded store */
export async function greetingApp(url: string | undefined, extra: Record<string, string> = {}): Promise<App> {
  const prefix = newPrefix()
  const app = await App.make({ ...files, ...extra }, { LARK_JOBS_URL: url, PREFIX: prefix })
  if (url !== undefined) app.atEnd(() => removeKeys(url, prefix))
  return app
}
