/**
 * Keys that no living worker knows. The jobs with such keys wait, because a worker that knows their keys may
 * start later, for example after a deploy. A flow waits for such a worker for a limited time, and then
 * cancels these jobs, so that it ends.
 */
import type { FlowDefinition, FlowState } from '../model/flow.ts'

/** The default of `unknownAfter`, in milliseconds. */
const UNKNOWN_AFTER = 86_400_000

/** The maximum number of keys of members that a flow stores. Further keys are not checked. */
export const MAX_KEYS = 50

export interface UnknownKeys {
  /** The keys that have been unknown for too long. */
  overdue: ReadonlySet<string>
  /**
   * For each unknown key, the time of the first check that found no living worker with this key. The flow
   * keeps these times in its state.
   */
  since: FlowState['unknown']
  isChanged: boolean
}

/** @param known the keys that living workers know @param at by the store's clock */
export function unknownKeys(
  { unknownAfter = UNKNOWN_AFTER }: FlowDefinition,
  { unknown: before = {} }: FlowState,
  keys: Iterable<string>,
  known: ReadonlySet<string>,
  at: number,
): UnknownKeys {
  const unknown = [...new Set(keys)].filter((key) => !known.has(key))
  const since = Object.fromEntries(unknown.map((key) => [key, before[key] ?? at]))
  return {
    overdue: new Set(unknown.filter((key) => at - since[key]! >= unknownAfter)),
    since: unknown.length === 0 ? undefined : since,
    isChanged: unknown.length !== Object.keys(before).length || !unknown.every((key) => key in before),
  }
}

/** The reason with which jobs with unknown keys are cancelled. */
export function lostFor(keys: ReadonlySet<string>): { reason: 'lost'; because: string } {
  return {
    reason: 'lost',
    because: `for too long, no living worker has known the key ${[...keys].join(', ')}`,
  }
}
