/**
 * The chart of how long jobs waited or runs took: one line for p50, one for p95 and one for p99, on a
 * logarithmic scale.
 */
import type { Mark } from '../../src/server/look/marks.ts'
import type { TimesOfRuns } from '../../src/server/look/past.ts'
import { colour, durations, PastChart } from './past-chart.ts'

/** Milliseconds: the shortest time that workers can distinguish. */
const LEAST = 0.1

export class TimesChart extends PastChart {
  readonly #of: 'wait' | 'process'

  constructor(of: 'wait' | 'process', place: HTMLElement, pointed: (step: number | undefined) => void) {
    super(place, pointed, {
      series: [
        { stroke: colour(place, '--ink-3'), width: 1, dash: [2, 2] },
        { stroke: colour(place, '--ink-2'), width: 1 },
        { stroke: colour(place, '--accent'), width: 2 },
      ],
      ...durations(LEAST),
    })
    this.#of = of
  }

  show(found: TimesOfRuns, marks: readonly Mark[]): void {
    const times = timesOf(found)
    const known = new Map(found.steps.map((each) => [each.at, each[this.#of]]))
    const line = (of: 'p50' | 'p95' | 'p99') =>
      times.map((at) => {
        const value = known.get(at)?.[of]
        return value === undefined ? null : Math.max(LEAST, value)
      })
    this.draw(found, times, [line('p99'), line('p95'), line('p50')], marks)
  }
}

/** Every step of the range, so that the line has a gap in each step without a run. */
export function timesOf({ at, from, step }: TimesOfRuns): number[] {
  return Array.from({ length: Math.floor((at - from) / step) + 1 }, (_, i) => from + i * step)
}
