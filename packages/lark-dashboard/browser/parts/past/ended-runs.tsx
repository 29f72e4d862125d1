/**
 * Shows how many runs ended in an hour, three days or 90 days, and how long they took: as charts, or as
 * tables of the same figures. The address of the page contains this choice. The library that draws charts is
 * loaded when the first chart is shown.
 */
import type { ReleaseEnds } from '@s18i/lark-jobs/operate'
import type { Mark } from '../../../src/server/look/marks.ts'
import type { EndedRuns as Ended, PastOf, Range } from '../../../src/server/look/past.ts'
import { useAsked } from '../../data/asked.ts'
import { look } from '../../data/call.ts'
import { tellWhy } from '../../data/changes.ts'
import { route, setQuery } from '../../data/route.ts'
import { useKeys } from '../../frame/keys.ts'
import { Answer, Empty } from '../empty.tsx'
import { count } from '../numbers.ts'
import { Rows } from '../rows.tsx'
import { saveFile } from '../save-file.ts'
import { Section } from '../section.tsx'
import { exact } from '../time.tsx'
import { csv } from './csv.ts'
import { Drawn } from './drawn.tsx'
import { RunTimes } from './run-times.tsx'

/** Milliseconds between two requests. */
const EVERY = 15_000

const words: Readonly<Record<Range, { title: string; unit: string }>> = {
  '1h': { title: '1 hour', unit: 'a minute' },
  '3d': { title: '3 days', unit: 'an hour' },
  '90d': { title: '90 days', unit: 'a day' },
}

export function EndedRuns({ of = {} }: { of?: PastOf }) {
  const { query } = route.value
  const named = query.get('range') ?? ''
  // The figures of a class do not include minutes.
  const known = (Object.keys(words) as Range[]).filter((each) => of.key === undefined || each !== '1h')
  const range = known.find((each) => each === named) ?? known[0]!
  const isTable = query.get('ended') === 'table'
  const turn = () => setQuery({ ended: isTable ? undefined : 'table' })
  useKeys([{ key: 't', title: 'Ended runs as a chart or as a table', press: turn }])
  const input = { range, ...of }
  const asked = useAsked('ended', input, EVERY)
  const marks = useAsked('marks', input, EVERY).data ?? []
  return (
    <Section
      id="ended"
      title="Ended runs"
      class="ended-runs"
      beside={
        <>
          <span class="quiet small">{words[range].unit}; the last is not over</span>
          <span class="spread" />
          <span class="ended-ranges">
            {known.map((each) => (
              <button
                key={each}
                type="button"
                class="plain"
                aria-pressed={each === range}
                onClick={() => setQuery({ range: each === known[0] ? undefined : each })}
              >
                {words[each].title}
              </button>
            ))}
          </span>
          <button type="button" class="plain" aria-pressed={isTable} onClick={turn}>
            Table <kbd>t</kbd>
          </button>
          <button type="button" class="plain" onClick={() => void download(input).catch(tellWhy)}>
            CSV
          </button>
        </>
      }
    >
      <Answer asked={asked}>
        {(ended) =>
          ended.steps.every(([, ...counts]) => counts.every((each) => each === 0)) ? (
            <Empty>No run has ended in the last {words[range].title.replace(/^1 /, '')}.</Empty>
          ) : isTable ? (
            <EndedTable ended={ended} />
          ) : (
            <Chart ended={ended} marks={marks} />
          )
        }
      </Answer>
      <RunTimes
        of={of}
        range={range}
        isTable={isTable}
        marks={marks}
        beginning={(at) => beginning(at, range)}
      />
    </Section>
  )
}

