/**
 * Asks a store for many things, some at a time, because a call that waits behind too many others would be
 * given up.
 */
import { inLots } from '../../store/contract/rules/in-lots.ts'

/** How many calls are made at the same time. */
export const AT_ONCE = 50

/** @returns the answers, in the order of the questions */
export async function askAll<T, A>(all: readonly T[], ask: (each: T) => Promise<A>): Promise<A[]> {
  const answers: A[] = []
  for (const some of inLots(all, AT_ONCE)) answers.push(...(await Promise.all(some.map(ask))))
  return answers
}
