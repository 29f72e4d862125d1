/**
 * Waits by the clock of the process, even if a test has replaced the timers: these functions use the timers
 * that existed when this file was loaded.
 */
import { LONGEST_TIMER } from '../model/run/run.ts'

const { setImmediate: immediate, setTimeout: timeout, clearTimeout: clear } = globalThis

/** Each of the first waits, up to this number, lasts only one turn of the event loop. */
const TURNS = 50

/** Waits a little, and longer after many waits. @param turn how many waits there were before */
export function sleep(turn: number): Promise<void> {
  return new Promise((resolve) => {
    if (turn < TURNS) immediate(resolve)
    else timeout(resolve, turn < 10 * TURNS ? 1 : 5)
  })
}

/** Calls a function some milliseconds later. */
export function later(act: () => void, ms: number): void {
  timeout(act, ms)
}

/** Calls a function in the next turn of the event loop. */
export function soon(act: () => void): void {
  immediate(act)
}

/**
 * Calls a function after some milliseconds, and at the latest after 24.8 days.
 *
 * @returns a function that cancels this call
 */
export function after(ms: number, act: () => void): () => void {
  const timer = timeout(act, Math.min(ms, LONGEST_TIMER))
  return () => clear(timer)
}

/**
 * Makes an object while the global `setImmediate` is the real one. The global function matters, because a
 * worker keeps `setImmediate` and uses it after every few dozen jobs.
 */
export function withRealTime<T>(make: () => T): T {
  const before = globalThis.setImmediate
  globalThis.setImmediate = immediate
  try {
    return make()
  } finally {
    globalThis.setImmediate = before
  }
}
