/**
 * The incidents, shown at the top of the page: what stands still or fails now, since when, why, what changed
 * before, and the first thing to do. `operate().incidents()` finds the incidents, and this file has the words
 * of the dashboard for them.
 */
import type { Incident, IncidentFailure, QueueIncident } from '@s18i/lark-jobs/operate'
import type { ComponentChildren } from 'preact'
import { useAsked } from '../../data/asked.ts'
import { href } from '../../data/route.ts'
import { incidents } from '../../frame/troubles.ts'
import { count, duration, plural } from '../../parts/numbers.ts'
import { RemedyLink } from '../../parts/remedy.tsx'
import { clock, Moment, Since } from '../../parts/time.tsx'

/** The maximum number of incidents that are shown here. The page of the doctor has all of them. */
const MOST = 8
/** The maximum number of characters of an error message that are shown. */
const LONGEST = 200

const titles: Record<QueueIncident['kind'], (incident: QueueIncident) => string> = {
  damaged: () => 'has data that Lark did not write',
  still: () => 'stands still',
  stranded: ({ jobs }) => `has ${plural(jobs, 'job')} that no worker could read`,
  late: () => 'is late',
  failing: () => 'fails',
  retrying: () => 'fails, and tries again',
  paused: () => 'is paused',
}

/** Milliseconds between two requests for the incident of a queue. */
const EVERY = 5_000

/** What stands still or fails in the whole store. Changes at a pace have lines of their own. */
export function Incidents() {
  const all = incidents.value.filter((each) => each.kind !== 'finding' || each.code !== 'change-halted')
  return <IncidentList all={all} />
}

/** What stands still or fails in one queue. The list of the store may lack the causes of this queue. */
export function QueueIncidents({ queue }: { queue: string }) {
  const listed = incidents.value.filter((each) => each.kind !== 'finding' && each.queue === queue)
  return listed.length === 0 ? null : <OwnIncidents queue={queue} listed={listed} />
}

function OwnIncidents({ queue, listed }: { queue: string; listed: readonly Incident[] }) {
  const { data } = useAsked('queues.incidents', { queue }, EVERY)
  return <IncidentList all={data ?? listed} />
}

function IncidentList({ all }: { all: readonly Incident[] }) {
  if (all.length === 0) return null
  return (
    <section aria-label="What stands still or fails">
      <ul class="incidents">
        {all
          .slice(0, MOST)
          .map((incident) =>
            incident.kind === 'finding' ? (
              <FoundIncidentView key={incident.code + incident.subject} incident={incident} />
            ) : (
              <QueueIncidentView key={incident.queue} incident={incident} />
            ),
          )}
      </ul>
      {all.length > MOST && (
        <p>
          <a href={href('doctor')}>{all.length - MOST} more</a>
        </p>
      )}
    </section>
  )
}

function FoundIncidentView({ incident }: { incident: Extract<Incident, { kind: 'finding' }> }) {
  const { code, level, subject, text } = incident
  return (
    <li class={`incident incident-${level}`}>
      <p class="incident-title">
        <a href={href(code.startsWith('outbox') ? 'outbox' : 'doctor')}>{subject}</a>: {text}
      </p>
    </li>
  )
}

function QueueIncidentView({ incident }: { incident: QueueIncident }) {
  const { kind, level, queue, since, because, blocked, failure, release, died, action } = incident
  return (
    <li class={`incident incident-${level}`}>
      <p class="incident-title">
        <a href={href('queues', [queue])}>{queue}</a> {titles[kind](incident)}
        {since !== undefined && (
          <>
            {' since '}
            <strong>{clock(since)}</strong>, for <Since at={since} />
          </>
        )}
      </p>
      <ul class="incident-facts">
        <Fact>{amountOf(incident)}</Fact>
        <PauseFact incident={incident} />
        {blocked !== undefined && (
          <Fact>
            {blocked.by.length > 1 && 'one of '}
            {blocked.by.join(', ')} blocks the process of worker{' '}
            <a href={href('workers', [blocked.worker])}>{blocked.worker}</a> for <Since at={blocked.since} />
          </Fact>
        )}
        {because !== undefined && <Fact>{because.text}</Fact>}
        {failure !== undefined && <FailureFact failure={failure} queue={queue} />}
        {release !== undefined && (
          <Fact>
            Release <strong>{release.name}</strong> began <Moment at={release.at} />
          </Fact>
        )}
        {died !== undefined && (
          <Fact>
            <a href={href('workers')}>
              {died.count === 1 ? 'A worker of it' : `${count(died.count)} workers of it`}
            </a>{' '}
            died, the last one on {died.host}, last seen <Moment at={died.at} />
          </Fact>
        )}
      </ul>
      <p class="incident-action">
        → <RemedyLink remedy={action} isFirst />
      </p>
    </li>
  )
}

function Fact({ children }: { children: ComponentChildren }) {
  return children === undefined ? null : <li>{children}</li>
}

/** How many jobs the incident concerns, in words. */
function amountOf({ kind, jobs, of = 0, oldest = 0, target = 0 }: QueueIncident): string | undefined {
  if (kind === 'failing') return `${count(jobs)} of ${plural(of, 'run')} failed for good within 5 minutes`
  if (kind === 'retrying')
    return `${count(jobs)} of ${plural(of, 'run')} failed within 5 minutes, and are tried again`
  if (kind === 'damaged' || kind === 'stranded') return undefined
  const wait = `${plural(jobs, 'job')} ${jobs === 1 ? 'waits' : 'wait'}`
  return kind === 'late'
    ? `${wait}, the oldest for ${duration(oldest)}; the target is ${duration(target)}`
    : wait
}

function PauseFact({ incident: { pause = {} } }: { incident: QueueIncident }) {
  const { by, because, until } = pause
  if (by === undefined && because === undefined && until === undefined) return null
  return (
    <Fact>
      Paused
      {by !== undefined && ` by ${by}`}
      {because !== undefined && `: ${because}`}
      {until !== undefined && (
        <>
          ; it goes on <Moment at={until} />
        </>
      )}
    </Fact>
  )
}

function FailureFact({ failure, queue }: { failure: IncidentFailure; queue: string }) {
  const { kind, key, name, message, count: some, of, first, releases } = failure
  return (
    <Fact>
      {of > 1 && `${count(some)} of ${count(of)}: `}
      {key} throws{' '}
      <a href={href('jobs', [], { queue, kind })}>
        {name}: {message.length > LONGEST ? `${message.slice(0, LONGEST)}…` : message}
      </a>
      {first !== undefined && (
        <>
          , the first at <strong>{clock(first)}</strong>
        </>
      )}
      {releases.length > 0 && `, in release ${releases.slice(0, 3).join(', ')}`}
    </Fact>
  )
}
