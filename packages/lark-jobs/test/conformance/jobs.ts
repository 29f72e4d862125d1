/**
 * Short forms of jobs, outcomes and settlements, for tests.
 */
import type { ClaimedJob, JobError, LogLine, NewJob, Outcome } from '../../src/model/record.ts'
import type { Settlement } from '../../src/store/contract/store.ts'

let made = 0

/** Makes a job with a new id. Ids have 13 characters and sort in the order in which they are made. */
export function job(fields: Partial<NewJob> = {}): NewJob {
  made += 1
  return { id: made.toString(36).padStart(13, '0'), key: 'send-email', payload: '{"to":"ada"}', ...fields }
}

/** Makes `count` equal jobs with different ids. */
export function jobs(count: number, fields: Partial<NewJob> = {}): NewJob[] {
  return Array.from({ length: count }, () => job(fields))
}

export function ids(list: readonly { id: string }[]): string[] {
  return list.map((item) => item.id)
}

export function settlement(held: Pick<ClaimedJob, 'id' | 'token'>, outcome: Outcome): Settlement {
  return { id: held.id, token: held.token, outcome }
}

export const completed: Outcome = { kind: 'completed' }
export const failed: Outcome = { kind: 'failed', error: jobError() }
export const unstarted: Outcome = { kind: 'unstarted' }

/** Makes the outcome of a failed attempt that is retried. @param retryIn milliseconds */
export function retried(retryIn: number, run = 1): Outcome {
  return { kind: 'failed', error: jobError({ run }), retryIn }
}

export function jobError(fields: Partial<JobError> = {}): JobError {
  return { run: 1, name: 'Error', message: 'mailbox full', ...fields }
}

export function line(text: string, fields: Partial<LogLine> = {}): LogLine {
  return { at: 1, level: 'info', text, ...fields }
}
