/**
 * Compares queues with limits, for cron, CI and scripts: how long the oldest job waits, how many jobs fail,
 * how many wait, and how many workers serve the queue.
 */

import { JobsError } from '../../model/errors.ts'
import { duration, isObject, Option, whole } from '../../options/schema.ts'
import { HOUR, MINUTE, type Standing } from '../../store/contract/store.ts'
import type { Duration } from '../../words/duration.ts'
import type { DoctorFinding, FindingCode } from '../findings/finding-codes.ts'
import { checkFilter, conditions, type Flags } from '../look/filter.ts'
import { partitionsToLookIn } from '../look/stored-jobs.ts'
import { endedSince, measure, oldestOf } from '../measures/measurement.ts'
import { strandedIn } from '../measures/stranded-jobs.ts'
import type { OpenSchedules } from '../schedules/schedule-info.ts'
import { examine } from './doctor.ts'

/** The default of `within`, in milliseconds. */
const WITHIN = 5 * MINUTE
/** The name that stands for every queue without a limit of its own. */
const OTHERS = '*'

/**
 * One limit for all queues, or an object with a limit for each queue name. The name `'*'` stands for every
 * queue that the object does not name.
 */
export type LimitOfQueues<T> = T | Readonly<Record<string, T>>

/** How many jobs may fail: a number, or a share of the jobs that ended, such as `'1%'`. */
export type MostFailed = number | `${number}%`

interface FailureLimit {
  /** The limit as the caller wrote it, a number or a percentage. */
  limit: MostFailed
  isOver(failed: number, ended: number): boolean
}

const mostFailed = new Option<MostFailed, FailureLimit>(
  "a whole number of jobs, or a share of those that ended, such as '1%'",
  (value) => {
    if (typeof value === 'number')
      return Number.isInteger(value) && value >= 0
        ? { limit: value, isOver: (failed) => failed > value }
        : undefined
    const percent = Number(/^(\d+(?:\.\d+)?)%$/.exec(String(value))?.[1])
    return percent <= 100
      ? { limit: value as MostFailed, isOver: (failed, ended) => failed * 100 > percent * ended }
      : undefined
  },
)

/**
 * A limit for every queue, or an object with limits by queue. The message about a wrong limit shows only the
 * wrong limit, not the whole object.
 */
function ofQueues<In, Out>(limit: Option<In, Out>): Option<LimitOfQueues<In>, ReadonlyMap<string, Out>> {
  const right = `${limit.right}; or an object with these by queue, such as { emails: …, '*': … }`
  return new Option(right, (value, path, voice) => {
    const all = isObject(value) ? Object.entries(value) : [[OTHERS, value] as const]
    if (all.length === 0) return undefined
    return new Map(all.map(([queue, each]) => [queue, limit.needed().read(each, path, voice)]))
  })
}

const monitorOptions = conditions({
  maxAge: ofQueues(duration(1)),
  maxFailed: ofQueues(mostFailed),
  maxWaiting: ofQueues(whole(0)),
  minWorkers: ofQueues(whole(1)),
  within: new Option<Duration, number>("a time from '1m' to '1h'", (value, path, voice) => {
    const ms = duration(1).needed().read(value, path, voice)
    return ms >= MINUTE && ms <= HOUR ? ms : undefined
  }),
})

/** The limits of `operate().monitor()`. */
export interface MonitorOptions {
  /**
   * How long the oldest job may wait, from the time at which it is due until it begins. Default: the `target`
   * of the queue.
   */
  maxAge?: LimitOfQueues<Duration>
  /** How many jobs may fail for good within the period `within`. Default: not checked. */
  maxFailed?: LimitOfQueues<MostFailed>
  /** How many jobs may wait. Default: not checked. */
  maxWaiting?: LimitOfQueues<number>
  /** How many live workers must serve the queue and take jobs. Default: not checked. */
  minWorkers?: LimitOfQueues<number>
  /**
   * The period for `maxFailed`: 1 minute to 1 hour. Default 5 minutes. A minute that is only partly in the
   * period counts in full.
   */
  within?: Duration
}

/** How a queue compares with one limit. */
export type QueueCheck = { queue: string; ok: boolean } & (
  | {
      /** How many milliseconds the oldest job has waited; 0 if no job waits. */
      what: 'age'
      found: number
      limit: number
      /** Whether the queue, or a group of the queue, is paused. */
      paused: boolean
      /** How many jobs no worker could read. Absent if workers could read all jobs. */
      stranded?: number
    }
  | {
      /** How many of the ended jobs failed. */
      what: 'failed'
      found: number
      ended: number
      limit: MostFailed
    }
  | {
      /** How many jobs wait, including the jobs that no worker could read. */
      what: 'waiting'
      found: number
      limit: number
    }
  | {
      /** How many live workers serve the queue and take jobs. */
      what: 'workers'
      found: number
      limit: number
    }
  | {
      /** A partition of the queue cannot be read. A check of this kind is never `ok`. */
      what: 'damage'
      message: string
    }
)

export interface MonitorReport {
  /** Whether every check is `ok`, and no finding is an error. */
  ok: boolean
  /** The period for which failed jobs are counted, in milliseconds. */
  within: number
  /** The checks, sorted by queue. */
  checks: QueueCheck[]
  /**
   * The errors and the warnings of the doctor. If a limit of the queue measures the same thing as an error of
   * the doctor, the error is listed as a warning, because the limit decides.
   */
  findings: DoctorFinding[]
  /** The queues in which jobs wait and that have no limit for the age or the number of these jobs. */
  unlimited: UnlimitedQueue[]
}

