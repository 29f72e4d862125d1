/**
 * Purges jobs: removes them for good from everything that Lark reads. Running jobs are not purged.
 *
 * Jobs of flows are collected first, so that the purge visits each flow only once (`flow-purge.ts`). A visit
 * is necessary because a flow has copies of the data of its jobs, and may have jobs that were never queued.
 */
import { FlowPurge, flowName, type PurgeWish } from '../../flow/flow-purge.ts'
import { FlowRecords } from '../../flow/flow-records.ts'
import { memberId, memberOf } from '../../model/effect.ts'
import { JobsError } from '../../model/errors.ts'
import type { FlowJob, FlowPlace } from '../../model/flow.ts'
import { grouped, groupedBy } from '../../model/grouped.ts'
import { queueOf } from '../../model/partition.ts'
import type { State } from '../../model/record.ts'
import { bringAll, getFollowed } from '../../store/contract/moved.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { MAX_ITEMS, type MovedPlace, type MovingJob, type Store } from '../../store/contract/store.ts'
import type { OpenFlows } from '../flows/flow-info.ts'
import { askAll } from '../look/ask-all.ts'
import { type Chosen, isIds, type JobConditions } from '../look/filter.ts'
import { Meeting } from '../look/meeting.ts'
import { Passage } from '../look/passage.ts'
import { spanOf } from '../look/since.ts'
import {
  alterAll,
  checkQueues,
  everyPartition,
  type Located,
  locate,
  type OpenQueues,
  partitionsToLookIn,
  shownPayload,
  stored,
  TOGETHER,
} from '../look/stored-jobs.ts'
import { changeJobs, isCounted, type VerdictCounts } from './change.ts'
import { type PurgeOptions, type Removed, removable } from './changed.ts'
import { bookOf } from './flow-changes.ts'
import { carry } from './move.ts'
import { notRemovable } from './refusal.ts'
import { onlyOf } from './row.ts'

/**
 * How many flows of a partition are listed in one call. The number is low because the texts of flows may be
 * large.
 */
const AT_A_TIME = 100

export type OpenPurge = OpenQueues & OpenFlows

/**
 * Purges jobs.
 *
 * @throws JOB_NOT_REMOVABLE, JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE; STORE_DAMAGED after all readable flows have
 *   been purged
 */
export async function purge(open: OpenPurge, which: Chosen, options: PurgeOptions): Promise<Removed> {
  const { dryRun = false } = options
  const passage = new Passage(options)
  const listed = new ListedFlowJobs()
  const tally = isIds(which)
    ? await purgeIds(open, which, options, listed)
    : await purgeFound(open, which, options, listed, passage)
  const wish: PurgeWish = {
    listed: listed.byFlow,
    ...(!isIds(which) && (await wishOf(open.store, which))),
    isCounted: (id, job) =>
      dryRun &&
      (listed.hasCounted(id) ||
        (!isIds(which) && isCounted(which) && job !== undefined && isIn(which, job.partition, job.state))),
  }
  const purging = new FlowPurge(open.store, bookOf(open), wish, {
    isDry: dryRun,
    passed: (count, removed) => passage.passed(count, Array(removed).fill('done')),
  })
  await visitAll(purging, isIds(which) ? listed.places() : everyFlow(open), passage)
  // The jobs that are left belong to flows that are no longer kept, or to nodes that were started again
  // meanwhile.
  for (const [partition, ids] of dryRun ? [] : listed.left())
    for (const verdict of await alterAll(
      open.store,
      partition,
      ids,
      { kind: 'purge', ...onlyOf(which) },
      passage,
    ))
      tally[verdict]++
  if (!isIds(which) && !dryRun && isWhole(which))
    for (const partition of await partitionsToLookIn(open, which.queue))
      while (!passage.isOver && (await open.store.clear(partition, 'hidden')) >= MAX_ITEMS);
  if (!dryRun) await open.store.scrub?.()
  return { removed: tally.done + purging.removed, running: tally.refused + purging.running.size }
}

/**
 * Visits flows and the flows that contain them. If one flow cannot be read, the other flows are still
 * visited.
 */
