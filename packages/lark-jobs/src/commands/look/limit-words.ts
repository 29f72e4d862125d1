/** Texts of commands about limiters and circuits. */
import { visible } from '@s18i/lark/internal'
import type { CircuitStatus, LimiterStatus } from '../../operate.ts'
import { readable } from '../../words/duration.ts'

/**
 * The limits of a limiter: `5 at a time, 100 in 1 min`. New kind of rate: its words, if it has other numbers.
 */
export function grants({ limits: { concurrency, rate } = {} }: LimiterStatus): string {
  const all = [
    ...(concurrency === undefined ? [] : [`${concurrency} at a time`]),
    ...(rate === undefined ? [] : [`${rate.limit} in ${readable(rate.per)}`]),
  ]
  return all.join(', ')
}

/** The words for a circuit, such as `Circuit payments is open for 12 s`. */
export function circuitWords({ circuit, state, until }: CircuitStatus): string {
  const next = state === 'open' ? ` for ${readable(Math.max(0, until - Date.now()))}` : ''
  return visible(`Circuit ${circuit} is ${state}${next}`)
}
