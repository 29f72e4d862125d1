/**
 * What a worker is told: its queues, how many jobs at a time, and when to end. Checked before it starts.
 */
import { inspect } from 'node:util'
import { nearest } from '@s18i/lark/config'
import { JobsError } from '../model/errors.ts'
import { isCount, type Limits } from '../model/limit.ts'
import type { Middleware } from '../options/middleware.ts'
import { PRESET, type Preset, presets } from '../options/preset.ts'
import type { Registry } from '../options/registry.ts'
import type { Hooks } from '../run/hooks.ts'
import { checkNeeds } from '../run/middleware/rate-limited.ts'
import type { Place } from '../store/connect.ts'
import type { Store } from '../store/contract/store.ts'
import type { Report } from './report.ts'

/** Jobs at a time. */
export const CONCURRENCY = 10
/** Milliseconds that a lease holds. */
export const LEASE = 15_000
/** Milliseconds from `stop` until what still runs is given back. */
export const STOP_DEADLINE = 25_000

/** What people may say of a worker. */
export interface WorkerSettings {
  /** How many jobs run at a time. Default 10. */
  concurrency?: number
  /**
   * How the worker takes jobs: `balanced` (default), `throughput` for very many fast jobs, `spread` for slow or uneven
   * jobs, which then go to whichever worker is free.
   */
  preset?: Preset
  /** End when the queues hold no job that is waiting, active, or due within a minute. */
  stopWhenEmpty?: boolean
  /** End after this number of jobs. */
  maxJobs?: number
  /** How long the worker holds a job without renewing its lease, in milliseconds. Default 15,000. */
  lease?: number
}

export interface WorkerOptions extends WorkerSettings {
  store: Store
  registry: Registry
  queues: readonly string[]
  /** How many partitions a queue is configured with; one where nothing is said. Others that exist are served as well. */
  partitions?: ReadonlyMap<string, number>
  /** Limiters that middleware may name. Default: none. */
  limiters?: ReadonlyMap<string, Limits>
  /** Of each partition of a queue. */
  limits?: ReadonlyMap<string, Limits>
  /** How much of the slots and turns each queue has among the others, when it is not strict; 1 where nothing is said. */
  weights?: ReadonlyMap<string, number>
  /** By queue: milliseconds of waiting that are worth a step of priority. Default: priorities do not age. */
  agings?: ReadonlyMap<string, number>
  /** Serve the queues in this order, a later one only when the earlier have nothing. Default: in fair turns. */
  strict?: boolean
  /** Where the store is, for the lease thread; undefined when only this process can reach it. */
  place?: Place | undefined
  report: Report
  /** Around every job. Default: none. */
  middleware?: readonly Middleware[]
  /** Told of every job. Default: none. */
  hooks?: Hooks | undefined
  /** Its name in the store, unique for ever. Default: one of its own making. */
  id?: string
  /**
   * Told of a handler that ignores its signal. Its job is then settled as timed out and leaves its slot, whatever the
   * handler still does; so who gives this must end the process soon. Without it, the job keeps its slot.
   */
  onStuck?: () => void
}

const WORK = 'Jobs.work(): '

const names = ['queues', 'jobs', 'report', 'concurrency', 'preset', 'stopWhenEmpty', 'maxJobs', 'lease']

/**
 * @throws WORKER_INVALID for an unknown option of `Jobs.work()`, which would otherwise be ignored silently, and for
 * `queues` without a value, which would serve every queue
 */
export function checkNames(options: { queues?: unknown }): void {
  const { queues } = options
  const isNamed = Array.isArray(queues)
    ? queues.every((queue) => typeof queue === 'string')
    : typeof queues === 'string'
  if ('queues' in options && !isNamed)
    refuse('queues', inspect(queues), 'the name of a queue or a list of names; leave it out for every queue')
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown === undefined) return
  const near = nearest(unknown, names)
  throw new JobsError('WORKER_INVALID', `${WORK}${unknown} is not an option`, {
    hint: near === undefined ? `Options: ${names.join(', ')}` : `Did you mean ${near}?`,
  })
}

/**
 * @throws WORKER_INVALID naming the option, the value, and what would be right; for classes that ask a limiter for what
 * there is not, UNKNOWN_LIMITER and JOB_INVALID
 */
export function checkOptions(options: WorkerOptions): void {
  const { queues, concurrency = CONCURRENCY, preset = PRESET, maxJobs = 1, lease = LEASE } = options
  const { registry, middleware = [], limiters = new Map() } = options
  if (queues.length === 0) refuse('queues', '[]', 'a list of at least one queue')
  wholeFromOne('concurrency', concurrency)
  if (!presets.includes(preset)) refuse('preset', preset, `one of ${presets.join(', ')}`)
  wholeFromOne('maxJobs', maxJobs)
  if (!(lease >= 100)) refuse('lease', lease, 'milliseconds, from 100')
  for (const jobClass of registry.classes)
    checkNeeds(jobClass.name, [...middleware, ...jobClass.middleware], limiters)
}

/** @throws WORKER_INVALID */
export function checkConcurrency(value: number): void {
  wholeFromOne('concurrency', value, 'worker.')
}

function wholeFromOne(option: string, value: number, of = WORK): void {
  if (!isCount(value)) refuse(option, value, 'a whole number from 1', of)
}

/** @param of how the message begins */
function refuse(option: string, value: unknown, right: string, of = WORK): never {
  throw new JobsError('WORKER_INVALID', `${of}${option} is ${value}; it must be ${right}`)
}
