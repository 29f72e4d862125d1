/**
 * Says in words who paused a queue, a group or a schedule, when and why: ` by ada at web-1 5 m ago (the
 * server is down)`. The caller writes the sentence around this text.
 */
import { readable } from './duration.ts'

/** @param now milliseconds since 1970. @returns an empty text if neither a person nor a reason is known */
export function pausedWords(
  { by, at, because }: { by?: string | undefined; at?: number | undefined; because?: string | undefined },
  now: number,
): string {
  const when = at === undefined ? '' : ` ${readable(Math.max(0, now - at))} ago`
  return `${by === undefined ? '' : ` by ${by}${when}`}${because === undefined ? '' : ` (${because})`}`
}
