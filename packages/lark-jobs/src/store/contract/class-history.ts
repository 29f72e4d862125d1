/**
 * How the runs of each job class ended and how long they took, in each hour of the last eight days and on
 * each of the last 90 days (UTC), by the release of the application.
 *
 * The counts of all runs (`runs.ts`) only grow. So the runs of an hour are the difference of the counts at
 * its end and at its beginning. A store keeps the counts at the beginning of the present hour as the base.
 * The first announcement of a worker in a later hour writes three texts at once: the runs of the hour, the
 * runs of its day with this hour, and the next base. If two processes do so at once, they write almost the
 * same. The history adds no work to a job, and nothing to the other announcements of the hour.
 *
 * An hour has only the classes and releases that ran, so old releases take no space in later hours.
 */
import { RunCounts } from '../../model/run/run-counts.ts'
import { DAY, HOUR } from './history.ts'
import { DAYS } from './rules/capacity.ts'
import { parsed } from './rules/unreadable.ts'
import { addByKey, countsIn, type FleetRuns, folded, MOST_RELEASES, packedCounts, textsIn } from './runs.ts'

/** How many hours are kept: the present one, and eight days, so that the last 24 hours have a week before. */
export const CLASS_HOURS = 8 * 24 + 1
/** The name of the base. The other names are those of hours and days. */
export const BASE = 'base'
/** The release of runs whose workers knew no release, or whose release is not kept. */
export const NO_RELEASE = ''

/** Counts by release, and within a release by key. */
export type CountsByRelease = Map<string, Map<string, RunCounts>>

/** The counts of all runs at the beginning of an hour. */
export interface ClassBase {
  /** The first millisecond of the hour. */
  hour: number
  /** By key, of all releases. */
  total: Map<string, RunCounts>
  /** Only the releases that workers had lately. */
  releases: CountsByRelease
}

/** The runs of an hour or a day. */
export interface ClassesWithin {
  /** The first millisecond. */
  at: number
  releases: CountsByRelease
}

/** What a store has kept: the base, and some hours or days. */
export interface KeptClasses {
  base: ClassBase | undefined
  within: ClassesWithin[]
}

/** The name under which a store keeps an hour or a day. */
export function nameOfBucket(at: number, length: number): string {
  return `${length === HOUR ? 'h' : 'd'}${at - (at % length)}`
}

/** The names of the last `count` hours or days, the oldest first. */
export function namesOfBuckets(now: number, length: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => nameOfBucket(now - (count - 1 - i) * length, length))
}

/** The counts of all runs until now. */
export function classBase(runs: FleetRuns): ClassBase {
  const total = new Map<string, RunCounts>()
  addByKey(total, folded(runs.past, runs.workers))
  const releases: CountsByRelease = new Map()
  for (const name of latestReleases(runs)) {
    const counts = countsIn(runs.pastReleases[name]?.keys ?? {})
    for (const { release, all } of runs.workers) if (release === name) addByKey(counts, all)
    releases.set(name, counts)
  }
  return { hour: runs.at - (runs.at % HOUR), total, releases }
}

/** The releases of living workers, followed by those whose workers ended last. */
function latestReleases({ at, workers, pastReleases }: FleetRuns): string[] {
  const until = new Map(Object.entries(pastReleases).map(([name, each]) => [name, each.until]))
  for (const { release, endedAt = at } of workers)
    if (release !== undefined) until.set(release, Math.max(endedAt, until.get(release) ?? 0))
  const latest = [...until].sort(([, one], [, other]) => other - one)
  return latest.slice(0, MOST_RELEASES).map(([name]) => name)
}

/** The runs between two counts. */
function since(before: ClassBase, { total, releases }: ClassBase): CountsByRelease {
  const found: CountsByRelease = new Map()
  const put = (release: string, key: string, counts: RunCounts) => {
    if (!counts.isEmpty) found.set(release, (found.get(release) ?? new Map()).set(key, counts))
  }
  for (const [key, all] of total) {
    let rest = all.since(before.total.get(key) ?? new RunCounts())
    if (rest.isEmpty) continue
    for (const [release, keys] of releases) {
      const earlier = before.releases.get(release)?.get(key) ?? new RunCounts()
      // A release that is not in the base cannot have run more often than its class.
      const its = (keys.get(key) ?? new RunCounts()).since(earlier).atMost(rest)
      put(release, key, its)
      rest = rest.since(its)
    }
    put(NO_RELEASE, key, rest)
  }
  return found
}

