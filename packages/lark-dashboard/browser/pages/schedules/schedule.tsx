/**
 * One schedule: its definition, its next and past runs, its missed ticks, and the changes that can be made to
 * it.
 */
import { useState } from 'preact/hooks'
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { make } from '../../data/changes.ts'
import { go, href } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { useKeys } from '../../frame/keys.ts'
import { Question } from '../../parts/dialog.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { Figure } from '../../parts/figure.tsx'
import { Json } from '../../parts/json.tsx'
import { count, duration, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { exact, Moment } from '../../parts/time.tsx'
import { NextTick, RunDots, ScheduleState, whyStill } from './schedules.tsx'

/** Milliseconds between two requests. */
const EVERY = 3_000

type ShownSchedule = NonNullable<Output<'schedules.get'>>

export function SchedulePage({ id }: { id: string }) {
  const asked = useAsked('schedules.get', { id }, EVERY)
  return (
    <Answer asked={asked}>
      {(found) =>
        found === null ? (
          <Empty>There is no schedule {id}.</Empty>
        ) : (
          <ScheduleView schedule={found} again={asked.again} />
        )
      }
    </Answer>
  )
}

function ScheduleView({ schedule, again }: { schedule: ShownSchedule; again(): void }) {
  const {
    id,
    key,
    queue,
    words,
    when,
    timezone,
    late,
    paused,
    ended,
    next,
    following = [],
    ticks,
    payload,
  } = schedule
  return (
    <article>
      <div class="page-head">
        <h1>{id}</h1>
        <ScheduleState schedule={schedule} />
        <span class="spread" />
        <ScheduleButtons schedule={schedule} again={again} />
      </div>
      <p>
        {words}{' '}
        <span class="quiet">
          (<code>{when}</code>
          {timezone !== undefined && `, ${timezone}`})
        </span>
      </p>
      {paused !== undefined && (
        <p class="warn">
          Paused <Moment at={paused.at} />
          {paused.because !== undefined && `, because: ${paused.because}`}
        </p>
      )}
      {ended !== undefined && (
        <p class="quiet">
          Ended <Moment at={ended.at} />: {endings[ended.why]}
        </p>
      )}
      {schedule.unserved !== undefined && (
        <p class="bad">
          It stands still: {whyStill(schedule)}. Its ticks wait, and those that wait for longer than the grace
          count as missed. <a href={href('workers')}>See who lives</a>
        </p>
      )}
      {schedule.undeclaredSince !== undefined && (
        <p class="warn">
          No living worker declares it, since <Moment at={schedule.undeclaredSince} />
        </p>
      )}
      <dl class="figures">
        <Figure name="next">
          <NextTick schedule={schedule} />
        </Figure>
        <Figure name="class">
          <a href={href('jobs', [], { key, queue })}>{key}</a>
        </Figure>
        <Figure name="queue">
          <a href={href('queues', [queue])}>{queue}</a>
        </Figure>
        <Figure name="ticks so far">{count(ticks)}</Figure>
        <Figure name="if missed, if it still runs">
          {schedule.missed}, {schedule.overlap}
        </Figure>
        <Figure name="grace">{duration(schedule.grace)}</Figure>
        <Figure name="last runs">
          <RunDots schedule={schedule} />
        </Figure>
      </dl>
      <Section id="ticks" title="Next ticks">
        {next === undefined ? (
          <Empty>The schedule does not tick.</Empty>
        ) : (
          <ol class="ticks">
            {[next, ...following].map((at) => (
              <li key={at}>
                {exact(at)}{' '}
                <span class={late !== undefined && at < Date.now() ? 'bad' : 'quiet'}>
                  {late !== undefined && at < Date.now() && 'was due '}
                  <Moment at={at} />
                </span>
              </li>
            ))}
          </ol>
        )}
      </Section>
      <Section id="runs" title="Runs">
        <Runs schedule={schedule} />
      </Section>
      {payload !== undefined && (
        <Section id="payload" title="Payload of its jobs">
          <Json value={payload} />
        </Section>
      )}
    </article>
  )
}

const endings = {
  limit: 'it has ticked as often as it may',
  over: 'it has no more ticks',
  dropped: 'no class declares it any more',
} as const

function ScheduleButtons({
  schedule: { id, state, ofClass },
  again,
}: {
  schedule: ShownSchedule
  again(): void
}) {
  const [isAsked, ask] = useState(false)
  const runNow = () =>
    void make('schedules.run-now', { id }, ({ queued }) =>
      queued ? 'A job is queued' : 'The job was rejected: its lock is taken, or its queue is full',
    ).then(again)
  const toggle = () =>
    void (
      state === 'paused'
        ? make('schedules.resume', { id }, () => `${id} ticks again`)
        : make('schedules.pause', { id }, () => `${id} is paused`)
    ).then(again)
  useKeys([
    { key: 'n', title: 'Run the schedule now', acts: true, press: () => may('operate') && runNow() },
    { key: 'p', title: 'Pause or resume the schedule', acts: true, press: () => may('operate') && toggle() },
  ])
  if (!may('operate')) return null
  return (
    <div class="job-buttons">
      <button type="button" onClick={runNow}>
        Run now <kbd>n</kbd>
      </button>
      {state !== 'ended' && (
        <button type="button" onClick={toggle}>
          {state === 'paused' ? 'Resume' : 'Pause'} <kbd>p</kbd>
        </button>
      )}
      {may('admin') && !ofClass && (
        <button type="button" class="danger" onClick={() => ask(true)}>
          Remove
        </button>
      )}
      {isAsked && (
        <Question
          title={`Remove the schedule ${id}?`}
          verb="Remove the schedule"
          isDangerous
          onAnswer={(yes) => {
            ask(false)
            if (yes)
              void make('schedules.remove', { id }, () => `${id} is removed`).then(() =>
                go(href('schedules')),
              )
          }}
        >
          <p>Its history goes with it. Jobs that it has queued stay.</p>
        </Question>
      )}
    </div>
  )
}

/** The id of the job of a tick. */
function jobOf(schedule: string, tick: number): string {
  return `${schedule}@${new Date(tick).toISOString().replace('.000Z', 'Z')}`
}

function Runs({ schedule: { id, runs, skipped, queue } }: { schedule: ShownSchedule }) {
  if (runs.length + skipped.length === 0) return <Empty>The schedule has not run yet.</Empty>
  const lines = [
    ...runs.map((run) => ({ at: run.at, run })),
    ...skipped.map((skip) => ({ at: skip.from, skip })),
  ].sort((one, other) => other.at - one.at)
  return (
    <Rows heads={['Tick', 'Outcome', { number: 'Took' }, 'Job']}>
      <tbody>
        {lines.map((line) => (
          <tr key={line.at}>
            <td>
              <Moment at={line.at} />
            </td>
            {'run' in line ? (
              <>
                <td>
                  <State state={line.run.state} />
                </td>
                <td class="number">{line.run.took === undefined ? '' : duration(line.run.took)}</td>
                <td class="wide">
                  {line.run.state !== 'rejected' && (
                    <a class="mono" href={href('jobs', [jobOf(id, line.run.tick)], { queue })}>
                      {jobOf(id, line.run.tick)}
                    </a>
                  )}
                </td>
              </>
            ) : (
              <>
                <td class={line.skip.why === 'missed' ? 'warn' : 'quiet'}>
                  {plural(line.skip.count, 'tick')} {line.skip.why}
                </td>
                <td />
                <td class="wide" />
              </>
            )}
          </tr>
        ))}
      </tbody>
    </Rows>
  )
}
