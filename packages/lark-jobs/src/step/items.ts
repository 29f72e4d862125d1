/**
 * Iterating over a large set with a kept cursor (`this.eachItem`).
 */
import { given, invalid } from './misused.ts'
import { stepWords } from './name.ts'

/** Some of the items, in their order. */
export interface ItemsPage<T, C> {
  readonly items: readonly T[]
  /** Where the next page begins: JSON. Undefined: this is the last one. */
  readonly cursor?: C | undefined
}

export interface EachItemOptions {
  /** Keep the place after each item, and not after each lot: one write each. Default false. */
  exact?: boolean
}

/** So far an iteration is done. */
export interface ItemsPlace {
  cursor?: unknown
  /** How many items of the page there are done. */
  skip: number
  /** How many items are done in all. */
  done: number
}

/** The fewest items of a lot. */
const LOT = 100

/**
 * Whether a lot ends here. A lot has a thousandth of what is done, so a journal has room for any set: about
 * 3,500 entries for a million items.
 */
export function endsLot(done: number, kept: number): boolean {
  return done - kept >= Math.max(LOT, kept / 1_000)
}

/** @param job the name of its class @throws STEP_INVALID */
export function readItems(
  job: string,
  key: string,
  page: unknown,
  options: EachItemOptions,
): EachItemOptions {
  const call = `eachItem(${stepWords(key)})`
  if (typeof page !== 'function') throw invalid(job, call, 'its pages', page, 'a function')
  return given(job, call, 'its options', options, 'an object')
}