async function visitAll(
  purging: FlowPurge,
  places: Iterable<FlowPlace> | AsyncIterable<FlowPlace>,
  passage: Passage,
): Promise<void> {
  const visited = new Set<string>()
  let damage: unknown
  for await (const place of places) {
    if (passage.isOver) break
    try {
      const found = await purging.outermost(place)
      const name = found && flowName({ flow: found.id, home: found.home })
      if (found === undefined || visited.has(name!)) continue
      visited.add(name!)
      await purging.visit(found)
    } catch (error) {
      if (!JobsError.is(error, 'STORE_DAMAGED')) throw error
      damage ??= error
    }
  }
  if (damage !== undefined) throw damage
}

/** Lists every flow of the store. */
async function* everyFlow(open: OpenQueues): AsyncGenerator<FlowPlace> {
  for (const home of [...(await everyPartition(open)).values()].flat())
    for (const flow of await flowsOf(open.store, home)) yield { flow, home }
}

async function flowsOf({ flows }: Store, home: string): Promise<Set<string>> {
  const all = new Set<string>()
  for (let before: string | undefined; ; ) {
    const page = await flows.list(home, AT_A_TIME, before)
    for (const { id } of page) all.add(id)
    if (page.length > 0) before = page.at(-1)!.id
    else if (before === undefined || (await flows.state(home, before)) !== undefined) return all
    // The flow after which the list should continue no longer exists, so the list starts from the beginning.
    else before = undefined
  }
}

/** Returns the condition with which the visit of a flow finds the jobs of this flow that a filter chooses. */
async function wishOf(store: Store, filter: JobConditions): Promise<Partial<PurgeWish>> {
  const { state } = filter
  const meeting = await meetingOf(store, filter)
  const isMeant = ({ partition, job, purged }: FlowJob, at: number) => {
    const { key, group, options, payload } = job
    const met = { id: '', key, errors: [], queuedAt: at }
    return (
      !purged &&
      isIn(filter, partition) &&
      meeting.passes({ ...met, ...(group && { group: group.name }), ...(options && { options }) }) &&
      meeting.has(payload === '' ? undefined : shownPayload(payload, options?.redact))
    )
  }
  return {
    isMeant,
    ...(state !== undefined && { states: new Set<State>([state].flat()), ...onlyOf(filter) }),
    ...(isWhole(filter) && { forgets: (partition: string) => isIn(filter, partition) }),
  }
}

async function meetingOf(store: Store, filter: JobConditions): Promise<Meeting> {
  return new Meeting(filter, await spanOf(store, filter))
}

/** Whether a filter chooses all jobs of the queues that it names. */
function isWhole(filter: JobConditions): boolean {
  return Object.keys(filter).every((name) => name === 'queue')
}

/** Whether a filter can choose jobs in this partition and state. */
function isIn({ queue, state }: JobConditions, partition: string, its?: State): boolean {
  return (
    (queue === undefined || [queue].flat().includes(queueOf(partition))) &&
    (its === undefined || state === undefined || [state].flat().includes(its))
  )
}

async function purgeFound(
  open: OpenPurge,
  filter: JobConditions,
  options: PurgeOptions,
  listed: ListedFlowJobs,
  passage: Passage,
): Promise<VerdictCounts> {
  const changing = {
    states: [...removable, 'active'] as const,
    verdict: (job: Pick<Located, 'state'> & Partial<Located>) => {
      if (job.id !== undefined && job.partition !== undefined) listed.add(job.id, job.partition, true)
      return job.state === 'active' ? ('refused' as const) : ('done' as const)
    },
    refusal: notRemovable,
    act: async (partition: string, jobs: readonly Located[], passage: Passage) => {
      const others = jobs.filter(({ id }) => !listed.add(id, partition)).map(({ id }) => id)
      const change = { kind: 'purge', ...onlyOf(filter) } as const
      const verdicts = await alterAll(open.store, partition, others, change, passage)
      const gone = others.filter((_, i) => verdicts[i] === 'done' || verdicts[i] === 'missing')
      await purgeTraces(open, partition, gone)
      return verdicts
    },
  }
  if (options.dryRun) return changeJobs(open, filter, changing, options, passage)
  // Jobs that are being moved to a queue of the filter are left out here, because the purge finds these jobs
  // in that queue.
  const moving = (await bringEvery(open)).filter(({ to }) => !isIn(filter, to))
  const tally = await changeJobs(open, filter, changing, options, passage)
  moving.push(...(await bringEvery(open)))
  for (const [partition, jobs] of groupedBy(
    await metAmong(open, filter, moving),
    ({ partition }) => partition,
  ))
    for (const verdict of await changing.act(partition, jobs, passage)) tally[verdict]++
  if (isWhole(filter)) tally.done += await purgeStuck(open, filter, moving)
  return tally
}

