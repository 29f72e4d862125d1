/**
 * How long a job was suspended, because that time does not count for its `retryUntil`. A store keeps it with
 * the journal, for jobs whose outcomes ask for it: the milliseconds so far; and while the job is suspended,
 * `|` and since when. `journal.lua` does the same in Lua.
 */

/** @param text nothing if the job was never suspended */
export function restedIn(text: string | null, now: number): number {
  const [sum = 0, since = now] = text === null ? [] : text.split('|').map(Number)
  return sum + Math.max(0, now - since)
}

/** The text for a job that is suspended now. */
export function resting(text: string | null, now: number): string {
  return `${restedIn(text, now)}|${now}`
}
