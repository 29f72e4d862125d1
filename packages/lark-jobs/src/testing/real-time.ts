/**
 * Waits by the clock of the process, whatever a test has done to its timers: those of the time when this file
 * was loaded are used.
 */
const { setImmediate: immediate, setTimeout: timeout } = globalThis

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