/** Saves all steps of the range, with the percentiles of the times, in milliseconds. */
async function download(input: PastOf & { range: Range }): Promise<void> {
  const [ended, times] = await Promise.all([look('ended', input), look('times', input)])
  const shares = ['p50', 'p95', 'p99'] as const
  const rows = ended.steps.map(([at, ...counts]) => {
    const its = times.steps.find((step) => step.at === at)
    const ms = (of: 'wait' | 'process') => shares.map((each) => roundedMs(its?.[of][each]))
    return [new Date(at).toISOString(), ...counts, ...ms('wait'), ...ms('process')]
  })
  const heads = ['from', 'completed', 'failed', 'retried']
  const ofTimes = ['wait', 'run'].flatMap((of) => shares.map((each) => `${of}_${each}_ms`))
  const name = [input.key ?? input.queue ?? 'all', input.range].join('-')
  saveFile(`${name}.csv`, csv([[...heads, ...ofTimes], ...rows]), 'text/csv')
}

function roundedMs(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10
}

/** The words for a step of a class, such as `r2: 40, 3 failed; r1: 12`. */
function releaseWords(ends: readonly ReleaseEnds[]): string {
  return ends
    .map(({ release = 'unknown', completed, failed, retried }) => {
      const of = `${release}: ${count(completed + failed + retried)}`
      return failed === 0 ? of : `${of}, ${count(failed)} failed`
    })
    .join('; ')
}

function EndedTable({ ended: { range, steps, releases } }: { ended: Ended }) {
  const byStep = new Map(releases)
  const shown = steps.filter(([, ...counts]) => counts.some((each) => each > 0)).reverse()
  return (
    <Rows
      heads={[
        ...['From', { number: 'Completed' }, { number: 'Failed' }, { number: 'To be retried' }],
        ...(releases === undefined ? [] : ['Releases']),
      ]}
      class="ended-table"
    >
      <tbody>
        {shown.map(([at, completed, failed, retried]) => (
          <tr key={at}>
            <td title={exact(at)}>{beginning(at, range)}</td>
            <td class="number">{count(completed)}</td>
            <td class={failed > 0 ? 'number bad' : 'number'}>{count(failed)}</td>
            <td class="number">{count(retried)}</td>
            {releases !== undefined && <td class="wide">{releaseWords(byStep.get(at) ?? [])}</td>}
          </tr>
        ))}
      </tbody>
    </Rows>
  )
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const hour = new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Days begin and end by UTC. */
function beginning(at: number, range: Range): string {
  return range === '90d' ? `${day.format(at)} (UTC)` : (range === '3d' ? hour : clock).format(at)
}

const make = async (place: HTMLElement, pointed: (step: number | undefined) => void) => {
  const { EndedChart } = await import('../../charts/ended-chart.ts')
  return new EndedChart(place, pointed)
}

function Chart({ ended, marks }: { ended: Ended; marks: readonly Mark[] }) {
  return (
    <Drawn data={ended} marks={marks} label={said(ended)} make={make}>
      {(i) => {
        const step = i === undefined ? undefined : ended.steps[i]
        return (
          <>
            <i class="ended-key ended-completed" /> completed <i class="ended-key ended-failed" /> failed
            {step !== undefined && (
              <span>
                {' '}
                · {beginning(step[0], ended.range)}: {count(step[1])} completed, {count(step[2])} failed,{' '}
                {count(step[3])} to be retried
              </span>
            )}
            {step === undefined && marks.length > 0 && <span> · {markWords(marks, ended)}</span>}
          </>
        )
      }}
    </Drawn>
  )
}

/** The maximum number of marks that are described in words. Only the latest marks are described. */
const MOST_WORDS = 3

function markWords(marks: readonly Mark[], { range, from }: Ended): string {
  const shown = marks.filter(({ at }) => at >= from)
  return shown
    .slice(-MOST_WORDS)
    .map(({ at, title }) => `${clock.format(at)}${range === '1h' ? '' : `, ${day.format(at)}`}: ${title}`)
    .join('; ')
}

/** The chart in words, for people who cannot see it. */
function said({ range, steps }: Ended): string {
  const total = (kind: 1 | 2) => steps.reduce((sum, step) => sum + step[kind], 0)
  return `Ended runs ${words[range].unit}, ${words[range].title}: ${count(total(1))} completed, ${count(total(2))} failed`
}
