/**
 * Queues members of a batch, lot by lot. Indices are reserved for a lot before its jobs are queued, because
 * workers may run and end these jobs immediately. Within a lot, members are sorted by partition, so that the
 * flow needs few ranges to record where the members are.
 */

import { rejected } from '../flow/ends-without-run.ts'
import type { FlowBook } from '../flow/flow-book.ts'
import type { JobSender } from '../flow/job-sender.ts'
import { memberId } from '../model/effect.ts'
import type { FlowJob, FlowPlace } from '../model/flow.ts'
import { groupedBy } from '../model/grouped.ts'
import type { NewJob } from '../model/record.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import { MAX_ITEMS, type Store } from '../store/contract/store.ts'
import { bytesOf } from './new-job.ts'
import { patiently } from './patience.ts'

/**
 * The maximum number of members in a lot. The members of larger lots stay in memory so long that the garbage
 * collector moves them to the old generation. A process that dispatched a million members used 79 MB more
 * than at rest with lots of 5,000 members, and 56 to 62 MB more with lots of 1,000. The dispatch took the
 * same time with both sizes. (Node 20.20, 2026-11-26.)
 */
export const LOT = MAX_ITEMS
/** The maximum size of all payloads in a lot, in bytes. */
export const LOT_BYTES = 4_194_304

/** Divides members into lots. */
export function* lotsOf(members: Iterable<FlowJob>): Generator<FlowJob[]> {
  let lot: FlowJob[] = []
  let bytes = 0
  for (const member of members) {
    lot.push(member)
    bytes += bytesOf(member.job)
    if (lot.length < LOT && bytes < LOT_BYTES) continue
    yield lot
    lot = []
    bytes = 0
  }
  if (lot.length > 0) yield lot
}

export interface MemberLotsOptions {
  book: FlowBook
  sender: JobSender
  store: Pick<Store, 'now' | 'flows'>
}

export class MemberLots {
  readonly #place: FlowPlace
  readonly #options: MemberLotsOptions
  /** Whether the flow expects members that may not be queued yet. */
  hasReserved = false

  constructor(place: FlowPlace, options: MemberLotsOptions) {
    this.#place = place
    this.#options = options
  }

  /**
   * Queues a lot.
   *
   * @param filling the sign of life of the dispatcher of the batch: see `FlowBook.reserve`
   * @throws FLOW_ENDED; STORE_UNREACHABLE and STORE_UNCERTAIN if the store stays away
   */
  async queue(lot: readonly FlowJob[], filling?: { ms: number; lot: number }): Promise<void> {
    const parts = [...groupedBy(lot, ({ partition }) => partition)]
    const runs = parts.map(([partition, members]) => {
      const keys = [...new Set(members.map(({ job }) => job.key))]
      return { partition, count: members.length, keys }
    })
    const { book } = this.#options
    const { flow, home } = this.#place
    // The lot has a number of its own, so that a repeated call does not reserve the lot twice if the first
    // answer was lost.
    const reserve = () => book.reserve(this.#place, runs, filling)
    let index = await (filling === undefined ? reserve() : patiently(reserve))
    this.hasReserved = true
    const sent = parts.map(([partition, members]) => {
      // The records are changed in place, because they are used only once: copies would take most of the
      // memory that a million members need.
      const jobs = members.map(({ job }) => job as NewJob)
      for (const job of jobs) job.id = memberId({ flow, home, index: index++ })
      return this.#send(partition, jobs)
    })
    await Promise.all(sent)
  }

  async #send(partition: string, jobs: readonly NewJob[]): Promise<void> {
    const { sender, store } = this.#options
    const answers = await sender.send(partition, jobs, patiently)
    if (answers.every((answer) => answer === 'queued')) return
    const { home } = this.#place
    const ends = rejected(jobs, answers, await patiently(() => store.now(home)))
    for (const some of inLots(ends, MAX_ITEMS)) await patiently(() => store.flows.apply(home, some))
  }
}
