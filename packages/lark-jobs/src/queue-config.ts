/**
 * What the configuration may say of a queue: its type, its check, and what follows from it.
 */
import { checkKeys, isObject, refuse, type Shape } from './check.ts'
import { type Duration, durationForm, milliseconds } from './duration.ts'
import { isCount, type Limits, limitsOf, type RateOption, rateProblem } from './limit.ts'
import type { Bound } from './store/store.ts'

/** What may be said of one queue. */
export interface QueueConfig {
  /**
   * In how many parts it is kept, so that a queue may outgrow one Redis server; the order of jobs holds within each.
   * Default 1.
   */
  partitions?: number
  /**
   * How many of its jobs start among those of other queues, while all have some: of a queue of weight 6 twice as many as
   * of one of weight 3. Default 1. A worker that serves its queues strictly in an order passes over it.
   */
  weight?: number
  /**
   * Priorities age: how long a job has to wait to come before one that is a step higher and has just come. Default: they
   * do not, and as long as higher ones come the lower wait.
   */
  aging?: Duration
  /** Jobs of the queue that run at a time, over all workers. Default: no limit. */
  concurrency?: number
  /** Jobs of the queue that begin within a time, over all workers: `{ limit: 100, per: '1m' }`. Default: no limit. */
  rate?: RateOption
  /** Jobs that it holds which have not begun, at most. Default: no bound. */
  max?: number
  /**
   * What one job more does: `reject` (default): `dispatch` resolves to `false`; `drop-oldest`: the one that would be next
   * at the lowest priority is `cancelled`, for the reason `dropped`.
   */
  full?: Bound['full']
}

/** The most partitions of a queue: each costs every worker a call. */
const MAX_PARTITIONS = 100

/** The highest weight: of so many jobs, one is of a queue that says nothing. */
const MAX_WEIGHT = 100

/** Of all of them, in order. */
export type QueuesConfig = readonly string[] | Readonly<Record<string, QueueConfig>>

const queueShape: Shape<QueueConfig> = {
  partitions: {
    right: `a whole number from 1 to ${MAX_PARTITIONS}`,
    ok: (value) => isCount(value) && value <= MAX_PARTITIONS,
  },
  weight: {
    right: `a whole number from 1 to ${MAX_WEIGHT}`,
    ok: (value) => isCount(value) && value <= MAX_WEIGHT,
  },
  aging: { right: `${durationForm}, from 1 ms`, ok: (value) => (milliseconds(value) ?? 0) >= 1 },
  concurrency: { right: 'a whole number from 1', ok: isCount },
  max: { right: 'a whole number from 1', ok: isCount },
  full: { right: "'reject' or 'drop-oldest'", ok: (value) => value === 'reject' || value === 'drop-oldest' },
  rate: {
    right: "an object such as { limit: 100, per: '1m' }",
    ok: (value) => rateProblem(value) === undefined,
  },
}

/** Each queue, in order, and how many partitions it has. */
export function partitionsOfAll(queues: QueuesConfig): Map<string, number> {
  if (!isObject(queues)) return new Map(queues.map((queue) => [queue, 1]))
  return new Map(Object.entries(queues).map(([queue, { partitions = 1 }]) => [queue, partitions]))
}

/** Whole milliseconds, of the queues that say one. */
export function agingsOfAll(queues: QueuesConfig): Map<string, number> {
  const all = new Map<string, number>()
  for (const [queue, { aging }] of isObject(queues) ? Object.entries(queues) : [])
    if (aging !== undefined) all.set(queue, Math.round(milliseconds(aging)!))
  return all
}

/** Of the queues that say one. */
export function weightsOfAll(queues: QueuesConfig): Map<string, number> {
  const all = new Map<string, number>()
  for (const [queue, { weight }] of isObject(queues) ? Object.entries(queues) : [])
    if (weight !== undefined) all.set(queue, weight)
  return all
}

/** Of each partition of a queue, where there are any. */
export function limitsOfAll(queues: QueuesConfig): Map<string, Limits> {
  const all = new Map<string, Limits>()
  for (const [queue, config] of isObject(queues) ? Object.entries(queues) : []) {
    const limits = limitsOf(config, config.partitions ?? 1)
    if (limits !== undefined) all.set(queue, limits)
  }
  return all
}

/** Each partition of a queue holds an equal share. */
export function boundsOfAll(queues: QueuesConfig): Map<string, Bound> {
  const all = new Map<string, Bound>()
  for (const [queue, config] of isObject(queues) ? Object.entries(queues) : []) {
    const { max, full = 'reject', partitions = 1 } = config
    if (max !== undefined) all.set(queue, { max: Math.floor(max / partitions), full })
  }
  return all
}

/** @throws CONFIG_INVALID */
export function checkQueue(where: string, path: string, config: unknown): void {
  const problem = rateProblem((config as QueueConfig | null)?.rate ?? { limit: 1 })
  if (problem !== undefined) refuse(where, `${path}.rate`, (config as QueueConfig).rate, problem)
  checkKeys(where, path, config, queueShape)
  const { partitions = 1, concurrency, rate, max, full } = config as QueueConfig
  const least = `at least ${partitions}: each of its partitions has an equal share`
  if (concurrency !== undefined && concurrency < partitions)
    refuse(where, `${path}.concurrency`, concurrency, least)
  if (max !== undefined && max < partitions) refuse(where, `${path}.max`, max, least)
  if (full !== undefined && max === undefined) refuse(where, `${path}.full`, full, 'absent: it goes with max')
  if (rate !== undefined && rate.limit < partitions) refuse(where, `${path}.rate.limit`, rate.limit, least)
}
