/**
 * The time at which an entry was recorded, and how long its step took, in as few bytes as possible: `+`, the
 * milliseconds, and at most once a second `@` and the time, and a space. Both numbers are in base 36. So most
 * steps need three or four bytes more. An entry without a time was recorded less than a second after the last
 * entry with a time.
 */

/** For this many milliseconds after an entry with a time, entries have no time of their own. */
const EXACT = 1_000

export class Stamps {
  /** The last time that was written. */
  #told = Number.NEGATIVE_INFINITY

  /** @param now milliseconds since 1970 @param took milliseconds */
  of(now: number, took?: number): string {
    const length = took === undefined ? '' : Math.round(took).toString(36)
    const isTold = now - this.#told >= EXACT
    if (isTold) this.#told = now
    const at = isTold ? `@${Math.round(now).toString(36)}` : ''
    return length === '' && at === '' ? '' : `+${length}${at} `
  }
}

export interface Stamp {
  /** Milliseconds since 1970. */
  at?: number
  /** Milliseconds. */
  took?: number
}

/** The value of an entry without its stamp. No other value begins with a plus sign. */
export function stampless(value: string): string {
  return value.charCodeAt(0) === 43 ? value.slice(value.indexOf(' ') + 1) : value
}

/** @param value of an entry */
export function stampOf(value: string): Stamp {
  const [, took, at] = /^\+([0-9a-z]*)(?:@([0-9a-z]+))? /.exec(value) ?? []
  return { ...(took && { took: Number.parseInt(took, 36) }), ...(at && { at: Number.parseInt(at, 36) }) }
}
