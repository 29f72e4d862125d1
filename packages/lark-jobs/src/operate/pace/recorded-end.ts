/** Records in the audit how a change at a pace has ended, on behalf of the person who began it. */
import { defined } from '@s18i/lark/internal'
import { newId } from '../../model/id.ts'
import type { AuditText } from '../audit/recording.ts'
import type { OpenChange } from '../change/row.ts'
import type { EndedBecause, KeptChange } from './kept-change.ts'

const outcomes: Readonly<Record<EndedBecause, AuditText['outcome']>> = {
  done: 'done',
  stopped: 'interrupted',
  failing: 'failed',
  error: 'failed',
}

export async function recordEnd({ store, settings }: OpenChange, change: KeptChange): Promise<void> {
  const { kind, of, who, host, from, done, end } = change
  if (settings.audit === false) return
  const text: AuditText = {
    ...{ who, host, from, what: kind, on: of, count: done, outcome: outcomes[end!.why] },
    ...(end!.why !== 'stopped' && defined({ error: end!.because })),
  }
  // An error is ignored here, because the change has ended in any case, and the list of changes shows how.
  await store.audit.write(newId(), JSON.stringify(text), settings.audit).catch(() => {})
}
