/**
 * The results of all runs, from the records of workers (`record.ts#WorkerRuns`). The record of an ended
 * worker is kept for a while. When the record is removed, its numbers are added to one sum. So the total
 * never becomes smaller, unless a server loses its last writes.
 */

import { RunCounts } from '../../model/run/run-counts.ts'
import type { SlowRun, WorkerRuns } from '../../model/run/worker-runs.ts'
import { parsed } from './rules/unreadable.ts'

/**
 * How many records of ended workers are kept, and for how many milliseconds. Older records are added to the
 * sum and removed. If a worker was only cut off from the store, it continues with its kept record.
 */
export const ENDED_WORKERS = { count: 100, age: 86_400_000 }
/**
 * The largest number of records of ended workers. Further records are removed, the oldest first, even if
 * their runs were not added to the sum. (The sum is updated only when somebody reads the runs.)
 */
export const MOST_ENDED = 200
/** The largest number of names in the sum. Further names are counted together as `OTHERS`. */
const MAX_NAMES = 250
/** The name for all queues or keys beyond the limit, in the record of a worker and in the sum. */
export const OTHERS = '(others)'
/** How many releases have a sum of their own, and how many keys each of them. */
export const MOST_RELEASES = 10
const MOST_KEYS = 100
/** How many slow runs of one queue and key are read from the record of a worker. */
const MOST_SLOW = 10

/**
 * The runs of one worker. `endedAt`: when the worker ended, in milliseconds since 1970; absent if the worker
 * lives.
 */
export interface KnownRuns extends WorkerRuns {
  id: string
  /** `version`: the version of Lark that the worker runs. `release`: the release of the application. */
  version?: string
  release?: string
  endedAt?: number
}

export interface FleetRuns {
  /** The time of the answer: milliseconds since 1970. */
  at: number
  workers: KnownRuns[]
  /**
   * The sum of all earlier workers whose records are not kept any more, by queue and key as in
   * `WorkerRuns.all`.
   */
  past: Record<string, string>
  /**
   * The part of `past` that is known by release: only of releases that a known worker has, or that a worker
   * had within a day.
   */
  pastReleases: Record<string, PastRelease>
}

/** The runs of earlier workers of one release. */
export interface PastRelease {
  /** When the last of these workers ended: milliseconds since 1970. */
  until: number
  /** The packed `RunCounts` by key, of all queues together. */
  keys: Record<string, string>
}

/** The sum of the runs of all earlier workers. */
type Past = Pick<FleetRuns, 'past' | 'pastReleases'>

/**
 * Reads the runs in the record of a worker; undefined if the record has no runs, or if its runs are damaged.
 */
export function runsIn(record: string): Omit<KnownRuns, 'id'> | undefined {
  const { runs, version, release } = (parsed(record) ?? {}) as {
    runs?: Partial<WorkerRuns>
    version?: unknown
    release?: unknown
  }
  if (typeof runs !== 'object' || runs === null) return undefined
  const { all, lately, arrived, slow } = runs
  return {
    ...{ all: textsIn(all), lately: textsIn(lately), arrived: textsIn(arrived) },
    ...(slow !== undefined && { slow: slowIn(slow) }),
    ...(typeof version === 'string' && { version }),
    ...(typeof release === 'string' && { release }),
  }
}

/** Reads the sum of ended workers from the text that a store keeps. */
export function pastIn(text: string | null | undefined): Past {
  const { runs, releases } = (text ? (parsed(text) ?? {}) : {}) as { runs?: unknown; releases?: unknown }
  const all = Object.entries(typeof releases === 'object' ? (releases ?? {}) : {}) as [string, PastRelease][]
  const read = all
    .filter(([, each]) => Number.isSafeInteger(each?.until))
    .slice(0, MOST_RELEASES)
    .map(([name, { until, keys }]) => [name, { until, keys: textsIn(keys) }] as const)
  return { past: textsIn(runs), pastReleases: Object.fromEntries(read) }
}

/** The text that a store keeps when the runs of ended workers are added to the sum. */
export function pastText(runs: FleetRuns, ended: readonly KnownRuns[]): string {
  return JSON.stringify({ runs: folded(runs.past, ended), releases: foldedReleases(runs, ended) })
}

