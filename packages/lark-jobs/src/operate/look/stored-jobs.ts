/**
 * Reads jobs from a store for people: a job by its id, the failed jobs, and the jobs that a call is about to
 * change.
 *
 * In this file, `queues` are the configured queues, with the number of partitions of each.
 */

import { defined, nearest } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { partitionsOf, partitionWith, queueOf } from '../../model/partition.ts'
import { whyDropped } from '../../model/payload.ts'
import { hasPayload, type JobRecord, type LogLine, type State, type Unreadable } from '../../model/record.ts'
import { shownName } from '../../model/stored-name.ts'
import type { JobLike, PayloadOf, ResultOf } from '../../options/job-class.ts'
import { isText, type OptionsOf, whole } from '../../options/schema.ts'
import { alterFollowed, getFollowed, movedTo } from '../../store/contract/moved.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import {
  type AlterVerdict,
  type Change,
  type Filter,
  type JobHead,
  MAX_ITEMS,
  type Page,
  type Store,
} from '../../store/contract/store.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import { askAll } from './ask-all.ts'
import { checkFilter, conditions, type Flags, queueName } from './filter.ts'
import { Passage } from './passage.ts'
import { REDACTED, redacted } from './redacted.ts'
import { seenState } from './seen-state.ts'

/**
 * How many jobs one call to the store changes. The number is limited because the server does nothing else
 * during the call. (Measured on 2026-11-25, Redis, 2 cores, shared, the best of eight: the server takes 5 ms
 * to retry 250 jobs, and 44 ms for 1,000 jobs.)
 */
export const TOGETHER = 250

/** An open store, and the configured queues with the number of partitions of each. */
export interface OpenQueues {
  store: Store
  queues: ReadonlyMap<string, number>
}

/** A job with its queue, and with its payload and result as values. */
export interface StoredJob<J extends JobLike = JobLike>
  extends Omit<JobRecord, 'payload' | 'result' | 'progress'> {
  queue: string
  /** A copy of the job's payload. Absent if the job was dispatched without a payload. */
  payload?: PayloadOf<J>[0]
  /**
   * The value that `handle` returned. Absent until `handle` has returned, and if `handle` returned `true` or
   * nothing.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return value has this type
  result?: Exclude<ResultOf<J>, boolean | undefined | void>
  /** The progress that the job reported last with `this.progress()`. */
  progress?: unknown
  /**
   * Present if the job is committed in the outbox but not yet in the store. `age`: how many milliseconds ago
   * the row of the job was written. `error`: why the row cannot become a job.
   */
  inOutbox?: { age: number; error?: string }
}

/** A stored job with its log. */
export interface JobDetail<J extends JobLike = JobLike> extends StoredJob<J> {
  log: LogLine[]
}

/** A stored job without its payload. */
export type JobStatus<J extends JobLike = JobLike> = Omit<StoredJob<J>, 'payload'>

/** The place of a job in a store: its id, its queue, and its partition if the partition is known. */
export interface JobPlace {
  id: string
  queue: string
  partition?: string
  /** The value that distinguishes successive jobs with the same id (`JobOptions.born`), if it is known. */
  born?: string
}

const failedConditions = conditions({
  /** Default: every queue. */
  queue: queueName,
  /** The maximum number of jobs. Default 100. */
  limit: whole(1),
})

/** Which failed jobs to return. */
export interface FailedOptions extends OptionsOf<typeof failedConditions.entries> {}

const findConditions = conditions({
  /** The queue of the job. Default: every queue. Needed only if several queues have a job with this id. */
  queue: queueName,
})

export interface FindOptions extends OptionsOf<typeof findConditions.entries> {}

/** @throws FILTER_INVALID */
export function checkFind(options: unknown): void {
  checkFilter('Jobs.find()', options, findConditions, { whole: 'the second argument' })
}

/**
 * @throws FILTER_INVALID, also for `{ queue: undefined }`, because the call would then return the jobs of
 *   every queue
 */
