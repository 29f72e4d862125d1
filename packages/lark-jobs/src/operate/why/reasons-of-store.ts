/**
 * Problems of the store itself that the doctor calls errors, and their meaning for a job in the store. These
 * problems do not prevent a job from beginning, because a store that refuses all writes could not answer this
 * call either.
 */
import type { Inspection } from '../../store/contract/inspection.ts'
import { storeFindings } from '../findings/alarms.ts'
import type { FindingCode } from '../findings/finding-codes.ts'
import type { Reason } from './reason.ts'

/**
 * How the sentence for each finding begins. Findings that are not listed here do not concern a single job,
 * and get a general sentence.
 */
const meanings: Partial<Record<FindingCode, string>> = {
  eviction: 'Its store may lose it',
  'disk-writes': 'Its store may lose it',
  memory: 'Its store takes no new jobs and signals when it is full, and begins the jobs that it has',
  'disk-space': 'Its store takes no new jobs, and begins those that it has',
}

/** A server that does not answer is left out, because the server that has the job has answered. */
export function storeReasons(inspection: Inspection): Reason[] {
  return storeFindings(inspection)
    .filter(({ code, level }) => level === 'error' && code !== 'server-answers')
    .map(({ code, subject, text }) => ({
      kind: 'store',
      text: `${meanings[code] ?? 'Its store has a fault'}: ${subject} ${text}`,
      remedy: { do: 'see-doctor' },
    }))
}
