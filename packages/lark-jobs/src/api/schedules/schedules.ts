/** `Jobs.schedules`: the operations on schedules, and `set`, which creates a schedule at run time. */
import { ScheduleOperations } from '../../operate/schedule-operations.ts'
import type { ScheduleInfo } from '../../operate/schedules/schedule-info.ts'
import type { JobLike } from '../../options/job-class.ts'
import type { Recurrence } from '../../options/schedules/recurrence.ts'
import type { Draft } from '../draft.ts'
import type { OperatedSchedules } from './set-schedule.ts'

/** The schedules of the store of an instance of `Jobs`. */
export class JobSchedules extends ScheduleOperations {
  readonly #jobs: OperatedSchedules

  /** @internal */
  constructor(jobs: OperatedSchedules) {
    super(() => jobs.open())
    this.#jobs = jobs
  }

  /**
   * Creates a schedule, or changes its definition. Any number of processes may call this method with the same
   * arguments when they start. If the definition is the same, nothing changes, not even the next tick. A
   * different definition replaces the old one in one step. A schedule that is paused stays paused.
   *
   * @param id an id that you choose: 1 to 75 characters, without white space, colons and control characters
   * @param draft the job of each tick: `ReportJob.with({ tenant: 7 })`, without an id
   * @param when `cron()`, `every()` or `daily()`
   * @throws SCHEDULE_INVALID; SCHEDULE_TAKEN if a job class or a command declares a schedule with this id;
   *   the errors of a dispatch
   * @example await Jobs.schedules.set('report-7', ReportJob.with({ tenant: 7 }), cron('0 8 * * *', { timezone
   *   }))
   */
  async set<J extends JobLike>(id: string, draft: Draft<J>, when: Recurrence): Promise<ScheduleInfo> {
    const { setSchedule } = await import('./set-schedule.ts')
    return setSchedule(this.#jobs, id, draft, when)
  }
}
