/**
 * Schedules as people see them.
 */
import { defined } from '@s18i/lark/internal'
import type { Settings } from '../../config/config.ts'
import { JobsError } from '../../model/errors.ts'
import { queueOf } from '../../model/partition.ts'
import { lateBy, type ScheduleRun } from '../../model/tick.ts'
import type { Missed, Overlap } from '../../options/schedules/timing.ts'
import { flag, isText, type OptionsOf, oneOf, option, refuse, voiceOf, whole } from '../../options/schema.ts'
import { ScheduleBook } from '../../schedule/book.ts'
import { instantsAfter } from '../../schedule/instants.ts'
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
  /** The key of its job class. */
  key: string
  queue: string
  /** When it ticks: `0 8 * * 1-5`, or `every 15m`. */
  when: string
  /** The time zone of the expression. Absent with `every`. */
  timezone?: string
  state: (typeof scheduleStates)[number]
  /** Whether a job class declares it. Otherwise `Jobs.schedules.set` made it. */
  ofClass: boolean
  /** When its definition took effect. */
  since: number
  /** The instant of its next tick. Absent if it is paused, or has ended. */
  next?: number
  /** For how many milliseconds its next tick has been due, if that is too long. Absent: it is in time. */
  late?: number
  /** The instants after that, if they were asked for. */
  following?: number[]
  /** Since when it is paused, why, and by which person. */
  paused?: { at: number; because?: string; by?: string }
  /**
   * When it ended. `limit`: it has ticked so often. `over`: it has no more ticks. `dropped`: no class
   * declares it.
   */
  ended?: { at: number; why: 'limit' | 'over' | 'dropped' }
  /** For the schedule of a class: since when no living worker declares it, as far as a worker has looked. */
  undeclaredSince?: number
  /** How many ticks became jobs since its definition took effect. */
  ticks: number
  /** The last run that has ended. */
  lastRun?: ScheduleRun
  /** The last runs that have ended, the latest last: at most 20. */
  runs: ScheduleRun[]
  /** The last ticks that became no jobs, the latest last: at most 20 entries. */
  skipped: Skipped[]
  missed: Missed
  /** Milliseconds. */
  grace: number
  overlap: Overlap
  /** Milliseconds. Absent: none. */
  jitter?: number
  pauseAfterFailures?: number
  limit?: number
  from?: number
  until?: number
  /** A copy of the payload of its jobs, without what people must not see. */
  payload?: unknown
}

const filterConditions = conditions({
  /** Only schedules of this queue. */
  queue: queueName,
  /** Only schedules whose jobs have this key. */
  key: option<string>('the key of a job class', isText),
  /** Only schedules in this state: `running`, `paused` or `ended`. */
  state: oneOf(scheduleStates),
  /** Only schedules that job classes declare, or only the others. */
  ofClass: flag(),
})

/** Which schedules. A schedule must meet all conditions. Default: all. */
export interface ScheduleFilter extends OptionsOf<typeof filterConditions.entries> {}

const getConditions = conditions({
  /** How many instants after the next one to tell. Default 0. */
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

/** Refuses what cannot be an id. @throws SCHEDULE_INVALID @param call of `Jobs.schedules` */
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
  return found && infoOf(found, following)
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
  return all.filter(
    (each) =>
      (queue === undefined || each.queue === queue) &&
      (key === undefined || each.key === key) &&
      (state === undefined || each.state === state) &&
      (ofClass === undefined || each.ofClass === ofClass),
  )
}

/** @param count how many instants after the next one to tell */
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

/** The instants after the next one: first those that are stored. No more than the limit allows. */
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
