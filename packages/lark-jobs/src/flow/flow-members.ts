/**
 * The members of a batch: queues them, asks them to end, starts failed members again, and checks what has
 * become of members whose ends were not reported. The flow itself only counts how many members have ended.
 */
import { memberId } from '../model/effect.ts'
import {
  type Fill,
  type FlowJob,
  type FlowParent,
  type FlowPlace,
  type FlowState,
  nodeOf,
} from '../model/flow.ts'
import { grouped, groupedBy } from '../model/grouped.ts'
import type { NewJob } from '../model/record.ts'
import { type Trace, traced } from '../model/trace.ts'
import { alterFollowed, fatesFollowed, getFollowed } from '../store/contract/moved.ts'
import { type Change, endOf, MAX_ITEMS, type MemberEnd, type Store } from '../store/contract/store.ts'
import { cancelFor, rejected, removedEnd } from './ends-without-run.ts'
import type { FlowControl, FlowRecords, KeptFlow } from './flow-records.ts'
import type { JobSender } from './job-sender.ts'
import { nestedFlow } from './nested-flow.ts'
import { lostFor } from './unknown-keys.ts'

/**
 * How many members one call cancels or retries. The number is limited because a server does nothing else
 * during the call (11 µs for each member, Redis, 2026-11-25).
 */
const TOGETHER = 200
/** Milliseconds after which a loop over all members stores its progress. */
const NOTE = 1_000
/**
 * For this many milliseconds after members were added, a member that the store does not know may still be on
 * its way.
 */
const ON_ITS_WAY = 15_000
/**
 * The members of a batch that is a node are kept for at least this time, in milliseconds. A worker that was
 * frozen may send the member again after the member has run, and the kept job then prevents a second run.
 * Such a batch has at most some thousand members.
 */
const LEAST_KEPT = 300_000

/** The objects that the parts of flows need to work on a store. */
export interface FlowParts {
  store: Store
  records: FlowRecords
  sender: JobSender
  control: FlowControl
}

export class FlowMembers {
  readonly #parts: FlowParts

  constructor(parts: FlowParts) {
    this.#parts = parts
  }

  /**
   * Queues members of a batch that is a node. The definition of the parent flow has the jobs of these
   * members.
   */
  async send(
    place: FlowPlace,
    members: readonly FlowJob[],
    indices: readonly number[],
    trace: Trace | undefined,
  ): Promise<void> {
    const { store, records, sender } = this.#parts
    const purged = indices.filter((index) => members[index]!.purged)
    const jobs = grouped(
      indices.flatMap((index): [string, NewJob][] => {
        const { partition, job, purged } = members[index]!
        if (purged) return []
        const keep = { ...job.keep, least: Math.max(job.keep?.least ?? 0, LEAST_KEPT) }
        return [[partition, traced({ ...job, id: memberId({ ...place, index }), keep }, trace)]]
      }),
    )
    const ends: MemberEnd[] = []
    if (purged.length > 0) {
      const at = await store.now(place.home)
      ends.push(...purged.map((index) => removedEnd(place.flow, index, at)))
    }
    for (const [partition, list] of jobs) {
      const answers = await sender.send(partition, list)
      ends.push(...rejected(list, answers, await store.now(place.home)))
    }
    if (ends.length > 0) await records.apply(place.home, ends)
  }

  /** Asks all members to end. */
  async askToEnd(found: KeptFlow): Promise<void> {
    const { store, control } = this.#parts
    const { home, id, state } = found
    const asked = cancelFor(state.ending!)
    const page = (after: number) => store.flows.missing(home, id, after, TOGETHER)
    const ask = (partition: string, indices: number[]) =>
      alterFollowed(store, partition, idsOf(found, indices), asked)
    await walk(page, state, state.ending!.askedUpTo ?? -1, ask, (askedUpTo) =>
      control.change(
        { home, flow: id },
        ({ state }) => state.ending && { state: { ...state, ending: { ...state.ending, askedUpTo } } },
      ),
    )
  }

