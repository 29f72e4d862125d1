/**
 * The runs of each job class in past hours or days, by the release of the application, with its slowest runs,
 * and a comparison of the last 24 hours with the day and the week before.
 */
import { RunCounts } from '../../model/run/run-counts.ts'
import { isText, type OptionsOf, oneOf, option } from '../../options/schema.ts'
import {
  CLASS_HOURS,
  type ClassesWithin,
  classesWithin,
  DAY,
  DAYS,
  type FleetRuns,
  firstBucket,
  HOUR,
  NO_RELEASE,
  OTHERS,
  type Store,
} from '../../store/contract/store.ts'
import { checkFilter, conditions, type Flags } from '../look/filter.ts'
import { type Quantiles, quantiles } from './figures.ts'
import type { EndedCounts } from './measurement.ts'

const units = {
  hours: [HOUR, CLASS_HOURS],
  days: [DAY, DAYS],
} as const

/** The length of the steps in which the runs of a class are counted. */
export type ClassRunsUnit = keyof typeof units

/** How many of the slowest runs of a class are returned. */
const MOST_SLOW = 10

const filterSchema = conditions({
  /** The key of the class. Default: every class. */
  key: option<string>('the key of a job class', isText),
  /** The steps of the history: `'hours'` of the last eight days (default), or `'days'` of the last 90. */
  unit: oneOf<ClassRunsUnit>(['hours', 'days']),
})

export interface ClassRunsFilter extends OptionsOf<typeof filterSchema.entries> {}

/** How runs ended, how long their jobs waited, and how long the runs took. All times are in milliseconds. */
export interface RunFigures extends EndedCounts {
  /** How long jobs had been due when their runs began. */
  wait: Quantiles
  /** How long the runs took. */
  process: Quantiles
  /** How long all these runs took together. */
  busy: number
}

/** The runs within an hour, or a day in UTC. */
export interface ClassRunsWithin extends RunFigures {
  /** When the hour or day begins: milliseconds since 1970. */
  at: number
  /** The runs by release. Absent if no worker of these runs knew its release. */
  releases?: ReleaseEnds[]
}

/** How the runs of a release ended. */
export interface ReleaseEnds extends EndedCounts {
  /** Absent for the runs of workers that knew no release. */
  release?: string
}

/** The runs of one release, in all the steps together. */
export interface ReleaseRuns extends RunFigures {
  /** Absent for the runs of workers that knew no release. */
  release?: string
  /** When the first step (an hour or a day) with runs of this release begins, in milliseconds since 1970. */
  first: number
  /** When the last step with runs of this release begins, in milliseconds since 1970. */
  last: number
}

/** A run that took long. */
export interface SlowestRun {
  id: string
  queue: string
  /** How many milliseconds the run took. */
  took: number
  /** When the run ended: milliseconds since 1970. */
  at: number
}

export interface ClassRuns {
  /**
   * The key of the class. The key `(others)` stands for all classes that a store with more than 100 classes
   * does not count one by one.
   */
  key: string
  /** All these runs together. */
  total: RunFigures
  /** The hours or days with runs, the oldest first. The last one may not be over. */
  steps: ClassRunsWithin[]
  /** The release that ran last comes first. Empty if no worker knew its release. */
  releases: ReleaseRuns[]
  /** The slowest runs of the last day, of 100 ms or more: at most three of each worker, at most ten. */
  slowest: SlowestRun[]
  /** Only with the unit `'hours'`: this hour, the last 24 hours that are over, and the same hours before. */
  compared?: ComparedRuns
}

export interface ComparedRuns {
  /** When the last 24 hours begin: milliseconds since 1970. */
  from: number
  /** The present hour, which is not over. */
  present: RunFigures
  last: RunFigures
  dayBefore: RunFigures
  weekBefore: RunFigures
}

export interface StoreClassRuns {
  /** When the store was asked: milliseconds since 1970, by the store's clock. */
  at: number
  unit: ClassRunsUnit
  /** The classes that ran, the one with the most runs first. */
  classes: ClassRuns[]
}

/** @throws FILTER_INVALID */
export function checkClassRuns(filter: unknown, flags?: Flags): void {
  checkFilter('operate().classRuns()', filter, filterSchema, { flags })
}

