/** The history of a job, drawn to scale: how long it waited, ran, and waited again. */
import { now } from '../../data/clock.ts'
import { dueOf } from '../../data/due.ts'
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

/** The minimum width of a part, in percent of the whole, so that the part is visible. */
const LEAST = 1.5

export function JobTimeline({ job }: { job: ShownJob }) {
  const { queuedAt, finishedAt, state, holder } = job
  const dueAt = dueOf(job)
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

/** In records of an earlier Lark, only the end of the last run is known. */
function spansOf(job: ShownJob, at: number): Span[] {
  const { queuedAt, claimedAt, finishedAt, state, errors, runs, strandedSince } = job
  const dueAt = dueOf(job)
  const spans: Span[] = []
  const add = (kind: Span['kind'], title: string, from: number, until: number) => {
    if (until > from) spans.push({ kind, title, from, until })
  }
  const begin = (since: number) => (since === queuedAt ? 'Waited' : 'Backoff and wait')
  // The history begins with the last retry by hand.
  const ended = errors.filter(({ at = 0 }) => at >= queuedAt)
  let since = queuedAt
  for (const { run, took, at: end = since, code } of ended) {
    const begun = took === undefined ? undefined : Math.max(since, end - took)
    const how = code === 'WORKER_DIED' ? 'crashed' : 'failed'
    if (begun !== undefined) add('wait', begin(since), since, begun)
    add(
      'failed-run',
      begun === undefined ? `Until run ${run} ${how}` : `Run ${run} ${how} after`,
      begun ?? since,
      end,
    )
    since = end
  }
  const isKnown = ended.length > 0
  const last = errors.at(-1)
  if (isKnown && state === 'failed' && last?.run === runs) return spans
  const lastTook = last?.run === runs && state === 'failed' ? last.took : undefined
  if (state === 'active') {
    add('wait', isKnown ? begin(since) : runs > 1 ? 'Before this run' : 'Waited', since, claimedAt ?? at)
    add('run', 'Runs for', claimedAt ?? at, at)
  } else if (finishedAt !== undefined) {
    const begun = claimedAt ?? (lastTook === undefined ? undefined : finishedAt - lastTook)
    if (begun === undefined)
      add('wait', isKnown ? 'From then to the end' : 'From dispatch to end', since, finishedAt)
    else {
      add('wait', isKnown ? begin(since) : runs > 1 ? 'Before the last run' : 'Waited', since, begun)
      add(state === 'failed' ? 'failed-run' : 'run', 'Ran for', begun, finishedAt)
    }
  } else if (state === 'delayed') {
    add('wait', isKnown ? 'Since then' : 'Since it was queued', since, at)
    if (dueAt !== undefined) add('delay', 'Still delayed for', at, dueAt)
  } else {
    const due = Math.max(since, strandedSince ?? dueAt ?? since)
    add('delay', isKnown ? 'Backoff' : 'Delayed', since, Math.min(at, due))
    add('wait', 'Waits for', due, at)
  }
  return spans
}
