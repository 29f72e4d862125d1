/**
 * The job that the page shows, until it has ended: its log and its progress come with the stream (`live.ts`),
 * as it writes them.
 */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { ShownReport, StreamInput } from '../../src/server/streams.ts'

/** The stream of a page that shows no such job. */
const PLAIN = 'api/live'

/** Where the stream is. */
export const stream = signal(PLAIN)
/** What the stream has told of the job last. */
export const report = signal<ShownReport | undefined>(undefined)

/** Follows a job as long as the component is there; undefined: none. @returns what is known of it */
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
