/** The conditions `since` and `until`: an instant, or how long ago. */

import { Option } from '../../options/schema.ts'
import type { Store } from '../../store/contract/store.ts'
import { type Duration, durationForm, milliseconds } from '../../words/duration.ts'

export const sinceCondition = new Option<Date | Duration, Date | number>(
  `a Date, or ${durationForm}`,
  (value) => (value instanceof Date && !Number.isNaN(value.getTime()) ? value : milliseconds(value)),
)

/**
 * Converts the condition to an instant, in milliseconds since 1970. Without a condition, the instant is 0.
 *
 * @param now the time by the store's clock
 */
export function sinceInstant(since: Date | Duration | undefined, now: number): number {
  if (since === undefined) return 0
  return since instanceof Date ? since.getTime() : now - milliseconds(since)!
}

/** The instants between which jobs ended or, if they have not ended, were queued. */
export interface Span {
  since: number | undefined
  until: number | undefined
}

/** Converts both conditions of a filter to instants. The store's clock is read once for both. */
export async function spanOf(
  store: Store,
  { since, until }: { since?: Date | Duration; until?: Date | Duration },
): Promise<Span> {
  const isAgo = [since, until].some((each) => each !== undefined && !(each instanceof Date))
  const now = isAgo ? await store.now() : 0
  return {
    since: since === undefined ? undefined : sinceInstant(since, now),
    until: until === undefined ? undefined : sinceInstant(until, now),
  }
}

/**
 * Converts the condition to an instant. The store is asked for its time only if the condition is a duration.
 */
export async function sinceInstantIn(store: Store, since: Date | Duration | undefined): Promise<number> {
  const isAgo = since !== undefined && !(since instanceof Date)
  return sinceInstant(since, isAgo ? await store.now() : 0)
}
