/**
 * Keeps three bits for each member of a flow: whether the member has ended, whether it ended without
 * completing, and whether it was cancelled.
 *
 * A row of the table `members` is a page: it has the bits of `PAGE` members as hexadecimal texts. Pages are
 * small, because a change writes the whole row. If a page does not exist, none of its bits is set. The
 * columns `failed` and `cancelled` are NULL if no member of the page has this bit.
 */
import { Buffer } from 'node:buffer'
import type { EndedState } from '../../../model/record.ts'
import type { Database } from '../database.ts'

interface Bits {
  ended: Buffer
  failed: Buffer
  cancelled: Buffer
  isChanged: boolean
}

interface PageRow {
  bits: string
  failed: string | null
  cancelled: string | null
}

/** The number of members whose bits are in one row. */
const PAGE = 1_024

const find = 'SELECT bits, failed, cancelled FROM members WHERE flow = ? AND page = ?'
const keep = 'INSERT OR REPLACE INTO members (flow, page, bits, failed, cancelled) VALUES (?, ?, ?, ?, ?)'
const withFailed =
  'SELECT page FROM members WHERE flow = ? AND page >= ? AND failed IS NOT NULL ORDER BY page'
const remove = 'DELETE FROM members WHERE flow = ?'

/** Reads and changes the bits of a flow's members in one transaction. */
export class Members {
  readonly #database: Database
  readonly #flow: number
  readonly #pages = new Map<number, Bits>()

  /** @param flow the number of the flow's row in `flows` */
  constructor(database: Database, flow: number) {
    this.#database = database
    this.#flow = flow
  }

  /** The state in which a member was counted; undefined if the member has not ended. */
  of(index: number): EndedState | undefined {
    const { ended, failed, cancelled } = this.#pageOf(index)
    const bit = index % PAGE
    if (!isSet(ended, bit)) return undefined
    if (!isSet(failed, bit)) return 'completed'
    return isSet(cancelled, bit) ? 'cancelled' : 'failed'
  }

  /** @param as the state in which the member ended; undefined if it was started again */
  set(index: number, as: EndedState | undefined): void {
    const page = this.#pageOf(index)
    page.isChanged = true
    put(page.ended, index % PAGE, as !== undefined)
    put(page.failed, index % PAGE, as === 'failed' || as === 'cancelled')
    put(page.cancelled, index % PAGE, as === 'cancelled')
  }

  /** The indices of members that have not ended, from the index `from` on, at most `most`. */
  missing(from: number, reserved: number, most: number): number[] {
    const found: number[] = []
    for (let page = Math.floor(from / PAGE); page * PAGE < reserved && found.length < most; page += 1) {
      const { ended } = this.#page(page)
      if (!ended.every(isFull)) collect(found, page, [from, reserved], most, (index) => !isSet(ended, index))
    }
    return found
  }

  /** The indices of members that ended without completing, from the index `from` on, at most `most`. */
  failed(from: number, reserved: number, most: number): number[] {
    const found: number[] = []
    const pages = this.#database.all<{ page: number }>(withFailed, this.#flow, Math.floor(from / PAGE))
    for (const { page } of pages) {
      const { failed } = this.#page(page)
      collect(found, page, [from, reserved], most, (index) => isSet(failed, index))
      if (found.length >= most) break
    }
    return found
  }

  save(): void {
    for (const [page, { ended, failed, cancelled, isChanged }] of this.#pages)
      if (isChanged)
        this.#database.run(keep, this.#flow, page, ended.toString('hex'), textOf(failed), textOf(cancelled))
  }

  static remove(database: Database, flow: number): void {
    database.run(remove, flow)
  }

  #pageOf(index: number): Bits {
    return this.#page(Math.floor(index / PAGE))
  }

  #page(page: number): Bits {
    const known = this.#pages.get(page)
    if (known !== undefined) return known
    const row = this.#database.get<PageRow>(find, this.#flow, page)
    const [ended, failed, cancelled] = [bitsOf(row?.bits), bitsOf(row?.failed), bitsOf(row?.cancelled)]
    const read = { ended, failed, cancelled, isChanged: false }
    this.#pages.set(page, read)
    return read
  }
}

/** The bits as hexadecimal text; null if no bit is set. */
function textOf(bits: Buffer): string | null {
  return bits.some((byte) => byte !== 0) ? bits.toString('hex') : null
}

function bitsOf(text: string | null | undefined): Buffer {
  return text == null ? Buffer.alloc(PAGE / 8) : Buffer.from(text, 'hex')
}

function isSet(bits: Buffer, index: number): boolean {
  return (bits[index >> 3]! & (1 << (index & 7))) !== 0
}

function isFull(byte: number): boolean {
  return byte === 0xff
}

/** Adds to `found` the indices of a page that are wanted and in a range, until `found` has `most` indices. */
function collect(
  found: number[],
  page: number,
  [from, below]: [from: number, below: number],
  most: number,
  isWanted: (index: number) => boolean,
): void {
  const first = page * PAGE
  const end = Math.min(first + PAGE, below)
  for (let index = Math.max(from, first); index < end && found.length < most; index += 1)
    if (isWanted(index - first)) found.push(index)
}

function put(bits: Buffer, index: number, isOn: boolean): void {
  const bit = 1 << (index & 7)
  if (isOn) bits[index >> 3]! |= bit
  else bits[index >> 3]! &= ~bit
}
