/** Schedules in the form in which operations return them. */
import { defined } from '@s18i/lark/internal'
import type { Settings } from '../../config/config.ts'
import { JobsError } from '../../model/errors.ts'
import { queueOf } from '../../model/partition.ts'
import type { WorkerRecord } from '../../model/record.ts'
import { lateBy, type ScheduleRun, unservedBecause } from '../../model/tick.ts'
import type { Missed, Overlap } from '../../options/schedules/timing.ts'
import { flag, isText, type OptionsOf, oneOf, option, refuse, voiceOf, whole } from '../../options/schema.ts'
import { ScheduleBook } from '../../schedule/book.ts'
import { instantsAfter } from '../../schedule/next-ticks.ts'
import type { Skipped } from '../../schedule/state.ts'
import type { KeptSchedule } from '../../schedule/tick-write.ts'
import type { Bound, Store } from '../../store/contract/store.ts'
import { shown } from '../../words/secret.ts'
import { checkFilter, conditions, queueName } from '../look/filter.ts'
import { shownPayload } from '../look/stored-jobs.ts'

/** An open store, with its configuration. */
export interface OpenSchedules {
  store: Store
  settings: Settings
}

const scheduleStates = ['running', 'paused', 'ended'] as const

/** A schedule. Times are milliseconds since 1970, by the clock of the store. */
export interface ScheduleInfo {
  id: string
  /** The key of the schedule's job class. */
  key: string
  queue: string
  /** When the schedule ticks: `0 8 * * 1-5`, or `every 15m`. */
  when: string
  /** The time zone of the cron expression. Absent with `every`. */
  timezone?: string
  state: (typeof scheduleStates)[number]
  /** Whether a job class declares the schedule. If false, `Jobs.schedules.set` created the schedule. */
  ofClass: boolean
  /** When the definition of the schedule took effect. */
  since: number
  /** The instant of the next tick. Absent if the schedule is paused or has ended. */
  next?: number
  /**
   * For how many milliseconds the next tick has been due, if the schedule is late. Absent if the schedule is
   * not late.
   */
  late?: number
  /**
   * Why the ticks of the schedule do not become jobs. `no-worker`: no worker is alive. `unknown-key`: no
   * living worker knows the key of the job class. Absent if a living worker knows the key, if the schedule is
   * paused or has ended, and in what a change of the schedule returns.
   */
  unserved?: 'no-worker' | 'unknown-key'
  /** The instants of the ticks after the next tick, if the call requested these instants. */
  following?: number[]
  /** Since when the schedule is paused, why, and who paused it. Absent if the schedule is not paused. */
  paused?: { at: number; because?: string; by?: string }
  /**
   * When the schedule ended, and why. `limit`: the schedule reached its maximum number of ticks. `over`: its
   * recurrence has no more ticks. `dropped`: no class declares it any more.
   */
  ended?: { at: number; why: 'limit' | 'over' | 'dropped' }
  /**
   * For the schedule of a class: since when no living worker has declared the schedule, according to the last
   * worker that checked this.
   */
  undeclaredSince?: number
  /** How many ticks have become jobs since the definition took effect. */
  ticks: number
  /** The last run that has ended. */
  lastRun?: ScheduleRun
  /** The last runs that have ended, at most 20. The latest run comes last. */
  runs: ScheduleRun[]
  /** The last ticks that did not become jobs, at most 20 entries. The latest tick comes last. */
  skipped: Skipped[]
  missed: Missed
  /** How late a tick may still become a job, in milliseconds. */
  grace: number
  overlap: Overlap
  /** The maximum random delay of a tick, in milliseconds. Absent if ticks have no random delay. */
  jitter?: number
  pauseAfterFailures?: number
  limit?: number
  from?: number
  until?: number
  /** A copy of the payload of the schedule's jobs, without the parts that people must not see. */
  payload?: unknown
}

const filterConditions = conditions({
  /** Only schedules of this queue. */
  queue: queueName,
  /** Only schedules whose jobs have this key. */
  key: option<string>('the key of a job class', isText),
  /** Only schedules in this state: `running`, `paused` or `ended`. */
  state: oneOf(scheduleStates),
  /**
   * `true`: only schedules that job classes declare. `false`: only schedules that `Jobs.schedules.set`
   * created.
   */
  ofClass: flag(),
})

/** Conditions that choose schedules. A schedule must meet all of them. Default: all schedules. */
export interface ScheduleFilter extends OptionsOf<typeof filterConditions.entries> {}

const getConditions = conditions({
  /** How many ticks after the next tick are returned. Default 0. */
  following: whole(0, 1_000),
})

export interface GetScheduleOptions extends OptionsOf<typeof getConditions.entries> {}

/** @throws FILTER_INVALID */
export function checkSchedules(filter: unknown): void {
  checkFilter('Jobs.schedules.list()', filter, filterConditions)
}