export function checkFailed(options: unknown, flags?: Flags): void {
  checkFilter('Jobs.failed()', options, failedConditions, { flags })
}

/** Every queue in the configuration or in the store, with all its partitions. */
export async function everyPartition({ store, queues }: OpenQueues): Promise<Map<string, string[]>> {
  const all = new Map([...queues].map(([queue, count]) => [queue, partitionsOf(queue, count)]))
  for (const partition of (await store.partitions()).sort()) {
    const queue = queueOf(partition)
    const known = all.get(queue)
    if (known === undefined) all.set(queue, [partition])
    else if (!known.includes(partition)) known.push(partition)
  }
  return all
}

/**
 * Finds the job with this id, with its log. Undefined if there is no such job, or if it was removed.
 *
 * @throws JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE
 */
export async function find<J extends JobLike>(
  open: OpenQueues,
  id: string,
  { queue }: FindOptions,
): Promise<JobDetail<J> | undefined> {
  return detailed<J>(open, await locate(open, await partitionsToLookIn(open, queue), id))
}

/**
 * Reads the job at a place, with its log. Undefined if the job is not at this place. @throws UNKNOWN_QUEUE
 */
export async function findAt<J extends JobLike>(
  open: OpenQueues,
  place: JobPlace,
): Promise<JobDetail<J> | undefined> {
  return detailed<J>(open, await locateAt(open, place))
}

async function detailed<J extends JobLike>(
  { store }: OpenQueues,
  job: JobRecord | undefined,
): Promise<JobDetail<J> | undefined> {
  return job && { ...stored<J>(job), log: await store.log(job.partition, job.id) }
}

/**
 * Reads the record of the job at a place. Undefined if the job is not at this place. @throws UNKNOWN_QUEUE
 */
export async function locateAt(open: OpenQueues, place: JobPlace): Promise<JobRecord | undefined> {
  return locateFollowed(open, place, false)
}

/**
 * Reads the job at a place, without its payload and its log. Undefined if the job is not at this place.
 * @throws UNKNOWN_QUEUE
 */
export async function statusAt<J extends JobLike>(
  open: OpenQueues,
  place: JobPlace,
): Promise<JobStatus<J> | undefined> {
  const job = await locateFollowed(open, place, true)
  return job && stored<J>(job)
}

/** Finds the job at a place, or at the place to which it was moved. @throws UNKNOWN_QUEUE */
async function locateFollowed(
  open: OpenQueues,
  place: JobPlace,
  isLean: boolean,
): Promise<JobRecord | undefined> {
  const partitions = await partitionsAt(open, place)
  const job = await locate(open, partitions, place.id, isLean)
  if (job !== undefined) return job
  const to = await movedFrom(open, partitions, place.id)
  return to === undefined ? undefined : getFollowed(open.store, to, place.id, isLean)
}

/** The place to which a job was moved from one of these partitions. Undefined if the job was not moved. */
export async function movedFrom(
  { store }: OpenQueues,
  partitions: readonly string[],
  id: string,
): Promise<string | undefined> {
  const all = await askAll(partitions, (partition) => movedTo(store, partition, id))
  return all.find((to) => to !== undefined)
}

/** Changes the job at a place. @throws UNKNOWN_QUEUE */
export async function alterAt(open: OpenQueues, place: JobPlace, change: Change): Promise<AlterVerdict> {
  for (const partition of await partitionsAt(open, place)) {
    const [verdict] = await alterFollowed(open.store, partition, [place.id], change)
    if (verdict !== 'missing') return verdict!
  }
  return 'missing'
}

/** The partitions in which a job may be. The partition that its id determines comes first. */
export async function partitionsAt(open: OpenQueues, { id, queue, partition }: JobPlace): Promise<string[]> {
  if (partition !== undefined) return [partition]
  const own = partitionWith(id, queue, open.queues)
  return [own, ...(await partitionsToLookIn(open, queue)).filter((each) => each !== own)]
}

