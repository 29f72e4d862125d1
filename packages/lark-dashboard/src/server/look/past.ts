/**
 * Finds how many runs ended, how long jobs waited and runs took, and which events may explain these figures,
 * up to 90 days back. All open browsers of a process share the answers. The same question is sent to the
 * store at most every ten seconds.
 */
import type {
  ClassRuns,
  ClassRunsUnit,
  ComparedRuns,
  HistoryUnit,
  Operate,
  QueueHistory,
  ReleaseEnds,
  RunTimes,
  RunTimesWithin,
  StoreClassRuns,
  StoreHistory,
  VersionFirstSeen,
} from '@s18i/lark-jobs/operate'
import { KeptAnswers } from './kept-answers.ts'
import { changesSince, type Mark } from './marks.ts'

/** Milliseconds for which an answer is shared. */
const SHARED = 10_000
/**
 * Milliseconds for which an answer about the runs of classes is shared. The time is longer, because these
 * answers cost more: 150 ms of CPU for 20 classes (measured on 2026-12-03, Node 20.20, 2 cores, busy).
 */
const CLASSES_SHARED = 30_000

/** How far back each range goes, and the length of its steps in milliseconds. */
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
   * The time at which the store was asked, in milliseconds since 1970 by the clock of the store. The step
   * that contains this instant is not over.
   */
  at: number
  /** The time at which the range begins, even if the store has no data about its beginning. */
  from: number
  /**
   * Every step of the range for which the store has data, the oldest first. The store has no data about the
   * time before the first step.
   */
  steps: EndedStep[]
  /**
   * For each step, how the runs of each release ended. Present only for a class whose workers know their
   * release.
   */
  releases?: [at: number, ends: ReleaseEnds[]][]
}

/** The queue or the class whose past is shown. Default: all queues together. */
export interface PastOf {
  queue?: string
  /** The key of a class. A class has no figures by minute. */
  key?: string
}

/** A class in the list of classes. */
export interface ListedClass extends ComparedRuns {
  key: string
  /** How many runs ended in each of the last 24 hours, the oldest first. The last hour is not over. */
  hours: number[]
}

/** What is known of a class besides its hours and days. */
export interface KnownClass extends Pick<ClassRuns, 'key' | 'releases' | 'slowest'> {
  compared: ComparedRuns
}

export interface TimesOfRuns extends Omit<EndedRuns, 'steps'> {
  /** The steps in which a run began or ended, the oldest first. */
  steps: RunTimesWithin[]
}

export interface Trends {
  at: number
  /**
   * For each queue, how many runs ended in each of the last 60 minutes, the oldest minute first. Queues in
   * which no run ended are left out.
   */
  queues: Record<string, number[]>
}

export class Past {
  readonly #operate: Operate
  readonly #histories = new KeptAnswers<StoreHistory>(SHARED)
  readonly #times = new KeptAnswers<RunTimes>(SHARED)
  readonly #marks = new KeptAnswers<Mark[]>(SHARED)
  readonly #classRuns = new KeptAnswers<StoreClassRuns>(CLASSES_SHARED)

  constructor(operate: Operate) {
    this.#operate = operate
  }

  async ended(range: Range, { queue, key }: PastOf): Promise<EndedRuns> {
    const { unit, step, steps } = ranges[range]
    const ofClass = key === undefined ? undefined : await this.#classSteps(key, unit)
    const { at, queues } = ofClass === undefined ? await this.#history() : { at: ofClass.at, queues: [] }
    const chosen = queues.filter((each) => queue === undefined || each.queue === queue)
    const last = at - (at % step)
    const sums = new Map<number, EndedStep>()
    for (const { at, completed, failed, retried } of ofClass?.steps ?? chosen.flatMap((each) => each[unit])) {
      const sum = sums.get(at) ?? [at, 0, 0, 0]
      sums.set(at, [at, sum[1] + completed, sum[2] + failed, sum[3] + retried])
    }
    const releases = ofClass?.steps.flatMap(({ at, releases }): [number, ReleaseEnds[]][] =>
      releases === undefined ? [] : [[at, releases]],
    )
    const first = range === '1h' ? 0 : Math.min(...sums.keys())
    const all = Array.from({ length: steps }, (_, i) => last - (steps - 1 - i) * step)
    return {
      range,
      step,
      at,
      from: all[0]!,
      steps: all.filter((each) => each >= first).map((each) => sums.get(each) ?? [each, 0, 0, 0]),
      ...(releases !== undefined && releases.length > 0 && { releases }),
    }
  }

