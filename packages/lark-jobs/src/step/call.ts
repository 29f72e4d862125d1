/**
 * Calling the functions of steps. Inside of one it is known which step it is, because it cannot wait; and if
 * there is telemetry, it has a span.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { TracedStep } from '../model/run/telemetry.ts'
import { stepFamily, stepWords } from './name.ts'
import type { StepsAround } from './steps-around.ts'

const current = new AsyncLocalStorage<{ around: StepsAround; key: string }>()

/** @param attempt from 1 */
export function callStep<T>(
  around: StepsAround,
  what: TracedStep['what'],
  key: string,
  attempt: number,
  act: () => Promise<T>,
): Promise<T> {
  const { processing } = around
  const call = () => current.run({ around, key }, act)
  if (processing === undefined) return call()
  return processing.step({ what, name: stepWords(key), family: stepFamily(key), attempt }, call)
}

/** The key of the step of the run in whose function this is called. */
export function stepAround(around: StepsAround): string | undefined {
  const inside = current.getStore()
  return inside?.around === around ? inside.key : undefined
}
