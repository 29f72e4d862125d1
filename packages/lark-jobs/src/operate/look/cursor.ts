/**
 * Makes and reads the cursors of lists and events. A cursor says where the next call continues. Its seal
 * shows that the cursor belongs to this list and is not damaged. No state is kept between two calls.
 */
import { createHash } from 'node:crypto'
import { JobsError } from '../../model/errors.ts'
import { shown } from '../../words/secret.ts'
import type { Flags } from './filter.ts'

/** The number of characters in a seal. */
const SEAL = 11

const ofList = {
  name: 'cursor',
  right: 'the cursor that the page before has',
  hint: 'A cursor goes on with the same filter, the same order, and the same kind of store.',
}

export class Cursors<Place extends readonly unknown[]> {
  readonly #call: string
  readonly #what: readonly unknown[]
  readonly #words: typeof ofList

  /**
   * @param what JSON values that identify the list
   * @param words the texts for messages: the name of the cursor, and where a valid cursor comes from
   */
  constructor(call: string, what: readonly unknown[], words = ofList) {
    this.#call = call
    this.#what = what
    this.#words = words
  }

  write(place: Place): string {
    const text = Buffer.from(JSON.stringify(place)).toString('base64url')
    return `${this.#seal(text)}${text}`
  }

  /** @throws CURSOR_INVALID @param flags see `checkFilter` */
  read(cursor: string, flags?: Flags): Place {
    const text = cursor.slice(SEAL)
    if (cursor === `${this.#seal(text)}${text}`) return JSON.parse(Buffer.from(text, 'base64url').toString())
    const { name, right, hint } = this.#words
    const called = flags?.[name] ?? `${this.#call}: ${name}`
    const message = `${called} is ${shown(cursor)}; it must be ${right}`
    throw new JobsError('CURSOR_INVALID', message, { hint, exit: 2 })
  }

  #seal(text: string): string {
    const all = JSON.stringify([...this.#what, text])
    return createHash('sha256').update(all).digest('base64url').slice(0, SEAL)
  }
}
