/**
 * The results of the runs of all workers, from their records (`record.ts#WorkerRuns`). The record of an ended
 * worker is kept for a while, and then its numbers are added to one sum. So the total never falls, unless a
 * server loses its last writes.
 */
import type { WorkerRuns } from '../../model/record.ts'
import { RunCounts } from '../../model/run/run-counts.ts'
import { parsed } from './rules/unreadable.ts'

/**
 * How many records of ended workers are kept, and for how many milliseconds. The others are added to the sum.
 * A worker that was only away for that long comes back with its record.
 */
export const ENDED_WORKERS = { count: 100, age: 86_400_000 }
/**
 * The most records of ended workers. The oldest beyond it are removed, even if they were not added to the sum
 * because nobody had asked for it.
 */
export const MOST_ENDED = 200
/** The most names in the sum. All further ones are counted under one name. */
const MAX_NAMES = 250
/** The name under which further queues or keys are counted, in a worker and in the sum. */
export const OTHERS = '(others)'

/** The runs of a worker. @param endedAt milliseconds since 1970; absent: the worker lives */
export interface KnownRuns extends WorkerRuns {
  id: string
  /** The version of Lark. `release`: the release of the application. */
  version?: string
  release?: string
  endedAt?: number
}

export interface FleetRuns {
  /** Milliseconds since 1970. */
  at: number
  workers: KnownRuns[]
  /** The sum of all other workers that ever were, by queue and key as in `WorkerRuns.all`. */
  past: Record<string, string>
}

/** The runs in a worker's record, which is data of a store; undefined if it has no readable ones. */
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

/** The sum in a text of a store. */
export function pastIn(text: string | null | undefined): Record<string, string> {
  return textsIn(text ? parsed(text) : undefined)
}

/** The ended workers whose runs should become part of the sum. */
export function dueToFold({ at, workers }: FleetRuns): KnownRuns[] {
  const ended = workers.filter(({ endedAt = at + 1 }) => endedAt <= at)
  ended.sort((one, other) => other.endedAt! - one.endedAt!)
  return ended.filter(({ endedAt }, i) => i >= ENDED_WORKERS.count || endedAt! <= at - ENDED_WORKERS.age)
}

/** The sum, with the runs of more workers. */
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