/** @throws SCHEDULE_INVALID */
export function checkGet(id: unknown, options: unknown): void {
  checkId('get()', id)
  getConditions.readAll(options, voiceOf('SCHEDULE_INVALID', 'Jobs.schedules.get()', 'the second argument'))
}

/**
 * Refuses a value that cannot be the id of a schedule. @throws SCHEDULE_INVALID @param call the method of
 * `Jobs.schedules` that was called
 */
export function checkId(call: string, id: unknown): void {
  if (isText(id)) return
  refuse(voiceOf('SCHEDULE_INVALID', `Jobs.schedules.${call}`), 'the id', id, 'the id of a schedule, a text')
}

export function bookOf({ store, settings }: OpenSchedules): ScheduleBook {
  const boundOf = (partition: string): Bound | undefined => settings.bounds.get(queueOf(partition))
  return new ScheduleBook(store, boundOf)
}

export async function getSchedule(
  open: OpenSchedules,
  id: string,
  { following = 0 }: GetScheduleOptions,
): Promise<ScheduleInfo | undefined> {
  const found = await bookOf(open).get(id)
  return found && served(infoOf(found, following), await open.store.workers())
}

/** @throws SCHEDULE_NOT_FOUND */
export async function existing(open: OpenSchedules, id: string): Promise<KeptSchedule> {
  const found = await bookOf(open).get(id)
  if (found === undefined) throw notFound(id)
  return found
}

export function notFound(id: string): JobsError {
  return new JobsError('SCHEDULE_NOT_FOUND', `There is no schedule ${shown(id)}`, {
    hint: 'See Jobs.schedules.list()',
  })
}

export async function listSchedules(
  open: OpenSchedules,
  { queue, key, state, ofClass }: ScheduleFilter,
): Promise<ScheduleInfo[]> {
  const all = (await bookOf(open).list(ofClass || undefined)).map((each) => infoOf(each))
  const found = all.filter(
    (each) =>
      (queue === undefined || each.queue === queue) &&
      (key === undefined || each.key === key) &&
      (state === undefined || each.state === state) &&
      (ofClass === undefined || each.ofClass === ofClass),
  )
  if (found.length === 0) return []
  const workers = await open.store.workers()
  return found.map((each) => served(each, workers))
}

/** Adds the reason why no worker queues the jobs of a schedule, if there is one. */
function served(info: ScheduleInfo, workers: readonly WorkerRecord[]): ScheduleInfo {
  const unserved = unservedBecause(info, workers)
  return unserved === undefined ? info : { ...info, unserved }
}

/** @param count how many ticks after the next tick are returned */
export function infoOf({ id, at, definition, state, runs }: KeptSchedule, count = 0): ScheduleInfo {
  const { timing, queue, job, missed, grace, overlap, jitter, pauseAfterFailures, limit, ofClass } =
    definition
  const { next, paused, ended, since, ticks, skipped, undeclaredSince } = state
  const { from, until } = timing
  const isRunning = paused === undefined && ended === undefined
  const lastRun = runs.at(-1)
  return {
    id,
    key: job.key,
    queue,
    ...(timing.kind === 'cron'
      ? { when: timing.expression, timezone: timing.timezone ?? 'UTC' }
      : { when: `every ${durationOf(timing.ms)}` }),
    state: ended !== undefined ? 'ended' : paused !== undefined ? 'paused' : 'running',
    ofClass: ofClass !== undefined,
    since,
    ...(isRunning && next !== undefined && { next, ...defined({ late: lateBy({ next, jitter }, at) }) }),
    ...(count > 0 && {
      following: isRunning && next !== undefined ? followingOf(definition, state, count) : [],
    }),
    ...defined({ paused, ended, undeclaredSince }),
    ticks,
    ...defined({ lastRun }),
    runs: [...runs],
    skipped,
    ...{ missed, grace, overlap },
    ...(jitter > 0 && { jitter }),
    ...(pauseAfterFailures > 0 && { pauseAfterFailures }),
    ...(limit > 0 && { limit }),
    ...defined({ from, until }),
    ...(job.payload.trimEnd() !== '' && { payload: shownPayload(job.payload, job.options?.redact) }),
  }
}

/**
 * The instants of the ticks after the next tick: first the stored instants, then computed instants, but no
 * more than the schedule's limit allows.
 */
function followingOf(
  { timing, limit }: KeptSchedule['definition'],
  { next, ahead, ticks }: KeptSchedule['state'],
  count: number,
): number[] {
  const more = instantsAfter(timing, ahead.at(-1) ?? next!, Math.max(0, count - ahead.length))
  const left = limit === 0 ? count : Math.max(0, limit - ticks - 1)
  return [...ahead, ...more].slice(0, Math.min(count, left))
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** A duration as users write it, in the largest unit that divides it: `15m`, `90s`. */
function durationOf(ms: number): string {
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}
