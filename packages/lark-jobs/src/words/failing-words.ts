/**
 * What people are told of the failures of a queue: how many of its jobs failed for good, how many wait for
 * their next try, and whether that is many.
 */
import { plural } from './plural.ts'

/** Many: at least this number of jobs, and this share of those that ended within an hour. */
const FAILING = { count: 10, share: 0.1 }
/** Many: at least this number of jobs that wait for their next try. */
const RETRYING = 100

interface FailureWords {
  text: string
  isMany: boolean
}

export function failingWords({ failed, completed }: { failed: number; completed: number }): FailureWords {
  const ended = failed + completed
  const text = `${failed.toLocaleString('en')} of ${plural(ended, 'job')} failed within an hour`
  return { text, isMany: failed >= FAILING.count && failed >= ended * FAILING.share }
}

export function retryingWords(retrying: number): FailureWords {
  const text = `${plural(retrying, 'job')} failed and ${retrying === 1 ? 'waits' : 'wait'} for the next try`
  return { text, isMany: retrying >= RETRYING }
}