  /**
   * Whether the job of at least one failed member is still kept. A member that was rejected or removed cannot
   * start again.
   */
  async canRetry(found: KeptFlow): Promise<boolean> {
    const { store } = this.#parts
    const { home, id, definition, state, crowd } = found
    if (definition.kind !== 'batch' || crowd.failed === 0) return false
    for (let after = -1; ; ) {
      const indices = await store.flows.failed(home, id, after, TOGETHER)
      if (indices.length === 0) return false
      after = indices.at(-1)!
      for (const [partition, some] of byPartition(indices, state.fills ?? [])) {
        const ids = idsOf(found, some)
        for (const [i, fate] of (await fatesFollowed(store, partition, ids)).entries()) {
          if (fate.kind === 'unknown' || (fate.kind === 'ended' && fate.job.reason === 'removed')) continue
          // The store may still know the end of a job that is no longer kept.
          if (fate.kind === 'present' || (await getFollowed(store, partition, ids[i]!, true)) !== undefined)
            return true
        }
      }
    }
  }

  /** Starts failed members again. */
  async retry(found: KeptFlow): Promise<void> {
    const { store, control } = this.#parts
    const { home, id, state } = found
    const page = (after: number) => store.flows.failed(home, id, after, TOGETHER)
    const again: Change = { kind: 'retry', only: ['failed', 'cancelled'] }
    const work = async (partition: string, indices: number[]) => {
      // The jobs are retried before the flow is changed. If this process dies in between, the jobs are
      // retried again later. The second retry changes nothing, not even for members that have completed
      // meanwhile.
      const verdicts = await alterFollowed(store, partition, idsOf(found, indices), again)
      // A member whose job is no longer kept cannot run again.
      const kept = indices.filter((_, i) => verdicts[i] !== 'missing')
      const jobs = await Promise.all(
        idsOf(found, kept).map((each) => getFollowed(store, partition, each, true)),
      )
      // The report of the member's earlier end may still be on its way to the flow, or may arrive again.
      const started = kept.flatMap((index, i) =>
        jobs[i] === undefined ? [] : ([[index, jobs[i].queuedAt]] as const),
      )
      await store.flows.reopen(
        home,
        id,
        started.map(([index]) => index),
        started.map(([, start]) => start),
      )
    }
    const note = (retriesAfter: number | undefined) =>
      control.change({ home, flow: id }, ({ state }) =>
        state.retriesAfter === undefined ? undefined : { state: { ...state, retriesAfter } },
      )
    await walk(page, state, state.retriesAfter!, work, note)
    await note(undefined)
  }

  /**
   * Called when the flow is removed. From now on, the settings of the class and the queue say how long failed
   * members are kept.
   */
  async unpin(found: KeptFlow): Promise<void> {
    const { store } = this.#parts
    const { home, id, state } = found
    const page = (after: number) => store.flows.failed(home, id, after, TOGETHER)
    const unpin = (partition: string, indices: number[]) =>
      alterFollowed(store, partition, idsOf(found, indices), { kind: 'unpin' })
    await walk(page, state, -1, unpin, async () => {})
  }

  /**
   * Checks what has become of the members whose ends the flow has not counted. Only members that existed when
   * the flow was read are checked, because members that were added later may not be queued yet.
   */
  async check(found: KeptFlow): Promise<void> {
    const { store } = this.#parts
    const { home, id, definition, state, crowd, at } = found
    const isOnItsWay = state.filledAt !== undefined && at - state.filledAt < ON_ITS_WAY
    const nested = state.ending === undefined ? await this.#membersOf(definition.parent) : undefined
    for (let after = -1; ; ) {
      const missing = await store.flows.missing(home, id, after, MAX_ITEMS)
      const indices = missing.filter((index) => index < crowd.reserved)
      if (indices.length === 0) return
      after = indices.at(-1)!
      const { ends, lost } = await this.#fatesOf(found, indices)
      if (nested !== undefined)
        await this.send({ flow: id, home }, nested, await this.#stillMissing(found, lost), definition.trace)
      else if (!isOnItsWay)
        for (const index of lost) ends.push({ flow: id, index, state: 'cancelled', reason: 'lost', at })
      if (ends.length > 0) await this.#apply(found, ends)
    }
  }

  /** Counts the ends of members at the flow. */
  async #apply(found: KeptFlow, ends: readonly MemberEnd[]): Promise<void> {
    const { records, store } = this.#parts
    const { verdicts } = await store.flows.apply(found.home, ends)
    const former = ends.filter((_, i) => verdicts[i] === 'former').map(({ index }) => index)
    if (former.length === 0) return
    // These ends are older than the last start of their members, or the partition of the members has lost
    // this start, or a person has undone it. So this method reads again what has become of these members.
    const { ends: last } = await this.#fatesOf(found, former)
    await records.apply(
      found.home,
      last.map(({ start: _, ...end }) => end),
    )
  }

