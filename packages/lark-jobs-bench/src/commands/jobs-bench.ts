import { availableParallelism, loadavg } from 'node:os'
import { Command, flag, visible } from '@s18i/lark'
import { JobsError } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import { adviceOn } from '../advice.ts'
import type { Figure } from '../figure.ts'
import { measures, queues, type Stage } from '../measures.ts'
import { type BenchPlace, benchPlace } from '../place.ts'

/**
 * `lark jobs:bench`: measures the configured store from this machine, in a temporary store beside it. The
 * user's jobs do not change.
 */
export class JobsBenchCommand extends Command {
  readonly key = 'jobs:bench'
  override description = 'Measure how fast the configured store is, beside its jobs'
  jobs = flag.number('About this number of jobs for each figure', { default: 50_000, wholeFrom: 1 })
  seconds = flag.number('At most this number of seconds for each figure', { default: 2, wholeFrom: 1 })

  async handle() {
    const { jobs, seconds, signal } = this
    const place = await benchPlace(queues)
    let isThere = true
    try {
      const store = await operate(place.here)
        .name()
        .catch((error) => {
          isThere = !JobsError.is(error, 'STORE_UNREACHABLE')
          throw error
        })
      const warn = this.#warnOnce()
      const name = place.name ?? store
      this.info(visible(`Measuring ${name} in ${place.words}, removed afterwards`))
      for (const warning of busyness()) warn(warning)
      const figures = await this.#measure({ ...place, jobs, seconds, signal, warn, roundTrip: 0 })
      const [roundTrip, dispatch] = figures.map(({ p50 = 0 }) => p50) as [number, number]
      const advice = adviceOn(roundTrip, dispatch, place.users)
      if (this.json) return { store: name, figures: figures.map(rounded), ...(advice && { advice }) }
      this.#print(figures, advice)
    } finally {
      if (isThere) await this.#remove(place)
    }
  }

  async #measure(stage: Stage): Promise<Figure[]> {
    const figures: Figure[] = []
    const progress = this.progress(measures.length, { label: 'figures' })
    for (const measure of measures) {
      figures.push(await measure(stage))
      this.verbose(`${figures.length}/${measures.length} figures`)
      progress.advance()
    }
    progress.finish()
    return figures
  }

  #print(figures: readonly Figure[], advice: string | undefined): void {
    const columns = [
      flushRight(['P50 MS', ...figures.map(({ p50 }) => milliseconds(p50))]),
      flushRight(['P99 MS', ...figures.map(({ p99 }) => milliseconds(p99))]),
      flushRight(['JOBS/S', ...figures.map(({ rate }) => (rate === undefined ? '' : thousands(rate)))]),
    ]
    this.table(
      ['FIGURE', ...columns.map(([head]) => head!), 'LIMITED BY'],
      figures.map(({ name, limit }, i) => [name, ...columns.map((cells) => cells[i + 1]), limit]),
    )
    if (advice === undefined) return
    this.line()
    this.line(advice)
  }

  /** Prints each warning once, because each worker repeats the warnings of the store. */
  #warnOnce(): (text: string) => void {
    const warned = new Set<string>()
    return (text) => {
      if (!warned.has(text)) this.warn(text)
      warned.add(text)
    }
  }

  async #remove(place: BenchPlace): Promise<void> {
    try {
      await place.remove()
    } catch (error) {
      this.warn(visible(`${place.words} could not be removed: ${(error as Error).message}`))
    }
  }
}

function busyness(): string[] {
  const [load = 0] = loadavg()
  const cores = availableParallelism()
  if (load < cores) return []
  return [
    `This machine is busy (load ${load.toFixed(1)} on ${cores} cores): it could do better than these figures`,
  ]
}

function rounded({ name, p50, p99, rate, limit }: Figure): Figure {
  const to = (value: number | undefined, digits: number) => value && Number(value.toFixed(digits))
  return { name, p50: to(p50, 3), p99: to(p99, 3), rate: to(rate, 0), limit }
}

function milliseconds(value: number | undefined): string {
  if (value === undefined) return ''
  return value < 100 ? value.toFixed(2) : thousands(value)
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function flushRight(cells: readonly string[]): string[] {
  const width = Math.max(...cells.map((cell) => cell.length))
  return cells.map((cell) => cell.padStart(width))
}
