/**
 * What people do to jobs that are in a store: look, count, retry. The commands and `Jobs` offer these; a dashboard
 * will.
 */
import { JobsError } from './errors.ts'
import type { JobRecord, LogLine, WorkerRecord } from './record.ts'
import { type Counts, MAX_ITEMS, type Store } from './store/store.ts'

/** Jobs looked at, a queue and a state, for keys that nobody knows. Their payloads come along: not many. */
const LOOK = 100

export interface QueueStatus {
  queue: string
  counts: Counts
  /** Live workers that serve it. */
  workers: number
  /** Keys of waiting and delayed jobs that no live worker knows, among the next 100 of each. */
  unknownKeys: string[]
}

export interface Status {
  store: string
  queues: QueueStatus[]
  workers: WorkerRecord[]
}

/** A job with its log. */
export interface JobDetail extends JobRecord {
  log: LogLine[]
}

/** Partitions that exist and queues that are configured. */
async function partitionsOf(store: Store, queues: readonly string[]): Promise<string[]> {
  const others = (await store.partitions()).filter((partition) => !queues.includes(partition))
  return [...queues, ...others.sort()]
}

export async function status(store: Store, queues: readonly string[]): Promise<Status> {
  const workers = await store.workers()
  const known = new Set(workers.flatMap((worker) => worker.keys))
  const partitions = await partitionsOf(store, queues)
  return {
    store: store.name,
    workers,
    queues: await Promise.all(
      partitions.map(async (queue) => ({
        queue,
        counts: await store.counts(queue),
        workers: workers.filter((worker) => worker.queues.includes(queue)).length,
        unknownKeys: await keysBeside(store, queue, known),
      })),
    ),
  }
}

async function keysBeside(store: Store, partition: string, known: ReadonlySet<string>): Promise<string[]> {
  const pages = await Promise.all([
    store.list(partition, { state: 'waiting', limit: LOOK }),
    store.list(partition, { state: 'delayed', limit: LOOK }),
  ])
  const keys = new Set(pages.flatMap((page) => page.jobs.map((job) => job.key)))
  return [...keys].filter((key) => !known.has(key)).sort()
}

/** The job of an id, with its log, wherever it is; undefined when there is none (any more). */
export async function find(
  store: Store,
  queues: readonly string[],
  id: string,
): Promise<JobDetail | undefined> {
  const job = await locate(store, await partitionsOf(store, queues), id)
  return job && { ...job, log: await store.log(job.partition, id) }
}

async function locate(
  store: Store,
  partitions: readonly string[],
  id: string,
): Promise<JobRecord | undefined> {
  for (const partition of partitions) {
    const job = await store.get(partition, id)
    if (job !== undefined) return job
  }
  return undefined
}

/** Failed jobs, the last to fail first, over all queues or those named. */
export async function failed(store: Store, queues: readonly string[], limit: number): Promise<JobRecord[]> {
  const jobs: JobRecord[] = []
  for (const queue of queues) {
    let left = limit
    for await (const page of failedPages(store, queue)) {
      jobs.push(...page.slice(0, left))
      left -= page.length
      if (left <= 0) break
    }
  }
  return jobs.sort((one, other) => (other.finishedAt ?? 0) - (one.finishedAt ?? 0)).slice(0, limit)
}

async function* failedPages(store: Store, queue: string): AsyncGenerator<JobRecord[]> {
  let cursor: string | undefined
  do {
    const page = await store.list(queue, {
      state: 'failed',
      limit: MAX_ITEMS,
      ...(cursor !== undefined && { cursor }),
    })
    yield page.jobs
    cursor = page.cursor
  } while (cursor !== undefined)
}

/**
 * The queues to look into: the one that is named, else every one, configured or met.
 *
 * @throws UNKNOWN_QUEUE
 */
export async function queuesOf(store: Store, queues: readonly string[], named?: string): Promise<string[]> {
  const every = await partitionsOf(store, queues)
  if (named === undefined) return every
  if (every.includes(named)) return [named]
  throw new JobsError('UNKNOWN_QUEUE', `There is no queue '${named}'`, {
    hint: `There are ${every.join(', ')}.`,
  })
}

/**
 * Puts ended jobs back to work, each at the end of its line, its attempts forgotten.
 *
 * @throws JOB_NOT_FOUND, JOB_NOT_RETRIABLE, before anything is put back
 */
export async function retry(
  store: Store,
  queues: readonly string[],
  ids: readonly string[],
): Promise<JobRecord[]> {
  const partitions = await partitionsOf(store, queues)
  const found: JobRecord[] = []
  for (const id of new Set(ids)) {
    const job = await locate(store, partitions, id)
    if (job === undefined)
      throw new JobsError('JOB_NOT_FOUND', `There is no job ${id}`, { id, hint: 'See lark jobs:failed' })
    if (!['failed', 'cancelled', 'completed'].includes(job.state)) throw notRetriable(job)
    found.push(job)
  }
  for (const job of found) {
    const [verdict] = await store.alter(job.partition, [job.id], { kind: 'retry' })
    if (verdict !== 'done') throw notRetriable(job)
  }
  return found
}

/** Puts every failed job of the queues back to work, those that failed first at the head. @returns how many */
export async function retryFailed(store: Store, queues: readonly string[]): Promise<number> {
  let count = 0
  for (const queue of queues) {
    // All ids first: a job that is retried and fails again meanwhile must not go round for ever.
    const ids: string[] = []
    for await (const page of failedPages(store, queue)) ids.push(...page.map((job) => job.id))
    ids.reverse()
    for (let i = 0; i < ids.length; i += MAX_ITEMS) {
      const verdicts = await store.alter(queue, ids.slice(i, i + MAX_ITEMS), { kind: 'retry' })
      count += verdicts.filter((verdict) => verdict === 'done').length
    }
  }
  return count
}

function notRetriable(job: JobRecord): JobsError {
  return new JobsError(
    'JOB_NOT_RETRIABLE',
    `${job.id} is ${job.state}; only a job that has ended can be retried`,
    { id: job.id },
  )
}
