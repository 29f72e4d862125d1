/**
 * The clock and the timers of waits: those of the process, unless a test has its own. `waits.ts` decides when
 * a job is suspended and when its wait is over.
 */
import { LONGEST_TIMER } from '../model/run/run.ts'

export interface WaitTimes {
  /**
   * Milliseconds. A shorter wait keeps the slot, because suspending the job and claiming it again costs more.
   */
  readonly short: number
  /** Milliseconds since 1970. Default: by the store's clock, as the worker knows it. */
  now?(): number
  /**
   * Calls a function after some milliseconds.
   *
   * @param isSleep whether only time ends the wait
   * @returns a function that ends the timer
   */
  after(ms: number, act: () => void, isSleep?: boolean): () => void
  /** Calls a function in the next turn of the event loop. Default: `setImmediate`. */
  soon?(act: () => void): void
  /** Called when one more of the jobs that `dispatchNow` runs together goes on (1), or only waits (-1). */
  busy?(change: 1 | -1): void
}

/** A timer waits for at most 24.8 days. After that, another one is started. */
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

/** Resolves after some milliseconds. @param rests called with whether the run only waits meanwhile */
export async function passed(
  ms: number,
  times: WaitTimes,
  rests: ((rests: boolean) => void) | undefined,
): Promise<void> {
  rests?.(true)
  await new Promise<void>((over) => times.after(ms, over, true))
  rests?.(false)
}
