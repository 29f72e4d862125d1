/** Iteration over a large set with a stored cursor (`this.eachItem`). */
import { given, invalid } from './misused.ts'
import { stepWords } from './name.ts'

/** One page of the items, in order. */
export interface ItemsPage<T, C> {
  readonly items: readonly T[]
  /** Where the next page begins, as JSON. Undefined: this is the last page. */
  readonly cursor?: C | undefined
}

export interface EachItemOptions {
  /**
   * Stores the place after each item instead of after each lot, which costs one write for each item. Default
   * false.
   */
  exact?: boolean
}

/** How far an iteration has come. */
export interface ItemsPlace {
  cursor?: unknown
  /** How many items of the page are done. */
  skip: number
  /** How many items are done in total. */
  done: number
}

/** The smallest lot, in items. */
const LOT = 100

/**
 * Whether a lot ends here. A lot is a thousandth of the items done so far, but at least `LOT`. So even a very
 * large set fits into a journal: a million items take about 3,500 entries.
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
