/**
 * The ids of schedules. A schedule that a class declares has the key of the class, or `key/name` if the
 * schedule has a name.
 */
import { isId } from '../../model/id.ts'
import { MAX_SCHEDULE_ID } from '../../model/tick.ts'

/** The rule for ids of schedules, as the end of a message. */
export const scheduleIdForm = `a text of 1 to ${MAX_SCHEDULE_ID} characters, without white space, colons and control characters`

export function isScheduleId(value: unknown): value is string {
  return isId(value) && value.length <= MAX_SCHEDULE_ID && !/[\s:]/u.test(value)
}
