/**
 * One job class: its last day beside the day and the week before, its hours and days, its releases, its
 * slowest runs, and the kinds of its failures.
 */
import type { ComparedRuns, ReleaseRuns, RunFigures, SlowestRun } from '@s18i/lark-jobs/operate'
import { useAsked } from '../../data/asked.ts'
import { href } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, duration, share } from '../../parts/numbers.ts'
import { EndedRuns } from '../../parts/past/ended-runs.tsx'
import { Rows } from '../../parts/rows.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment } from '../../parts/time.tsx'
import { runsOf, timeOf } from './figures.ts'

/** Milliseconds between two requests. */
const EVERY = 30_000
/** The maximum number of kinds of failures that are listed. */
const MOST_KINDS = 10

/** Days begin and end by UTC. */
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

const figureHeads = [
  ...[{ number: 'Runs' }, { number: 'Failed' }, { number: 'To be retried' }],
  ...[{ number: 'Waited: 50 %' }, { number: '95 %' }, { number: 'Took: 50 %' }, { number: '95 %' }],
]

export function ClassPage({ jobClass: key }: { jobClass: string }) {
  const asked = useAsked('classes.get', { key }, EVERY)
  return (
    <article>
      <div class="page-head">
        <h1>{key}</h1>
        <span class="spread" />
        <a href={href('jobs', [], { key })}>Its jobs</a>
        {may('operate') && <a href={href('dispatch', [], { key })}>Dispatch one</a>}
      </div>
      <Answer asked={asked}>
        {(found) =>
          found === null ? (
            <Empty>
              No run of this class is known of the last 90 days. Workers count their runs, so perhaps none of
              its jobs has run yet.
            </Empty>
          ) : (
            <>
              <Compared compared={found.compared} />
              <EndedRuns of={{ key }} />
              {found.releases.length > 0 && <Releases releases={found.releases} />}
              <Slowest runs={found.slowest} />
            </>
          )
        }
      </Answer>
      <Failures jobClass={key} />
    </article>
  )
}

function Compared({ compared: { from, present, last, dayBefore, weekBefore } }: { compared: ComparedRuns }) {
  const days: [string, RunFigures][] = [
    ['This hour, which is not over', present],
    ['The 24 hours before it', last],
    ['The day before these', dayBefore],
    ['A week before these', weekBefore],
  ]
  return (
    <Section
      id="compared"
      title="The last day"
      beside={
        <span class="quiet small">
          the 24 hours began <Moment at={from} />
        </span>
      }
    >
      <Rows heads={['Hours', ...figureHeads]}>
        <tbody>
          {days.map(([title, figures]) => (
            <tr key={title}>
              <td>{title}</td>
              <Figures figures={figures} />
            </tr>
          ))}
        </tbody>
      </Rows>
    </Section>
  )
}

function Releases({ releases }: { releases: readonly ReleaseRuns[] }) {
  return (
    <Section id="releases" title="By release" beside={<span class="quiet small">of the last 90 days</span>}>
      <Rows heads={['Release', 'First', 'Last', ...figureHeads]}>
        <tbody>
          {releases.map(({ release, first, last, ...figures }) => (
            <tr key={release ?? ''}>
              <td>{release ?? <span class="quiet">unknown</span>}</td>
              <td class="quiet" data-label="first">
                {day.format(first)}
              </td>
              <td class="quiet" data-label="last">
                {day.format(last)}
              </td>
              <Figures figures={figures} />
            </tr>
          ))}
        </tbody>
      </Rows>
    </Section>
  )
}

function Figures({ figures }: { figures: RunFigures }) {
  const { failed, retried, wait, process } = figures
  const all = runsOf(figures)
  const part = (some: number) => (some === 0 ? '0' : `${count(some)} (${share(some, all)})`)
  return (
    <>
      <td class="number" data-label="runs">
        {count(all)}
      </td>
      <td class={failed > 0 ? 'number bad' : 'number'} data-label="failed">
        {part(failed)}
      </td>
      <td class="number" data-label="to be retried">
        {part(retried)}
      </td>
      <td class="number" data-label="waited, 50 %">
        {timeOf(wait.p50)}
      </td>
      <td class="number" data-label="waited, 95 %">
        {timeOf(wait.p95)}
      </td>
      <td class="number" data-label="took, 50 %">
        {timeOf(process.p50)}
      </td>
      <td class="number" data-label="took, 95 %">
        {timeOf(process.p95)}
      </td>
    </>
  )
}

function Slowest({ runs }: { runs: readonly SlowestRun[] }) {
  return (
    <Section
      id="slowest"
      title="Slowest runs"
      beside={<span class="quiet small">of the last day, at most three of each worker</span>}
    >
      {runs.length === 0 ? (
        <Empty>No run of the last day took 100 ms or more.</Empty>
      ) : (
        <Rows heads={[{ number: 'Took' }, 'Job', 'Queue', 'Ended']}>
          <tbody>
            {runs.map(({ id, queue, took, at }) => (
              <tr key={`${id} ${at}`}>
                <td class="number" data-label="took">
                  {duration(took)}
                </td>
                <td>
                  <a data-row class="mono" href={href('jobs', [id], { queue })}>
                    {id}
                  </a>
                </td>
                <td class="quiet" data-label="queue">
                  {queue}
                </td>
                <td class="quiet" data-label="ended">
                  <Moment at={at} />
                </td>
              </tr>
            ))}
          </tbody>
        </Rows>
      )}
    </Section>
  )
}

function Failures({ jobClass: key }: { jobClass: string }) {
  const asked = useAsked('failures', { filter: { key } }, EVERY)
  return (
    <Section id="failures" title="Failures by kind">
      <Answer asked={asked}>
        {({ kinds, isReading }) =>
          kinds.length === 0 ? (
            <Empty>{isReading ? 'Reading the failed jobs …' : 'No failed job of this class is kept.'}</Empty>
          ) : (
            <Rows heads={['Kind', 'Error', { number: 'Jobs' }, 'Releases', 'Last', 'The last job']}>
              <tbody>
                {kinds
                  .slice(0, MOST_KINDS)
                  .map(({ kind, name, message, count: jobs, releases, last, sample }) => (
                    <tr key={kind}>
                      <td>
                        <a data-row class="mono" href={href('failures', [kind])}>
                          {kind}
                        </a>
                      </td>
                      <td class="wide">
                        <span class="cut kind-message" title={message}>
                          <strong>{name}</strong> {message.slice(0, 300)}
                        </span>
                      </td>
                      <td class="number" data-label="jobs">
                        <a href={href('jobs', [], { kind, state: 'failed' })}>{count(jobs)}</a>
                      </td>
                      <td class="quiet" data-label="releases">
                        {releases.join(', ')}
                      </td>
                      <td class="quiet" data-label="last">
                        <Moment at={last} />
                      </td>
                      <td data-label="the last job">
                        <a class="mono" href={href('jobs', [sample.id], { queue: sample.queue })}>
                          {sample.id}
                        </a>
                      </td>
                    </tr>
                  ))}
              </tbody>
            </Rows>
          )
        }
      </Answer>
    </Section>
  )
}
