/**
 * The surroundings of a flow under test: a store whose partitions may be on several servers. Each server can
 * be set back to an earlier state. The world records which jobs ran. The world also makes views of the store
 * for processes that die, or whose calls are lost.
 */

import { JobsError } from '../../src/model/errors.ts'
import type { Exchange, Recovery, Settlement, Store } from '../../src/store/contract/store.ts'
import { Deferred } from '../../src/waiting/deferred.ts'
import type { Harness } from './harness.ts'

/** The partition of the flow. The other partition has jobs of the flow. */
export const HOME = 'home'
export const AWAY = 'away'
export const PLACES = [HOME, AWAY]

/** A run whose outcome the store accepted. */
export interface CountedRun {
  id: string
  /** The name of the node or member. */
  name: string
  payload: string
  /** The result of the run. Undefined if the run failed. */
  result: string | undefined
}

/** Intercepts a call to the store. @param call makes the call */
type Intercept = (call: () => Promise<unknown>, verb: string, args: readonly unknown[]) => Promise<unknown>

export class World implements AsyncDisposable {
  /** The harnesses by partition. */
  readonly #harnesses: ReadonlyMap<string, Harness>
  /** The store of all processes. */
  readonly store: Store
  /** The nodes and members that fail. */
  readonly fails = new Set<string>()
  /** The nodes and members that do not end. */
  readonly hangs = new Set<string>()
  /** The nodes and members that a worker has claimed. */
  readonly begun = new Set<string>()
  /** The runs that counted, in the order in which they were settled. */
  readonly counted: CountedRun[] = []
  readonly #payloads = new Map<string, string>()
  /** The settled jobs by token and id, because a call that is sent again has the same answer. */
  readonly #settled = new Set<string>()