  /**
   * Returns the missing members whose ends the flow has still not counted. (A member that has ended and is no
   * longer kept looks like a lost member.)
   */
  async #stillMissing({ home, id }: KeptFlow, indices: readonly number[]): Promise<number[]> {
    if (indices.length === 0) return []
    const missing = new Set(
      await this.#parts.store.flows.missing(home, id, Math.min(...indices) - 1, MAX_ITEMS),
    )
    return indices.filter((index) => missing.has(index))
  }

  /** Cancels members with these keys. */
  async cancelUnknown(found: KeptFlow, keys: ReadonlySet<string>): Promise<void> {
    const { store } = this.#parts
    const { home, id, state } = found
    const isAll = state.keys!.every((key) => keys.has(key))
    const page = (after: number) => store.flows.missing(home, id, after, TOGETHER)
    const cancel = async (partition: string, indices: number[]) => {
      const ids = idsOf(found, indices)
      const jobs = isAll
        ? []
        : await Promise.all(ids.map((each) => getFollowed(store, partition, each, true)))
      const some = isAll ? ids : ids.filter((_, i) => keys.has(jobs[i]?.key ?? ''))
      if (some.length > 0) await alterFollowed(store, partition, some, cancelFor(lostFor(keys)))
    }
    await walk(page, state, -1, cancel, async () => {})
  }

  async #fatesOf(
    found: KeptFlow,
    indices: readonly number[],
  ): Promise<{ ends: MemberEnd[]; lost: number[] }> {
    const { store } = this.#parts
    const { ending, fills = [] } = found.state
    const ends: MemberEnd[] = []
    const lost: number[] = []
    for (const [partition, some] of byPartition(indices, fills)) {
      const ids = idsOf(found, some)
      const present: string[] = []
      for (const [i, fate] of (await fatesFollowed(store, partition, ids)).entries()) {
        if (fate.kind === 'ended') ends.push(endOf(fate.job))
        else if (fate.kind === 'unknown') lost.push(some[i]!)
        else if (fate.kind === 'present') present.push(ids[i]!)
      }
      // These members are asked to end again, because they were queued after all members had been asked.
      if (ending?.isAsked && present.length > 0)
        await alterFollowed(store, partition, present, cancelFor(ending))
    }
    return { ends, lost }
  }

  /**
   * The jobs of the members of a batch that is a node, in the order of their indices. Undefined for any other
   * batch.
   */
  async #membersOf(parent: FlowParent | undefined): Promise<readonly FlowJob[] | undefined> {
    const { records } = this.#parts
    const found = parent && (await records.get(parent))
    if (found === undefined) return undefined
    const { members } = await nestedFlow(records, found, nodeOf(parent!.index)!.node)
    return members && inRuns(members).members
  }
}

/** Calls a function with members page by page, and stores the progress from time to time. */
async function walk(
  page: (after: number) => Promise<number[]>,
  { fills = [] }: FlowState,
  from: number,
  work: (partition: string, indices: number[]) => Promise<unknown>,
  note: (after: number) => Promise<unknown>,
): Promise<void> {
  let after = from
  let noted = performance.now()
  for (;;) {
    const indices = await page(after)
    if (indices.length === 0) return
    for (const [partition, some] of byPartition(indices, fills)) await work(partition, some)
    after = indices.at(-1)!
    if (performance.now() - noted < NOTE) continue
    await note(after)
    noted = performance.now()
  }
}

function idsOf({ id, home }: Pick<KeptFlow, 'id' | 'home'>, indices: readonly number[]): string[] {
  return indices.map((index) => memberId({ flow: id, home, index }))
}

/** @param indices in ascending order */
export function byPartition(indices: readonly number[], fills: readonly Fill[]): Map<string, number[]> {
  const pairs: [string, number][] = []
  let fill = 0
  for (const index of indices) {
    while (fill + 1 < fills.length && fills[fill + 1]![0] <= index) fill++
    const partition = fills[fill]?.[1]
    if (partition !== undefined) pairs.push([partition, index])
  }
  return grouped(pairs)
}

/** Sorts the jobs of members by partition, so that the flow stores few ranges of members. */
export function inRuns(members: readonly FlowJob[]): { members: FlowJob[]; fills: Fill[] } {
  const fills: Fill[] = []
  const ordered: FlowJob[] = []
  for (const [partition, some] of groupedBy(members, ({ partition }) => partition)) {
    fills.push([ordered.length, partition])
    ordered.push(...some)
  }
  return { members: ordered, fills }
}
