/**
 * A chart of the past, step by step, with thin marks for events such as a pause or a new version. All charts
 * of a page show the pointer at the same instant. Only this file loads the library that draws charts.
 */
import uPlot from 'uplot'
import type { Mark } from '../../src/server/look/marks.ts'
import { short } from '../parts/numbers.ts'

const HEIGHT = 180
/**
 * The durations at which a logarithmic scale may have a line, in milliseconds, and the maximum number of
 * lines of a scale.
 */
const DURATIONS = [0.1, 1, 10, 100, 1e3, 1e4, 6e4, 6e5, 36e5, 36e6, 864e5, 864e6]
const MOST_LINES = 6

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const hour = new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** The time that a chart shows: from `from` on, in steps of `step` milliseconds. */
export interface Steps {
  at: number
  from: number
  step: number
}

/** The series of a kind of chart, and how they are drawn. */
export interface Drawing {
  series: uPlot.Series[]
  scale: uPlot.Scale
  axis: uPlot.Axis
}

/**
 * A colour of the theme, read from the computed style of an element, because a canvas does not understand
 * `light-dark()`.
 */
export function colour(place: HTMLElement, name: string): string {
  place.style.color = `var(${name})`
  return getComputedStyle(place).color
}

export class PastChart {
  readonly #place: HTMLElement
  readonly #plot: uPlot
  readonly #resizing: ResizeObserver
  #shown = ''
  #marks: readonly Mark[] = []
  /** Seconds. */
  #step = 0
  /** Seconds since 1970. */
  #times: [from: number, until: number] = [0, 1]

  /**
   * @param pointed called with the step that the pointer is on, or with undefined if the pointer is on no
   * step
   */
  constructor(place: HTMLElement, pointed: (step: number | undefined) => void, drawing: Drawing) {
    this.#place = place
    const { series, scale, axis } = drawing
    const quiet = colour(place, '--ink-3')
    const plain = {
      stroke: quiet,
      font: `11px ${getComputedStyle(document.documentElement).getPropertyValue('--text').trim()}`,
      grid: { stroke: colour(place, '--line'), width: 1 },
      ticks: { show: false },
    }
    this.#plot = new uPlot(
      {
        width: Math.max(200, place.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: 'past' } },
        // The library takes times in seconds.
        scales: { x: { time: true, range: () => this.#times }, y: scale },
        axes: [
          { ...plain, values: (_, times) => times.map((time) => this.#timeOf(time * 1_000)) },
          { ...plain, size: 56, ...axis },
        ],
        series: [{}, ...series],
        hooks: {
          draw: [(plot) => this.#drawMarks(plot, quiet)],
          setCursor: [({ cursor }) => pointed(cursor.idx ?? undefined)],
        },
      },
      [[], ...series.map(() => [])],
      place,
    )
    this.#resizing = new ResizeObserver(() =>
      this.#plot.setSize({ width: Math.max(200, place.clientWidth), height: HEIGHT }),
    )
    this.#resizing.observe(place)
  }

  /**
   * @param times the times of the steps. Each series has one value for each step. The value is null if it is
   *   unknown
   */
  protected draw(
    { at, from, step }: Steps,
    times: readonly number[],
    values: readonly (number | null)[][],
    marks: readonly Mark[],
  ): void {
    const text = JSON.stringify([from, step, times, values, marks])
    if (text === this.#shown) return
    this.#shown = text
    this.#marks = marks
    this.#step = step / 1_000
    const last = at - (at % step)
    this.#times = [from / 1_000, (last + step) / 1_000]
    this.#plot.setData([times.map((each) => each / 1_000), ...values] as uPlot.AlignedData)
  }

  /** Days begin and end by UTC. */
  #timeOf(at: number): string {
    return (this.#step < 3_600 ? clock : this.#step < 86_400 ? hour : day).format(at)
  }

  close(): void {
    this.#resizing.disconnect()
    this.#plot.destroy()
    this.#place.replaceChildren()
  }

  #drawMarks({ ctx, bbox, valToPos, scales }: uPlot, colour: string): void {
    ctx.save()
    ctx.strokeStyle = colour
    ctx.lineWidth = 1
    ctx.setLineDash([3, 3])
    for (const { at } of this.#marks) {
      if (at / 1_000 < (scales.x?.min ?? 0) || at / 1_000 > (scales.x?.max ?? 0)) continue
      const x = Math.round(valToPos(at / 1_000, 'x', true))
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
    }
    ctx.restore()
  }
}

/** A series with one bar for each step. */
export function bars(fill: string): uPlot.Series {
  return {
    fill,
    width: 0,
    paths: uPlot.paths.bars!({ size: [0.8, 40], align: 1 }),
    points: { show: false },
  }
}

/** A logarithmic scale of durations. @param least milliseconds */
export function durations(least: number): Pick<Drawing, 'scale' | 'axis'> {
  return {
    scale: {
      distr: 3,
      range: (_, low, high) =>
        uPlot.rangeLog(Math.max(low ?? least, least), Math.max(high ?? 1_000, 10 * least), 10, true),
    },
    axis: {
      splits: (_, __, low, high) => {
        const all = DURATIONS.filter((each) => each >= low && each <= high)
        const every = Math.ceil(all.length / MOST_LINES)
        return all.filter((_, i) => i % every === 0)
      },
      filter: (_, splits) => splits,
      values: (_, splits) => splits.map(short),
    },
  }
}
