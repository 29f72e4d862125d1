/**
 * Pauses and resumes, each of which undoes the other.
 */
import { defined } from '@s18i/lark/internal'
import type { PauseOptions, PauseResult, PauseTarget, ResumedSchedule } from '@s18i/lark-jobs/operate'
import type { Act } from '../action.ts'
import { type ShownSchedule, shownSchedule } from '../look/shown-to-viewer.ts'
import type { Undoable } from './job-changes.ts'

type Named = { id: string; because?: string }

export async function pauseQueue(
  { operate, undos, viewer }: Act,
  input: PauseOptions,
): Promise<Undoable<PauseResult>> {
  const met = await operate.pause(input)
  if (met.wasPaused) return met
  const undo = undos.keep(viewer.user, async () => {
    await operate.resume(targetOf(input))
    return { undone: 1, left: 0 }
  })
  return { ...met, undo }
}

/** An undo pauses the queue or the group again, for the time that was left of its pause. */
export async function resumeQueue(
  { operate, undos, viewer, live }: Act,
  input: PauseTarget,
): Promise<Undoable<PauseResult>> {
  const pulse = await live.now()
  const queue =
    pulse.kind === 'snapshot' ? pulse.snapshot.queues.find((each) => each.queue === input.queue) : undefined
  const group = queue?.pausedGroups.find((each) => 'group' in each && each.group === input.group)
  const isQueue = input.group === undefined
  const until = isQueue ? queue?.pausedUntil : group?.until
  const because = isQueue ? queue?.pausedBecause : undefined
  const met = await operate.resume(input)
  if (!met.wasPaused) return met
  const undo = undos.keep(viewer.user, async () => {
    const left = until === undefined ? undefined : Math.max(1_000, until - Date.now())
    await operate.pause({
      ...targetOf(input),
      ...defined({ for: left, because }),
    })
    return { undone: 1, left: 0 }
  })
  return { ...met, undo }
}

export async function pauseSchedule(
  { operate, undos, viewer }: Act,
  { id, because }: Named,
): Promise<Undoable<{ schedule: ShownSchedule }>> {
  const wasRunning = (await operate.schedules.get(id))?.state === 'running'
  const paused = await operate.schedules.pause(id, because === undefined ? {} : { because })
  const schedule = shownSchedule(paused, viewer)
  if (!wasRunning) return { schedule }
  const undo = undos.keep(viewer.user, async () => {
    await operate.schedules.resume(id)
    return { undone: 1, left: 0 }
  })
  return { schedule, undo }
}

export async function resumeSchedule(
  { operate, undos, viewer }: Act,
  { id }: Named,
): Promise<Undoable<ResumedSchedule>> {
  const because = (await operate.schedules.get(id))?.paused?.because
  const resumed = await operate.schedules.resume(id)
  if (!resumed.wasPaused) return resumed
  const undo = undos.keep(viewer.user, async () => {
    await operate.schedules.pause(id, because === undefined ? {} : { because })
    return { undone: 1, left: 0 }
  })
  return { ...resumed, undo }
}

function targetOf({ queue, group }: PauseTarget): PauseTarget {
  return { queue, ...defined({ group }) }
}
