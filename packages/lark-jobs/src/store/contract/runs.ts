/**
 * The results of all runs, from the records of workers (`record.ts#WorkerRuns`). The record of an ended
 * worker is kept for a while. When the record is removed, its numbers are added to one sum. So the total
 * never becomes smaller, unless a server loses its last writes.
 */
import type { WorkerRuns } from '../../model/record.ts'
import { RunCounts } from '../../model/run/run-counts.ts'
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
}

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
  const { all, lately, arrived } = runs
  return {
    ...{ all: textsIn(all), lately: textsIn(lately), arrived: textsIn(arrived) },
    ...(typeof version === 'string' && { version }),
    ...(typeof release === 'string' && { release }),
  }
}

/** Reads the sum of ended workers from the text that a store keeps. */
export function pastIn(text: string | null | undefined): Record<string, string> {
  return textsIn(text ? parsed(text) : undefined)
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

function textsIn(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  const texts = Object.entries(value).filter(([, text]) => typeof text === 'string')
  return Object.fromEntries(texts.slice(0, MAX_NAMES + 1))
}
