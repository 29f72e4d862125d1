/**
 * Rates of a kind that this version of Lark does not know. They never mean "no limit". A call that states
 * such a rate is refused, and changes nothing. The limits of a group in a store may have one, if a later
 * version of Lark has queued its jobs: this version begins none of these jobs, looks again after a while, and
 * leaves them to the workers of the other version. `stand` names the kind.
 */
import type { Limits } from '../../../model/limits.ts'
import { type RateKind, rateKinds } from '../../../model/rate.ts'

export { rateKinds }

/**
 * Milliseconds after which a store looks at such a group again. A worker of the later version may look
 * before.
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
