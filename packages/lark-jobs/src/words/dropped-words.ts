/**
 * The message that failed jobs were removed too early: before they had the age up to which they should be
 * kept. The worker, the doctor, the screens and the dashboard use it.
 */
import { readable } from './duration.ts'
import { plural } from './plural.ts'

/** @param at when the last of these jobs was removed, in milliseconds since 1970, like `now` */
export function droppedWords({ count, at }: { count: number; at: number }, now: number): string {
  const were = count === 1 ? 'was' : 'were'
  return `${plural(count, 'failed job')} ${were} removed before ${count === 1 ? 'its' : 'their'} age, the last ${readable(Math.max(0, now - at))} ago, because there were too many`
}
