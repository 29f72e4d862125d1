/**
 * How long a job waits between a failed attempt and the next.
 */
import { type Duration, milliseconds } from './duration.ts'

/** Doubles from `from` to at most `to`; `jitter` is the share of each pause that is left to chance, 0 to 1. */
export interface Exponential {
  readonly from: number
  readonly to: number
  readonly jitter: number
}

/**
 * Says the pause after a failed attempt.
 *
 * @param attempt which one it was, from 1
 * @param error what it threw
 */
// biome-ignore lint/suspicious/noExplicitAny: anything can be thrown, and a function may say what it reckons with
export type BackoffFunction = (attempt: number, error: any) => Duration

/** What a user may write: one pause for every retry, a list (the last one repeats), `exponential()`, or a function. */
export type BackoffOption = Duration | readonly Duration[] | Exponential | BackoffFunction

/** The most pauses in a list. The list of a single job, unlike that of its class, is stored with the job. */
export const MAX_PAUSES = 100

/** As kept: milliseconds. */
export type Backoff = number[] | Exponential

/**
 * A pause that doubles with every failed attempt.
 *
 * @param options `from` the first pause, default 1 s; `to` the longest, default 10 min; `jitter` the share left
 * to chance so that jobs that failed together do not come back together, default 0.5: a pause of 8 s becomes 4 to 8 s
 * @example backoff = exponential({ from: '5s', to: '1h' })
 */
export function exponential(options: { from?: Duration; to?: Duration; jitter?: number } = {}): Exponential {
  const { from = 1_000, to = 600_000, jitter = 0.5 } = options
  // What is no duration stays as it is, and is refused with the class and the field when the class is registered.
  const kept = (pause: Duration) => (milliseconds(pause) ?? pause) as number
  return Object.freeze({ from: kept(from), to: kept(to), jitter })
}

/** One object for all, so that a job that keeps the default is known by it. */
export const defaultBackoff: Exponential = exponential()

/**
 * A pause that a function says, with the types of its parameters filled in. It must answer at once: a promise is no
 * pause. When it throws, or returns what is no duration, the default pause is taken, and the job's log says so.
 *
 * @example backoff = backoff((attempt, error) => (error.status === 429 ? '5m' : attempt * 1_000))
 */
export function backoff(pause: BackoffFunction): BackoffFunction {
  return pause
}

/** Whether two functions are of one text: each job of a class makes its own of them. */
export function isSameFunction(one: unknown, other: unknown): boolean {
  return (
    typeof one === 'function' && typeof other === 'function' && (one === other || `${one}` === `${other}`)
  )
}

/** The option as kept; undefined when it is none that can be kept. */
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

/** Milliseconds to wait after the `failures`-th failed attempt, from 1. */
export function pauseAfter(failures: number, backoff: Backoff, random = Math.random): number {
  if (Array.isArray(backoff)) return backoff[Math.min(failures, backoff.length) - 1]!
  const whole = Math.min(backoff.to, backoff.from * 2 ** (failures - 1))
  return Math.round(whole * (1 - backoff.jitter * random()))
}
