/** Operations on behalf of a person: each change is recorded in the audit of the store. */
import { type Actor, knownActor, personOf } from './audit/actor.ts'
import type { Flags } from './look/filter.ts'
import type { Operated, Operating } from './operated.ts'

export function byPerson(jobs: Operated, names: Flags | undefined, actor: Actor | undefined): Operating {
  return {
    jobs,
    names,
    get actor() {
      return knownActor(actor)
    },
    get person() {
      return personOf(knownActor(actor))
    },
    async perform(change, act) {
      const { store, settings } = await jobs.open()
      if (settings.audit === false) return act(() => {})
      const { withRecord } = await import('./audit/recording.ts')
      return withRecord(store, settings.audit, knownActor(actor), change, act)
    },
  }
}
