/**
 * Measures how long a job was suspended, because this time does not count for its `retryUntil`. A store keeps
 * one text with the journal of a job, if an outcome of the job asked for it: the milliseconds so far, and
 * while the job is suspended, `|` and since when. `journal.lua` does the same in Lua.
 */

/** @param text the kept text; null if the job was never suspended */
export function restedIn(text: string | null, now: number): number {
  const [sum = 0, since = now] = text === null ? [] : text.split('|').map(Number)
  return sum + Math.max(0, now - since)
}

/** The text to keep for a job that becomes suspended at `now`. */
export function resting(text: string | null, now: number): string {
  return `${restedIn(text, now)}|${now}`
}
