/**
 * Schedules as records that can be imported into another store: the definition of each schedule, and how far
 * it has come. The schedules of job classes are included, because they may be paused. Ended schedules and the
 * history of runs are not included.
 */
import { defined } from '@s18i/lark/internal'
import { partitionOf } from '../../dispatch/schedule-definition.ts'
import { JobsError } from '../../model/errors.ts'
import { isReserved } from '../../model/reserved-key.ts'
import { cron, every } from '../../options/schedules/recurrence.ts'
import { isScheduleId, scheduleIdForm } from '../../options/schedules/schedule-id.ts'
import type { Timing } from '../../options/schedules/timing.ts'
import { isObject, isText } from '../../options/schema.ts'
import { ScheduleBook } from '../../schedule/book.ts'
import type { Definition } from '../../schedule/definition.ts'
import type { ScheduleState } from '../../schedule/state.ts'
import { type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'

/** The record of a schedule, which `operate().schedules.records()` returns and `operate().import()` takes. */
export interface ScheduleRecord {
  /** The id of the schedule. */
  schedule: string
  /** When the schedule ticks, and which job it queues. */
  definition: object
  /** How far the schedule has come, such as its next tick and its pause. */
  state: object
}

/** A schedule that was read from a record. */
export interface MovedSchedule {
  id: string
  definition: Definition
  state: ScheduleState
}

export async function scheduleRecords({ store }: Pick<OpenQueues, 'store'>): Promise<ScheduleRecord[]> {
  const all = await new ScheduleBook(store).list()
  return all.flatMap(({ id, definition, state: { movesTo: _, others: __, ...state } }) =>
    state.ended === undefined ? [{ schedule: id, definition, state }] : [],
  )
}

/** The ids of the schedules that cannot be read. */
export async function damagedSchedules({ store }: Pick<OpenQueues, 'store'>): Promise<string[]> {
  const damaged: string[] = []
  await new ScheduleBook(store).list(undefined, damaged)
  return damaged.sort()
}

/**
 * @returns true if the schedule was stored; false if the store already has a schedule with this id, which is
 *   left unchanged
 */
export async function putSchedule(
  { store, queues }: OpenQueues,
  { id, definition, state }: MovedSchedule,
): Promise<boolean> {
  await partitionsToLookIn({ store, queues }, definition.queue)
  return new ScheduleBook(store).restore(id, definition, state, partitionOf(id, definition, queues))
}

/** Whether a value is meant to be the record of a schedule. */
export function isScheduleRecord(value: unknown): value is ScheduleRecord {
  return isObject(value) && isText(value.schedule)
}

/** @param refuse throws an error with the reason that it gets */
export function readSchedule(
  { schedule, definition, state }: ScheduleRecord,
  commands: boolean | undefined,
  refuse: (why: string, isCommand?: boolean) => never,
): MovedSchedule {
  if (!isScheduleId(schedule)) refuse(`its id must be ${scheduleIdForm}`)
  if (!isObject(definition) || !isObject(definition.job)) refuse('it has no definition with a job')
  if (!isState(state)) refuse('its state is damaged')
  const { timing, missed, grace, overlap, jitter, pauseAfterFailures, limit, queue, ofClass, job } =
    definition as unknown as Definition
  if (!isObject(timing)) refuse('its definition has no timing')
  if (!isText(queue) || !(ofClass === undefined || isText(ofClass))) refuse('its queue or class is no text')
  if (!isJob(job)) refuse('its job is damaged')
  if (isReserved(job.key) && !commands) refuse('it runs a command of lark', true)
  return {
    id: schedule,
    definition: {
      ...{
        timing: timingOf(definition as unknown as Definition, refuse),
        missed,
        grace,
        overlap,
        jitter,
        pauseAfterFailures,
        limit,
        queue,
        job,
      },
      ...defined({ ofClass }),
    },
    state,
  }
}

/** Checks the recurrence with the functions with which users define recurrences. */
function timingOf(
  { timing, missed, grace, overlap, jitter, pauseAfterFailures, limit }: Definition,
  refuse: (why: string) => never,
): Timing {
  const { from, until } = timing
  const options = {
    ...{ missed, grace, overlap, jitter },
    ...(pauseAfterFailures !== 0 && { pauseAfterFailures }),
    ...(limit !== 0 && { limit }),
    ...(from !== undefined && { from: new Date(from) }),
    ...(until !== undefined && { until: new Date(until) }),
  }
  try {
    if (timing.kind === 'every') return every(timing.ms, options).timing
    const zone = timing.timezone === undefined ? {} : { timezone: timing.timezone }
    return cron(timing.expression, { ...options, ...zone }).timing
  } catch (error) {
    if (!JobsError.is(error, 'SCHEDULE_INVALID')) throw error
    return refuse(`its definition is wrong: ${error.message}`)
  }
}

const kinds: readonly (readonly [type: string, ...names: string[]])[] = [
  ['number', 'priority', 'delay'],
  ['object', 'options', 'lock', 'group', 'keep'],
  ['string', 'limiter'],
  ['boolean', 'hooked'],
]

function isJob(job: unknown): job is Definition['job'] {
  if (!isObject(job) || !isText(job.key) || typeof job.payload !== 'string') return false
  const is = (type: string) => (name: string) => job[name] === undefined || typeof job[name] === type
  return kinds.every(([type, ...names]) => names.every(is(type)))
}

function isState(state: unknown): state is ScheduleState {
  if (!isObject(state)) return false
  const { next, last, byHand, resumedAt, firstSeen, undeclaredSince, paused, ahead, skipped } = state
  const isTime = (value: unknown) => Number.isSafeInteger(value)
  const times = [next, last, byHand, resumedAt, firstSeen, undeclaredSince]
  return (
    [state.ticks, state.since].every(isTime) &&
    times.every((each) => each === undefined || isTime(each)) &&
    (paused === undefined || (isObject(paused) && isTime(paused.at))) &&
    Array.isArray(ahead) &&
    ahead.every(isTime) &&
    Array.isArray(skipped) &&
    skipped.every(isObject)
  )
}
