/**
 * How many ended jobs a partition keeps, and for how long. The configuration of a queue can set other numbers
 * than the defaults in this file (`config/keep.ts`). A process without a worker uses the numbers of its own
 * configuration. A process with a worker uses the numbers on which the workers of the queue agree
 * (`AgreedRetentions`). So if `keep` is raised in a rolling restart, old workers remove no job that new
 * workers keep.
 */

import { queueOf } from '../../../model/partition.ts'
import { LONGEST } from '../../../words/duration.ts'
import { parsed } from './unreadable.ts'

/**
 * How many jobs of one ended state are kept (the newest ones), and for how many milliseconds after their
 * ends.
 */
export interface Retention {
  count: number
  age: number
  /**
   * The largest size of the payloads and errors of all failed jobs, in bytes. Present only if the
   * configuration does not set the number of failed jobs. If `bytes` is present, three more rules hold. The
   * newest `ofKind` jobs of each kind are removed last. Only the newest `whole` jobs keep all of their
   * errors, and older jobs keep only their last error. And the store counts the jobs that it removes before
   * they reach their age (`Standing.dropped`).
   */
  bytes?: number
  whole?: number
  ofKind?: number
}

/** How many jobs of each ended state a queue keeps, and for how long. */
export type QueueRetention = Readonly<Record<'completed' | 'failed' | 'cancelled', Retention>>

/** The retentions of all queues of a store, as plain data, because they are sent to threads. */
export interface Retentions {
  retention: QueueRetention
  /** The retentions of the queues whose configuration sets a retention, by the name of the queue. */
  retentions?: Readonly<Record<string, QueueRetention>> | undefined
  /**
   * False if the store must use the retentions of its own process, and ignore the retentions of other
   * workers. For a process whose numbers differ from job to job.
   */
  agrees?: false | undefined
}

/** The default retention of a queue. */
export const RETENTION: QueueRetention = {
  completed: { count: 1_000, age: 3_600_000 },
  failed: { count: 100_000, age: 30 * 86_400_000, bytes: 268_435_456, whole: 10_000, ofKind: 1_000 },
  cancelled: { count: 1_000, age: 86_400_000 },
}

const all: Retention = { count: Number.MAX_SAFE_INTEGER, age: LONGEST }
/**
 * This retention removes nothing. The field `bytes` makes the store count the bytes of failed jobs. Processes
 * with a smaller retention use this count when they remove jobs.
 */
const allFailed: Retention = { ...RETENTION.failed, ...all, bytes: all.count, whole: all.count }
const keepsAll: Retentions = { retention: { completed: all, failed: allFailed, cancelled: all } }

/**
 * The retentions that a process or a thread uses. A supervisor and a lease thread keep everything, and leave
 * the removal to workers: the configuration of a supervisor may be outdated, and a lease thread does not
 * learn what other workers keep.
 */
export function keptBy(isWatch: boolean, { retention, retentions, agrees }: Retentions): Retentions {
  return isWatch
    ? keepsAll
    : { retention, ...(retentions && { retentions }), ...(agrees === false && { agrees }) }
}

/**
 * A failed member of a flow is kept for this many milliseconds, or until its flow is removed (`unpin` in
 * `Change`), even if its class and queue keep jobs for a shorter time. A retry of the flow needs the failed
 * member, because it starts this job again.
 */
export const PINNED = 365 * 86_400_000
/**
 * A failed member is kept for `PINNED` only while the partition has fewer than this many failed jobs whose
 * age differs from that of the queue.
 */
export const MAX_PINNED = 10_000

export function retentionOf({ retention, retentions }: Retentions, partition: string): QueueRetention {
  return retentions?.[queueOf(partition)] ?? retention
}

const states = ['completed', 'failed', 'cancelled'] as const

/** The announcement of a live worker: the retentions in its configuration, and the queues that it serves. */
interface SaidRetentions extends Retentions {
  queues: readonly string[]
}

