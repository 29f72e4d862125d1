/**
 * The operations on the schedules of a store: read, pause, resume, remove, run now. The implementation is in
 * `schedule-info.ts` and `schedule-changes.ts`, which are loaded with the first call, because most processes
 * only dispatch.
 */
import { type Perform, unrecorded } from './audit/hand-change.ts'
import type {
  PauseScheduleOptions,
  ResumedSchedule,
  ResumeScheduleOptions,
  ScheduleRunNow,
} from './schedules/schedule-changes.ts'
import type {
  GetScheduleOptions,
  OpenSchedules,
  ScheduleFilter,
  ScheduleInfo,
} from './schedules/schedule-info.ts'
import type { ScheduleRecord } from './schedules/schedule-records.ts'

/**
 * Reads and changes the schedules of a store; `Jobs.schedules` and `operate().schedules` are such objects.
 */
export class ScheduleOperations {
  readonly #open: () => Promise<OpenSchedules>
  readonly #perform: Perform
  readonly #person: string | undefined

  /** @internal */
  constructor(open: () => Promise<OpenSchedules>, perform: Perform = unrecorded, person?: string) {
    this.#open = open
    this.#perform = perform
    this.#person = person
  }

  /**
   * Reads the schedule with this id, with its last runs. Undefined if there is no such schedule.
   *
   * @param options `following`: how many ticks after the next tick are returned, up to 1,000. Default 0
   * @throws SCHEDULE_INVALID for a value that cannot be an id and for invalid options; STORE_DAMAGED
   * @example const { next, lastRun } = (await Jobs.schedules.get('report'))!
   */
  async get(id: string, options: GetScheduleOptions = {}): Promise<ScheduleInfo | undefined> {
    const { checkGet, getSchedule } = await import('./schedules/schedule-info.ts')
    checkGet(id, options)
    return getSchedule(await this.#open(), id, options)
  }

  /**
   * Lists all schedules that meet a filter, sorted by id.
   *
   * @throws FILTER_INVALID
   * @example const paused = await Jobs.schedules.list({ state: 'paused' })
   */
  async list(filter: ScheduleFilter = {}): Promise<ScheduleInfo[]> {
    const { checkSchedules, listSchedules } = await import('./schedules/schedule-info.ts')
    checkSchedules(filter)
    return listSchedules(await this.#open(), filter)
  }

  /**
   * Returns records of the schedules that have not ended, from which `operate().import()` makes the same
   * schedules in another store. A record has the stored payload, the pause and the next tick of a schedule,
   * but not the history of its runs.
   *
   * @example const lines = (await operate().schedules.records()).map((schedule) => JSON.stringify(schedule))
   */
  async records(): Promise<ScheduleRecord[]> {
    const { scheduleRecords } = await import('./schedules/schedule-records.ts')
    return scheduleRecords(await this.#open())
  }

  /**
   * Returns the ids of the schedules whose records are damaged. `list()` and `records()` leave out these
   * schedules.
   */
  async damaged(): Promise<string[]> {
    const { damagedSchedules } = await import('./schedules/schedule-records.ts')
    return damagedSchedules(await this.#open())
  }

  /**
   * Removes a schedule with its history. Jobs that the schedule has queued are not removed. If a class
   * declares the schedule, the next worker that starts creates the schedule again. Pause such a schedule
   * instead.
   *
   * @returns whether the schedule existed
   * @throws SCHEDULE_INVALID
   */
  async remove(id: string): Promise<boolean> {
    const { checkId, removeSchedule } = await import('./schedules/schedule-changes.ts')
    checkId('remove()', id)
    const change = { what: 'remove-schedule', on: `schedule ${id}`, count: Number } as const
    return this.#perform(change, async () => removeSchedule(await this.#open(), id))
  }

  /**
   * Pauses a schedule. A paused schedule does not tick until it is resumed. Jobs that it has already queued
   * still run. A schedule that gets a new definition stays paused.
   *
   * @param options `because`: the reason, for people
   * @returns the schedule. If it was already paused, nothing changes
   * @throws SCHEDULE_NOT_FOUND, SCHEDULE_INVALID
   * @example await Jobs.schedules.pause('report', { because: 'the bank is closed' })
   */
  async pause(id: string, options: PauseScheduleOptions = {}): Promise<ScheduleInfo> {
    const { checkPause, pauseSchedule } = await import('./schedules/schedule-changes.ts')
    checkPause(id, options)
    const change = { what: 'pause-schedule', on: `schedule ${id}`, count: () => 1 } as const
    return this.#perform(change, async () => pauseSchedule(await this.#open(), id, options, this.#person))
  }

  /**
   * Resumes a paused schedule. The ticks that came during the pause count as missed.
   *
   * @param options `missed`: what happens to the ticks that came during the pause. Default: the setting of
   * the schedule
   * @returns how many of the missed ticks were queued, and how many were skipped
   * @throws SCHEDULE_NOT_FOUND, SCHEDULE_INVALID
   * @example const { queued, skipped } = await Jobs.schedules.resume('report', { missed: 'once' })
   */
  async resume(id: string, options: ResumeScheduleOptions = {}): Promise<ResumedSchedule> {
    const { checkResume, resumeSchedule } = await import('./schedules/schedule-changes.ts')
    checkResume(id, options)
    const count = ({ wasPaused }: ResumedSchedule) => Number(wasPaused)
    const change = { what: 'resume-schedule', on: `schedule ${id}`, count } as const
    return this.#perform(change, async () => resumeSchedule(await this.#open(), id, options))
  }

  /**
   * Queues a job of a schedule now, even if the schedule is paused or has ended. The next tick does not
   * change, and the run is added to the history of the schedule.
   *
   * @throws SCHEDULE_NOT_FOUND, SCHEDULE_INVALID
   * @example const { id } = await Jobs.schedules.runNow('report')
   */
  async runNow(id: string): Promise<ScheduleRunNow> {
    const { checkId, runScheduleNow } = await import('./schedules/schedule-changes.ts')
    checkId('runNow()', id)
    const count = ({ queued }: ScheduleRunNow) => Number(queued)
    const change = { what: 'run-schedule', on: `schedule ${id}`, count } as const
    return this.#perform(change, async () => runScheduleNow(await this.#open(), id))
  }
}
