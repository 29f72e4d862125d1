/**
 * Words about the failures of a queue: how many of its jobs failed for good, how many wait for
 * their next try, and whether that is many.
 */
import { plural } from './plural.ts'

/** Fewer failed jobs than this never count as many. */
const LEAST = 10
/** Failed jobs count as many from this share of the jobs that ended within an hour. */
const MANY = 0.1
/**
 * Failed jobs count as most from this share of the jobs that ended within five minutes. The time is short, so
 * that the message disappears soon after its cause.
 */
const MOST = 0.5
/** Jobs that wait for their next try count as many from this number on. */
const RETRYING = 100

/** How many jobs ended, and how. */
interface EndedJobs {
  completed: number
  failed: number
}

/** `many`: somebody should look at them. `most`: the queue does not do its work. */
export type HowMany = 'few' | 'many' | 'most'

export function failingWords(
  lastFiveMinutes: EndedJobs,
  lastHour: EndedJobs,
): {
  text: string
  howMany: HowMany
} {
  if (isShare(lastFiveMinutes, MOST))
    return { text: failedWords(lastFiveMinutes, '5 minutes'), howMany: 'most' }
  return { text: failedWords(lastHour, 'an hour'), howMany: isShare(lastHour, MANY) ? 'many' : 'few' }
}

function isShare({ completed, failed }: EndedJobs, share: number): boolean {
  return failed >= LEAST && failed >= (completed + failed) * share
}

function failedWords({ completed, failed }: EndedJobs, within: string): string {
  return `${failed.toLocaleString('en')} of ${plural(failed + completed, 'job')} failed within ${within}`
}

export function retryingWords(retrying: number): { text: string; isMany: boolean } {
  const text = `${plural(retrying, 'job')} failed and ${retrying === 1 ? 'waits' : 'wait'} for the next try`
  return { text, isMany: retrying >= RETRYING }
}
