/**
 * The findings of the doctor for changes at a pace: which changes are paused, and which have ended by
 * themselves.
 */

import { CHANGES, type Store } from '../../store/contract/store.ts'
import { plural } from '../../words/plural.ts'
import type { PacedChange } from '../pace/paced-changes.ts'
import { type DoctorFinding, Examination } from './finding-codes.ts'

/** For how many milliseconds a change that has ended by itself is a finding. */
const DAY = 86_400_000

/** Reads the changes at a pace, if the store has any. */
export async function lookAtChanges(store: Store): Promise<PacedChange[]> {
  if ((await store.schedules.home(CHANGES)) === undefined) return []
  return (await import('../pace/paced-changes.ts')).listChanges({ store })
}

/** @param now the time by the store's clock: milliseconds since 1970 */
export function changeFindings(changes: readonly PacedChange[], now: number): DoctorFinding[] {
  return changes.flatMap(({ id, change, of, state, left, since = now, because }) => {
    const found = new Examination(`${change} ${of}`)
    const why = because === undefined ? '' : `: ${because}`
    const advice = ['Resume it, stop it, or begin it again: ', { do: 'see-change', change: id }] as const
    if (state === 'paused')
      found.warn(
        'change-halted',
        `is a change at a pace, and paused, with ${plural(left, 'job')} left${why}`,
        ...advice,
      )
    else if ((state === 'failing' || state === 'error') && since > now - DAY)
      found.warn('change-halted', `has ended by itself, with ${plural(left, 'job')} left${why}`, ...advice)
    else if (state === 'running') found.ok('change-halted', 'is a change at a pace, and goes on')
    return found.findings
  })
}
