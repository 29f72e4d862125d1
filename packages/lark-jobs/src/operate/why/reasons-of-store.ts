/**
 * Problems of the store itself, if the doctor calls them errors, and what they mean for a job in it. No such
 * error keeps a job from beginning: a store that refuses all writes does not answer this question either.
 */
import type { Inspection } from '../../store/contract/inspection.ts'
import { storeFindings } from '../findings/alarms.ts'
import type { FindingCode } from '../findings/finding.ts'
import type { Reason } from './reason.ts'

/** The beginnings of the sentences. A fault of another kind says nothing more about one job. */
const meanings: Partial<Record<FindingCode, string>> = {
  eviction: 'Its store may lose it',
  'disk-writes': 'Its store may lose it',
  memory: 'Its store takes no new jobs and signals when it is full, and begins the jobs that it has',
  'disk-space': 'Its store takes no new jobs, and begins those that it has',
}

/** A server that does not answer does not matter for this job: the server that has the job has answered. */
export function storeReasons(inspection: Inspection): Reason[] {
  return storeFindings(inspection)
    .filter(({ code, level }) => level === 'error' && code !== 'server-answers')
    .map(({ code, subject, text }) => ({
      kind: 'store',
      text: `${meanings[code] ?? 'Its store has a fault'}: ${subject} ${text}`,
      remedy: { do: 'see-doctor' },
    }))
}
