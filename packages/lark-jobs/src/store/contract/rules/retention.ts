/**
 * How many ended jobs a partition keeps, and for how long. The configuration of a queue may have other
 * numbers (`config/keep.ts`). A process without a worker uses the numbers of its own configuration. A process
 * with a worker uses the numbers on which the workers of the queue agree (`AgreedRetentions`): during a
 * rolling restart after `keep` was raised, the old workers remove nothing that the new ones keep.
 */

import { queueOf } from '../../../model/partition.ts'
import { LONGEST } from '../../../words/duration.ts'
import { parsed } from './unreadable.ts'

/** What is kept of one ended state: the newest jobs, and each for this many milliseconds. */
export interface Retention {
  count: number
  age: number
  /**
   * Only for failed jobs whose number the configuration does not set: the most bytes of their payloads and
   * errors. With it, the newest `ofKind` jobs of each kind are removed last, jobs beyond the newest `whole`
   * keep only their last error, and jobs that are removed before their age are counted (`Standing.dropped`).
   */
  bytes?: number
  whole?: number
  ofKind?: number
}

/** What a queue keeps of each ended state. */
export type QueueRetention = Readonly<Record<'completed' | 'failed' | 'cancelled', Retention>>

/** What a store keeps. Plain data, because threads get it, too. */
export interface Retentions {
  retention: QueueRetention
  /** By queue, for queues with numbers of their own. */
  retentions?: Readonly<Record<string, QueueRetention>> | undefined
  /** False: the numbers change from job to job, so they are used as they are, whatever other workers keep. */
  agrees?: false | undefined
}

/** What is kept unless the configuration says something else. */
export const RETENTION: QueueRetention = {
  completed: { count: 1_000, age: 3_600_000 },
  failed: { count: 100_000, age: 30 * 86_400_000, bytes: 268_435_456, whole: 10_000, ofKind: 1_000 },
  cancelled: { count: 1_000, age: 86_400_000 },
}

const all: Retention = { count: Number.MAX_SAFE_INTEGER, age: LONGEST }
/** The bytes of failed jobs are counted even here, for processes that remove by bytes. */
const allFailed: Retention = { ...RETENTION.failed, ...all, bytes: all.count, whole: all.count }
const keepsAll: Retentions = { retention: { completed: all, failed: allFailed, cancelled: all } }

/**
 * The retentions that a process or a thread uses. A supervisor may have an outdated configuration, and a
 * lease thread does not learn what other workers keep. So both remove nothing, and leave that to the workers.
 */
export function keptBy(isWatch: boolean, { retention, retentions, agrees }: Retentions): Retentions {
  return isWatch
    ? keepsAll
    : { retention, ...(retentions && { retentions }), ...(agrees === false && { agrees }) }
}

/**
 * A failed member of a flow is kept for at least this many milliseconds, whatever its class and queue say, or
 * until its flow is forgotten (`Change`, `unpin`). While the flow is kept, a retry of the flow starts the
 * member again.
 */
export const PINNED = 365 * 86_400_000
/**
 * Members are kept in this way while a partition has fewer than this many failed jobs with an age of their
 * own.
 */
export const MAX_PINNED = 10_000

export function retentionOf({ retention, retentions }: Retentions, partition: string): QueueRetention {
  return retentions?.[queueOf(partition)] ?? retention
}

const states = ['completed', 'failed', 'cancelled'] as const

/** What a living worker has announced: the retentions of its configuration, and the queues that it serves. */
interface SaidRetentions extends Retentions {
  queues: readonly string[]
}

/**
 * The retentions of a process that learns what other workers keep: the answer to each announcement of a
 * worker has them.
 *
 * For each queue and state, one of the configurations counts as a whole, never a mixture: among the living
 * workers that serve the queue, the one with the largest count, or if several have it, the largest age. If no
 * living worker serves the queue, the configurations of all workers count.
 */
export class AgreedRetentions {
  readonly #own: Retentions
  /** Empty if all workers have the configuration of this process. */
  #heard: SaidRetentions[] = []
  #texts = ''
  readonly #agreed = new Map<string, QueueRetention>()
  /** Used so that equal retentions are one object. */
  readonly #known = new Map<string, QueueRetention>()

  constructor(own: Retentions) {
    this.#own = own
  }

  /** The configuration of this process for queues without one of their own. */
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
   * The text that a worker of this process announces: the retentions in its configuration; empty if it has
   * none.
   */
  text(queues: readonly string[]): string {
    const { retention, retentions } = this.#own
    const isPlain = saying(this.#own) === plain
    return JSON.stringify({ ...(!isPlain && { retention, retentions }), queues })
  }

  /** @param texts of all living workers */
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

/** Undefined if the text is damaged. */
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
 * Counts the bytes of failed jobs for processes that remove by bytes, in case this configuration is dropped
 * later.
 */
function noted(failed: Retention): Retention {
  return { bytes: all.count, whole: all.count, ofKind: all.count, ...failed }
}

function larger(one: Retention, other: Retention): Retention {
  return other.count > one.count || (other.count === one.count && other.age > one.age) ? other : one
}
