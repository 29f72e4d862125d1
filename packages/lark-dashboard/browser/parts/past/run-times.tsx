/**
 * Shows how long jobs waited and runs took, in the same steps as the chart of ended runs: as two charts, or
 * as a table of the same figures.
 */
import type { Mark } from '../../../src/server/look/marks.ts'
import type { PastOf, Range, TimesOfRuns } from '../../../src/server/look/past.ts'
import { useAsked } from '../../data/asked.ts'
import { Answer } from '../empty.tsx'
import { count, duration } from '../numbers.ts'
import { Rows } from '../rows.tsx'
import { exact } from '../time.tsx'
import { Drawn } from './drawn.tsx'

type Of = 'wait' | 'process'

/** Milliseconds between two requests. */
const EVERY = 15_000

const titles: Readonly<Record<Of, string>> = { wait: 'Wait times', process: 'Run times' }
const makers = {
  wait: (place: HTMLElement, pointed: (step: number | undefined) => void) => make('wait', place, pointed),
  process: (place: HTMLElement, pointed: (step: number | undefined) => void) =>
    make('process', place, pointed),
}

async function make(of: Of, place: HTMLElement, pointed: (step: number | undefined) => void) {
  const { TimesChart } = await import('../../charts/times-chart.ts')
  return new TimesChart(of, place, pointed)
}

interface RunTimesProps {
  of: PastOf
  range: Range
  isTable: boolean
  marks: readonly Mark[]
  /** The beginning of a step in words. */
  beginning(at: number): string
}

export function RunTimes({ of: shown, range, isTable, marks, beginning }: RunTimesProps) {
  const asked = useAsked('times', { range, ...shown }, EVERY)
  return (
    <Answer asked={asked}>
      {(found) =>
        found.range !== range || found.steps.length === 0 ? undefined : isTable ? (
          <TimesTable found={found} beginning={beginning} />
        ) : (
          <div class="run-times">
            {(['wait', 'process'] as const).map((of) => (
              <section key={of} aria-labelledby={`times-${of}`}>
                <h3 id={`times-${of}`}>{titles[of]}</h3>
                <TimesDrawn of={of} found={found} marks={marks} beginning={beginning} />
              </section>
            ))}
          </div>
        )
      }
    </Answer>
  )
}

function TimesDrawn({
  of,
  found,
  marks,
  beginning,
}: { of: Of; found: TimesOfRuns } & Pick<RunTimesProps, 'marks' | 'beginning'>) {
  const { from, step, steps } = found
  return (
    <Drawn data={found} marks={marks} label={said(of, found)} make={makers[of]}>
      {(i) => {
        const at = i === undefined ? undefined : from + i * step
        const known = steps.find((each) => each.at === at)?.[of]
        return (
          <>
            <i class="ended-key times-50" /> half <i class="ended-key times-95" /> 95 %{' '}
            <i class="ended-key times-99" /> 99 % took no longer
            {at !== undefined && (
              <span>
                {' '}
                · {beginning(at)}: {known?.p50 === undefined ? 'none' : words(known)}
              </span>
            )}
          </>
        )
      }}
    </Drawn>
  )
}

type Quantiles = TimesOfRuns['steps'][number][Of]

function words({ p50 = 0, p95 = 0, p99 = 0 }: Quantiles): string {
  return [p50, p95, p99].map(duration).join(', ')
}

/** The charts in words, for people who cannot see them. */
function said(of: Of, { steps }: TimesOfRuns): string {
  const last = steps.findLast((each) => each[of].count > 0)?.[of]
  return `${titles[of]}; the last: ${last === undefined ? 'none' : words(last)} for 50, 95 and 99 %`
}

function TimesTable({ found, beginning }: { found: TimesOfRuns } & Pick<RunTimesProps, 'beginning'>) {
  return (
    <Rows
      heads={[
        'From',
        { number: 'Began' },
        { number: 'Waited: 50 %' },
        { number: '95 %' },
        { number: '99 %' },
        { number: 'Ended' },
        { number: 'Took: 50 %' },
        { number: '95 %' },
        { number: '99 %' },
      ]}
      class="ended-table"
    >
      <tbody>
        {found.steps.toReversed().map(({ at, wait, process }) => (
          <tr key={at}>
            <td title={exact(at)}>{beginning(at)}</td>
            {[wait, process].map((each) => (
              <Cells key={each === wait ? 'wait' : 'process'} of={each} />
            ))}
          </tr>
        ))}
      </tbody>
    </Rows>
  )
}

function Cells({ of: { count: all, p50, p95, p99 } }: { of: Quantiles }) {
  return (
    <>
      <td class="number">{count(all)}</td>
      {[p50, p95, p99].map((ms, i) => (
        <td key={i} class="number">
          {ms === undefined ? '–' : duration(ms)}
        </td>
      ))}
    </>
  )
}
