/** The message that no worker could read some jobs of a queue. */
import { readable } from './duration.ts'
import { plural } from './plural.ts'

/** @param now milliseconds since 1970 */
export function strandedWords(
  {
    count,
    since,
    key,
    because,
  }: { count: number; since: number; key?: string | undefined; because?: string | undefined },
  now: number,
): string {
  const age = readable(Math.max(0, now - since))
  const why = because === undefined ? '' : `, a job of '${key}': ${because}`
  return `no worker could read ${plural(count, 'job')}, the first for ${age}${why}`
}
