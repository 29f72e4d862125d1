/**
 * Calling the functions of steps. Inside of one it is known which step it is, because it cannot wait; and if
 * there is telemetry, it has a span.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { TracedStep } from '../model/run/telemetry.ts'
import { stepFamily, stepWords } from './name.ts'
import type { StepsAround } from './steps-around.ts'

const current = new AsyncLocalStorage<{ around: StepsAround; key: string }>()
/** By run: each rejects what a function that is under way is to give. */
const open = new WeakMap<StepsAround, Set<(error: unknown) => void>>()

/** @param attempt from 1 */
export function callStep<T>(
  around: StepsAround,
  what: TracedStep['what'],
  key: string,
  attempt: number,
  act: () => Promise<T>,
): Promise<T> {
  const { processing } = around
  const call = () => current.run({ around, key }, () => untilFailed(around, act))
  if (processing === undefined) return call()
  return processing.step({ what, name: stepWords(key), family: stepFamily(key), attempt }, call)
}

/** Nothing counts any more that the functions of the run give: each rejects, although it may go on. */
export function failCalls(around: StepsAround, error: unknown): void {
  for (const fail of open.get(around) ?? []) fail(error)
}

function untilFailed<T>(around: StepsAround, act: () => Promise<T>): Promise<T> {
  const calls = open.get(around) ?? new Set()
  open.set(around, calls)
  return new Promise((resolve, reject) => {
    calls.add(reject)
    const over = () => calls.delete(reject)
    act().then(resolve, reject).finally(over)
  })
}

/** The key of the step of the run in whose function this is called. */
export function stepAround(around: StepsAround): string | undefined {
  const inside = current.getStore()
  return inside?.around === around ? inside.key : undefined
}
