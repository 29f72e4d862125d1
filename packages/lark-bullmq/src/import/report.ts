/**
 * The report of an import from BullMQ: how many jobs of each queue are in Lark, and why the other jobs are
 * not. No job is skipped silently.
 */
import { defined } from '@s18i/lark/internal'
import { bullmqLacks } from '../job/record.ts'
import type { BullmqQueue } from './source.ts'

/** The reasons why jobs stay in BullMQ. Each text comes after `3 left: ` in the report. */
export const leftReasons = {
  active: 'BullMQ runs them now. Import again when they have ended, or are waiting again',
  completed: 'they have completed: there is nothing left to run',
  failed: 'they have failed: --failed imports them',
  'failed-before': 'they are older, or more, than the failed jobs that the queue keeps in Lark (jobs.keep)',
  'flow-active': 'BullMQ runs a job of their flows now. Import again when it has ended, or is waiting again',
  'flow-failed': 'a job that their flows wait for has failed: retry it in BullMQ, or remove it there',
  'flow-elsewhere': 'their flows have jobs in queues that are not imported now (--queue)',
  'flow-child': 'they belong to flows that stay',
  'next-run': 'the next runs of job schedulers, which the schedules in Lark make by themselves',
  unscheduled: 'they belong to job schedulers that were not imported',
  uncertain:
    'an import that was killed about an hour ago or earlier had begun with them, and Lark may have run them: --force imports them',
} as const

/**
 * The parts of jobs that Lark does not take over. Each text comes after `not carried over from 3: ` in the
 * report.
 */
export const lackReasons = {
  ...bullmqLacks,
  aligned: 'the start of an interval: every() of Lark ticks by the clock, 15m at :00, :15, :30 and :45',
  timezone: "the time zone of BullMQ's workers, because the pattern has no tz: that of jobs.schedules counts",
} as const

export type LackReason = keyof typeof lackReasons

/** The name of a reason. */
export type BullmqReason = keyof typeof leftReasons | keyof typeof lackReasons

/** Says why some jobs stay in BullMQ, or which parts of some jobs Lark did not take over. */
export interface BullmqNote {
  why: BullmqReason
  /** The reason in words. */
  text: string
  count: number
  /** The ids of the first jobs. */
  ids: string[]
}

/** A job or a scheduler that cannot be imported. */
export interface BullmqMistake {
  id: string
  message: string
}

export interface BullmqQueueReport {
  queue: string
  paused: boolean
  /** How many jobs BullMQ runs at a time, over all workers, if the queue has such a limit. */
  concurrency?: number
  /** Set if BullMQ limits the rate of the queue for all workers. */
  isRated?: true
  /** How many workers of BullMQ are connected. Absent if the server does not say it. */
  workers?: number
  /** How many jobs BullMQ had in each state when the import began. */
  found: Readonly<Record<string, number>>
  /** The first 100 keys that the jobs have in Lark. */
  keys: string[]
  /** How many jobs the import has queued or, with `dryRun`, would queue. */
  imported: number
  /** How many jobs were already in Lark, from an earlier import or for another reason. */
  existing: number
  schedules: number
  existingSchedules: number
  /** How many jobs and schedulers were removed from BullMQ. */
  removed: number
  /** The first ids of imported jobs that a worker of BullMQ has taken in the meantime. */
  taken: string[]
  left: BullmqNote[]
  lacks: BullmqNote[]
  /** How many jobs and schedulers cannot be imported. */
  failures: number
  /** The first 20 of the jobs and schedulers that cannot be imported. */
  mistakes: BullmqMistake[]
}

export interface BullmqImport {
  /** The server, without a password. */
  from: string
  queues: BullmqQueueReport[]
  imported: number
  existing: number
  schedules: number
  removed: number
  failures: number
  /** The queues that Lark's configuration does not have. Empty without `dryRun`. */
  unknownQueues: string[]
  /** Why the jobs in BullMQ could not be marked as imported. */
  unmarked?: string
  dryRun?: true
}

/** The maximum number of keys of a queue in a report. */
const KEYS = 100
/** The maximum number of ids in a note. */
const IDS = 5
/** The maximum number of mistakes of a queue that are listed one by one. */
const MISTAKES = 20

/** The report of one queue while it grows. */
export class QueueTally {
  readonly report: BullmqQueueReport
  readonly #left = new Map<BullmqReason, BullmqNote>()
  readonly #lacks = new Map<BullmqReason, BullmqNote>()

  constructor({ name, paused, concurrency, isRated, counts }: BullmqQueue, workers: number | undefined) {
    this.report = {
      ...{ queue: name, paused },
      ...defined({ concurrency, workers }),
      ...(isRated && { isRated }),
      ...{ found: counts, keys: [], imported: 0, existing: 0 },
      ...{ schedules: 0, existingSchedules: 0, removed: 0 },
      ...{ taken: [], left: [], lacks: [], failures: 0, mistakes: [] },
    }
  }

  left(why: keyof typeof leftReasons, ids: readonly string[], count = ids.length): void {
    note(this.#left, this.report.left, why, leftReasons[why], ids, count)
  }

  lacks(id: string, all: readonly LackReason[]): void {
    for (const why of all) note(this.#lacks, this.report.lacks, why, lackReasons[why], [id], 1)
  }

  key(key: string): void {
    const { keys } = this.report
    if (keys.length < KEYS && !keys.includes(key)) keys.push(key)
  }

  mistake(id: string, message: string): void {
    this.report.failures++
    if (this.report.mistakes.length < MISTAKES) this.report.mistakes.push({ id, message })
  }

  taken(ids: readonly string[]): void {
    this.report.taken.push(...ids.slice(0, MISTAKES - this.report.taken.length))
  }
}

function note(
  notes: Map<BullmqReason, BullmqNote>,
  list: BullmqNote[],
  why: BullmqReason,
  text: string,
  ids: readonly string[],
  count: number,
): void {
  if (count === 0) return
  let found = notes.get(why)
  if (found === undefined) {
    found = { why, text, count: 0, ids: [] }
    notes.set(why, found)
    list.push(found)
  }
  found.count += count
  found.ids.push(...ids.slice(0, IDS - found.ids.length))
}

/**
 * The reason for a job or a flow that stays in BullMQ because another job or flow already has its id in Lark.
 */
export function anotherHas(id: string): string {
  return `the queue has another job with the id ${id} in Lark`
}
