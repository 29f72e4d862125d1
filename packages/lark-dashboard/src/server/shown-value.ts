/**
 * Payloads, results and progress on their way to a viewer: not at all without the right to see them, and a large one cut,
 * with how much is hidden.
 */
import type { AuditEntry, StoredJob } from '@s18i/lark-jobs/operate'
import type { KnownViewer } from './viewer.ts'

/** The most characters of a value that a browser gets. */
const MOST = 64 * 1024

/** A value as JSON text. */
export interface ShownValue {
  json: string
  /** How many characters are left out at the end. 0: `json` is whole. */
  hidden: number
}

/** A job as a viewer sees it: without values that they must not see. */
export type ShownJob<J extends StoredJob = StoredJob> = Omit<J, 'payload' | 'result' | 'progress'> & {
  payload?: ShownValue
  result?: ShownValue
  progress?: ShownValue
  /** The viewer has no right to see payload, result and progress. */
  isVeiled?: true
}

export function shownValue(value: unknown): ShownValue {
  const json = JSON.stringify(value) ?? 'null'
  return { json: json.slice(0, MOST), hidden: Math.max(0, json.length - MOST) }
}

export function shownJob<J extends StoredJob>(job: J, { payloads }: KnownViewer): ShownJob<J> {
  const { payload, result, progress, ...rest } = job
  if (!payloads) {
    // The context is what the application knew when it dispatched: a user, a tenant.
    const { context: _, ...options } = rest.options ?? {}
    return { ...rest, ...(rest.options !== undefined && { options }), isVeiled: true }
  }
  return {
    ...rest,
    ...(payload !== undefined && { payload: shownValue(payload) }),
    ...(result !== undefined && { result: shownValue(result) }),
    ...(progress !== undefined && { progress: shownValue(progress) }),
  }
}

/** The values that a filter searched in payloads are at the end of the words of a change. */
export function shownEntry(entry: AuditEntry, { payloads }: KnownViewer): AuditEntry {
  return payloads ? entry : { ...entry, on: entry.on.replace(/ where .*$/s, ' where …') }
}