type Moving = Omit<MovingJob, 'text'>

/**
 * Completes the moves of all jobs that are on their way to another partition. During its move a job is in no
 * list, and the move would continue after the purge.
 */
async function bringEvery(open: OpenPurge): Promise<Moving[]> {
  const all = [...(await everyPartition(open)).values()].flat()
  return (await askAll(all, (partition) => bringAll(open.store, partition))).flat()
}

/**
 * Returns the moved jobs that a filter chooses. A job that was being moved counts as a job of its old queue
 * and of its new queue.
 */
async function metAmong(
  open: OpenPurge,
  filter: JobConditions,
  moving: readonly Moving[],
): Promise<Located[]> {
  const meeting = await meetingOf(open.store, filter)
  const found = await askAll(moving, async ({ id, from, to, movedAt }): Promise<Located[]> => {
    const job = await getFollowed(open.store, to, id)
    // A job that was last moved before `movedAt` may be another job with the same id.
    if (job === undefined || (job.options?.movedAt ?? 0) < movedAt) return []
    if (!meeting.passes(job) || !meeting.has(stored(job).payload)) return []
    const { partition, state, key } = job
    const isMeant = isIn(filter, partition, state) || isIn(filter, from, state)
    return isMeant ? [{ id, partition, state, key }] : []
  })
  return found.flat()
}

/**
 * Purges jobs that cannot arrive in their new queue because another job there has the same id. @returns how
 * many jobs were purged
 */
async function purgeStuck(
  { store }: OpenPurge,
  filter: JobConditions,
  moving: readonly Moving[],
): Promise<number> {
  let count = 0
  for (const { id, from, to, movedAt } of moving) {
    const [place] = await store.moves.where(from, [id])
    if (place!.kind !== 'moving' || !(isIn(filter, from) || isIn(filter, to))) continue
    await store.moves.revoke(to, [{ id, movedAt }])
    await store.alter(from, [id], { kind: 'purge', isElsewhere: true })
    count++
  }
  return count
}

/**
 * Purges the notes about moved jobs in the partitions from which purged jobs were moved to this partition.
 */
async function purgeTraces(open: OpenPurge, partition: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  const others = [...(await everyPartition(open)).values()].flat().filter((each) => each !== partition)
  await askAll(others, async (other) => {
    for (const lot of inLots(ids, TOGETHER)) await purgeTracesIn(open, other, partition, lot)
  })
}

async function purgeTracesIn(
  open: OpenPurge,
  other: string,
  partition: string,
  ids: readonly string[],
): Promise<void> {
  const { store } = open
  const gone = async (kind: MovedPlace['kind']) => {
    const places = await store.moves.where(other, ids)
    return ids.filter((_, i) => {
      const place = places[i]!
      return place.kind !== 'here' && place.kind === kind && place.to === partition
    })
  }
  // A job that is still being moved to this partition may be one of the purged jobs or a new job with the
  // same id. If the job was purged, its arrival has no effect.
  const moving = await gone('moving')
  const to = moving.map(() => partition)
  if (moving.length > 0) await carry(store, other, moving, to)
  const traces = await gone('moved')
  if (traces.length === 0) return
  await store.alter(other, traces, { kind: 'purge', isElsewhere: true })
  await purgeTraces(open, other, traces)
}

/**
 * Purges everything that the store keeps about these jobs, even if they were removed before. An id without a
 * job is not counted.
 */
