/** Changes at a pace: a viewer begins one, pauses and resumes it, or stops it for good. */
import { defined } from '@s18i/lark/internal'
import type { Operate, PacedChange, PacedFilter, PacedKind } from '@s18i/lark-jobs/operate'
import type { Act } from '../action.ts'
import { allowed } from './chosen.ts'
import type { Undoable } from './job-changes.ts'
import type { Meanwhile } from './underway.ts'

export interface PaceInput {
  change: PacedKind
  filter: PacedFilter
  limit: number
  per?: string
  maxFailed?: string
  /** For `move`: the new queue. */
  to?: string
  dryRun?: boolean
}

export interface HaltInput {
  id: string
  because?: string
}

/**
 * Begins a change at a pace. If the viewer has ended the request while the jobs were counted, the change is
 * stopped before it has changed a job.
 *
 * @throws VALUES_REFUSED
 */
export async function beginPaced(
  { operate, viewer }: Act,
  input: PaceInput,
  { signal }: Meanwhile,
): Promise<PacedChange> {
  const { change, limit, per, maxFailed, to, dryRun } = input
  const filter = allowed(viewer, input.filter)
  const begun = await operate.changes.begin(change, filter, {
    limit,
    ...defined({ per: per as `${number}s` | undefined, maxFailed: maxFailed as `${number}%` | undefined }),
    ...defined({ to, dryRun }),
  })
  return signal.aborted && !dryRun ? await operate.changes.stop(begun.id) : begun
}

export async function pausePaced(act: Act, { id, because }: HaltInput): Promise<Undoable<PacedChange>> {
  const { changes } = act.operate
  const before = await stateOf(act.operate, id)
  const paused = await changes.pause(id, defined({ because }))
  if (before?.state !== 'running' || paused.state !== 'paused') return paused
  const undo = act.undos.keep(act.viewer.user, async () => {
    const { state } = await changes.resume(id)
    return state === 'running' ? { undone: 1, left: 0 } : { undone: 0, left: 1 }
  })
  return { ...paused, undo }
}

/** An undo pauses the change again, with the reason of its former pause. */
export async function resumePaced(act: Act, { id }: HaltInput): Promise<Undoable<PacedChange>> {
  const { changes } = act.operate
  const before = await stateOf(act.operate, id)
  const resumed = await changes.resume(id)
  if (before?.state !== 'paused' || resumed.state !== 'running') return resumed
  const undo = act.undos.keep(act.viewer.user, async () => {
    const { state } = await changes.pause(id, defined({ because: before.because }))
    return state === 'paused' ? { undone: 1, left: 0 } : { undone: 0, left: 1 }
  })
  return { ...resumed, undo }
}

async function stateOf({ changes }: Operate, id: string): Promise<PacedChange | undefined> {
  return (await changes.list()).find((each) => each.id === id)
}
