/**
 * Follows the job that the page shows until the job has ended. While the job writes its log and reports
 * progress, the stream (`live.ts`) brings them to the page.
 */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { ShownReport, StreamInput } from '../../src/server/streams.ts'

/** The path of the stream for a page that shows no unfinished job. */
const PLAIN = 'api/live'

/** The path of the stream. */
export const stream = signal(PLAIN)
/** The last report of the stream about the job. */
export const report = signal<ShownReport | undefined>(undefined)

/**
 * Follows a job as long as the component is shown. If `job` is undefined, no job is followed.
 *
 * @returns the last report about the job
 */
export function useFollowed(job: StreamInput['job']): ShownReport | undefined {
  const path = job === undefined ? PLAIN : `${PLAIN}?input=${encodeURIComponent(JSON.stringify({ job }))}`
  useEffect(() => {
    stream.value = path
    return () => {
      stream.value = PLAIN
      report.value = undefined
    }
  }, [path])
  return report.value
}
