/**
 * The clock and the timers of waits. In a worker, these are the store's clock and the timers of Node; a test
 * can replace both. `waits.ts` decides when a job is suspended and when its wait is over.
 */
import { LONGEST_TIMER } from '../model/run/run.ts'

export interface WaitTimes {
  /**
   * A wait shorter than this many milliseconds keeps the slot of the job, because suspending the job and
   * claiming it again costs more.
   */
  readonly short: number
  /** The time in milliseconds since 1970. Default: the store's clock, as the worker estimates it. */
  now?(): number
  /**
   * Calls a function after some milliseconds.
   *
   * @param isSleep whether the wait is for a time only, and not for a signal
   * @returns a function that cancels the timer
   */
  after(ms: number, act: () => void, isSleep?: boolean): () => void
  /** Calls a function in the next turn of the event loop. Default: `setImmediate`. */
  soon?(act: () => void): void
  /** Called when a job that `dispatchNow` runs has nothing left to do but wait (-1), or works again (1). */
  busy?(change: 1 | -1): void
}

/**
 * Calls a function after any time. A timer of Node waits for at most 24.8 days, so a longer time takes
 * several timers.
 */
function after(ms: number, act: () => void): () => void {
  let left = ms
  let timer: NodeJS.Timeout
  const wait = () => {
    const part = Math.min(left, LONGEST_TIMER)
    left -= part
    timer = setTimeout(() => (left > 0 ? wait() : act()), part)
  }
  wait()
  return () => clearTimeout(timer)
}

export const waitTimes: WaitTimes = { short: 1_000, after }

/**
 * Resolves after some milliseconds. @param rests called with `true` when the wait begins, and with `false`
 * when it ends
 */
export async function passed(
  ms: number,
  times: WaitTimes,
  rests: ((rests: boolean) => void) | undefined,
): Promise<void> {
  rests?.(true)
  await new Promise<void>((over) => times.after(ms, over, true))
  rests?.(false)
}
