/**
 * The stamp of an entry: when the entry was recorded, and how long its step took, in few bytes. A stamp is
 * `+`, the milliseconds that the step took, and a space. At most once a second, a stamp also has `@` and the
 * time, before the space. Both numbers are in base 36. So the entries of most steps get three or four bytes
 * longer. An entry without a time was recorded less than a second after the last entry with a time.
 */

/** For this many milliseconds after an entry with a time, the next entries have no time of their own. */
const EXACT = 1_000

export class Stamps {
  /** The last time that was written in a stamp. */
  #told = Number.NEGATIVE_INFINITY

  /** @param now the time, in milliseconds since 1970 @param took how long the step took, in milliseconds */
  of(now: number, took?: number): string {
    const length = took === undefined ? '' : Math.round(took).toString(36)
    const isTold = now - this.#told >= EXACT
    if (isTold) this.#told = now
    const at = isTold ? `@${Math.round(now).toString(36)}` : ''
    return length === '' && at === '' ? '' : `+${length}${at} `
  }
}

export interface Stamp {
  /** When the entry was recorded: milliseconds since 1970. */
  at?: number
  /** How long the step took, in milliseconds. */
  took?: number
}

/** The value of an entry without its stamp. No other value begins with a plus sign. */
export function stampless(value: string): string {
  return value.charCodeAt(0) === 43 ? value.slice(value.indexOf(' ') + 1) : value
}

/** @param value the value of an entry */
export function stampOf(value: string): Stamp {
  const [, took, at] = /^\+([0-9a-z]*)(?:@([0-9a-z]+))? /.exec(value) ?? []
  return { ...(took && { took: Number.parseInt(took, 36) }), ...(at && { at: Number.parseInt(at, 36) }) }
}