  /** All classes that ran within the last eight days, with their last day. */
  async classes(): Promise<{ at: number; classes: ListedClass[] }> {
    const { at, classes } = await this.#runsOfClasses({ unit: 'hours' })
    const { step } = ranges['3d']
    const first = at - (at % step) - 23 * step
    const listed = classes.map(({ key, steps, compared }): ListedClass => {
      const hours = new Array<number>(24).fill(0)
      for (const { at, completed, failed, retried } of steps)
        if (at >= first) hours[(at - first) / step] = completed + failed + retried
      return { key, hours, ...compared! }
    })
    const lastDay = ({ last, hours }: ListedClass) => last.completed + last.failed + last.retried + hours[23]!
    return { at, classes: listed.sort((one, other) => lastDay(other) - lastDay(one)) }
  }

  /** Undefined if no run of the class is known. */
  async jobClass(key: string): Promise<KnownClass | undefined> {
    const [hours, days] = await Promise.all([
      this.#runsOfClasses({ key, unit: 'hours' }),
      this.#runsOfClasses({ key, unit: 'days' }),
    ])
    const [[recent], [found]] = [hours.classes, days.classes]
    const compared = recent?.compared ?? (found && noRuns(hours.at))
    if (found === undefined || compared === undefined) return undefined
    return { key, compared, releases: found.releases, slowest: found.slowest }
  }

  async trends(): Promise<Trends> {
    const { at, queues } = await this.#history()
    const all = queues.filter(({ minutes }) => minutes.length > 0)
    return { at, queues: Object.fromEntries(all.map((each) => [each.queue, trendOf(each, at)])) }
  }

  async times(range: Range, { queue, key }: PastOf): Promise<TimesOfRuns> {
    const { unit, step, steps } = ranges[range]
    const found = await (key === undefined ? this.#runTimes(unit, queue) : this.#classSteps(key, unit))
    const last = found.at - (found.at % step)
    const from = last - (steps - 1) * step
    const shown = found.steps.filter(({ at }) => at >= from)
    return {
      ...{ range, step, at: found.at, from },
      steps: shown.map(({ at, wait, process }) => ({ at, wait, process })),
    }
  }

  /** The marks of a range, the earliest first. */
  async marks(range: Range, { queue }: PastOf): Promise<Mark[]> {
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

  /** Reads the runs of a class, by hour or by day. */
  async #classSteps(key: string, unit: HistoryUnit) {
    const { at, classes } = await this.#runsOfClasses({ key, unit: unit === 'minutes' ? 'hours' : unit })
    return { at, steps: unit === 'minutes' ? [] : (classes[0]?.steps ?? []) }
  }

  #runsOfClasses(filter: { key?: string; unit: ClassRunsUnit }): Promise<StoreClassRuns> {
    return this.#classRuns.get(JSON.stringify(filter), () => this.#operate.classRuns(filter))
  }

  #history(): Promise<StoreHistory> {
    return this.#histories.get('', () => this.#operate.history())
  }

  #runTimes(unit: HistoryUnit, queue: string | undefined): Promise<RunTimes> {
    const filter = queue === undefined ? { unit } : { unit, queue }
    return this.#times.get(JSON.stringify(filter), () => this.#operate.runTimes(filter))
  }
}

/** The comparison of a class that did not run within the last eight days. */
function noRuns(at: number): ComparedRuns {
  const none = {
    ...{ completed: 0, failed: 0, retried: 0, busy: 0 },
    ...{ wait: { count: 0 }, process: { count: 0 } },
  }
  const { step } = ranges['3d']
  return { from: at - (at % step) - 24 * step, present: none, last: none, dayBefore: none, weekBefore: none }
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
