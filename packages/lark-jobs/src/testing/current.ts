/**
 * Decides which fake applies to the code that runs. It is the fake that the running test has made, also after
 * an `await`, in timers and in callbacks of that test. So tests that run at the same time do not see each
 * other. Code that no test has started (such as a server that was started before) gets the living fake, if
 * there is only one. Without a fake, the ordinary instance is used.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { JobsError } from '../model/errors.ts'
import type { LinkedRun, StoreLink } from './link.ts'

/** The part of a fake that this file needs. */
export interface Faked {
  readonly isOver: boolean
  /** The fake that applied when this one was made. */
  readonly outer: Faked | undefined
}

/** The context of running code: the fake that applies, and, inside a job, the worker and the run. */
interface Whereabouts {
  /** `none`: no fake applies. */
  fake: Faked | 'none'
  link?: StoreLink | undefined
  run?: LinkedRun | undefined
}

const NONE: Whereabouts = { fake: 'none' }

const storage = new AsyncLocalStorage<Whereabouts>()
const alive = new Set<Faked>()

/** Makes the fake apply from now on to the caller, and to the code that the caller calls or starts. */
export function begin(fake: Faked): void {
  alive.add(fake)
  storage.enterWith({ fake })
}

export function end(fake: Faked): void {
  alive.delete(fake)
}

/**
 * Calls a function for which a fake applies.
 *
 * @param link the link of the worker, if the function belongs to a worker
 * @param run the run of the job, if the function belongs to a job
 */
export function within<T>(fake: Faked, act: () => T, link?: StoreLink, run?: LinkedRun): T {
  return storage.run({ fake, link, run }, act)
}

/** Calls a function to which no fake applies. */
export function ordinary<T>(act: () => T): T {
  return storage.run(NONE, act)
}

/** The link of the worker that runs the caller; undefined outside of jobs. */
export function currentLink(): StoreLink | undefined {
  return storage.getStore()?.link
}

/** The run in which the caller is; undefined outside of jobs. */
export function callingRun(): LinkedRun | undefined {
  return storage.getStore()?.run
}

/** The fake of the running test. Undefined if the test has no fake, or if no test has started the caller. */
export function ownFake(): Faked | 'none' | undefined {
  const here = storage.getStore()?.fake
  if (here === 'none') return here
  let fake = here
  while (fake?.isOver) fake = fake.outer
  return fake
}

/** The fake that applies to the caller. @throws FAKE_AMBIGUOUS */
export function currentFake(): Faked | undefined {
  const own = ownFake()
  if (own === 'none') return undefined
  if (own !== undefined || alive.size === 0) return own
  // If one fake is inside another, only the innermost counts.
  const inner = [...alive].filter((each) => ![...alive].some(({ outer }) => outer === each))
  if (inner.length === 1) return inner[0]
  throw new JobsError(
    'FAKE_AMBIGUOUS',
    `${inner.length} fakes are alive, and none belongs to the code that uses Jobs`,
    {
      hint: 'Code that a test has not started itself, such as a server that was started before, cannot know whose test it serves: call it in fake.run(() => …), or run these tests one after the other.',
    },
  )
}

const routed = new WeakSet<object>()

/**
 * Makes an instance pass all calls to another instance, as long as `to` returns one. Members are replaced on
 * the instance itself, so that a process without fakes pays nothing.
 *
 * @param to finds the other instance
 * @param except members whose calls are not passed on
 */
export function route<T extends object>(
  instance: T,
  to: () => T | undefined,
  except: readonly PropertyKey[],
): void {
  if (routed.has(instance)) return
  routed.add(instance)
  for (const [name, own] of membersOf(instance)) {
    if (name === 'constructor' || except.includes(name)) continue
    Object.defineProperty(instance, name, {
      configurable: true,
      get() {
        const other = unlessRefused(to, own)
        if (other instanceof JobsError) return () => Promise.reject(other)
        if (other === undefined) return own.get === undefined ? own.value : own.get.call(instance)
        const value: unknown = Reflect.get(other, name)
        return typeof value === 'function' ? value.bind(other) : value
      },
    })
  }
}

/** Finds the other instance. If that throws, the error becomes the rejection of an asynchronous call. */
function unlessRefused<T>(to: () => T | undefined, { get }: PropertyDescriptor): T | undefined | JobsError {
  try {
    return to()
  } catch (error) {
    if (get === undefined && JobsError.is(error)) return error
    throw error
  }
}

function membersOf(instance: object): Map<PropertyKey, PropertyDescriptor> {
  const members = new Map<PropertyKey, PropertyDescriptor>()
  for (let from = instance; from !== Object.prototype; from = Object.getPrototypeOf(from))
    for (const name of Reflect.ownKeys(from))
      if (!members.has(name)) members.set(name, Object.getOwnPropertyDescriptor(from, name)!)
  return members
}
