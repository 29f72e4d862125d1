/**
 * The findings of the doctor for the schedules of a store: which schedules are paused, late, or of
 * a class that no worker knows.
 */
import type { WorkerRecord } from '../../model/record.ts'
import type { Advice } from '../../model/remedy.ts'
import { lateBy, type Unserved, unservedBecause } from '../../model/tick.ts'
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
    const { id, queue, state, paused } = schedule
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
    const unserved = unservedBecause(schedule, workers)
    if (unserved === undefined) found.ok('schedule-known', 'has a class that a live worker knows')
    if (late === undefined) {
      found.ok('schedule-late', 'ticks when it is due')
      if (unserved !== undefined)
        found.warn('schedule-known', `stands still: ${missing(schedule, unserved)}`, ...ways(queue, unserved))
    } else {
      const text = `has not ticked for ${readable(late)} after it was due`
      if (unserved !== undefined)
        found.fail('schedule-late', `${text}: ${missing(schedule, unserved)}`, ...ways(queue, unserved))
      else found.fail('schedule-late', text, 'Look at the log of the workers: ', { do: 'see-workers' })
    }
    return found.findings
  })
}

function missing({ key }: ScheduleInfo, unserved: Unserved): string {
  return unserved === 'no-worker' ? 'no worker lives' : `no live worker knows '${key}'`
}

function ways(queue: string, unserved: Unserved): Advice {
  if (unserved === 'no-worker') return [{ do: 'start-worker', queue }]
  return ['Deploy its class, or remove the schedule. See who lives: ', { do: 'see-workers' }]
}
