/**
 * Measures how long a job was suspended, because this time does not count for its `retryUntil`. If an outcome
 * asks for this (`rests`), a store keeps a text with the journal of the job: the milliseconds of earlier
 * suspensions, and while the job is suspended, `|` and the time at which the present suspension began.
 * `journal.lua` does the same in Lua.
 */

/**
 * Computes the milliseconds for which a job was suspended. @param text the kept text; null if the job was
 * never suspended
 */
export function restedIn(text: string | null, now: number): number {
  const [sum = 0, since = now] = text === null ? [] : text.split('|').map(Number)
  return sum + Math.max(0, now - since)
}

/** The text to keep for a job that becomes suspended at `now`. */
export function resting(text: string | null, now: number): string {
  return `${restedIn(text, now)}|${now}`
}
