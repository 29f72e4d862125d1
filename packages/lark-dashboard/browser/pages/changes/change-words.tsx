/** A change at a pace in words: what it changes, how fast, how far it is, and why it does not go on. */
import type { PacedChange, PacedKind } from '@s18i/lark-jobs/operate'
import { count, duration, plural } from '../../parts/numbers.ts'
import { Moment } from '../../parts/time.tsx'

const verbs: Record<PacedKind, string> = {
  retry: 'Retry',
  'run-now': 'Run now',
  reschedule: 'Reschedule',
  move: 'Move',
}

/** The words for a change, such as `Retry jobs of kind 3f2a, state failed`. */
export function whatWords({ change, of, to, delay }: PacedChange): string {
  const into = to === undefined ? '' : ` to queue ${to}`
  const by = delay === undefined ? '' : ` to ${duration(delay)} later`
  return `${verbs[change]} ${of}${into}${by}`
}

/** The words for a pace, such as `500 in 1 min`. */
export function paceWords({ limit, per }: Pick<PacedChange, 'limit' | 'per'>): string {
  return `${count(limit)} in ${duration(per)}`
}

/** How many milliseconds a change of this many jobs takes if nothing delays it. */
export function timeFor(jobs: number, { limit, per }: Pick<PacedChange, 'limit' | 'per'>): number {
  return (jobs * per) / limit
}

export function isUnderWay({ state }: Pick<PacedChange, 'state'>): boolean {
  return state === 'running' || state === 'paused'
}

/** How far a change is, as a bar and in numbers. */
export function ChangeProgress({ change }: { change: PacedChange }) {
  const { total, done, left } = change
  const words = `${count(done)} of ${plural(total, 'job')}`
  return (
    <>
      <progress max={Math.max(1, total)} value={Math.max(0, total - left)} aria-label={words} /> {words}
    </>
  )
}

/** How a change goes on, or since when and why it does not. */
export function ChangeState({ change }: { change: PacedChange }) {
  const { state, left, waits, since, stoppedBy, because } = change
  const at = since !== undefined && (
    <>
      {' '}
      <Moment at={since} />
    </>
  )
  const by = stoppedBy === undefined ? '' : ` by ${stoppedBy}`
  const why = because === undefined ? '' : `: ${because}`
  switch (state) {
    case 'running':
      if (waits !== undefined) return <span class="warn">waits: {waits}</span>
      if (left === 0) return <span>all are changed; it watches how they end</span>
      return <span>goes on: some {duration(timeFor(left, change))} left</span>
    case 'paused':
      return (
        <span class="warn">
          paused{at}
          {by}
          {why}
        </span>
      )
    case 'done':
      return <span class="quiet">done{at}</span>
    case 'stopped':
      return (
        <span>
          stopped{at}
          {by}
          {why}
        </span>
      )
    default:
      return (
        <span class="bad">
          stopped by itself{at}
          {why}
        </span>
      )
  }
}

/** How many of the changed jobs have failed again. */
export function failedAgain({ ended, failed, change }: PacedChange): string {
  if (change === 'reschedule' || change === 'move') return ''
  return ended === 0 ? 'none has ended yet' : `${count(failed)} of ${count(ended)} failed again`
}
