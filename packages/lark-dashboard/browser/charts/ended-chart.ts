/**
 * The chart of ended runs: a bar a step, the failed ones on top of those that completed, with thin marks where something
 * happened. This file is the only one that loads the library.
 */
import uPlot from 'uplot'
import type { EndedRuns } from '../../src/server/past.ts'

/** Something that happened at a time: milliseconds since 1970. */
export interface Mark {
  at: number
  title: string
}

const HEIGHT = 180

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const hour = new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

export class EndedChart {
  readonly #place: HTMLElement
  readonly #plot: uPlot
  readonly #resizing: ResizeObserver
  #shown = ''
  #marks: readonly Mark[] = []
  /** Seconds. */
  #step = 0
  /** Seconds since 1970. */
  #shownTimes: [from: number, until: number] = [0, 1]

  /** @param pointed is told which step the pointer is on; undefined: on none */
  constructor(place: HTMLElement, pointed: (step: number | undefined) => void) {
    this.#place = place
    const { style } = place
    // A canvas takes no colour that depends on the theme: the style of an element has the one that holds.
    const colour = (name: string) => {
      style.color = `var(${name})`
      return getComputedStyle(place).color
    }
    const axis = {
      stroke: colour('--ink-3'),
      font: `11px ${getComputedStyle(document.documentElement).getPropertyValue('--text').trim()}`,
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    }
    const bars = (fill: string): uPlot.Series => ({
      fill,
      width: 0,
      paths: uPlot.paths.bars!({ size: [0.8, 40], align: 1 }),
      points: { show: false },
    })
    this.#plot = new uPlot(
      {
        width: Math.max(200, place.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        // Times in seconds, as the library takes them.
        scales: {
          x: { time: true, range: () => this.#shownTimes },
          y: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] },
        },
        axes: [
          { ...axis, values: (_, times) => times.map((time) => this.#timeOf(time * 1_000)) },
          {
            ...axis,
            size: 56,
            incrs: [
              1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8,
            ],
          },
        ],
        // The lower bars are drawn last.
        series: [{}, bars(colour('--bad')), bars(colour('--accent'))],
        hooks: {
          draw: [(plot) => this.#drawMarks(plot, colour('--ink-3'))],
          setCursor: [({ cursor }) => pointed(cursor.idx ?? undefined)],
        },
      },
      [[], [], []],
      place,
    )
    this.#resizing = new ResizeObserver(() =>
      this.#plot.setSize({ width: Math.max(200, place.clientWidth), height: HEIGHT }),
    )
    this.#resizing.observe(place)
  }

  show({ at, from, step, steps }: EndedRuns, marks: readonly Mark[]): void {
    const text = JSON.stringify([from, step, steps, marks])
    if (text === this.#shown) return
    this.#shown = text
    this.#marks = marks
    this.#step = step / 1_000
    const last = at - (at % step)
    this.#shownTimes = [from / 1_000, (last + step) / 1_000]
    const times = steps.map(([at]) => at / 1_000)
    const ended = steps.map(([, completed, failed]) => completed + failed)
    this.#plot.setData([times, ended, steps.map(([, completed]) => completed)])
  }

  /** Days are those of UTC. */
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
