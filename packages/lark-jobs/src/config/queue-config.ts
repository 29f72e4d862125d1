/**
 * The configuration of a queue: its type, its check, and the values derived from it.
 */

import { type Duration, durationForm, milliseconds } from '../model/duration.ts'
import { isCount, type Limits, limitsOf, type RateOption, rateProblem } from '../model/limit.ts'
import { checkKeys, isObject, refuse, type Shape } from '../options/check.ts'
import type { Bound } from '../store/contract/store.ts'

/** The settings of one queue. */
export interface QueueConfig {
  /**
   * The number of partitions of the queue. With several, a queue may be larger than one Redis server. The order of jobs
   * applies within each partition. Default 1.
   */
  partitions?: number
  /**
   * The share of started jobs that the queue gets while all queues have jobs: a queue of weight 6 starts twice as many
   * jobs as one of weight 3. Default 1. A worker that serves its queues strictly in an order ignores the weight.
   */
  weight?: number
  /**
   * Priorities age: how long a job must wait until it goes before a new job whose priority is one higher. Default: no
   * aging; jobs of a lower priority wait as long as jobs of a higher priority come.
   */
  aging?: Duration
  /** Jobs of the queue that run at a time, over all workers. Default: no limit. */
  concurrency?: number
  /** Jobs of the queue that begin within a time, over all workers: `{ limit: 100, per: '1m' }`. Default: no limit. */
  rate?: RateOption
  /** The most jobs in the queue that have not begun. Default: no bound. */
  max?: number
  /**
   * What happens to one more job in a full queue. `reject` (default): `dispatch` resolves to `false`. `drop-oldest`:
   * the next job of the lowest priority is `cancelled`, with the reason `dropped`.
   */
  full?: 'reject' | 'drop-oldest'
}

/** The most partitions of a queue, because each costs every worker a call. */
const MAX_PARTITIONS = 100

/** The highest weight. A queue of this weight starts as many jobs for each job of a queue with the default weight. */
const MAX_WEIGHT = 100

/** The settings of all queues, in order. */
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

/** Each queue, in order, with its number of partitions. */
export function partitionsOfAll(queues: QueuesConfig): Map<string, number> {
  if (!isObject(queues)) return new Map(queues.map((queue) => [queue, 1]))
  return new Map(Object.entries(queues).map(([queue, { partitions = 1 }]) => [queue, partitions]))
}

/** The aging of the queues that set one, in whole milliseconds. */
export function agingsOfAll(queues: QueuesConfig): Map<string, number> {
  const all = new Map<string, number>()
  for (const [queue, { aging }] of isObject(queues) ? Object.entries(queues) : [])
    if (aging !== undefined) all.set(queue, Math.round(milliseconds(aging)!))
  return all
}

/** The weights of the queues that set one. */
export function weightsOfAll(queues: QueuesConfig): Map<string, number> {
  const all = new Map<string, number>()
  for (const [queue, { weight }] of isObject(queues) ? Object.entries(queues) : [])
    if (weight !== undefined) all.set(queue, weight)
  return all
}

/** The limits of each partition, for the queues that have limits. */
export function limitsOfAll(queues: QueuesConfig): Map<string, Limits> {
  const all = new Map<string, Limits>()
  for (const [queue, config] of isObject(queues) ? Object.entries(queues) : []) {
    const limits = limitsOf(config, config.partitions ?? 1)
    if (limits !== undefined) all.set(queue, limits)
  }
  return all
}

/** The bounds of each partition: equal shares of the bound of its queue. */
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