  constructor(harnesses: ReadonlyMap<string, Harness>) {
    this.#harnesses = harnesses
    this.store = this.#through(async (call, verb, args) => {
      const answer = await call()
      if (verb === 'exchange') this.#count(args[2] as Settlement[], answer as Exchange)
      return answer
    }, this.#routed())
  }

  get now(): number {
    return this.#all[0]!.clock.now
  }

  advance(ms: number): void {
    for (const { clock } of this.#all) clock.advance(ms)
  }

  /**
   * Copies the data of the server of a partition. @returns a function that sets the server back to the copy
   */
  save(partition: string): Promise<() => Promise<void>> {
    return this.#harnesses.get(partition)!.save()
  }

  /** Returns the keys or tables of the store that contain a text. */
  async mentions(text: string): Promise<string[]> {
    return (await Promise.all(this.#all.map((harness) => harness.mentions(text)))).flat()
  }

  /** Clears all records before the next story. */
  forget(): void {
    for (const each of [this.fails, this.hangs, this.begun]) each.clear()
    this.counted.length = 0
  }

  /**
   * Makes a view of the store for a process that dies. The nth call of the process that changes something
   * gets no answer, and further calls never reach the store. (For the store, this is the same as a death
   * before the next call.)
   */
  mortal(deathAt: number, of = this.store): { store: Store; died: Promise<void>; writes: () => number } {
    const { promise, resolve: die } = new Deferred<void>()
    const underway = new Set<Promise<unknown>>()
    const dead = new Promise<never>(() => {})
    let isDead = false
    let writes = 0
    const store = this.#through(async (call, verb, args) => {
      if (isDead) return dead
      const calling = call()
      const over: Promise<unknown> = calling.catch(() => {}).then(() => underway.delete(over))
      underway.add(over)
      const answer = await calling
      if (changes(verb, args, answer)) writes += 1
      if (writes >= deathAt) {
        isDead = true
        die()
      }
      return isDead ? dead : answer
    }, of)
    const died = promise.then(async () => {
      while (underway.size > 0) await Promise.all(underway)
    })
    return { store, died, writes: () => writes }
  }

  /** Makes a view of the store in which some calls or answers are lost. */
  lossy(loses: () => 'call' | 'answer' | undefined): Store {
    return this.#through(async (call) => {
      const lost = loses()
      if (lost === 'call') throw new JobsError('STORE_UNREACHABLE', 'the call is lost')
      const answer = await call()
      if (lost === 'answer') throw new JobsError('STORE_UNCERTAIN', 'the answer is lost')
      return answer
    })
  }

  /** Makes a view of the store in which other processes act before some calls. */
  disturbed(before: (verb: string, args: readonly unknown[]) => Promise<unknown>): Store {
    return this.#through(async (call, verb, args) => {
      await before(verb, args)
      return call()
    })
  }

  /**
   * Makes a view of the store in which some calls get no answer. @param isLost returns whether the answer is
   * lost, and may change the store before
   */
  unheard(isLost: (verb: string, args: readonly unknown[]) => Promise<boolean>): Store {
    return this.#through(async (call, verb, args) => {
      const answer = await call()
      if (await isLost(verb, args)) throw new JobsError('STORE_UNCERTAIN', 'the answer is lost')
      return answer
    })
  }

  /**
   * Returns the milliseconds until something is due; undefined if nothing will be due. Also takes back the
   * jobs of dead processes.
   */
  async next(): Promise<number | undefined> {
    const all = await Promise.all(
      PLACES.map(async (partition) => {
        const { nextTick } = await this.store.flows.apply(partition, [])
        const { recovered, nextLeaseEnd, nextEffect } = await this.store.recover(partition)
        return [nextTick, nextLeaseEnd, nextEffect, recovered.length > 0 ? 0 : undefined]
      }),
    )
    const found = all.flat().filter((each) => each !== undefined)
    return found.length === 0 ? undefined : Math.min(...found)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const harness of this.#all) await harness[Symbol.asyncDispose]()
  }

  get #all(): Harness[] {
    return [...new Set(this.#harnesses.values())]
  }

  /** Makes a store that sends each call to the server of the partition. */
  #routed(): Store {
    const routed = (flat: Beside | undefined): object =>
      new Proxy(
        {},
        {
          get: (_, name) => {
            if (flat === undefined && isBeside(name)) return routed(name)
            return (...args: unknown[]) => {
              const { store } = this.#harnesses.get(args[0] as string)!
              const verbs = (flat === undefined ? store : store[flat]) as unknown as Record<
                PropertyKey,
                (...args: unknown[]) => Promise<unknown>
              >
              return verbs[name]!(...args)
            }
          },
        },
      )
    return routed(undefined) as Store
  }

  #through(intercept: Intercept, store: Store = this.store): Store {
    const through = (target: object): object =>
      new Proxy(target, {
        get(of, verb) {
          const value = Reflect.get(of, verb) as unknown
          if (isBeside(verb)) return through(value as object)
          return (...args: unknown[]) =>
            intercept(
              () => (value as (...args: unknown[]) => Promise<unknown>)(...args),
              verb as string,
              args,
            )
        },
      })
    return through(store) as Store
  }

  #count(settlements: readonly Settlement[], { verdicts, jobs }: Exchange): void {
    for (const [i, { id, token, outcome }] of settlements.entries()) {
      const name = `${token} ${id}`
      if (verdicts[i] !== 'settled' || this.#settled.has(name)) continue
      this.#settled.add(name)
      const payload = this.#payloads.get(id)!
      const result = outcome.kind === 'completed' ? outcome.result : undefined
      this.counted.push({ id, name: nameIn(payload), payload, result })
    }
    for (const { id, payload } of jobs) {
      this.#payloads.set(id, payload)
      this.begun.add(nameIn(payload))
    }
  }
}

/** The parts of a store with other verbs than those for jobs. */
const beside = ['flows', 'schedules', 'moves'] as const
type Beside = (typeof beside)[number]

function isBeside(name: PropertyKey): name is Beside {
  return beside.some((each) => each === name)
}

export function nameIn(payload: string): string {
  return (JSON.parse(payload) as { name: string }).name
}

/** Whether a call has changed something. */
function changes(verb: string, args: readonly unknown[], answer: unknown): boolean {
  switch (verb) {
    case 'enqueue':
    case 'alter':
    case 'purge':
    case 'reopen':
      return true
    case 'write':
      return (answer as { isWritten: boolean }).isWritten
    case 'apply':
      return (args[1] as unknown[]).length > 0
    case 'due':
      return (answer as { flows: unknown[] }).flows.length > 0
    case 'exchange': {
      const { jobs, effects = [] } = answer as Exchange
      const { effects: wanted } = args[3] as { effects?: { done?: unknown[] } }
      return [jobs, effects, args[2] as unknown[], wanted?.done ?? []].some((each) => each.length > 0)
    }
    case 'recover':
      return (answer as Recovery).recovered.length > 0
    default:
      return false
  }
}
