/**
 * Prepares payloads, results and progress for a viewer. A viewer without the right to see these values gets
 * no such value. Large values are cut, and the number of hidden characters is given.
 */
import { LarkError } from '@s18i/lark/config'
import type { AuditEntry, ScheduleInfo, StoredJob } from '@s18i/lark-jobs/operate'
import type { KnownViewer } from '../guard/viewer.ts'

/** The maximum number of characters of a value that a browser gets. */
const MOST = 64 * 1024

/** A value as JSON text. */
export interface ShownValue {
  json: string
  /** How many characters are left out at the end. If the number is 0, `json` is complete. */
  hidden: number
}

/** A job in the form for a viewer, without the values that the viewer must not see. */
export type ShownJob<J extends StoredJob = StoredJob> = Omit<J, 'payload' | 'result' | 'progress'> & {
  payload?: ShownValue
  result?: ShownValue
  progress?: ShownValue
  /** Present if the viewer has no right to see the payload, the result and the progress. */
  isVeiled?: true
}

export function shownValue(value: unknown): ShownValue {
  const json = JSON.stringify(value) ?? 'null'
  return { json: json.slice(0, MOST), hidden: Math.max(0, json.length - MOST) }
}

/**
 * The options of a job that contain no data of the application. The list does not include the context and the
 * baggage of the trace, because they may contain such data, for example the user and the tenant.
 */
const plainOptions = [
  ...['maxCrashes', 'tries', 'backoff', 'timeout', 'retryUntil', 'expiresIn'],
  ...['tags', 'redact', 'born', 'editedAt'],
]

export function shownJob<J extends StoredJob>(job: J, { payloads }: KnownViewer): ShownJob<J> {
  const { payload, result, progress, ...rest } = job
  if (!payloads) {
    const { options, unreadable } = rest
    const plain = Object.entries(options ?? {}).filter(([name]) => plainOptions.includes(name))
    return {
      ...rest,
      ...(options !== undefined && { options: Object.fromEntries(plain) }),
      // The text of a damaged field is removed, because the text may come from a payload.
      ...(unreadable?.kind === 'damaged' && { unreadable: { ...unreadable, text: '' } }),
      isVeiled: true,
    }
  }
  return {
    ...rest,
    ...(payload !== undefined && { payload: shownValue(payload) }),
    ...(result !== undefined && { result: shownValue(result) }),
    ...(progress !== undefined && { progress: shownValue(progress) }),
  }
}

/**
 * The whole JSON text of a value that `shownJob` has cut. Null if there is no such job.
 *
 * @throws VALUES_REFUSED
 */
export function wholeValue(
  job: StoredJob | undefined,
  of: 'payload' | 'result' | 'progress',
  { user, payloads }: KnownViewer,
): string | null {
  if (!payloads) throw new LarkError('VALUES_REFUSED', `${user} may not see payloads, results and progress`)
  return job === undefined ? null : (JSON.stringify(job[of]) ?? 'null')
}

/** A schedule in the form for a viewer. */
export type ShownSchedule = Omit<ScheduleInfo, 'payload'> & { payload?: ShownValue }

export function shownSchedule(
  { payload, ...schedule }: ScheduleInfo,
  { payloads }: KnownViewer,
): ShownSchedule {
  return payloads && payload !== undefined ? { ...schedule, payload: shownValue(payload) } : schedule
}

/**
 * Hides values of payloads in an entry of the audit. The description of a change ends with the values that
 * its filter searched for in payloads, and the error of a change may quote a payload.
 */
export function shownEntry(entry: AuditEntry, { payloads }: KnownViewer): AuditEntry {
  if (payloads) return entry
  const { on, error } = entry
  const told = error !== undefined && { error: error.replace(/^(PAYLOAD_\w+): .*$/s, '$1') }
  return { ...entry, on: on.replace(/ where .*$/s, ' where …'), ...told }
}

/**
 * Replaces an error of a change of payloads that the viewer may not see, because the message of a schema may
 * quote the payloads.
 */
export function shownError(error: unknown, { payloads }: KnownViewer): unknown {
  if (payloads || !LarkError.is(error) || !error.code.startsWith('PAYLOAD_')) return error
  return new LarkError(error.code, 'The class of a job does not take its payload after the change', {
    cause: error,
  })
}
