/**
 * What goes into Redis as text, and back.
 *
 * A record is `queued at|priority|options|key|payload`. The script writes the first field, by its own clock;
 * priority 0 and absent options are empty; a `|` in a key is escaped; the payload comes last because it may hold
 * anything.
 */
import type { Counters, JobError, JobOptions, LogLine, NewJob, Outcome } from '../../record.ts'
import { type Change, MAX_LOG_BYTES, MAX_LOG_LINES, type Settlement } from '../store.ts'

export interface Packed {
  queuedAt: number
  priority: number
  options?: JobOptions
  key: string
  payload: string
}

/** The arguments of `enqueue.lua` for one job. */
export function packJob(job: NewJob): [id: string, priority: string, delay: string, rest: string] {
  const options = job.options ? JSON.stringify(job.options) : ''
  const key = job.key.replaceAll('%', '%25').replaceAll('|', '%7C')
  return [
    job.id,
    job.priority ? String(job.priority) : '',
    job.delay && job.delay > 0 ? String(Math.ceil(job.delay)) : '',
    `${options}|${key}|${job.payload}`,
  ]
}

export function unpackJob(text: string): Packed {
  const priority = text.indexOf('|') + 1
  const options = text.indexOf('|', priority) + 1
  const key = text.indexOf('|', options) + 1
  const payload = text.indexOf('|', key) + 1
  return {
    queuedAt: Number(text.slice(0, priority - 1)),
    priority: Number(text.slice(priority, options - 1)),
    ...(key - 1 > options && { options: JSON.parse(text.slice(options, key - 1)) as JobOptions }),
    key: text
      .slice(key, payload - 1)
      .replaceAll('%7C', '|')
      .replaceAll('%25', '%'),
    payload: text.slice(payload),
  }
}

/** @param started counts the run that is going on, or that completed, which the store does not count */
export function unpackCounters(text: string | null | undefined, started: boolean): Counters {
  const [runs = 0, failures = 0, crashes = 0, releases = 0] = text ? text.split(',').map(Number) : []
  return { runs: started ? runs + 1 : runs, failures, crashes, releases }
}

export function unpackErrors(text: string | null | undefined): JobError[] {
  return text ? text.split('\n').map((line) => JSON.parse(line) as JobError) : []
}

/** The newest lines that a job's log has room for, one JSON text a line. */
export function packLog(log: readonly LogLine[] | undefined): string {
  if (!log || log.length === 0) return ''
  const lines: string[] = []
  let bytes = 0
  for (const line of log.slice(-MAX_LOG_LINES).reverse()) {
    let json = JSON.stringify(line)
    if (Buffer.byteLength(json) > MAX_LOG_BYTES) {
      // In JSON no character has more than 6 bytes.
      json = JSON.stringify({ ...line, text: `${line.text.slice(0, Math.floor(MAX_LOG_BYTES / 6) - 20)}…` })
    }
    bytes += Buffer.byteLength(json) + 1
    if (bytes > MAX_LOG_BYTES + 1) break
    lines.push(json)
  }
  return lines.reverse().join('\n')
}

export function unpackLog(text: string | null): LogLine[] {
  return text ? text.split('\n').map((line) => JSON.parse(line) as LogLine) : []
}

/** The arguments of `shared/settle.lua` for one settlement. */
export function packSettlement({ id, token, outcome }: Settlement): string[] {
  const [kind, value] = packOutcome(outcome)
  return [id, token, kind, value, packLog(outcome.log)]
}

function packOutcome(outcome: Outcome): [kind: string, value: string] {
  switch (outcome.kind) {
    case 'completed':
      return outcome.result === undefined ? ['completed', ''] : ['result', outcome.result]
    case 'failed': {
      const error = JSON.stringify(outcome.error)
      if (outcome.retryIn === undefined) return ['failed', error]
      return ['retried', `${packDuration(outcome.retryIn)}|${error}`]
    }
    case 'released':
      return ['released', packDuration(outcome.in)]
    case 'returned':
      return ['returned', '']
    case 'cancelled':
      return ['cancelled', `${outcome.reason}|${outcome.error ? JSON.stringify(outcome.error) : ''}`]
  }
}

/** Milliseconds as the scripts take them: whole, not negative, rounded up so that nothing is early. */
export function packDuration(ms: number): string {
  return String(Math.max(0, Math.ceil(ms)))
}

/** What a change says beside its kind. */
export function packChange(change: Change): string {
  switch (change.kind) {
    case 'cancel':
      return change.reason
    case 'reschedule':
      return packDuration(change.in)
    case 'edit':
      return change.payload
    default:
      return ''
  }
}
