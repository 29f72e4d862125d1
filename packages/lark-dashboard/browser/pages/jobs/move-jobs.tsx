/** Asks the viewer for the new queue of jobs, and moves the jobs there. */
import { useState } from 'preact/hooks'
import { make } from '../../data/changes.ts'
import { snapshot } from '../../data/live.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { plural } from '../../parts/numbers.ts'

/** The jobs with these ids in a queue, or the jobs that a filter finds. */
export type MovedJobs = { ids: string[]; queue: string } | { filter: never }

interface MoveJobsProps {
  title: string
  which: readonly MovedJobs[]
  onDone(): void
}

export function MoveJobs({ title, which, onDone }: MoveJobsProps) {
  const queues = queuesBeside(new Set(which.map((some) => ('queue' in some ? some.queue : undefined))))
  const [to, setTo] = useState(queues[0] ?? '')
  const move = async () => {
    onDone()
    for (const some of which)
      await make('jobs.move', { ...some, to }, ({ moved, left }) => {
        return `${plural(moved, 'job')} moved to ${to}${left > 0 ? `; ${left} stay` : ''}`
      })
  }
  return (
    <Dialog title={title} onClose={onDone}>
      <QueueChoice queues={queues} to={to} onChoose={setTo} />
      <div class="dialog-buttons">
        <button type="button" onClick={onDone}>
          Go back
        </button>
        <button type="button" class="main" disabled={to === ''} onClick={() => void move()}>
          Move
        </button>
      </div>
    </Dialog>
  )
}

/** @param sources where the jobs are now; undefined for jobs that may be in any queue */
export function queuesBeside(sources: ReadonlySet<string | undefined>): string[] {
  return (snapshot.value?.queues ?? [])
    .filter(({ queue, configured }) => configured && !(sources.size === 1 && sources.has(queue)))
    .map(({ queue }) => queue)
}

interface QueueChoiceProps {
  queues: readonly string[]
  to: string
  onChoose(queue: string): void
}

/** The choice of the queue to which jobs are moved. */
export function QueueChoice({ queues, to, onChoose }: QueueChoiceProps) {
  return (
    <>
      <label>
        To the queue{' '}
        <select value={to} onChange={(event) => onChoose(event.currentTarget.value)}>
          {queues.map((queue) => (
            <option key={queue} value={queue}>
              {queue}
            </option>
          ))}
        </select>
      </label>
      {queues.length === 0 && <p class="quiet">The configuration has no other queue.</p>}
    </>
  )
}
