/** One queue: its condition and why it is stuck, its jobs, its groups, and its pause. */
import type { LiveQueue } from '../../../src/server/look/live.ts'
import { useAsked } from '../../data/asked.ts'
import { make } from '../../data/changes.ts'
import { healthOf } from '../../data/health.ts'
import { href } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { useKeys } from '../../frame/keys.ts'
import { incidents } from '../../frame/troubles.ts'
import { Figure } from '../../parts/figure.tsx'
import { count, duration, rate } from '../../parts/numbers.ts'
import { EndedRuns } from '../../parts/past/ended-runs.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment } from '../../parts/time.tsx'
import { ReasonList } from '../job/reasons.tsx'
import { states } from '../jobs/job-query.ts'
import { QueueIncidents } from '../overview/incidents.tsx'
import { Groups } from './groups.tsx'

/** Milliseconds between two requests for the reasons of the next job. */
const NEXT_EVERY = 2_000

export function QueuePage({ queue }: { queue: LiveQueue }) {
  const { queue: name, paused, pausedUntil, pausedBecause } = queue
  const health = healthOf(queue)
  const tellsPause = incidents.value.some((each) => each.kind === 'paused' && each.queue === name)
  // If no job waits, the reasons of the first delayed job are shown, for example that a circuit has put the
  // job back.
  const { waiting, delayed } = queue.counts
  return (
    <>
      <div class="page-head">
        <h1>{name}</h1>
        <span class={health.isBad ? 'bad' : health.isSick ? 'warn' : 'quiet'}>
          {health.kind === 'still' ? 'stands still' : health.kind}
          {health.text !== '' && `: ${health.text}`}
        </span>
        <span class="spread" />
        <PauseButton queue={queue} />
      </div>
      <QueueIncidents queue={name} />
      {paused && !tellsPause && (
        <p class="quiet">
          Paused{' '}
          {pausedUntil === undefined ? (
            'until somebody resumes it'
          ) : (
            <>
              , and goes on <Moment at={pausedUntil} />
            </>
          )}
          {pausedBecause !== undefined && `. Because: ${pausedBecause}`}
        </p>
      )}
      {!queue.configured && <p class="warn">The configuration of this server does not have this queue.</p>}
      {queue.damaged.map(({ partition, message }) => (
        <p key={partition} class="problem">
          {partition}: {message}
        </p>
      ))}
      {queue.unknownKeys.length > 0 && (
        <p class="warn">No living worker knows {queue.unknownKeys.join(', ')}.</p>
      )}
      {queue.stranded !== undefined && (
        <p class="warn">
          Jobs that no worker could read: {count(queue.stranded.count)}, the first since{' '}
          <Moment at={queue.stranded.since} />,{' '}
          <a href={href('jobs', [queue.stranded.id])}>{queue.stranded.id}</a>
          {queue.stranded.because !== undefined && `: ${queue.stranded.because}`}. They are listed as{' '}
          <a href={href('jobs', [], { queue: name, state: 'waiting' })}>waiting</a>.
        </p>
      )}
      {queue.dropped !== undefined && (
        <p class="warn">
          {count(queue.dropped.count)} failed jobs were removed before their age, because there were too many;
          the last <Moment at={queue.dropped.at} />
        </p>
      )}
      <Figures queue={queue} />
      {waiting + delayed > 0 && <FirstReasons name={name} />}
      <EndedRuns of={{ queue: name }} />
      <Groups name={name} />
    </>
  )
}

function PauseButton({ queue: { queue, paused } }: { queue: LiveQueue }) {
  const act = () =>
    void (paused
      ? make('queues.resume', { queue }, () => `${queue} goes on`)
      : make('queues.pause', { queue }, () => `${queue} is paused: no job starts; running jobs go on`))
  useKeys([{ key: 'p', title: 'Pause or resume the queue', acts: true, press: act }])
  if (!may('operate')) return null
  return (
    <button type="button" onClick={act}>
      {paused ? 'Resume' : 'Pause'} <kbd>p</kbd>
    </button>
  )
}

function Figures({ queue }: { queue: LiveQueue }) {
  const { queue: name, counts, retrying, wait, process, oldest, target, workers, lastHour } = queue
  return (
    <dl class="figures">
      {states.map((state) => (
        <Figure key={state} name={state}>
          <a href={href('jobs', [], { queue: name, state })}>{count(counts[state])}</a>
        </Figure>
      ))}
      <Figure name="retrying" title="Jobs that have failed, and wait for their next try">
        {count(retrying)}
      </Figure>
      <Figure name="oldest" isBad={oldest !== undefined && target !== undefined && oldest > target}>
        {oldest === undefined ? '–' : duration(oldest)}
        {target !== undefined && <span class="unit"> of {duration(target)}</span>}
      </Figure>
      <Figure
        name="wait p50 / p95 / p99"
        title="From when a job was due until it began, of the runs of the last five minutes"
      >
        {quantiles(wait)}
      </Figure>
      <Figure name="run p50 / p95 / p99" title="How long the runs took that ended in the last five minutes">
        {quantiles(process)}
      </Figure>
      <Figure name="in, out">
        {rate(queue.in)}
        <span class="unit">/s</span>, {rate(queue.out)}
        <span class="unit">/s</span>
      </Figure>
      <Figure name="last hour">
        {count(lastHour.completed)} <span class="unit">completed</span> {count(lastHour.failed)}{' '}
        <span class="unit">failed</span>
      </Figure>
      <Figure name="workers">
        <a href={href('workers')}>{workers}</a>
      </Figure>
    </dl>
  )
}

function quantiles({ p50, p95, p99 }: LiveQueue['wait']) {
  return [p50, p95, p99].map((each) => (each === undefined ? '–' : duration(each))).join(' / ')
}

/**
 * Shows why the next job does not run. The next job is the job that would begin first. If a job waits for its
 * own group or limiter but later jobs may begin, the next job is the first of these later jobs.
 */
function FirstReasons({ name }: { name: string }) {
  const next = useAsked('queues.next', { queue: name }, NEXT_EVERY).data
  if (!next) return null
  return (
    <Section
      id="next"
      title="The next job"
      beside={
        <>
          <a class="mono" href={href('jobs', [next.id], { queue: name })}>
            {next.id}
          </a>
          <span class="quiet">{next.key}</span>
        </>
      }
    >
      <ReasonList id={next.id} reasons={next.reasons} />
    </Section>
  )
}