/** @param filter must be checked already */
export async function classRuns(
  store: Store,
  { key: named, unit = 'hours' }: ClassRunsFilter,
): Promise<StoreClassRuns> {
  const [length, count] = units[unit]
  const [kept, now] = await Promise.all([store.classHistory(length, count), store.workerRuns()])
  const from = firstBucket(now.at, length, count)
  const within = classesWithin(kept, now, length).filter(({ at }) => at >= from)
  const keys = new Set(
    within.flatMap(({ releases }) => [...releases.values()].flatMap((each) => [...each.keys()])),
  )
  const chosen = [...keys].filter((key) => named === undefined || key === named)
  const classes = chosen.map((key) => runsOf(key, within, now, unit))
  return { at: now.at, unit, classes: classes.sort((one, other) => runsIn(other.total) - runsIn(one.total)) }
}

/** How many runs ended. */
function runsIn({ completed, failed, retried }: EndedCounts): number {
  return completed + failed + retried
}

function runsOf(
  key: string,
  within: readonly ClassesWithin[],
  now: FleetRuns,
  unit: ClassRunsUnit,
): ClassRuns {
  const releases = new Map<string, { counts: RunCounts; first: number; last: number }>()
  const steps = within.flatMap(({ at, releases: all }): ClassRunsWithin[] => {
    const parts = [...all].flatMap(([release, keys]) => {
      const counts = keys.get(key)
      return counts === undefined ? [] : [{ release, counts }]
    })
    if (parts.length === 0) return []
    for (const { release, counts } of parts) {
      const known = releases.get(release) ?? { counts: new RunCounts(), first: at, last: at }
      known.counts.add(counts)
      known.last = at
      releases.set(release, known)
    }
    const named = parts.some(({ release }) => release !== NO_RELEASE)
    const ends = parts.map(({ release, counts }) => ({ ...nameOf(release), ...endsOf(counts) }))
    return [{ at, ...figuresOf(parts.map(({ counts }) => counts)), ...(named && { releases: ends }) }]
  })
  const all = [...releases].map(([release, { counts, first, last }]): ReleaseRuns => {
    return { ...nameOf(release), first, last, ...figuresOf([counts]) }
  })
  const hasReleases = all.some(({ release }) => release !== undefined)
  return {
    key,
    total: figuresOf([...releases.values()].map(({ counts }) => counts)),
    steps,
    releases: hasReleases ? all.sort((one, other) => other.last - one.last || other.first - one.first) : [],
    slowest: slowestOf(key, now),
    ...(unit === 'hours' && { compared: comparedOf(key, within, now.at) }),
  }
}

/** Compares the last 24 hours that are over with the same hours before, so that equal times are compared. */
function comparedOf(key: string, within: readonly ClassesWithin[], at: number): ComparedRuns {
  const end = at - (at % HOUR)
  const figures = (some: readonly ClassesWithin[]) =>
    figuresOf(some.flatMap(({ releases }) => [...releases.values()].flatMap((keys) => keys.get(key) ?? [])))
  const dayUntil = (to: number) => figures(within.filter((each) => each.at >= to - DAY && each.at < to))
  const present = figures(within.filter((each) => each.at === end))
  return {
    ...{ from: end - DAY, present },
    last: dayUntil(end),
    dayBefore: dayUntil(end - DAY),
    weekBefore: dayUntil(end - 7 * DAY),
  }
}

function slowestOf(key: string, { at, workers }: FleetRuns): SlowestRun[] {
  const found = workers.flatMap(({ slow = {} }) =>
    Object.entries(slow).flatMap(([pair, runs]) => {
      const end = pair.indexOf(' ')
      if (key === OTHERS || pair.slice(end + 1) !== key) return []
      const queue = pair.slice(0, end)
      return runs.map(([id, took, endedAt]) => ({ id, queue, took, at: endedAt }))
    }),
  )
  const lately = found.filter((each) => each.at > at - DAY)
  return lately.sort((one, other) => other.took - one.took).slice(0, MOST_SLOW)
}

function nameOf(release: string): { release?: string } {
  return release === NO_RELEASE ? {} : { release }
}

function endsOf(counts: RunCounts): EndedCounts {
  return {
    completed: counts.ends('completed'),
    failed: counts.ends('failed'),
    retried: counts.ends('retried'),
  }
}

function figuresOf(parts: readonly RunCounts[]): RunFigures {
  const sum = parts.reduce((all, each) => all.add(each), new RunCounts())
  return {
    ...endsOf(sum),
    ...{ wait: quantiles(sum, 'wait'), process: quantiles(sum, 'process') },
    busy: Math.round(sum.histogram('process').sum),
  }
}
