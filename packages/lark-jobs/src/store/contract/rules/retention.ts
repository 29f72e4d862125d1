/**
 * How many ended jobs a partition keeps, and for how long. The configuration of a queue may say other numbers
 * than those here (`config/keep.ts`). Every process uses the numbers of its own configuration. A process with
 * a worker keeps more if another living worker does: while workers are restarted after `keep` was raised, the
 * old ones remove nothing that the new ones keep.
 */

import { queueOf } from '../../../model/partition.ts'
import { LONGEST } from '../../../words/duration.ts'
import { parsed } from './unreadable.ts'

/** What is kept of one ended state: the newest jobs, and each for so many milliseconds. */
export interface Retention {
  count: number
  age: number
  /**
   * Only of failed jobs of which nobody has said how many are kept: the bytes of their payloads and errors.
   * Then the newest `ofKind` of each kind go last, those beyond the newest `whole` keep only their last
   * error, and jobs that are removed before their age are counted (`Standing.dropped`).
   */
  bytes?: number
  whole?: number
  ofKind?: number
}

/** What a queue keeps of each ended state. */
export type QueueRetention = Readonly<Record<'completed' | 'failed' | 'cancelled', Retention>>

/** What a store keeps: plain data, since threads are told it too. */
export interface Retentions {
  retention: QueueRetention
  /** By queue, where a queue keeps something else. */
  retentions?: Readonly<Record<string, QueueRetention>> | undefined
  /** False: the numbers change from job to job, so they hold as they are, whatever other workers keep. */
  agrees?: false | undefined
}

/** What is kept unless the configuration says something else. */
export const RETENTION: QueueRetention = {
  completed: { count: 1_000, age: 3_600_000 },
  failed: { count: 100_000, age: 30 * 86_400_000, bytes: 268_435_456, whole: 10_000, ofKind: 1_000 },
  cancelled: { count: 1_000, age: 86_400_000 },
}

const all: Retention = { count: Number.MAX_SAFE_INTEGER, age: LONGEST }
/** What fails is noted all the same, for those that remove. */
const allFailed: Retention = { ...RETENTION.failed, ...all, bytes: all.count, whole: all.count }
const keepsAll: Retentions = { retention: { completed: all, failed: allFailed, cancelled: all } }

/**
 * What a process or a thread keeps. A supervisor outlives the configuration that it was started with, and a
 * lease thread does not hear what other workers keep. So they remove nothing: they leave that to the workers.
 */
export function keptBy(isWatch: boolean, { retention, retentions, agrees }: Retentions): Retentions {
  return isWatch
    ? keepsAll
    : { retention, ...(retentions && { retentions }), ...(agrees === false && { agrees }) }
}

/**
 * A member of a flow that failed is kept for at least so many milliseconds, whatever its class and queue say,
 * or until its flow is forgotten (`Change`, `unpin`): while the flow is kept, a retry of it starts the member
 * again.
 */
export const PINNED = 365 * 86_400_000
/**
 * A member is kept so while a partition has fewer failed jobs than this that are kept for an age of their
 * own.
 */
export const MAX_PINNED = 10_000

export function retentionOf({ retention, retentions }: Retentions, partition: string): QueueRetention {
  return retentions?.[queueOf(partition)] ?? retention
}

const states = ['completed', 'failed', 'cancelled'] as const

/**
 * What a process keeps while it hears what other workers keep: the answer to each announcement of a worker
 * says it.
 */
export class AgreedRetentions implements Retentions {
  readonly #own: Retentions
  #agreed: Retentions

  constructor(own: Retentions) {
    this.#own = own
    this.#agreed = own
  }

  get retention(): QueueRetention {
    return this.#agreed.retention
  }

  get retentions(): Retentions['retentions'] {
    return this.#agreed.retentions
  }

  of(partition: string): QueueRetention {
    return retentionOf(this.#agreed, partition)
  }

  /** What the own configuration says, for an announcement; empty if it says nothing of it. */
  get text(): string {
    const { retention, retentions } = this.#own
    const text = JSON.stringify({ retention, retentions })
    return text === plain ? '' : text
  }

  /** @param texts of all living workers */
  hear(texts: readonly string[]): void {
    if (this.#own.agrees === false) return
    const others = texts.flatMap((text) => retentionsIn(text) ?? [])
    this.#agreed = others.reduce(larger, this.#own)
  }
}

const plain = JSON.stringify({ retention: RETENTION })

/** Undefined if the text is damaged. */
function retentionsIn(text: string): Retentions | undefined {
  if (text === '') return { retention: RETENTION }
  const found = parsed(text) as Partial<Retentions> | null | undefined
  const all = [found?.retention, ...Object.values(found?.retentions ?? {})]
  const isSound = all.every((kept) =>
    states.every((state) => Number.isFinite(kept?.[state]?.count) && Number.isFinite(kept?.[state]?.age)),
  )
  return isSound ? (found as Retentions) : undefined
}

function larger(one: Retentions, other: Retentions): Retentions {
  const queues = Object.keys({ ...one.retentions, ...other.retentions })
  const of = (queue: string) => largerOf(retentionOf(one, queue), retentionOf(other, queue))
  return {
    retention: largerOf(one.retention, other.retention),
    ...(queues.length > 0 && { retentions: Object.fromEntries(queues.map((queue) => [queue, of(queue)])) }),
  }
}

function largerOf(one: QueueRetention, other: QueueRetention): QueueRetention {
  const most = (state: (typeof states)[number]): Retention => {
    const [a, b] = [one[state], other[state]]
    const count = Math.max(a.count, b.count)
    const age = Math.max(a.age, b.age)
    // A number of bytes limits only if both have one.
    if (a.bytes === undefined || b.bytes === undefined) return { count, age }
    return {
      count,
      age,
      bytes: Math.max(a.bytes, b.bytes),
      whole: Math.max(a.whole!, b.whole!),
      ofKind: Math.max(a.ofKind!, b.ofKind!),
    }
  }
  return { completed: most('completed'), failed: most('failed'), cancelled: most('cancelled') }
}
