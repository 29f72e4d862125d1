/**
 * Makes many calls to a store, a limited number at a time, because a call that waits behind too many other
 * calls would time out.
 */
import { inLots } from '../../store/contract/rules/in-lots.ts'

/** The maximum number of simultaneous calls. */
export const AT_ONCE = 50

/** @returns the answers, in the order of the questions */
export async function askAll<T, A>(all: readonly T[], ask: (each: T) => Promise<A>): Promise<A[]> {
  const answers: A[] = []
  for (const some of inLots(all, AT_ONCE)) answers.push(...(await Promise.all(some.map(ask))))
  return answers
}
