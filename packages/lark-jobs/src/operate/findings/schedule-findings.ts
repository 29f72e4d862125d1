/** The findings of the doctor for the schedules of a store: which schedules are paused or late. */
import { isKnown } from '../../model/every-key.ts'
import type { WorkerRecord } from '../../model/record.ts'
import { lateBy } from '../../model/tick.ts'
import { readable } from '../../words/duration.ts'
import type { ScheduleInfo } from '../schedules/schedule-info.ts'
import { type DoctorFinding, Examination } from './finding-codes.ts'

/** @param now the time by the store's clock: milliseconds since 1970 */
export function scheduleFindings(
  schedules: readonly ScheduleInfo[],
  workers: readonly WorkerRecord[],
  now: number,
): DoctorFinding[] {
  return schedules.flatMap((schedule) => {
    const { id, key, queue, state, paused } = schedule
    if (state === 'ended') return []
    const found = new Examination(id)
    if (paused !== undefined) {
      const why = paused.because === undefined ? '' : ` (${paused.because})`
      found.warn('schedule-paused', `is a schedule, and paused${why}: it does not tick`, {
        do: 'resume-schedule',
        schedule: id,
      })
      return found.findings
    }
    found.ok('schedule-paused', 'is a schedule, and not paused')
    const late = lateBy(schedule, now)
    if (late === undefined) found.ok('schedule-late', 'ticks when it is due')
    else {
      const text = `has not ticked for ${readable(late)} after it was due`
      if (workers.length === 0)
        found.fail('schedule-late', `${text}: no worker lives`, { do: 'start-worker', queue })
      else if (isKnown(workers, key, queue))
        found.fail('schedule-late', text, 'Look at the log of the workers: ', { do: 'see-workers' })
      else
        found.fail(
          'schedule-late',
          `${text}: no live worker knows '${key}'`,
          'Deploy its class, or remove the schedule. See who lives: ',
          { do: 'see-workers' },
        )
    }
    return found.findings
  })
}
