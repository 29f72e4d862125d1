/**
 * Cursors of lists, as people see them: where the next page begins, behind a seal by which a cursor of another list is
 * known, or one that is damaged. Nothing is kept between two calls.
 */
import { createHash } from 'node:crypto'
import { JobsError } from '../model/errors.ts'
import { shown } from '../model/secret.ts'

/** The letters of a seal. */
const SEAL = 11

export class Cursors<Place extends readonly unknown[]> {
  readonly #call: string
  readonly #what: readonly unknown[]

  /** @param what says which list it is: JSON values */
  constructor(call: string, what: readonly unknown[]) {
    this.#call = call
    this.#what = what
  }

  write(place: Place): string {
    const text = Buffer.from(JSON.stringify(place)).toString('base64url')
    return `${this.#seal(text)}${text}`
  }

  /** @throws CURSOR_INVALID */
  read(cursor: string): Place {
    const text = cursor.slice(SEAL)
    if (cursor === `${this.#seal(text)}${text}`) return JSON.parse(Buffer.from(text, 'base64url').toString())
    const hint = 'A cursor goes on with the same filter, the same order, and the same kind of store.'
    const message = `${this.#call}: cursor is ${shown(cursor)}; it must be the cursor that the page before has`
    throw new JobsError('CURSOR_INVALID', message, { hint, exit: 2 })
  }

  #seal(text: string): string {
    const all = JSON.stringify([...this.#what, text])
    return createHash('sha256').update(all).digest('base64url').slice(0, SEAL)
  }
}