export interface UnlimitedQueue {
  queue: string
  /** How many jobs wait. */
  waiting: number
  /** How many milliseconds the oldest job has waited. */
  oldest: number
}

/** @throws FILTER_INVALID */
export function checkMonitor(options: unknown, flags?: Flags): void {
  checkFilter('operate().monitor()', options, monitorOptions, { flags, whole: 'the argument' })
}

/**
 * @throws UNKNOWN_QUEUE; FILTER_INVALID if there is no limit
 */
export async function monitor(
  open: OpenSchedules,
  options: MonitorOptions,
  flags?: Flags,
): Promise<MonitorReport> {
  const { targets, partitions } = open.settings
  const stored = { store: open.store, queues: partitions }
  const voice = {
    name: (path: string) => path,
    error: (text: string) => new JobsError('FILTER_INVALID', text),
  }
  const { within = WITHIN, ...limits } = monitorOptions.readAll(options, voice)
  const maps: (ReadonlyMap<string, unknown> | undefined)[] = Object.values(limits)
  if (targets.size === 0 && maps.every((map) => map === undefined)) throw unlimited(flags)
  for (const queue of new Set(maps.flatMap((map) => [...(map?.keys() ?? [])])))
    if (queue !== OTHERS) await partitionsToLookIn(stored, queue)
  const [{ at, queues, workers }, found] = await Promise.all([measure(stored), examine(open, true)])
  const serving = (queue: string) =>
    workers.filter((worker) => worker.state === 'running' && worker.queues.includes(queue)).length
  const without: UnlimitedQueue[] = []
  const checks = queues.flatMap(({ queue, standings }): QueueCheck[] => {
    const isOthers = partitions.has(queue) || standings.some(hasWork)
    const limitOf = <T>(map: ReadonlyMap<string, T> | undefined) =>
      map?.get(queue) ?? (isOthers ? map?.get(OTHERS) : undefined)
    const { completed, failed } = endedSince(standings, at - within)
    const ended = completed + failed
    const oldest = oldestOf(standings)
    const waiting = standings.reduce((sum, { counts }) => sum + counts.waiting, 0)
    const stranded = strandedIn(standings)
    const most = {
      age: limitOf(limits.maxAge) ?? targets.get(queue),
      failed: limitOf(limits.maxFailed),
      waiting: limitOf(limits.maxWaiting),
    }
    const least = limitOf(limits.minWorkers)
    if (waiting > 0 && most.age === undefined && most.waiting === undefined)
      without.push({ queue, waiting, oldest: Math.max(0, at - (oldest ?? at)) })
    const made: (QueueCheck | false | undefined)[] = [
      ...standings.map(
        ({ damage }) => damage && { queue, what: 'damage' as const, ok: false, message: damage.message },
      ),
      most.age !== undefined && {
        ...{ queue, what: 'age', ok: oldest === undefined || at - oldest <= most.age },
        ...{ found: Math.max(0, at - (oldest ?? at)), limit: most.age },
        paused: standings.some(({ isPaused }) => isPaused),
        ...(stranded > 0 && { stranded }),
      },
      most.failed && {
        ...{ queue, what: 'failed', ok: !most.failed.isOver(failed, ended) },
        ...{ found: failed, ended, limit: most.failed.limit },
      },
      most.waiting !== undefined && {
        ...{ queue, what: 'waiting', ok: waiting <= most.waiting, found: waiting, limit: most.waiting },
      },
      least !== undefined && {
        ...{ queue, what: 'workers', ok: serving(queue) >= least, found: serving(queue), limit: least },
      },
    ]
    return made.filter((check) => check !== false && check !== undefined)
  })
  const wrong = found.filter(({ level }) => level !== 'ok').map((finding) => comparedWith(checks, finding))
  const isWell = checks.every(({ ok }) => ok) && wrong.every(({ level }) => level !== 'error')
  return { ok: isWell, within, checks, findings: wrong, unlimited: without }
}

/**
 * The findings that a limit of a queue may also cover. For each finding: the kinds of limits that cover it.
 */
const compared: Partial<Record<FindingCode, readonly QueueCheck['what'][]>> = {
  'queue-late': ['age'],
  'stranded-jobs': ['age'],
  'queue-served': ['age', 'waiting', 'workers'],
  'failing-jobs': ['failed'],
  'damaged-data': ['damage'],
}

/**
 * Turns an error of the doctor into a warning if a limit covers the error. For example, a queue has no worker
 * for some seconds while its worker restarts, and the limit says how long that may last.
 */
function comparedWith(checks: readonly QueueCheck[], finding: DoctorFinding): DoctorFinding {
  const by = compared[finding.code]
  const isCompared = checks.some(({ queue, what }) => queue === finding.subject && by?.includes(what))
  return isCompared ? { ...finding, level: 'warning' } : finding
}

/**
 * Whether a queue has jobs to run. A queue that is not configured is checked only if it has jobs. Without
 * this rule, an old queue would be reported for ever.
 */
function hasWork({ counts, damage }: Standing): boolean {
  return damage !== undefined || counts.waiting + counts.delayed + counts.active > 0
}

function unlimited(flags: Flags | undefined): JobsError {
  const names = ['maxAge', 'maxFailed', 'maxWaiting', 'minWorkers'].map((name) => flags?.[name] ?? name)
  return new JobsError('FILTER_INVALID', 'There is nothing to compare with: no queue has a target', {
    exit: 2,
    hint: `Give ${names.slice(0, -1).join(', ')} or ${names.at(-1)}; or a queue a target: queues: { emails: { target: '30s' } }`,
  })
}