/**
 * Converts a record to the form that people see. The caller asserts the type `J`. This function does not
 * check that the job has this class.
 */
export function stored<J extends JobLike>({
  payload,
  result,
  progress,
  group,
  unreadable,
  ...rest
}: JobRecord): StoredJob<J> {
  return {
    ...rest,
    state: seenState(rest),
    ...(unreadable !== undefined && { unreadable: shownFlaw(unreadable) }),
    queue: queueOf(rest.partition),
    // Groups that Lark itself creates are not shown.
    ...(group !== undefined && !group.startsWith('=') && { group: shownName(group) }),
    // A damaged record is not shown, because the part that cannot be read may contain the paths of the parts
    // to hide.
    ...(payload.trimEnd() !== '' && {
      payload: unreadable === undefined ? shownPayload(payload, rest.options?.redact) : REDACTED,
    }),
    ...(result !== undefined && whyDropped(result) === undefined && { result: shownJson(result) }),
    ...(progress !== undefined && { progress: shownJson(progress) }),
  } as StoredJob<J>
}

/** Removes the raw text of an unreadable record, because it may contain parts that people must not see. */
function shownFlaw(flaw: Unreadable): Unreadable {
  return flaw.kind === 'damaged' && hasPayload(flaw) ? { ...flaw, text: REDACTED } : flaw
}

/**
 * Converts a stored payload to the form that people see. If the text cannot be parsed, or the paths of hidden
 * parts are damaged, the parts to hide cannot be found. In these cases the whole payload is hidden.
 */
export function shownPayload(text: string, redact: readonly string[] = []): unknown {
  if (!Array.isArray(redact) || !redact.every(isText)) return REDACTED
  const value = shownJson(text)
  return value === text && redact.length > 0 ? REDACTED : redacted(value, redact)
}

/** A JSON text with more characters may be nested so deeply that `JSON.stringify` overflows the stack. */
const DEEP = 10_000

/**
 * Parses JSON. A text that is damaged, or nested too deeply to be written as JSON again, is returned as it
 * is.
 */
export function shownJson(json: string): unknown {
  try {
    const value: unknown = JSON.parse(json)
    if (json.length > DEEP) JSON.stringify(value)
    return value
  } catch {
    return json
  }
}

/**
 * Looks for a job in all of these partitions, because several queues may have a job with the same id if the
 * application chose the id.
 *
 * @param isLean whether the payload is left empty
 * @throws JOB_ID_AMBIGUOUS
 */
export async function locate(
  open: OpenQueues,
  partitions: readonly string[],
  id: string,
  isLean = false,
): Promise<JobRecord | undefined> {
  const jobs = await askAll(partitions, (partition) => open.store.get(partition, id, isLean))
  const found = jobs.filter((job) => job !== undefined)
  checkQueues(id, new Set(found.map(({ partition }) => queueOf(partition))))
  const isOwn = ({ partition }: JobRecord) => partition === partitionWith(id, queueOf(partition), open.queues)
  return found.find(isOwn) ?? found[0]
}

/** @throws JOB_ID_AMBIGUOUS if several queues have a job with this id */
export function checkQueues(id: string, queues: ReadonlySet<string>): void {
  if (queues.size <= 1) return
  throw new JobsError('JOB_ID_AMBIGUOUS', `There is a job ${id} in each of the queues ${listed(queues)}`, {
    id,
    hint: `Say in which queue: ${[...queues][0]}, for example.`,
  })
}

/** A hint for messages: why a job with an id that was valid before may no longer exist. */
export const JOB_GONE = 'Jobs that have ended are kept for a while only.'

/** A job that a call is about to change. */
export type Located = Pick<JobRecord, 'id' | 'key' | 'partition' | 'state'> & { runs?: number }

/**
 * Finds the jobs with these ids, in the order of the ids. An id that is given twice is found once.
 *
 * @param queue the queue of the jobs. Default: every queue
 * @throws JOB_NOT_FOUND for the first id without a job, JOB_ID_AMBIGUOUS, or the error of `check`;
 *   UNKNOWN_QUEUE
 */
