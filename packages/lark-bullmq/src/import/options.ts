/** The options of an import, and the check of these options. */
import { excerpt, nearest } from '@s18i/lark/internal'
import { type AbortSignalLike, JobsError } from '@s18i/lark-jobs'
import { isObject, shown } from '@s18i/lark-jobs/internal'

export interface BullmqOptions {
  /** The prefix of BullMQ's keys. Default `bull`. */
  prefix?: string
  /** Only these queues. Default: all queues. */
  queues?: readonly string[]
  /**
   * The key of a job in Lark. `{name}` and `{queue}` stand for the name and the queue of the job in BullMQ.
   * Default: `{name}`.
   */
  key?: string
  /** Also imports failed jobs, as jobs that have failed. */
  failed?: boolean
  /** Removes imported jobs from BullMQ. Default: imported jobs stay in BullMQ and are marked there. */
  move?: boolean
  /**
   * Also imports jobs that may run twice: jobs from queues with workers of BullMQ, and jobs that Lark may
   * have run already.
   */
  force?: boolean
  /** Only returns the report that an import would have, and changes nothing in Lark or in BullMQ. */
  dryRun?: boolean
  /**
   * When this signal is aborted, the call ends before the next page. The report then counts the jobs that
   * were already imported.
   */
  signal?: AbortSignalLike
  /**
   * Called after each page with the number of jobs and schedulers that were processed, and the number of jobs
   * and schedulers that were found.
   */
  onProgress?: (done: number, found: number) => void
}

type Check = readonly [right: string, isRight: (value: unknown) => boolean]

const isText = (value: unknown) => typeof value === 'string' && value !== ''
const flag: Check = ['true or false', (value) => typeof value === 'boolean']
/** The check of each option. */
const options: Readonly<Record<keyof BullmqOptions, Check>> = {
  prefix: ["a text, such as 'bull'", isText],
  queues: ['a list of names of queues', (value) => Array.isArray(value) && value.every(isText)],
  key: ["a text such as '{name}' or '{queue}.{name}'", isText],
  failed: flag,
  move: flag,
  force: flag,
  dryRun: flag,
  signal: ['an AbortSignal', (value) => value instanceof AbortSignal],
  onProgress: ['a function', (value) => typeof value === 'function'],
}

/**
 * @throws FILTER_INVALID for an unknown option, because a call that ignored a condition would import too much
 */
export function checkBullmq(given: unknown): void {
  const wrong = (name: string, value: unknown, right: string) =>
    new JobsError('FILTER_INVALID', `importBullmq(): ${name} is ${shown(value)}; it must be ${right}`)
  if (!isObject(given)) throw wrong('the second argument', given, 'an object')
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(options, name)) {
      const near = nearest(name, Object.keys(options))
      throw new JobsError('FILTER_INVALID', `importBullmq(): ${excerpt(name)} is not an option`, {
        hint: near && `Did you mean ${near}?`,
      })
    }
    const [right, isRight] = options[name as keyof BullmqOptions]
    if (!isRight(value)) throw wrong(name, value, right)
  }
}
