/**
 * The schedules, each with its times in words, its next tick and its last runs; or the page of one schedule.
 */
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { href, route } from '../../data/route.ts'
import { Answer, Empty } from '../../parts/empty.tsx'
import { duration, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { State } from '../../parts/state.tsx'
import { exact, Moment } from '../../parts/time.tsx'
import { SchedulePage } from './schedule.tsx'

/** Milliseconds between two requests. */
const EVERY = 5_000

type ListedSchedule = Output<'schedules.list'>[number]

export default function Schedules() {
  const [id] = route.value.rest
  return id === undefined ? <SchedulesPage /> : <SchedulePage key={id} id={id} />
}

function SchedulesPage() {
  const asked = useAsked('schedules.list', {}, EVERY)
  return (
    <Answer asked={asked}>
      {(all) => {
        const missed = all.filter((each) => hasMissed(each) || standsStill(each))
        return (
          <>
            <div class="page-head">
              <h1>Schedules</h1>
              <span class={missed.length > 0 ? 'warn' : 'quiet'}>
                {missed.length > 0
                  ? `${plural(missed.length, 'schedule')} missed ticks lately, or stand still`
                  : all.length}
              </span>
            </div>
            {all.length === 0 ? (
              <Empty>There are no schedules: no class declares one, and none was set.</Empty>
            ) : (
              <Rows heads={['State', 'Schedule', 'When', 'Next', 'Last runs', 'Class']}>
                <tbody>
                  {[...all].sort(byTrouble).map((schedule) => (
                    <ScheduleRow key={schedule.id} schedule={schedule} />
                  ))}
                </tbody>
              </Rows>
            )}
          </>
        )
      }}
    </Answer>
  )
}

function ScheduleRow({ schedule }: { schedule: ListedSchedule }) {
  const { id, key, words, when, timezone } = schedule
  return (
    <tr>
      <td>
        <ScheduleState schedule={schedule} />
      </td>
      <td>
        <a data-row href={href('schedules', [id])}>
          {id}
        </a>
      </td>
      <td class="wide">
        <span class="cut kind-message" title={`${when}${timezone === undefined ? '' : `, ${timezone}`}`}>
          {words}
        </span>
      </td>
      <td data-label="next">
        <NextTick schedule={schedule} />
      </td>
      <td data-label="last runs">
        <RunDots schedule={schedule} />
      </td>
      <td class="quiet">{key}</td>
    </tr>
  )
}

/** The state of a schedule. A schedule that is late, or that no worker serves, is not shown as running. */
export function ScheduleState({
  schedule: { state, late, unserved },
}: {
  schedule: Pick<ListedSchedule, 'state' | 'late' | 'unserved'>
}) {
  if (unserved !== undefined) return <State state="still" word="stands still" />
  return <State state={late === undefined ? state : 'late'} />
}

export function standsStill({ late, unserved }: Pick<ListedSchedule, 'late' | 'unserved'>): boolean {
  return late !== undefined || unserved !== undefined
}

/** The words for why no worker queues the jobs of a schedule. */
export function whyStill({ key, unserved }: Pick<ListedSchedule, 'key' | 'unserved'>): string {
  return unserved === 'no-worker' ? 'no worker lives' : `no worker knows ${key}`
}

export function NextTick({
  schedule: { key, next, late, unserved },
}: {
  schedule: Pick<ListedSchedule, 'key' | 'next' | 'late' | 'unserved'>
}) {
  if (next === undefined) return <span class="quiet">–</span>
  if (unserved !== undefined)
    return (
      <a class="bad" href={href('doctor')}>
        {whyStill({ key, unserved })}
        {late !== undefined && `, late by ${duration(late)}`}
      </a>
    )
  if (late === undefined) return <Moment at={next} />
  return (
    <a class="bad" href={href('doctor')} title="No worker fires it: the doctor says why">
      late by {duration(late)}
    </a>
  )
}

/**
 * The last runs and the ticks without a run, in the order of time. Each run or tick is a dot, whose shape and
 * colour show the outcome.
 */
export function RunDots({
  schedule: { runs, skipped },
}: {
  schedule: Pick<ListedSchedule, 'runs' | 'skipped'>
}) {
  const dots = [
    ...runs.map(({ at, state }) => ({ at, kind: state as string, title: `${exact(at)}: ${state}` })),
    ...skipped.map(({ from, count, why }) => ({
      at: from,
      kind: why === 'missed' ? 'missed' : 'skipped',
      title: `${exact(from)}: ${plural(count, 'tick')} ${why}`,
    })),
  ]
    .sort((one, other) => one.at - other.at)
    .slice(-20)
  if (dots.length === 0) return <span class="quiet">none yet</span>
  return (
    <span class="run-dots" role="img" aria-label={dots.map(({ kind }) => kind).join(', ')}>
      {dots.map(({ at, kind, title }) => (
        <i key={at} class={`run-dot run-${kind}`} title={title} />
      ))}
    </span>
  )
}

export function hasMissed({ skipped }: Pick<ListedSchedule, 'skipped'>): boolean {
  const day = 24 * 3_600_000
  return skipped.some(({ why, to }) => why === 'missed' && to > Date.now() - day)
}

function byTrouble(one: ListedSchedule, other: ListedSchedule): number {
  const rank = (each: ListedSchedule) =>
    standsStill(each)
      ? 4
      : each.lastRun?.state === 'failed'
        ? 3
        : hasMissed(each)
          ? 2
          : each.state === 'paused'
            ? 1
            : 0
  return rank(other) - rank(one) || (one.next ?? Number.MAX_VALUE) - (other.next ?? Number.MAX_VALUE)
}