/**
 * The retentions of a process with a worker. The answer to each announcement of the worker contains the
 * retentions of all live workers.
 *
 * For each queue and state, the retention with the largest count is used, or of several with this count, the
 * retention with the largest age. The count and the age always come from the same retention. Only live
 * workers that serve the queue are considered, or all live workers if no live worker serves the queue.
 */
export class AgreedRetentions {
  readonly #own: Retentions
  /** The announcements of all live workers; empty if all of them have the configuration of this process. */
  #heard: SaidRetentions[] = []
  #texts = ''
  readonly #agreed = new Map<string, QueueRetention>()
  /** The retentions of queues by their JSON texts, so that equal retentions are the same object. */
  readonly #known = new Map<string, QueueRetention>()

  constructor(own: Retentions) {
    this.#own = own
  }

  /** The retention in the configuration of this process for all queues that have none of their own. */
  get retention(): QueueRetention {
    return this.#own.retention
  }

  of(partition: string): QueueRetention {
    if (this.#heard.length === 0) return retentionOf(this.#own, partition)
    const queue = queueOf(partition)
    const agreed = this.#agreed.get(queue) ?? this.#agree(queue)
    this.#agreed.set(queue, agreed)
    return agreed
  }

  #agree(queue: string): QueueRetention {
    const serving = this.#heard.filter(({ queues }) => queues.includes(queue))
    const said = (serving.length > 0 ? serving : [this.#own, ...this.#heard]).map((each) =>
      retentionOf(each, queue),
    )
    const most = (state: (typeof states)[number]) => said.map((each) => each[state]).reduce(larger)
    const failed = said.some((each) => each.failed.bytes !== undefined)
      ? noted(most('failed'))
      : most('failed')
    const found = { completed: most('completed'), failed, cancelled: most('cancelled') }
    const text = JSON.stringify(found)
    const known = this.#known.get(text) ?? found
    this.#known.set(text, known)
    return known
  }

  /**
   * The text that a worker of this process announces: its queues, and its retentions if the configuration
   * sets any.
   */
  text(queues: readonly string[]): string {
    const { retention, retentions } = this.#own
    const isPlain = saying(this.#own) === plain
    return JSON.stringify({ ...(!isPlain && { retention, retentions }), queues })
  }

  /** @param texts the announced texts of all live workers */
  hear(texts: readonly string[]): void {
    if (this.#own.agrees === false) return
    const all = [...texts].sort().join()
    if (all === this.#texts) return
    this.#texts = all
    this.#agreed.clear()
    this.#known.clear()
    this.#known.set(JSON.stringify(this.#own.retention), this.#own.retention)
    const heard = texts.flatMap((text) => saidIn(text) ?? [])
    const own = saying(this.#own)
    this.#heard = heard.every((each) => saying(each) === own) ? [] : heard
  }
}

function saying({ retention, retentions }: Retentions): string {
  return JSON.stringify({ retention, retentions })
}

const plain = saying({ retention: RETENTION })

/** Reads the text that a worker has announced; undefined if the text is damaged. */
function saidIn(text: string): SaidRetentions | undefined {
  const found = parsed(text) as Partial<SaidRetentions> | null | undefined
  if (!Array.isArray(found?.queues)) return undefined
  const { retention = RETENTION, retentions, queues } = found
  const isSound = [retention, ...Object.values(retentions ?? {})].every((kept) =>
    states.every((state) => Number.isFinite(kept?.[state]?.count) && Number.isFinite(kept?.[state]?.age)),
  )
  return isSound ? { retention, retentions, queues } : undefined
}

/**
 * Adds `bytes` to a retention without `bytes`, so that the store counts the bytes of failed jobs. Workers
 * with `bytes` in their configuration need this count when the workers with the larger retention have
 * stopped.
 */
function noted(failed: Retention): Retention {
  return { bytes: all.count, whole: all.count, ofKind: all.count, ...failed }
}

function larger(one: Retention, other: Retention): Retention {
  return other.count > one.count || (other.count === one.count && other.age > one.age) ? other : one
}