async function purgeIds(
  open: OpenPurge,
  ids: readonly string[],
  { dryRun = false, queue }: PurgeOptions,
  listed: ListedFlowJobs,
): Promise<VerdictCounts> {
  const tally: VerdictCounts = { done: 0, asked: 0, missing: 0, refused: 0 }
  const all = await partitionsToLookIn(open, queue)
  const places = new Map<string, string[]>()
  const moving = new Map<string, string[]>()
  const traces = new Map<string, string[]>()
  for (const id of ids) {
    const job = await locate(open, all, id)
    const refusal = job && notRemovable(job)
    if (refusal !== undefined) throw refusal
    const kept = await remembering(open, all, id)
    // The partitions from which the job was moved, or is being moved.
    const found = await askAll(all, (partition) => open.store.moves.where(partition, [id]))
    const kinds = found.map(([place]) => place!.kind)
    const its = all.filter((partition, i) => kinds[i] === 'here' && (partition === job?.partition || kept[i]))
    checkQueues(id, new Set(its.map(queueOf)))
    places.set(id, its)
    moving.set(
      id,
      all.filter((_, i) => kinds[i] === 'moving'),
    )
    traces.set(
      id,
      all.filter((_, i) => kinds[i] === 'moved'),
    )
  }
  // Jobs that are being moved are purged first. Therefore a job that has arrived, but whose move is not quite
  // complete, is counted once.
  for (const [id, partitions] of dryRun ? [] : moving)
    for (const partition of partitions)
      for (const verdict of await alterAll(open.store, partition, [id], { kind: 'purge' })) tally[verdict]++
  const records = new FlowRecords(open.store)
  for (const [id, partitions] of places) {
    const member = memberOf(id)
    // A flow may contain a job that was never queued, or that no longer exists.
    const isKept = member !== undefined && (await records.get(member)) !== undefined
    if (isKept && listed.add(id, partitions[0] ?? member.home)) continue
    for (const partition of partitions)
      for (const verdict of dryRun
        ? (['done'] as const)
        : await alterAll(open.store, partition, [id], { kind: 'purge' }))
        tally[verdict]++
  }
  for (const [id, partitions] of dryRun ? [] : traces)
    for (const partition of partitions)
      await open.store.alter(partition, [id], { kind: 'purge', isElsewhere: true })
  return tally
}

/**
 * For each partition: whether the partition has the job, or still keeps something about the job after its
 * removal.
 */
async function remembering(
  { store }: OpenQueues,
  partitions: readonly string[],
  id: string,
): Promise<boolean[]> {
  const fates = await askAll(partitions, (partition) => store.flows.fates(partition, [id]))
  return fates.map(([fate]) => fate!.kind !== 'unknown')
}

/** The jobs of flows that a purge has found, grouped by flow. */
class ListedFlowJobs {
  /** For each flow, the indices of its jobs in the flow, with the partition of each job. */
  readonly byFlow = new Map<string, Map<number, string>>()
  readonly #homes = new Map<string, FlowPlace>()
  readonly #counted = new Set<string>()

  /** @returns whether the job belongs to a flow */
  add(id: string, partition: string, isCounted = false): boolean {
    const member = memberOf(id)
    if (member === undefined) return false
    const name = flowName(member)
    const its = this.byFlow.get(name) ?? new Map<number, string>()
    this.byFlow.set(name, its.set(member.index, partition))
    this.#homes.set(name, { flow: member.flow, home: member.home })
    if (isCounted) this.#counted.add(id)
    return true
  }

  hasCounted(id: string): boolean {
    return this.#counted.has(id)
  }

  /** The places of all flows that were found. */
  places(): FlowPlace[] {
    return [...this.#homes.values()]
  }

  /** The ids of the jobs that no visit of a flow has purged, grouped by partition. */
  left(): Map<string, string[]> {
    return grouped(
      [...this.byFlow].flatMap(([name, its]) =>
        [...its].map(
          ([index, partition]) => [partition, memberId({ ...this.#homes.get(name)!, index })] as const,
        ),
      ),
    )
  }
}
