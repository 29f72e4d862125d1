/**
 * Waits by the clock of the process, whatever a test has done to its timers: those of the time when this file
 * was loaded are used.
 */
import { LONGEST_TIMER } from '../model/run/run.ts'

const { setImmediate: immediate, setTimeout: timeout, clearTimeout: clear } = globalThis

/** How many times the event loop only turns. */
const TURNS = 50

/** Waits a little, and longer if it has waited often. @param turn how often */
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

/** Calls a function some milliseconds later, in 24.8 days at most. @returns a function that ends this */
export function after(ms: number, act: () => void): () => void {
  const timer = timeout(act, Math.min(ms, LONGEST_TIMER))
  return () => clear(timer)
}

/**
 * Makes something that keeps `setImmediate` as it finds it: a worker goes on by it after each few dozen jobs.
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
