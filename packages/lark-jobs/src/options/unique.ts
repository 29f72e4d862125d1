/**
 * Unique jobs: a queue has only one job at a time for each name that the function in `unique()` returns. The
 * same name in another class or queue is a different name.
 */
import type { Group, Lock, State } from '../model/record.ts'
import { notName, storedPair } from '../model/stored-name.ts'
import { duration, flag, func, type OptionsOf, oneOf, type Read, Schema } from './schema.ts'

const entries = {
  /**
   * Whether a job is unique until it first starts, or until it has ended. The default is `done`, or `start`
   * with `debounce` or `keepLast`. `queued` needs `throttle`: the job is unique only for that time, even if
   * it is still waiting after that.
   */
  until: oneOf(['start', 'done', 'queued']),
  /**
   * Whether a second dispatch replaces the payload of the first job, if that job has not begun. Default: the
   * second dispatch is rejected.
   */
  replace: flag(),
  /**
   * While one job runs, or waits for a retry, one more may wait. Each dispatch replaces the payload of the
   * waiting job. The waiting job begins when the other job has ended. Default: no.
   */
  keepLast: flag(),
  /**
   * How long the job waits for a further dispatch. A further dispatch replaces the payload, and the wait
   * begins again.
   */
  debounce: duration(),
  /** With `debounce`: the maximum total wait. Default: no limit. */
  maxWait: duration(),
  /** The time within which at most one job is queued, even if the last job has ended. */
  throttle: duration(),
}

/**
 * How long a job is unique, and what happens to a second job with the same name. Durations are milliseconds,
 * or `'30s'`, `'5m'`.
 */
export interface UniqueOptions extends OptionsOf<typeof entries> {}

/** The return value of `unique()`. */
export interface Unique extends UniqueOptions {
  /** Returns the name for a payload. Without this function, all jobs of the class have the same name. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
  readonly by?: (payload: any) => string | number
}

/** The schema of the field `unique` of a class. */
export const uniqueOptions = new Schema(
  'unique(), or unique((payload) => payload.id)',
  { by: func<NonNullable<Unique['by']>>('a function of the payload'), ...entries },
  ({ until, replace, keepLast, debounce, maxWait, throttle }, refuse) => {
    if (until === 'queued' && throttle === undefined)
      refuse('throttle', "a duration, because until is 'queued'")
    if (until === 'queued' && (replace || keepLast || debounce !== undefined))
      refuse('until', "absent, because 'queued' cannot be combined with replace, keepLast or debounce")
    if (keepLast && until === 'done') refuse('until', "absent, because keepLast means 'start'")
    if (keepLast && replace === false) refuse('replace', 'absent: keepLast replaces')
    if (keepLast && throttle !== undefined)
      refuse('throttle', 'absent, because a throttle rejects the job that keepLast would keep')
    if (maxWait !== undefined && debounce === undefined)
      refuse('maxWait', 'absent, because debounce is not set')
    if (debounce === undefined) return
    if (throttle !== undefined) refuse('throttle', 'absent, because debounce is set')
    if (replace === false) refuse('replace', 'absent: debounce replaces')
  },
)

/** The reason why a dispatch was rejected, and the other job that was the reason. */
export interface Rejection {
  /**
   * `unique`: another job holds the unique lock. `throttled`: the dispatch came too soon after another
   * dispatch. `full`: the queue is full. `exists`: the queue has a job with the id that the draft asked for.
   */
  reason: 'unique' | 'throttled' | 'full' | 'exists'
  /**
   * The id of the other job. Absent if the queue is full. The other job may have been removed already, if the
   * reason is `throttled`.
   */
  by?: string
  /** The state of the other job. Present only for `exists`. */
  state?: State
}

/**
 * Makes the jobs of a class unique: a queue has only one job at a time for each name.
 *
 * @param by returns the name for a payload, a text or a number
 * @param options see `UniqueOptions`
 * @example
 * class SyncUserJob extends Job {
 *   unique = unique((payload: { userId: number }) => payload.userId)
 *   async handle(payload: { userId: number }) {}
 * }
 * @example unique = unique((p: { id: string }) => p.id, { debounce: '30s', maxWait: '5m' })
 * @example unique = unique({ throttle: '1h' })   // one job of the class an hour
 */
export function unique<P>(by: (payload: P) => string | number, options?: UniqueOptions): Unique
export function unique(options?: UniqueOptions): Unique
export function unique<P>(
  first: ((payload: P) => string | number) | UniqueOptions = {},
  options: UniqueOptions = {},
): Unique {
  return Object.freeze(typeof first === 'function' ? { ...options, by: first } : { ...first })
}

/**
 * The group of `keepLast` jobs. The group is strict, so that its jobs run one after the other.
 *
 * @param lock the name of the lock of these jobs
 */
export function oneByOne(lock: string): Group {
  // No stored name of a user's group begins with `=` (see `storedName`), so this name cannot be taken.
  return { name: `=${lock}`, limits: { concurrency: 1 }, strict: true }
}

/**
 * Makes the lock of a job.
 *
 * @param key the key of the class
 * @returns a text that describes the value, if `by` did not return a valid name
 */
export function lockOf(
  option: Partial<Read<typeof uniqueOptions.entries>>,
  key: string,
  payload: unknown,
): Lock | string {
  const { by, keepLast, debounce, maxWait, throttle } = option
  const value = by === undefined ? '' : by(payload)
  const problem = notName(value)
  if (problem !== undefined) return problem
  const lock: Lock = {
    name: storedPair(key, String(value)),
    until: option.until ?? (debounce === undefined && !keepLast ? 'done' : 'start'),
  }
  if (option.replace || keepLast || debounce !== undefined) lock.replace = true
  if (debounce !== undefined) lock.debounce = debounce
  if (maxWait !== undefined) lock.maxWait = maxWait
  if (throttle !== undefined) lock.throttle = throttle
  return lock
}
