/**
 * How many runs ended, up to 90 days back, for all open browsers of a process: the store is asked at most every ten seconds.
 */
import type { Operate, QueueHistory, StoreHistory } from '@s18i/lark-jobs/operate'

/** Milliseconds for which an answer is shared. */
const SHARED = 10_000

/** How far back, in steps of how many milliseconds. */
export const ranges = {
  '1h': { unit: 'minutes', step: 60_000, steps: 60 },
  '3d': { unit: 'hours', step: 3_600_000, steps: 72 },
  '90d': { unit: 'days', step: 86_400_000, steps: 90 },
} as const

export type Range = keyof typeof ranges

/** The runs that ended within one step. */
export type EndedStep = [at: number, completed: number, failed: number, retried: number]

export interface EndedRuns {
  range: Range
  /** Milliseconds of a step. */
  step: number
  /** When the store was asked, by its clock: milliseconds since 1970. The step that this is in is not over. */
  at: number
  /** When the range begins, whatever is known of it. */
  from: number
  /** Every step of the range that the store has kept, the oldest first. Before the first, nobody knows. */
  steps: EndedStep[]
}

export interface Trends {
  at: number
  /** By queue, how many runs ended in each of the last 60 minutes, the oldest first. Queues in which none ended are left out. */
  queues: Record<string, number[]>
}

export class Past {
  readonly #operate: Operate
  #last: { asked: number; history: Promise<StoreHistory> } | undefined

  constructor(operate: Operate) {
    this.#operate = operate
  }

  /** @param queue default: all queues together */
  async ended(range: Range, queue?: string): Promise<EndedRuns> {
    const { at, queues } = await this.#history()
    const { unit, step, steps } = ranges[range]
    const chosen = queues.filter((each) => queue === undefined || each.queue === queue)
    const last = at - (at % step)
    const sums = new Map<number, EndedStep>()
    for (const each of chosen)
      for (const { at, completed, failed, retried } of each[unit]) {
        const sum = sums.get(at) ?? [at, 0, 0, 0]
        sums.set(at, [at, sum[1] + completed, sum[2] + failed, sum[3] + retried])
      }
    const first = range === '1h' ? 0 : Math.min(...sums.keys())
    const all = Array.from({ length: steps }, (_, i) => last - (steps - 1 - i) * step)
    return {
      range,
      step,
      at,
      from: all[0]!,
      steps: all.filter((each) => each >= first).map((each) => sums.get(each) ?? [each, 0, 0, 0]),
    }
  }

  async trends(): Promise<Trends> {
    const { at, queues } = await this.#history()
    const all = queues.filter(({ minutes }) => minutes.length > 0)
    return { at, queues: Object.fromEntries(all.map((each) => [each.queue, trendOf(each, at)])) }
  }

  async #history(): Promise<StoreHistory> {
    const asked = performance.now()
    if (this.#last === undefined || asked - this.#last.asked > SHARED) {
      const history = this.#operate.history()
      const last = { asked, history }
      this.#last = last
      // What failed is not shared for longer than it takes.
      history.catch(() => {
        if (this.#last === last) this.#last = undefined
      })
    }
    return await this.#last.history
  }
}

function trendOf({ minutes }: QueueHistory, at: number): number[] {
  const { step, steps } = ranges['1h']
  const last = at - (at % step)
  const counts = new Array<number>(steps).fill(0)
  for (const { at, completed, failed, retried } of minutes) {
    const place = steps - 1 - (last - at) / step
    if (place >= 0 && place < steps) counts[place] = completed + failed + retried
  }
  return counts
}
