/**
 * Notes the refusals of Lark's classes while a test runs. A refusal in a processor fails a job, and the test
 * then waits for another event. Only the note explains this.
 */
import { BullmqError } from '@s18i/lark-bullmq'

let current: string[] = []

/** Starts a new list of refusals. */
export function noted(): string[] {
  current = []
  return current
}

function note(error: unknown): void {
  if (BullmqError.is(error, 'BULLMQ_UNSUPPORTED')) current.push(error.message)
}

/** Calls a function, notes its refusal, now or later, and throws it as before. */
export function noting<T>(call: () => T): T {
  try {
    const value = call()
    if (value instanceof Promise) value.catch(note)
    return value
  } catch (error) {
    note(error)
    throw error
  }
}

/** Notes the refusals of the methods of a class. */
export function noteMethods(prototype: object): void {
  for (let each = prototype; each !== null && each !== Object.prototype; each = Object.getPrototypeOf(each)) {
    if (Object.hasOwn(each, 'setMaxListeners')) return
    for (const [name, { value, get, configurable }] of Object.entries(
      Object.getOwnPropertyDescriptors(each),
    )) {
      if (name === 'constructor' || !configurable) continue
      if (typeof value === 'function')
        Object.defineProperty(each, name, {
          configurable: true,
          writable: true,
          value(this: unknown, ...args: unknown[]) {
            return noting(() => value.apply(this, args))
          },
        })
      else if (get !== undefined && Object.getOwnPropertyDescriptor(each, name)!.set === undefined)
        Object.defineProperty(each, name, {
          configurable: true,
          get(this: unknown) {
            return noting(() => get.call(this))
          },
        })
    }
  }
}
