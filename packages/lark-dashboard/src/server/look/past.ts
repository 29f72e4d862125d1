/**
 * Finds how many runs ended, how long jobs waited and runs took, and which events may explain this, up to 90
 * days back. All open browsers of a process share the answers, and the store is asked the same question at
 * most every ten seconds.
 */
import type {
  HistoryUnit,
  Operate,
  QueueHistory,
  RunTimes,
  RunTimesWithin,
  StoreHistory,
  VersionFirstSeen,
} from '@s18i/lark-jobs/operate'
import { KeptAnswers } from './kept-answers.ts'
import { changesSince, type Mark } from './marks.ts'

/** Milliseconds for which an answer is shared. */
const SHARED = 10_000

/** How far back a range goes, and how many milliseconds its steps have. */
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
  /**
   * When the store was asked, in milliseconds since 1970 by the clock of the store. The step that contains
   * this instant is not over.
   */
  at: number
  /** When the range begins, even if nothing is known about its beginning. */
  from: number
  /**
   * Every step of the range that the store has kept, the oldest first. Nothing is known about the time before
   * the first one.
   */
  steps: EndedStep[]
}

export interface TimesOfRuns extends Omit<EndedRuns, 'steps'> {
  /** Only the steps in which a run began or ended, the oldest first. */
  steps: RunTimesWithin[]
}

export interface Trends {
  at: number
  /**
   * By queue, how many runs ended in each of the last 60 minutes, the oldest first. Queues in which no run
   * ended are left out.
   */
  queues: Record<string, number[]>
}

export class Past {
  readonly #operate: Operate
  readonly #histories = new KeptAnswers<StoreHistory>(SHARED)
  readonly #times = new KeptAnswers<RunTimes>(SHARED)
  readonly #marks = new KeptAnswers<Mark[]>(SHARED)

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

  /** @param queue default: all queues together */
  async times(range: Range, queue?: string): Promise<TimesOfRuns> {
    const { unit, step, steps } = ranges[range]
    const found = await this.#runTimes(unit, queue)
    const last = found.at - (found.at % step)
    return { range, step, at: found.at, from: last - (steps - 1) * step, steps: found.steps }
  }

  /** The marks of a range, the earliest first. @param queue default: all queues */
  async marks(range: Range, queue?: string): Promise<Mark[]> {
    const { unit, step, steps } = ranges[range]
    return await this.#marks.get(JSON.stringify([range, queue]), async () => {
      const { at, versions, releases } = await this.#runTimes(unit, queue)
      const from = at - (at % step) - (steps - 1) * step
      const changes = await changesSince(this.#operate, from, queue)
      const began = (of: string) => (each: VersionFirstSeen) => ({
        at: each.at,
        title: `workers of ${of} ${each.name} began`,
      })
      return [...changes, ...versions.map(began('Lark')), ...releases.map(began('release'))].sort(
        (one, other) => one.at - other.at,
      )
    })
  }

  #history(): Promise<StoreHistory> {
    return this.#histories.get('', () => this.#operate.history())
  }

  #runTimes(unit: HistoryUnit, queue: string | undefined): Promise<RunTimes> {
    const filter = queue === undefined ? { unit } : { unit, queue }
    return this.#times.get(JSON.stringify(filter), () => this.#operate.runTimes(filter))
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
