/**
 * Unique jobs: of what `unique()` names alike, a queue has one at a time. Scope is the class and the queue.
 */
import { type Duration, durationForm, milliseconds } from './duration.ts'
import type { Group, Lock } from './record.ts'
import { notName, storedPair } from './stored-name.ts'

/** How long a job is the only one, and what becomes of the next. Durations are milliseconds, or `'30s'`, `'5m'`. */
export interface UniqueOptions {
  /** Until it first starts, or until it has ended. Default `done`; with `debounce` it is `start`. */
  until?: 'start' | 'done'
  /** A job that would be the second gives the first its payload, as long as that has not begun. Default: it is refused. */
  replace?: boolean
  /**
   * While one runs, or waits for a further attempt, one more may wait: the last, since each dispatch gives it its payload.
   * It begins when the other has ended. Default: no.
   */
  keepLast?: boolean
  /** Waits so long for a further dispatch, which replaces the payload and begins the wait anew. */
  debounce?: Duration
  /** With `debounce`: the longest wait in all. Default: no end. */
  maxWait?: Duration
  /** At most one in so long, from when it was queued and whatever became of it. */
  throttle?: Duration
}

/** What `unique()` makes. */
export interface Unique extends UniqueOptions {
  /** What names the jobs that are alike. Without it all jobs of the class are. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
  readonly by?: (payload: any) => string | number
}

/** Why a dispatch was not queued, and the job that was in its way. */
export interface Rejection {
  /** `unique`: another of its kind is there; `throttled`: it came too soon after one; `full`: its queue is. */
  reason: 'unique' | 'throttled' | 'full'
  /** Id of the other, of which there is none when it is full. It may be gone already when the job was throttled. */
  by?: string
}

/**
 * Says which jobs of a class are alike, so that only one of them is there at a time.
 *
 * @param by names a payload; jobs of one name are alike. A text or a number
 * @param options see `UniqueOptions`
 * @example
 * class SyncUserJob extends Job {
 *   unique = unique((payload: { userId: number }) => payload.userId)
 *   async handle(payload: { userId: number }) {}
 * }
 * @example unique = unique((p: { id: string }) => p.id, { debounce: '30s', maxWait: '5m' })
 * @example unique = unique({ throttle: '1h' })   // one an hour of the whole class
 */
export function unique<P>(by: (payload: P) => string | number, options?: UniqueOptions): Unique
export function unique(options?: UniqueOptions): Unique
export function unique<P>(
  first: ((payload: P) => string | number) | UniqueOptions = {},
  options: UniqueOptions = {},
): Unique {
  return Object.freeze(typeof first === 'function' ? { ...options, by: first } : { ...first })
}

/** What is wrong with a class's `unique`: its field, value, and what would be right; undefined when all is well. */
export function problemOf(option: unknown): [field: string, value: unknown, right: string] | undefined {
  if (option === undefined) return undefined
  if (typeof option !== 'object' || option === null)
    return ['unique', option, 'unique(), or unique((payload) => payload.id)']
  const { by, until, replace, keepLast, debounce, maxWait, throttle, ...rest } = option as Unique
  const [unknown] = Object.entries(rest)
  if (unknown !== undefined)
    return [
      `unique.${unknown[0]}`,
      unknown[1],
      'absent: it knows until, replace, keepLast, debounce, maxWait and throttle',
    ]
  if (by !== undefined && typeof by !== 'function') return ['unique.by', by, 'a function of the payload']
  if (until !== undefined && until !== 'start' && until !== 'done')
    return ['unique.until', until, "'start' or 'done'"]
  if (replace !== undefined && typeof replace !== 'boolean')
    return ['unique.replace', replace, 'true or false']
  if (keepLast !== undefined && typeof keepLast !== 'boolean')
    return ['unique.keepLast', keepLast, 'true or false']
  if (keepLast && until === 'done') return ['unique.until', until, "absent: with keepLast it is 'start'"]
  if (keepLast && replace === false) return ['unique.replace', replace, 'absent: keepLast replaces']
  if (keepLast && throttle !== undefined)
    return ['unique.throttle', throttle, 'absent: the last is kept or refused, not both']
  for (const [field, value] of Object.entries({ debounce, maxWait, throttle })) {
    if (value !== undefined && !((milliseconds(value) ?? 0) > 0))
      return [`unique.${field}`, value, `${durationForm}, above 0`]
  }
  if (maxWait !== undefined && debounce === undefined)
    return ['unique.maxWait', maxWait, 'absent: it goes with debounce']
  if (debounce !== undefined && throttle !== undefined)
    return ['unique.throttle', throttle, 'absent: a job is debounced or throttled, not both']
  if (debounce !== undefined && replace === false)
    return ['unique.replace', replace, 'absent: debounce replaces']
  return undefined
}

/**
 * The group of a job of which the last is kept while another runs: its jobs begin one after the other.
 *
 * @param lock its name
 */
export function oneByOne(lock: string): Group {
  // The group of a user never begins with this: see `storedName`.
  return { name: `=${lock}`, limits: { concurrency: 1 }, strict: true }
}

/**
 * The lock of one job.
 *
 * @param key of the class
 * @returns its text when what `by` gave is no name
 */
export function lockOf(option: Unique, key: string, payload: unknown): Lock | string {
  const { by, keepLast = false, debounce, maxWait, throttle } = option
  const value = by === undefined ? '' : by(payload)
  const problem = notName(value)
  if (problem !== undefined) return problem
  const lock: Lock = {
    name: storedPair(key, String(value)),
    until: option.until ?? (debounce === undefined && !keepLast ? 'done' : 'start'),
  }
  if (option.replace || keepLast || debounce !== undefined) lock.replace = true
  if (debounce !== undefined) lock.debounce = milliseconds(debounce)!
  if (maxWait !== undefined) lock.maxWait = milliseconds(maxWait)!
  if (throttle !== undefined) lock.throttle = milliseconds(throttle)!
  return lock
}
