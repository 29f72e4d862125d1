/**
 * Words about the failures of a queue: how many of its jobs failed for good, how many wait for their next
 * try, and whether these numbers are high.
 */
import { plural } from './plural.ts'

/** The smallest number of failed jobs that can count as many. */
const LEAST = 10
/** Failed jobs count as many if they are at least this share of the jobs that ended within an hour. */
const MANY = 0.1
/**
 * Failed jobs count as most if they are at least this share of the jobs that ended within five minutes. The
 * period is short, so that the message disappears soon after its cause.
 */
const MOST = 0.5
/** The smallest number of jobs waiting for their next try that counts as many. */
const RETRYING = 100

/** How many jobs ended, and how. */
interface EndedJobs {
  completed: number
  failed: number
}

/** `many`: a person should look at the failed jobs. `most`: hardly any job of the queue succeeds. */
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