/**
 * The texts to write when an hour is over; undefined if the present hour is still that of the base. The texts
 * belong together: a store writes all of them or none.
 *
 * @param dayText the text of the day to which the hour of the base belongs
 */
export function textsToKeep(
  base: ClassBase | undefined,
  dayText: string | undefined,
  runs: FleetRuns,
): Record<string, string> | undefined {
  const now = classBase(runs)
  const next = { [BASE]: baseText(now) }
  if (base === undefined) return next
  // The clock of a server may have been set back.
  if (now.hour <= base.hour) return undefined
  const hour = since(base, now)
  if (hour.size === 0) return next
  return {
    ...next,
    [nameOfBucket(base.hour, HOUR)]: bucketText(hour),
    [nameOfBucket(base.hour, DAY)]: bucketText(added(bucketIn(dayText), hour)),
  }
}

/** The names of hours and days that a store need not keep any more. */
export function outdatedNames(names: readonly string[], now: number): string[] {
  const first = {
    h: now - (now % HOUR) - (CLASS_HOURS - 1) * HOUR,
    d: now - (now % DAY) - (DAYS - 1) * DAY,
  }
  return names.filter((name) => name !== BASE && Number(name.slice(1)) < first[name[0] as 'h' | 'd'])
}

/**
 * The runs within each of the last hours or days, the oldest first. The last one is not over. Hours and days
 * without runs are left out.
 */
export function classesWithin(
  { base, within }: KeptClasses,
  now: FleetRuns,
  length: number,
): ClassesWithin[] {
  if (base === undefined) return within
  const at = base.hour - (base.hour % length)
  const known = within.find((each) => each.at === at)
  const releases = added(known?.releases ?? new Map(), since(base, classBase(now)))
  const all = within.filter((each) => each !== known)
  if (releases.size > 0) all.push({ at, releases })
  return all.sort((one, other) => one.at - other.at)
}

/** Adds counts to others. */
function added(some: CountsByRelease, others: CountsByRelease): CountsByRelease {
  for (const [release, keys] of others) {
    const sums = some.get(release) ?? new Map<string, RunCounts>()
    for (const [key, counts] of keys) sums.set(key, (sums.get(key) ?? new RunCounts()).add(counts))
    some.set(release, sums)
  }
  return some
}

function baseText({ hour, total, releases }: ClassBase): string {
  return JSON.stringify({ hour, total: packedCounts(total), releases: packedReleases(releases) })
}

/** Reads the text of a base; undefined if there is none, or if Lark did not write it. */
export function baseIn(text: string | null | undefined): ClassBase | undefined {
  const read = (text ? (parsed(text) ?? {}) : {}) as { hour?: unknown; total?: unknown; releases?: unknown }
  if (!Number.isSafeInteger(read.hour)) return undefined
  const total = countsIn(textsIn(read.total))
  return { hour: read.hour as number, total, releases: releasesIn(read.releases) }
}

function bucketText(releases: CountsByRelease): string {
  return JSON.stringify(packedReleases(releases))
}

function bucketIn(text: string | null | undefined): CountsByRelease {
  return releasesIn(text ? parsed(text) : undefined)
}

/** Reads the hours or days that a store has kept, by their names. */
export function classesIn(texts: readonly (readonly [name: string, text: string | null])[]): ClassesWithin[] {
  return texts.flatMap(([name, text]) => {
    const releases = bucketIn(text)
    return releases.size === 0 ? [] : [{ at: Number(name.slice(1)), releases }]
  })
}

function packedReleases(releases: CountsByRelease): Record<string, Record<string, string>> {
  return Object.fromEntries([...releases].map(([name, keys]) => [name, packedCounts(keys)]))
}

function releasesIn(value: unknown): CountsByRelease {
  if (typeof value !== 'object' || value === null) return new Map()
  return new Map(Object.entries(value).map(([name, keys]) => [name, countsIn(textsIn(keys))]))
}
