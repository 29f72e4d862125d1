/**
 * Calls the functions of steps, and knows which step is running, because the function of a step must not
 * begin a wait. With telemetry, each call has a span.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { TracedStep } from '../model/run/telemetry.ts'
import { isPromise } from '../waiting/next.ts'
import { stepFamily, stepWords } from './name.ts'
import type { StepsAround } from './steps-around.ts'

const current = new AsyncLocalStorage<{ around: StepsAround; key: string }>()
/** For each run, the functions that reject the running calls of step functions. */
const open = new WeakMap<StepsAround, Set<(error: unknown) => void>>()

/**
 * Calls the function of a step.
 *
 * @param attempt the number of the try, from 1
 * @returns the result of the function, which is a promise only if the function returned a promise
 */
export function callStep<T>(
  around: StepsAround,
  what: TracedStep['what'],
  key: string,
  attempt: number,
  act: () => T | PromiseLike<T>,
): T | Promise<T> {
  const { processing } = around
  if (processing === undefined) return untilFailed(around, current.run({ around, key }, act))
  return processing.step({ what, name: stepWords(key), family: stepFamily(key), attempt }, async () =>
    untilFailed(around, current.run({ around, key }, act)),
  )
}

/**
 * Rejects all running calls of step functions of the run. The functions may continue, but their results do
 * not count.
 */
export function failCalls(around: StepsAround, error: unknown): void {
  for (const fail of open.get(around) ?? []) fail(error)
}

function untilFailed<T>(around: StepsAround, given: T | PromiseLike<T>): T | Promise<T> {
  if (!isPromise(given)) return given
  const calls = open.get(around) ?? new Set()
  open.set(around, calls)
  return new Promise((resolve, reject) => {
    calls.add(reject)
    Promise.resolve(given).then(
      (value) => {
        calls.delete(reject)
        resolve(value)
      },
      (error) => {
        calls.delete(reject)
        reject(error)
      },
    )
  })
}

/** The key of the step whose function makes this call, or undefined outside of a step. */
export function stepAround(around: StepsAround): string | undefined {
  const inside = current.getStore()
  return inside?.around === around ? inside.key : undefined
}
