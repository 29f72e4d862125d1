/**
 * The rules for rates of a kind that this version of Lark does not know. An unknown rate never means "no
 * limit". A call that states an unknown rate is refused, and changes nothing. A store may contain a group
 * with an unknown rate, if a later version of Lark has queued jobs of the group. This version begins no job
 * of a group with an unknown rate, so only workers of the later version run the jobs of the group. The verb
 * `stand` names the unknown kind.
 */
import type { Limits } from '../../../model/limits.ts'
import { type RateKind, rateKinds } from '../../../model/rate.ts'

export { rateKinds }

/**
 * Milliseconds after which a store looks again at a group with an unknown rate. Workers of the later version
 * may look at the group earlier.
 */
export const UNKNOWN_RATE_AGAIN = 1_000

export function isRateKind(kind: string): kind is RateKind {
  return rateKinds.some((each) => each === kind)
}

/** @throws if the limits have a rate of a kind that this version does not know */
export function checkLimits({ rate }: Limits): void {
  if (rate === undefined || isRateKind(rate.kind)) return
  const known = rateKinds.map((kind) => `'${kind}'`).join(', ')
  throw new TypeError(`a limit has a rate of the kind '${rate.kind}'; this version of Lark knows ${known}`)
}
