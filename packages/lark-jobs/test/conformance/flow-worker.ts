/**
 * The work of a worker for flows, call by call: it claims and settles jobs, reports the ends of nodes and
 * members, and advances due flows.
 */

import { MemberLots } from '../../src/dispatch/member-lots.ts'
import { FlowBook } from '../../src/flow/flow-book.ts'
import { JobSender } from '../../src/flow/job-sender.ts'
import { type EffectName, memberOf, nameOf } from '../../src/model/effect.ts'
import type { ClaimedJob, Outcome } from '../../src/model/record.ts'
import { isResendable } from '../../src/store/contract/rules/resend.ts'
import {
  type Call,
  endOf,
  type MemberEnd,
  type Settlement,
  type Store,
  type Want,
} from '../../src/store/contract/store.ts'
import { nameIn, PLACES, type World } from './flow-world.ts'
import { jobError } from './jobs.ts'

/** Milliseconds. */
const LEASE = 5_000
const DUE_LEASE = 2_000
/** After this many milliseconds, a flow has done everything that it does by itself. */
export const HOUR = 3_600_000
/** The maximum number of waits in a story. A story with more waits would not end, and fails. */
const MANY = 100

let made = 0

/** The state of a worker in one partition. */
interface Desk {
  held: ClaimedJob[]
  done: EffectName[]
  /** A call that got no answer. The worker sends it again. */
  call: { call: Call; settlements: Settlement[]; want: Want } | undefined
  number: number
}

export class FlowWorker {
  readonly book: FlowBook
  readonly lots: (place: { flow: string; home: string }) => MemberLots
  readonly #world: World
  readonly #store: Store
  readonly #name = `worker-${made++}`
  readonly #desks = new Map<string, Desk>()

  constructor(world: World, store: Store = world.store) {
    this.#world = world
    this.#store = store
    this.book = new FlowBook({ store })
    const parts = { book: this.book, sender: new JobSender(store, () => undefined), store }
    this.lots = (place) => new MemberLots(place, parts)
  }

  /** Works until nothing is left to do for an hour, or until a condition is true. */
  async work(isEnough: () => boolean = () => false): Promise<void> {
    return workUntilQuiet(this.#world, [this], isEnough)
  }

  /**
   * Makes one call to each partition, and does the work that follows. @returns whether there was anything to
   * do
   */
  async round(): Promise<boolean> {
    let isBusy = false
    for (const partition of PLACES)
      for (const act of [() => this.#serve(partition), () => this.advance(partition)])
        try {
          isBusy = (await act()) || isBusy
        } catch (error) {
          if (!isResendable(error)) throw error
          isBusy = true
        }
    return isBusy
  }

  async #serve(partition: string): Promise<boolean> {
    const desk = this.#desks.get(partition) ?? { held: [], done: [], call: undefined, number: 0 }
    this.#desks.set(partition, desk)
    if (desk.call === undefined) {
      const { hangs } = this.#world
      const ended = desk.held.filter(({ payload }) => !hangs.has(nameIn(payload)))
      const settlements = ended.map((job) => ({ id: job.id, token: job.token, outcome: this.#outcome(job) }))
      desk.held = desk.held.filter((job) => !ended.includes(job))
      desk.number += 1
      const call = { caller: this.#name, number: desk.number }
      const want: Want = { limit: 10, leaseMs: LEASE, effects: { done: desk.done.splice(0) } }
      // Every second call takes the flows that it makes due. The others leave them to `due`.
      if (desk.number % 2 === 0) want.flows = true
      desk.call = { call, settlements, want }
    }
    const { call, settlements, want } = desk.call
    const { jobs, effects = [], dueFlows } = await this.#store.exchange(partition, call, settlements, want)
    desk.call = undefined
    desk.held.push(...jobs)
    const homes = new Map<string, MemberEnd[]>()
    for (const { job } of effects) {
      const { home } = memberOf(job.id)!
      homes.set(home, [...(homes.get(home) ?? []), endOf(job)])
    }
    for (const [home, ends] of homes) await this.book.apply(home, ends)
    desk.done.push(...effects.map(nameOf))
    for (const flow of dueFlows?.flows ?? []) await this.book.advance(partition, flow, dueFlows!.at)
    return settlements.length + jobs.length + effects.length + want.effects!.done!.length > 0
  }

  /** Advances the due flows. @returns whether a flow was due */
  async advance(partition: string): Promise<boolean> {
    const { flows, at } = await this.#store.schedules.due(partition, 0, DUE_LEASE)
    for (const flow of flows) await this.book.advance(partition, flow, at)
    return flows.length > 0
  }

  #outcome({ payload }: ClaimedJob): Outcome {
    const name = nameIn(payload)
    if (this.#world.fails.has(name)) return { kind: 'failed', error: jobError({ message: `${name} failed` }) }
    // Each run has a different result.
    return { kind: 'completed', result: JSON.stringify({ of: name, run: made++ }) }
  }
}

/** Several workers work until nothing is left to do for an hour, or until a condition is true. */
export async function workUntilQuiet(
  world: World,
  workers: readonly FlowWorker[],
  isEnough: () => boolean = () => false,
): Promise<void> {
  for (let waits = 0; !isEnough(); ) {
    const busy = await Promise.all(workers.map((worker) => worker.round()))
    if (busy.includes(true)) continue
    const next = await world.next()
    if (next === undefined || next >= HOUR) return
    waits += 1
    if (waits > MANY) throw new Error(`the story does not end: something is due in ${next} ms`)
    world.advance(Math.max(1, next))
  }
}
