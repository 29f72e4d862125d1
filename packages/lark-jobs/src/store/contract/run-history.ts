/**
 * How long jobs waited and runs took, up to 90 days ago. A store keeps the counts of all runs (`runs.ts`) as
 * they were at some instants: at the end of each of the last minutes, hours and days. The counts only grow,
 * so the difference between the counts of two instants tells which runs came between them. When the counts of
 * an instant are not needed any more, they are removed.
 *
 * When a worker announces itself as the first in a minute, the store keeps the present counts. So the history
 * takes no time from jobs. A run counts in the minute in which its worker reports it, which may be five
 * seconds after its end.
 */
import { RunCounts } from '../../model/run/run-counts.ts'
import { DAY, firstBucket, HOUR, MINUTE } from './history.ts'
import { DAYS, HOURS, MINUTES } from './rules/capacity.ts'
import { parsed } from './rules/unreadable.ts'
import { type FleetRuns, folded, OTHERS } from './runs.ts'

/** How many queues are counted separately, and how many versions and releases are kept. */
const MAX_QUEUES = 100
const MAX_VERSIONS = 20

/** The counts of all runs up to an instant. */
export interface RunsAt {
  /** The instant of the counts, which is the end of a minute: milliseconds since 1970. */
  at: number
  /** The packed `RunCounts` of each queue, by the name of the queue. */
  queues: Record<string, string>
  /** The versions of Lark that the live workers ran, and the releases of their application. */
  versions: string[]
  releases: string[]
}

/** The runs that workers reported within a bucket, by queue. A bucket is a minute, an hour or a day. */
export interface RunsWithin {
  /** The first millisecond of the bucket. */
  at: number
  queues: Map<string, RunCounts>
}

const buckets = [
  [MINUTE, MINUTES],
  [HOUR, HOURS],
  [DAY, DAYS],
] as const

/** Makes the counts to keep from the present runs of all workers. */
export function runsAt(runs: FleetRuns): RunsAt {
  const queues = new Map<string, RunCounts>()
  for (const [pair, text] of Object.entries(folded(runs.past, runs.workers))) {
    const queue = pair.slice(0, pair.indexOf(' '))
    const name = queues.has(queue) || queues.size < MAX_QUEUES ? queue : OTHERS
    queues.set(name, (queues.get(name) ?? new RunCounts()).add(RunCounts.read(text)))
  }
  const living = runs.workers.filter(({ endedAt }) => endedAt === undefined)
  return {
    at: runs.at - (runs.at % MINUTE),
    queues: Object.fromEntries([...queues].map(([queue, counts]) => [queue, counts.pack()])),
    versions: someOf(living.map(({ version }) => version)),
    releases: someOf(living.map(({ release }) => release)),
  }
}

function someOf(texts: readonly unknown[]): string[] {
  return [...new Set(texts.filter((each) => typeof each === 'string'))].sort().slice(0, MAX_VERSIONS)
}

/** Makes the text that a store keeps. The instant is not part of it. */
export function runsText({ queues, versions, releases }: RunsAt): string {
  return JSON.stringify({ queues, versions, ...(releases.length > 0 && { releases }) })
}

/** Reads a text that a store has kept; undefined if Lark did not write the text. */
export function runsOf(at: number, text: unknown): RunsAt | undefined {
  const { queues, versions, releases } = (parsed(text) ?? {}) as Partial<RunsAt>
  if (typeof queues !== 'object' || queues === null || !Array.isArray(versions) || !Number.isSafeInteger(at))
    return undefined
  const texts = Object.entries(queues).filter(([, counts]) => typeof counts === 'string')
  return {
    at,
    queues: Object.fromEntries(texts.slice(0, MAX_QUEUES + 1)),
    versions: someOf(versions),
    releases: someOf(Array.isArray(releases) ? releases : []),
  }
}

/** The instants whose counts are not needed any more. */
export function outdated(instants: readonly number[], now: number): number[] {
  const all = new Set(buckets.flatMap(([length, count]) => [...needed(instants, now, length, count)]))
  return instants.filter((at) => !all.has(at))
}

/**
 * Chooses the instants whose counts are needed to compute the runs within each bucket: the last instant in
 * each bucket, and the last instant before the first bucket. If no instant is before the first bucket, the
 * first of all instants is needed.
 *
 * @param length milliseconds of a bucket @param count the number of buckets, the current one included
 */
export function needed(instants: readonly number[], now: number, length: number, count: number): Set<number> {
  const from = firstBucket(now, length, count)
  const last = new Map<number, number>()
  for (const at of instants) {
    const end = Math.max(from, Math.ceil(at / length) * length)
    last.set(end, Math.max(at, last.get(end) ?? 0))
  }
  // If there is no instant before the first bucket, the first of all instants is kept as the starting point.
  // Without this starting point, the runs of the first day would be missing, because its counts would begin
  // at the last instant of the day.
  const first = instants.length > 0 && !last.has(from) ? [Math.min(...instants)] : []
  return new Set([...first, ...last.values()])
}

/**
 * Computes the runs within each bucket, the oldest bucket first. Buckets without runs are left out. Runs
 * before the first kept instant are not part of any bucket.
 *
 * @param kept the counts at the kept instants, the oldest first @param length see `needed`
 */
export function runsWithin(
  kept: readonly RunsAt[],
  now: FleetRuns,
  length: number,
  count: number,
): RunsWithin[] {
  const from = firstBucket(now.at, length, count)
  const found = new Map<number, RunsWithin>()
  let before: Map<string, RunCounts> | undefined
  for (const { at, queues } of [...kept, { ...runsAt(now), at: now.at }]) {
    const counts = new Map(Object.entries(queues).map(([queue, text]) => [queue, RunCounts.read(text)]))
    const bucket = at - 1 - ((at - 1) % length)
    for (const [queue, all] of before === undefined || bucket < from ? [] : counts) {
      const since = all.since(before?.get(queue) ?? new RunCounts())
      if (since.isEmpty) continue
      const within: RunsWithin = found.get(bucket) ?? { at: bucket, queues: new Map() }
      within.queues.set(queue, (within.queues.get(queue) ?? new RunCounts()).add(since))
      found.set(bucket, within)
    }
    before = counts
  }
  return [...found.values()]
}

/**
 * When each version or release was first seen. Names that were known at the first instant are left out. A
 * recent time is accurate to a minute, and an earlier time to an hour or a day.
 *
 * @param kept the counts at all kept instants, the oldest first
 */
export function firstSeen(
  kept: readonly RunsAt[],
  what: 'versions' | 'releases',
): { name: string; at: number }[] {
  const [first, ...later] = kept
  const known = new Set(first?.[what])
  return later.flatMap(({ at, [what]: names }) => {
    const fresh = names.filter((name) => !known.has(name))
    for (const name of fresh) known.add(name)
    return fresh.map((name) => ({ name, at }))
  })
}
