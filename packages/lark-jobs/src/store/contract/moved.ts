/** Completes moves of jobs, and calls verbs for jobs that have moved to another partition (`moves.ts`). */
import { groupedBy } from '../../model/grouped.ts'
import type { JobRecord } from '../../model/record.ts'
import type { AlterVerdict, Change } from './change.ts'
import type { MemberFate } from './flows.ts'
import type { NewSignal, SignalVerdict } from './journals.ts'
import type { MovingJob } from './moves.ts'
import type { Store } from './store.ts'

/** Puts jobs that were taken out of a partition into their new partitions. */
export async function bring(
  { moves }: Pick<Store, 'moves'>,
  partition: string,
  jobs: readonly MovingJob[],
): Promise<void> {
  for (const [to, some] of groupedBy(jobs, (job) => job.to)) {
    const arrived = await moves.put(to, some)
    const here = some.filter((_, i) => arrived[i])
    if (here.length > 0) await moves.settle(partition, here)
  }
}

/** Completes moves of jobs out of a partition that no process is completing any more. */
export async function bringDue(store: Pick<Store, 'moves'>, partition: string): Promise<void> {
  for (;;) {
    const jobs = await store.moves.due(partition)
    if (jobs.length === 0) return
    await bring(store, partition, jobs)
  }
}

/**
 * Completes the moves of all jobs that are on their way out of a partition, including moves that other
 * processes are completing now.
 * @returns the jobs that were on their way, without their texts
 */
export async function bringAll(
  store: Pick<Store, 'moves'>,
  partition: string,
): Promise<Omit<MovingJob, 'text'>[]> {
  const all = new Map<string, Omit<MovingJob, 'text'>>()
  for (;;) {
    // A job that meets another job with the same id in its new partition stays on its way. So each round of
    // this loop tries only jobs that no earlier round has tried.
    const jobs = (await store.moves.due(partition, true)).filter(({ id }) => !all.has(id))
    if (jobs.length === 0) return [...all.values()]
    await bring(store, partition, jobs)
    for (const { text: _, ...job } of jobs) all.set(job.id, job)
  }
}

/**
 * Groups the jobs that have moved or are moving by their new partition. `i`: the index of the job in `ids`.
 */
async function gone(
  { moves }: Pick<Store, 'moves'>,
  partition: string,
  ids: readonly string[],
): Promise<Map<string, { i: number; id: string; movedAt: number }[]>> {
  const found = ids.length === 0 ? [] : await moves.where(partition, ids)
  const places = found.flatMap((each, i) => (each.kind === 'here' ? [] : [{ ...each, i, id: ids[i]! }]))
  return groupedBy(places, ({ to }) => to)
}

/**
 * Asks a partition about jobs. If the partition does not know a job because the job has moved, asks the job's
 * new partition.
 *
 * @param lacks whether an answer says that the partition does not know the job
 */
async function followed<T>(
  store: Pick<Store, 'moves'>,
  partition: string,
  ids: readonly string[],
  lacks: (answer: T) => boolean,
  ask: (partition: string, ids: readonly string[]) => Promise<T[]>,
): Promise<T[]> {
  const answers = await ask(partition, ids)
  const places = answers.flatMap((answer, i) => (lacks(answer) ? [i] : []))
  const missing = places.map((i) => ids[i]!)
  for (const [to, some] of await gone(store, partition, missing)) {
    const others = await followed(
      store,
      to,
      some.map(({ id }) => id),
      lacks,
      ask,
    )
    for (const [n, { i }] of some.entries()) answers[places[i]!] = others[n]!
  }
  return answers
}

/**
 * Changes jobs, including those that have moved to other partitions. A purge also removes the data that a
 * move leaves in the first partition.
 */
export async function alterFollowed(
  store: Pick<Store, 'moves' | 'alter'>,
  partition: string,
  ids: readonly string[],
  change: Change,
): Promise<AlterVerdict[]> {
  const alter = (partition: string, ids: readonly string[]) => store.alter(partition, ids, change)
  if (change.kind !== 'purge') return followed(store, partition, ids, isMissing, alter)
  const verdicts = await alter(partition, ids)
  // Only waiting and delayed jobs move, so no moved job has another state, and a purge that is only for other
  // states need not look for moved jobs.
  if (change.only?.some((state) => state === 'waiting' || state === 'delayed') === false) return verdicts
  // The moves are read after the change. If the moves were read before the change, a job that moves between
  // the two calls would be missed.
  const places = verdicts.flatMap((verdict, i) => (isMissing(verdict) ? [i] : []))
  const missing = places.map((i) => ids[i]!)
  for (const [to, some] of await gone(store, partition, missing)) {
    await store.moves.revoke(to, some)
    const its = some.map(({ id }) => id)
    const here = await store.alter(partition, its, { ...change, isElsewhere: true })
    const there = await alterFollowed(store, to, its, change)
    for (const [n, { i }] of some.entries())
      verdicts[places[i]!] = isMissing(there[n]!) ? here[n]! : there[n]!
  }
  return verdicts
}

function isMissing(verdict: AlterVerdict): boolean {
  return verdict === 'missing'
}

/** Reads the fates of members, including those whose jobs have moved to other partitions. */
export function fatesFollowed(
  store: Pick<Store, 'moves' | 'flows'>,
  partition: string,
  ids: readonly string[],
): Promise<MemberFate[]> {
  return followed(
    store,
    partition,
    ids,
    ({ kind }) => kind === 'unknown',
    (partition, ids) => store.flows.fates(partition, ids),
  )
}

/** Sends a signal to a job, even if the job has moved to another partition. */
export async function signalFollowed(
  store: Pick<Store, 'moves' | 'journals'>,
  partition: string,
  id: string,
  signal: NewSignal,
): Promise<SignalVerdict> {
  const verdict = await store.journals.signal(partition, id, signal)
  if (verdict !== 'missing') return verdict
  const [place] = await store.moves.where(partition, [id])
  if (place === undefined || place.kind === 'here') return verdict
  // If the job is still on its way, its new partition keeps the signal until the job arrives.
  return signalFollowed(store, place.to, id, { ...signal, mayBeEarly: place.kind === 'moving' })
}

/** Reads the record of a job, even if the job has moved to another partition. */
export async function getFollowed(
  store: Pick<Store, 'moves' | 'get'>,
  partition: string,
  id: string,
  isLean = false,
): Promise<JobRecord | undefined> {
  const [job] = await followed<JobRecord | undefined>(
    store,
    partition,
    [id],
    (job) => job === undefined,
    async (partition, [id]) => [await store.get(partition, id!, isLean)],
  )
  return job
}

/** The partition to which a job has moved or is moving; undefined if the job has not moved. */
export async function movedTo(
  { moves }: Pick<Store, 'moves'>,
  partition: string,
  id: string,
): Promise<string | undefined> {
  const [found] = await moves.where(partition, [id])
  return found?.kind === 'here' ? undefined : found?.to
}
