/**
 * Rates of a kind that this version of Lark does not know: they are never no limit. A call that states one is
 * refused, and changes nothing. A store may have one in the limits of a group, whose jobs a later version of
 * Lark has queued: this version begins none of them, looks again after a while, and leaves them to the
 * workers of the other. `stand` names the kind.
 */
import type { Limits } from '../../../model/limits.ts'
import { type RateKind, rateKinds } from '../../../model/rate.ts'

export { rateKinds }

/**
 * Milliseconds after which a store looks at such a group again. A worker of the later version may come first
 * then.
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