/** The ended workers whose records are old enough to be added to the sum. */
export function dueToFold({ at, workers }: FleetRuns): KnownRuns[] {
  const ended = workers.filter(({ endedAt = at + 1 }) => endedAt <= at)
  ended.sort((one, other) => other.endedAt! - one.endedAt!)
  return ended.filter(({ endedAt }, i) => i >= ENDED_WORKERS.count || endedAt! <= at - ENDED_WORKERS.age)
}

/** Adds the runs of workers to the sum. */
export function folded(past: Record<string, string>, workers: readonly WorkerRuns[]): Record<string, string> {
  const sums = new Map(Object.entries(past).map(([name, text]) => [name, RunCounts.read(text)]))
  for (const { all } of workers) {
    for (const [pair, text] of Object.entries(all)) {
      const name = sums.has(pair) || sums.size < MAX_NAMES ? pair : `${OTHERS} ${OTHERS}`
      sums.set(name, (sums.get(name) ?? new RunCounts()).add(RunCounts.read(text)))
    }
  }
  return Object.fromEntries([...sums].map(([name, counts]) => [name, counts.pack()]))
}

/** Adds the runs of ended workers to the sums by release, and drops the releases of long ago. */
function foldedReleases(
  { at, workers, pastReleases }: FleetRuns,
  ended: readonly KnownRuns[],
): Record<string, PastRelease> {
  const sums = new Map(
    Object.entries(pastReleases).map(([name, { until, keys }]) => [name, { until, keys: countsIn(keys) }]),
  )
  for (const { release, endedAt = at, all } of ended) {
    if (release === undefined) continue
    const sum = sums.get(release) ?? { until: 0, keys: new Map() }
    sum.until = Math.max(sum.until, endedAt)
    addByKey(sum.keys, all)
    sums.set(release, sum)
  }
  const known = new Set(workers.map(({ release }) => release))
  const kept = [...sums]
    .filter(([name, { until }]) => known.has(name) || until > at - ENDED_WORKERS.age)
    .sort(([, one], [, other]) => other.until - one.until)
    .slice(0, MOST_RELEASES)
  return Object.fromEntries(
    kept.map(([name, { until, keys }]) => [name, { until, keys: packedCounts(keys) }]),
  )
}

/**
 * Adds counts by queue and key to sums by key. Crashed runs, whose key is not known, are left out. Keys
 * beyond the limit are counted together as `OTHERS`.
 */
export function addByKey(sums: Map<string, RunCounts>, all: Readonly<Record<string, string>>): void {
  for (const [pair, text] of Object.entries(all)) {
    const key = pair.slice(pair.indexOf(' ') + 1)
    if (key === '') continue
    const name = sums.has(key) || sums.size < MOST_KEYS ? key : OTHERS
    sums.set(name, (sums.get(name) ?? new RunCounts()).add(RunCounts.read(text)))
  }
}

export function countsIn(texts: Readonly<Record<string, string>>): Map<string, RunCounts> {
  return new Map(Object.entries(texts).map(([name, text]) => [name, RunCounts.read(text)]))
}

export function packedCounts(counts: ReadonlyMap<string, RunCounts>): Record<string, string> {
  return Object.fromEntries([...counts].map(([name, each]) => [name, each.pack()]))
}

function slowIn(value: unknown): Record<string, SlowRun[]> {
  if (typeof value !== 'object' || value === null) return {}
  const isRun = (run: unknown): run is SlowRun =>
    Array.isArray(run) && typeof run[0] === 'string' && [run[1], run[2]].every(Number.isSafeInteger)
  const lists = Object.entries(value).filter(([, runs]) => Array.isArray(runs)) as [string, unknown[]][]
  const read = lists.map(([pair, runs]) => [pair, runs.filter(isRun).slice(0, MOST_SLOW)] as const)
  return Object.fromEntries(read.slice(0, MAX_NAMES))
}

export function textsIn(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  const texts = Object.entries(value).filter(([, text]) => typeof text === 'string')
  return Object.fromEntries(texts.slice(0, MAX_NAMES + 1))
}
