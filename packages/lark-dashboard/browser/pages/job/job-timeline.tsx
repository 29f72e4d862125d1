/**
 * The way of a job, drawn to scale: how long it waited, ran, and waited again.
 */
import { now } from '../../data/clock.ts'
import { href } from '../../data/route.ts'
import { duration } from '../../parts/numbers.ts'
import { exact, Moment } from '../../parts/time.tsx'
import type { ShownJob } from './job.tsx'

interface Span {
  kind: 'delay' | 'wait' | 'run' | 'failed-run'
  title: string
  from: number
  until: number
}

/** Percent of the whole that each part gets at least, to be seen. */
const LEAST = 1.5

export function JobTimeline({ job }: { job: ShownJob }) {
  const { queuedAt, dueAt, finishedAt, state, holder } = job
  const end = finishedAt ?? Math.max(now.value, dueAt ?? 0)
  const spans = spansOf(job, now.value)
  const whole = Math.max(1, end - queuedAt)
  return (
    <figure class="timeline" aria-label="The way of the job">
      <div class="timeline-bar">
        {spans.map(({ kind, title, from, until }) => (
          <span
            key={`${kind} ${from}`}
            class={`span span-${kind}`}
            title={`${title}: ${duration(until - from)}`}
            style={{ flexGrow: String(Math.max(LEAST, ((until - from) / whole) * 100)) }}
          />
        ))}
      </div>
      <figcaption>
        <ol class="timeline-steps">
          <li>
            Queued <Moment at={queuedAt} />
          </li>
          {spans.map(({ kind, title, from, until }) => (
            <li key={`${kind} ${from}`} title={`${exact(from)} – ${exact(until)}`}>
              <i class={`span-key span-${kind}`} /> {title} <strong>{duration(until - from)}</strong>
            </li>
          ))}
          {finishedAt !== undefined && (
            <li>
              Ended <Moment at={finishedAt} />
            </li>
          )}
          {state === 'delayed' && dueAt !== undefined && (
            <li>
              Due <Moment at={dueAt} />
            </li>
          )}
          {state === 'active' && holder !== undefined && (
            <li>
              on <a href={href('workers', [holder])}>{holder}</a>
            </li>
          )}
          <li class="quiet">
            {job.runs === 1 ? '1 run' : `${job.runs} runs`}
            {job.failures > 0 && `, ${job.failures} failed`}
            {job.crashes > 0 && `, ${job.crashes} crashed`}
            {job.releases > 0 && `, ${job.releases} released`}
          </li>
        </ol>
      </figcaption>
    </figure>
  )
}

/** Of the runs before the last the store keeps how long they took; of the waits between them, nothing. */
function spansOf(job: ShownJob, at: number): Span[] {
  const { queuedAt, dueAt, claimedAt, finishedAt, state, errors, runs } = job
  const spans: Span[] = []
  const add = (kind: Span['kind'], title: string, from: number, until: number) => {
    if (until > from) spans.push({ kind, title, from, until })
  }
  const last = errors.at(-1)
  const lastTook = last?.run === runs && state === 'failed' ? last.took : undefined
  if (state === 'active') {
    add('wait', runs > 1 ? 'Before this run' : 'Waited', queuedAt, claimedAt ?? at)
    add('run', 'Runs for', claimedAt ?? at, at)
  } else if (finishedAt !== undefined) {
    const begun = claimedAt ?? (lastTook === undefined ? undefined : finishedAt - lastTook)
    if (begun === undefined) add('wait', 'From dispatch to end', queuedAt, finishedAt)
    else {
      add('wait', runs > 1 ? 'Before the last run' : 'Waited', queuedAt, begun)
      add(state === 'failed' ? 'failed-run' : 'run', 'Ran for', begun, finishedAt)
    }
  } else if (state === 'delayed') {
    add('wait', 'Since it was queued', queuedAt, at)
    add('delay', 'Still delayed for', at, dueAt ?? at)
  } else {
    add('delay', 'Delayed', queuedAt, Math.min(at, dueAt ?? queuedAt))
    add('wait', 'Waits for', dueAt ?? queuedAt, at)
  }
  return spans
}
