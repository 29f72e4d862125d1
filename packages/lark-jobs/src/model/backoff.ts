/**
 * The pause between a failed attempt and the next attempt, as a formula. `run/retry-policy.ts` decides
 * whether there is a next attempt, and when.
 */
import { type Duration, milliseconds } from '../words/duration.ts'

/**
 * A pause that begins at `from` and doubles up to `to`. `jitter`: the share of each pause that is random,
 * from 0 to 1.
 */
export interface Exponential {
  readonly from: number
  readonly to: number
  readonly jitter: number
}

/**
 * Returns the pause after a failed attempt.
 *
 * @param attempt the number of the failed attempt, from 1
 * @param error the error of the attempt
 * @param payload a copy of the payload
 */
// biome-ignore lint/suspicious/noExplicitAny: anything can be thrown, and a function may declare what it expects
export type BackoffFunction = (attempt: number, error: any, payload: any) => Duration | Promise<Duration>

/**
 * The values of `backoff`: one pause for every retry, a list of pauses (the last pause repeats),
 * `exponential()`, or a function.
 */
export type BackoffOption = Duration | readonly Duration[] | Exponential | BackoffFunction

/**
 * The maximum number of pauses in a list. The list has a limit because a list that is set on a single job is
 * stored with the job.
 */
export const MAX_PAUSES = 100

/** The stored form of a backoff: a list of pauses, or an exponential pause, in milliseconds. */
export type Backoff = number[] | Exponential

/**
 * A pause that doubles with every failed attempt.
 *
 * @param options `from`: the first pause, default 1 s. `to`: the longest pause, default 10 min. `jitter`: the
 *   share of each pause that is random, so that jobs that failed at the same time are not all retried at the
 *   same time. Default 0.5: a pause of 8 s becomes 4 to 8 s
 * @example backoff = exponential({ from: '5s', to: '1h' })
 */
export function exponential(options: { from?: Duration; to?: Duration; jitter?: number } = {}): Exponential {
  const { from = 1_000, to = 600_000, jitter = 0.5 } = options
  // This function accepts an invalid duration. The check of the class refuses it later, with an error that
  // names the class and the field.
  const kept = (pause: Duration) => (milliseconds(pause) ?? pause) as number
  return Object.freeze({ from: kept(from), to: kept(to), jitter })
}

/**
 * The default backoff. All classes with the default share this one object, so a comparison by identity
 * recognises the default.
 */
export const defaultBackoff: Exponential = exponential()

/**
 * A pause that a function computes. `backoff()` gives the parameters of the function their types. The
 * function may be async, and may take up to 5 seconds. If the function throws, takes longer, or returns a
 * value that is not a duration, the default pause applies, and a line in the job's log says so.
 *
 * @example backoff = backoff((attempt, error) => (error.status === 429 ? '5m' : attempt * 1_000))
 */
export function backoff(pause: BackoffFunction): BackoffFunction {
  return pause
}

/**
 * Whether two functions have the same source text. Functions are compared by text because each job object of
 * a class creates its own function.
 */
export function isSameFunction(one: unknown, other: unknown): boolean {
  return (
    typeof one === 'function' && typeof other === 'function' && (one === other || `${one}` === `${other}`)
  )
}

/** Converts a backoff option to its stored form. Returns undefined if the option is not valid. */
export function normalBackoff(option: unknown): Backoff | undefined {
  if (Array.isArray(option)) {
    const pauses = option.length > MAX_PAUSES ? [] : option.map(milliseconds)
    return pauses.length > 0 && pauses.every((pause) => pause !== undefined)
      ? (pauses as number[])
      : undefined
  }
  if (typeof option === 'object' && option !== null) {
    const { from, to, jitter } = option as Exponential
    if (milliseconds(from) === undefined || milliseconds(to) === undefined) return undefined
    return to >= from && jitter >= 0 && jitter <= 1 ? { from, to, jitter } : undefined
  }
  const pause = milliseconds(option)
  return pause === undefined ? undefined : [pause]
}

/**
 * The pause after a failed attempt, in milliseconds.
 *
 * @param failures the number of the failed attempt, from 1
 */
export function pauseAfter(failures: number, backoff: Backoff, random = Math.random): number {
  if (Array.isArray(backoff)) return backoff[Math.min(failures, backoff.length) - 1]!
  const whole = Math.min(backoff.to, backoff.from * 2 ** (failures - 1))
  return Math.round(whole * (1 - backoff.jitter * random()))
}
