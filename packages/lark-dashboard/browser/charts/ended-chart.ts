/** The chart of ended runs: one bar for each step, with the failed runs on top of the completed ones. */
import type { Mark } from '../../src/server/look/marks.ts'
import type { EndedRuns } from '../../src/server/look/past.ts'
import { bars, colour, PastChart } from './past-chart.ts'

const INCREMENTS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5],
  ...[1e6, 1e7, 1e8],
]

export class EndedChart extends PastChart {
  constructor(place: HTMLElement, pointed: (step: number | undefined) => void) {
    super(place, pointed, {
      // The bar of all runs is drawn first, in the colour of failed runs. The bar of the completed runs then
      // covers its lower part.
      series: [bars(colour(place, '--bad')), bars(colour(place, '--accent'))],
      scale: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] },
      axis: { incrs: INCREMENTS },
    })
  }

  show(ended: EndedRuns, marks: readonly Mark[]): void {
    const { steps } = ended
    const all = steps.map(([, completed, failed]) => completed + failed)
    const times = steps.map(([at]) => at)
    this.draw(ended, times, [all, steps.map(([, completed]) => completed)], marks)
  }
}
