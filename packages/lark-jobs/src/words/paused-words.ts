/**
 * Says in words who paused a queue, a group or a schedule, when and why: ` by ada at web-1 5 m ago (the
 * server is down)`. The sentence around it is that of the reason (`operate/why/reasons-to-wait.ts`).
 */
import { readable } from './duration.ts'

/** @param now milliseconds since 1970. @returns an empty text if none of this is known */
export function pausedWords(
  { by, at, because }: { by?: string | undefined; at?: number | undefined; because?: string | undefined },
  now: number,
): string {
  const when = at === undefined ? '' : ` ${readable(Math.max(0, now - at))} ago`
  return `${by === undefined ? '' : ` by ${by}${when}`}${because === undefined ? '' : ` (${because})`}`
}