export async function locateAll(
  open: OpenQueues,
  ids: readonly string[],
  queue: string | undefined,
  check: (job: Located) => void,
): Promise<Located[]> {
  const partitions = await partitionsToLookIn(open, queue)
  const found: Located[] = []
  for (const id of new Set(ids)) {
    const job = await locate(open, partitions, id, true)
    if (job === undefined)
      throw new JobsError('JOB_NOT_FOUND', `There is no job ${id}`, { id, hint: JOB_GONE })
    check(job)
    // Only these fields are kept in memory, because there may be many jobs, and each job may be large.
    const { key, partition, state, runs } = job
    found.push({ id, key, partition, state, runs })
  }
  return found
}

/**
 * Returns failed jobs. The jobs that failed last come first. The call reads only a few more jobs than it
 * returns. @throws UNKNOWN_QUEUE
 */
export async function failed<J extends JobLike>(
  open: OpenQueues,
  { queue, limit = 100 }: FailedOptions,
): Promise<StoredJob<J>[]> {
  let jobs: JobRecord[] = []
  for (const partition of await partitionsToLookIn(open, queue)) {
    for await (const page of pages((filter) => open.store.list(partition, filter), 'failed', limit)) {
      jobs = [...jobs, ...page].sort(lastFirst).slice(0, limit)
      // All unread jobs of this partition failed before the last job of this page.
      const rank = page.length > 0 ? jobs.indexOf(page.at(-1)!) : 0
      if (rank < 0 || rank === limit - 1) break
    }
  }
  return jobs.map((job) => stored<J>(job))
}

function lastFirst(one: JobRecord, other: JobRecord): number {
  return (other.finishedAt ?? 0) - (one.finishedAt ?? 0)
}

/** The ids and keys of all jobs in a state, a page at a time. */
export function heads(store: Store, partition: string, state: State): AsyncGenerator<JobHead[]> {
  return pages((filter) => store.heads(partition, filter), state)
}

/** @param most the maximum number of jobs on a page */
async function* pages<T>(
  read: (filter: Filter) => Promise<Page<T>>,
  state: State,
  most = MAX_ITEMS,
): AsyncGenerator<T[]> {
  let cursor: string | undefined
  do {
    const limit = Math.min(most, MAX_ITEMS)
    const page = await read({ state, limit, ...defined({ cursor }) })
    yield page.jobs
    cursor = page.cursor
  } while (cursor !== undefined)
}

/**
 * The partitions of the named queues, or of every queue if no queue is named.
 *
 * @throws UNKNOWN_QUEUE
 */
export async function partitionsToLookIn(
  open: OpenQueues,
  named?: string | readonly string[],
): Promise<string[]> {
  const all = await everyPartition(open)
  if (named === undefined) return [...all.values()].flat()
  return [named].flat().flatMap((queue) => {
    const partitions = all.get(queue)
    if (partitions !== undefined) return partitions
    const near = nearest(queue, all.keys())
    throw new JobsError('UNKNOWN_QUEUE', `There is no queue ${shown(queue)}`, {
      hint: `${near ? `Did you mean ${near}? ` : ''}There are ${listed(all.keys())}.`,
    })
  })
}

/**
 * Changes any number of jobs.
 *
 * @returns the verdict for each job, or only for the first jobs if `passage` was over before the other jobs
 *   were changed
 */
export async function alterAll(
  store: Store,
  partition: string,
  ids: readonly string[],
  change: Change,
  passage = new Passage(),
): Promise<AlterVerdict[]> {
  const verdicts: AlterVerdict[] = []
  for (const lot of inLots(ids, TOGETHER)) {
    if (passage.isOver) break
    const answers =
      change.kind === 'purge'
        ? await alterFollowed(store, partition, lot, change)
        : await store.alter(partition, lot, change)
    verdicts.push(...answers)
    await passage.passed(lot.length, answers)
  }
  return verdicts
}
