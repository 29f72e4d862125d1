// The program of the matrix in TypeScript, as users begin.
import { writeFileSync } from 'node:fs'
import { arg, Command, flag } from '@s18i/lark'
import type * as lark from '@s18i/lark/config'
import type * as testingLark from '@s18i/lark/testing'
import type * as bullmq from '@s18i/lark-bullmq'
import type * as dashboard from '@s18i/lark-dashboard'
import { defineConfig, type EndedEvent, Job, type JobDetail, Jobs, unique } from '@s18i/lark-jobs'
import type * as operate from '@s18i/lark-jobs/operate'
import type * as otel from '@s18i/lark-jobs/otel'
import type * as testing from '@s18i/lark-jobs/testing'

/** The declarations of all entries, which the compiler then checks. */
export type Entries = [
  typeof lark,
  typeof testingLark,
  typeof bullmq,
  typeof dashboard,
  typeof operate,
  typeof otel,
  typeof testing,
]

interface Greeting {
  name: string
}

class GreetJob extends Job {
  key = 'greet'
  queueName = 'greetings'
  tries = 2
  unique = unique(({ name }: Greeting) => name)

  async handle(payload: Greeting) {
    this.info(`greets ${payload.name}`)
    return { greeting: `Hello, ${payload.name}` }
  }
}

/** This class is only compiled, because the commands of an application are type-checked too. */
export class Greet extends Command {
  readonly key = 'greet'
  name = arg.string('Whom to greet')
  loud = flag.boolean('In capitals')

  async handle() {
    await new GreetJob().dispatch({ name: this.loud ? this.name.toUpperCase() : this.name })
  }
}

export const config = defineConfig({
  jobs: {
    queues: { greetings: { concurrency: 5 } },
    hooks: { completed: ({ took }: EndedEvent) => took < 1_000 },
  },
})

async function main() {
  const job = new GreetJob()
  const queued: boolean = await job.dispatch({ name: 'matrix' })
  // @ts-expect-error a payload that does not fit is refused by the compiler
  const wrong = () => job.dispatch({ name: 1 })
  const worker = await Jobs.work({ jobs: [GreetJob], queues: ['greetings'], stopWhenEmpty: true })
  const { completed } = await worker.done
  const found: JobDetail<GreetJob> | undefined = await Jobs.find<GreetJob>(job.id!)
  const greeting: string | undefined = found?.result?.greeting
  await Jobs.close()
  const ran = { greeting, state: found?.state, runs: completed, queued, wrong: typeof wrong }
  writeFileSync(process.env.RESULT!, JSON.stringify(ran))
}

main()
