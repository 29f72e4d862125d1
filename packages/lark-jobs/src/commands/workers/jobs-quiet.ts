import { flag } from '@s18i/lark'
import type { WorkerRecord } from '../../operate.ts'
import { OrderCommand, PATIENCE } from './worker-orders.ts'

/**
 * `lark jobs:quiet`: tells the workers of the store to take no more jobs, for example before a deploy. The
 * command does the same as `kill -TSTP`, but on all machines.
 */
export class JobsQuietCommand extends OrderCommand {
  readonly key = 'jobs:quiet'
  override description = 'Tell workers to take no more jobs, and to finish those that run'
  resume = flag.boolean('Tell them to take jobs again')
  wait = flag.boolean('Wait until none of them runs a job; with --resume, until they take jobs')
  timeout = flag.string(`How long to wait (default: ${PATIENCE})`)

  async handle(): Promise<number> {
    const { resume } = this
    return await this.order({
      give: (workers, which) => (resume ? workers.resume(which) : workers.quiet(which)),
      what: resume ? 'take jobs again' : 'take no more jobs, and to finish those that run',
      obeys: resume ? isResumed : isQuiet,
      answer: ({ workers }, left) => ({ workers, left }),
    })
  }
}

function isQuiet({ state, running }: WorkerRecord): string | undefined {
  return state !== 'running' && running === 0 ? `is ${state} and runs no job` : undefined
}

function isResumed({ state }: WorkerRecord): string | undefined {
  return state === 'running' ? 'takes jobs' : undefined
}
