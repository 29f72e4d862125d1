/** The changes of schedules by hand: pause, resume, remove, run now. */

import { defined } from '@s18i/lark/internal'
import { tickId } from '../../model/tick.ts'
import { missedPolicies } from '../../options/schedules/timing.ts'
import { isText, type OptionsOf, oneOf, option, voiceOf } from '../../options/schema.ts'
import { keptBecause } from '../../words/because.ts'
import { conditions } from '../look/filter.ts'
import {
  bookOf,
  checkId,
  existing,
  infoOf,
  notFound,
  type OpenSchedules,
  type ScheduleInfo,
} from './schedule-info.ts'

export { checkId }

const pauseConditions = conditions({
  /** The reason, in a few words, for people. Its first 200 characters are kept. */
  because: option<string>('a text', isText).with({ refusesUndefined: 'never' }),
})

export interface PauseScheduleOptions extends OptionsOf<typeof pauseConditions.entries, undefined> {}

const resumeConditions = conditions({
  /**
   * What happens to the ticks that were due during the pause: `skip`, `once` or `all`. Default: the setting
   * of the schedule.
   */
  missed: oneOf(missedPolicies),
})

export interface ResumeScheduleOptions extends OptionsOf<typeof resumeConditions.entries> {}

/** The result of a resume. */
export interface ResumedSchedule {
  /** Whether the schedule was paused. */
  wasPaused: boolean
  /** How many ticks that were due during the pause became jobs. */
  queued: number
  /** How many ticks that were due during the pause were recorded as skipped. */
  skipped: number
  /** The instant of the next tick: milliseconds since 1970. Absent if the schedule has ended. */
  next?: number
}

/** The job that `runNow` has queued. */
export interface ScheduleRunNow {
  /** The id of the job. */
  id: string
  queue: string
  /** False if the job was rejected because of its unique lock or because its queue is full. */
  queued: boolean
}

/** @throws SCHEDULE_INVALID */
export function checkPause(id: unknown, options: unknown): void {
  checkId('pause()', id)
  pauseConditions.readAll(
    options,
    voiceOf('SCHEDULE_INVALID', 'Jobs.schedules.pause()', 'the second argument'),
  )
}

/** @throws SCHEDULE_INVALID */
export function checkResume(id: unknown, options: unknown): void {
  checkId('resume()', id)
  resumeConditions.readAll(
    options,
    voiceOf('SCHEDULE_INVALID', 'Jobs.schedules.resume()', 'the second argument'),
  )
}

export function removeSchedule(open: OpenSchedules, id: string): Promise<boolean> {
  return bookOf(open).remove(id)
}

/** @throws SCHEDULE_NOT_FOUND @param by the person who pauses the schedule */
export async function pauseSchedule(
  open: OpenSchedules,
  id: string,
  { because }: PauseScheduleOptions,
  by?: string,
): Promise<ScheduleInfo> {
  const book = bookOf(open)
  const done = await book.change(id, async (found) => {
    if (found.state.paused !== undefined || found.state.ended !== undefined) return undefined
    // Ticks that are already due do not belong to the pause, so they are handled first.
    const { state, ticks } = await book.plan(found)
    if (state.paused !== undefined || state.ended !== undefined) return { state, ticks }
    return {
      state: { ...state, paused: { at: found.at, ...defined({ because: keptBecause(because), by }) } },
      ticks,
    }
  })
  if (done === undefined) throw notFound(id)
  return infoOf({ ...done.before, state: done.changed?.state ?? done.before.state })
}

/** @throws SCHEDULE_NOT_FOUND */
export async function resumeSchedule(
  open: OpenSchedules,
  id: string,
  { missed }: ResumeScheduleOptions,
): Promise<ResumedSchedule> {
  const { definition, state } = await existing(open, id)
  const book = bookOf(open)
  const resumed = await book.resume(id, missed ?? definition.missed)
  const { next } = (await book.get(id))?.state ?? {}
  if (resumed === undefined) throw notFound(id)
  return {
    wasPaused: state.paused !== undefined,
    queued: resumed.ticks.length,
    skipped: resumed.skipped,
    ...defined({ next }),
  }
}

/** @throws SCHEDULE_NOT_FOUND */
export async function runScheduleNow(open: OpenSchedules, id: string): Promise<ScheduleRunNow> {
  const done = await bookOf(open).change(id, ({ state, at }) => {
    // The instant of this run must differ from the instants of ticks and of other simultaneous runs by hand.
    const taken = new Set([state.next, ...state.ahead])
    let instant = Math.max(at, (state.last ?? 0) + 1, (state.byHand ?? 0) + 1)
    while (taken.has(instant)) instant += 1
    return { state: { ...state, byHand: instant }, ticks: [instant] }
  })
  if (done === undefined) throw notFound(id)
  const { before, changed, queued } = done
  const isQueued = !(typeof queued[0] === 'object' && queued[0].kind !== 'replaced')
  const [instant] = changed!.ticks!
  return { id: tickId({ schedule: id, at: instant! }), queue: before.definition.queue, queued: isQueued }
}
