/**
 * How many runs ended, of an hour, three days or 90 days: as a chart, or as a table of the same figures. What is shown is in
 * the address. The library that draws is loaded when the first chart is shown.
 */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { EndedRuns as Ended, Range } from '../../src/server/past.ts'
import type { EndedChart, Mark } from '../charts/ended-chart.ts'
import { useAsked } from '../data/asked.ts'
import { snapshot } from '../data/live.ts'
import { route, setQuery } from '../data/route.ts'
import { useKeys } from '../frame/keys.ts'
import { chosenTheme } from '../frame/theme.ts'
import { Answer, Empty } from './empty.tsx'
import { count } from './numbers.ts'
import { exact } from './time.tsx'

/** Milliseconds between two looks. */
const EVERY = 15_000

const words: Readonly<Record<Range, { title: string; unit: string }>> = {
  '1h': { title: '1 hour', unit: 'minute' },
  '3d': { title: '3 days', unit: 'hour' },
  '90d': { title: '90 days', unit: 'day' },
}

/** @param queue default: all queues together */
export function EndedRuns({ queue }: { queue?: string }) {
  const { query } = route.value
  const named = query.get('range') ?? ''
  const range: Range = Object.hasOwn(words, named) ? (named as Range) : '1h'
  const isTable = query.get('ended') === 'table'
  const turn = () => setQuery({ ended: isTable ? undefined : 'table' })
  useKeys([{ key: 't', title: 'Ended runs as a chart or as a table', press: turn }])
  const asked = useAsked('ended', queue === undefined ? { range } : { range, queue }, EVERY)
  return (
    <section aria-labelledby="ended" class="ended-runs">
      <header>
        <h2 id="ended">Ended runs</h2>
        <span class="quiet small">a {words[range].unit}; the last is not over</span>
        <span class="spread" />
        <span class="ended-ranges">
          {(Object.keys(words) as Range[]).map((each) => (
            <button
              key={each}
              type="button"
              class="plain"
              aria-pressed={each === range}
              onClick={() => setQuery({ range: each === '1h' ? undefined : each })}
            >
              {words[each].title}
            </button>
          ))}
        </span>
        <button type="button" class="plain" aria-pressed={isTable} onClick={turn}>
          Table <kbd>t</kbd>
        </button>
      </header>
      <Answer asked={asked}>
        {(ended) =>
          ended.steps.every(([, ...counts]) => counts.every((each) => each === 0)) ? (
            <Empty>No run has ended in the last {words[range].title}.</Empty>
          ) : isTable ? (
            <EndedTable ended={ended} />
          ) : (
            <Chart ended={ended} marks={marksOf(queue)} />
          )
        }
      </Answer>
    </section>
  )
}

function EndedTable({ ended: { range, steps } }: { ended: Ended }) {
  const shown = steps.filter(([, ...counts]) => counts.some((each) => each > 0)).reverse()
  return (
    <div class="scroll ended-table">
      <table class="rows">
        <thead>
          <tr>
            <th>From</th>
            <th class="number">Completed</th>
            <th class="number">Failed</th>
            <th class="number">To be retried</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(([at, completed, failed, retried]) => (
            <tr key={at}>
              <td title={exact(at)}>{beginning(at, range)}</td>
              <td class="number">{count(completed)}</td>
              <td class={failed > 0 ? 'number bad' : 'number'}>{count(failed)}</td>
              <td class="number">{count(retried)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const hour = new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Days are those of UTC. */
function beginning(at: number, range: Range): string {
  return range === '90d' ? `${day.format(at)} (UTC)` : (range === '3d' ? hour : clock).format(at)
}

/** When workers of a version began, of those that live, and since when the queue is paused. */
function marksOf(queue: string | undefined): Mark[] {
  const { workers = [], queues = [] } = snapshot.value ?? {}
  const serving = workers.filter((worker) => queue === undefined || worker.queues.includes(queue))
  const began = new Map<string, number>()
  for (const { version = '', startedAt } of serving)
    began.set(version, Math.min(startedAt, began.get(version) ?? startedAt))
  const paused = queues.filter((each) => each.queue === queue).flatMap(({ pausedAt }) => pausedAt ?? [])
  return [
    ...[...began].map(([version, at]) => ({ at, title: `workers${version && ` of Lark ${version}`} began` })),
    ...paused.map((at) => ({ at, title: 'paused' })),
  ]
}

function Chart({ ended, marks }: { ended: Ended; marks: readonly Mark[] }) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<EndedChart | undefined>(undefined)
  const isFailed = useSignal(false)
  const pointed = useSignal<number | undefined>(undefined)
  const latest = useRef({ ended, marks })
  latest.current = { ended, marks }
  chart.current?.show(ended, marks)
  const theme = chosenTheme.value

  useEffect(() => {
    let isOver = false
    import('../charts/ended-chart.ts').then(
      ({ EndedChart }) => {
        if (isOver || place.current === null) return
        chart.current = new EndedChart(place.current, (i) => (pointed.value = i))
        chart.current.show(latest.current.ended, latest.current.marks)
      },
      () => (isFailed.value = true),
    )
    return () => {
      isOver = true
      chart.current?.close()
      chart.current = undefined
    }
  }, [theme])

  const step = pointed.value === undefined ? undefined : ended.steps[pointed.value]
  return (
    <>
      {isFailed.value && (
        <p class="problem">The chart could not be loaded. Its table has the same figures.</p>
      )}
      <div ref={place} class="ended-chart" role="img" aria-label={said(ended)} />
      <p class="quiet small ended-pointed">
        <i class="ended-key ended-completed" /> completed <i class="ended-key ended-failed" /> failed
        {step !== undefined && (
          <span>
            {' '}
            · {beginning(step[0], ended.range)}: {count(step[1])} completed, {count(step[2])} failed,{' '}
            {count(step[3])} to be retried
          </span>
        )}
        {step === undefined && marks.length > 0 && <span> · {markWords(marks, ended)}</span>}
      </p>
    </>
  )
}

function markWords(marks: readonly Mark[], { range, steps }: Ended): string {
  const shown = marks.filter(({ at }) => at >= (steps[0]?.[0] ?? 0))
  return shown
    .map(({ at, title }) => `${clock.format(at)}${range === '1h' ? '' : `, ${day.format(at)}`}: ${title}`)
    .join('; ')
}

/** The chart for those who do not see it. */
function said({ range, steps }: Ended): string {
  const total = (kind: 1 | 2) => steps.reduce((sum, step) => sum + step[kind], 0)
  return `Ended runs a ${words[range].unit}, ${words[range].title}: ${count(total(1))} completed, ${count(total(2))} failed`
}
