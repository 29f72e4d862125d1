/**
 * What is wrong with the store itself, and what that means for a job in it: what the doctor calls an error.
 * No such error keeps a job from beginning: a store that refuses all writes does not answer this question
 * either.
 */
import type { Inspection } from '../../store/contract/inspection.ts'
import { storeFindings } from '../findings/alarms.ts'
import type { FindingCode } from '../findings/finding.ts'
import type { Reason } from './reason.ts'

/** What begins the sentence. A fault of another kind has no more to say about one job. */
const meanings: Partial<Record<FindingCode, string>> = {
  eviction: 'Its store may lose it',
  'disk-writes': 'Its store may lose it',
  memory: 'Its store takes no new jobs and signals when it is full, and begins the jobs that it has',
  'disk-space': 'Its store takes no new jobs, and begins those that it has',
}

/** A server that does not answer is nothing to a job: the one that has it has answered. */
export function storeReasons(inspection: Inspection): Reason[] {
  return storeFindings(inspection)
    .filter(({ code, level }) => level === 'error' && code !== 'server-answers')
    .map(({ code, subject, text }) => ({
      kind: 'store',
      text: `${meanings[code] ?? 'Its store has a fault'}: ${subject} ${text}`,
      remedy: { do: 'see-doctor' },
    }))
}
