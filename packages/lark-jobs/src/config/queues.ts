/**
 * The configured queues: their options, the values that follow from these options, the queues that a worker
 * serves, and the check that a queue is configured.
 */
import { defined, nearest } from '@s18i/lark/internal'
import type { NewJobs } from '../dispatch/new-job.ts'
import { JobsError } from '../model/errors.ts'
import type { Limits } from '../model/limits.ts'
import { isQueueName, partitionFor, placeNameOf } from '../model/partition.ts'
import type { NewJob } from '../model/record.ts'
import type { Remedy } from '../model/remedy.ts'
import { concurrency, limitsOf, rate } from '../options/limits.ts'
import type { Registry } from '../options/registry.ts'
import {
  duration,
  isObject,
  Option,
  type OptionsOf,
  oneOf,
  type Read,
  readEach,
  Schema,
  whole,
} from '../options/schema.ts'
import type { Bound, Retentions } from '../store/contract/store.ts'
import { listed } from '../words/listed.ts'
import { shown } from '../words/secret.ts'
import { type ConfigSource, placeFor } from './config-source.ts'
import { type KeepConfig, keepOptions, retentionFrom } from './keep.ts'
import { checkLimiters } from './limiters.ts'

/**
 * The maximum number of partitions of a queue. There is a maximum because each partition costs every worker a
 * call.
 */
const MAX_PARTITIONS = 100

export const queueOptions = new Schema(
  'an object',
  {
    /**
     * The number of partitions of the queue. A queue with several partitions may be larger than one Redis
     * server. The order of jobs applies within each partition. Default 1.
     */
    partitions: whole(1, MAX_PARTITIONS).or(1),
    /**
     * The share of started jobs that the queue gets while all queues have jobs: a queue of weight 6 starts
     * twice as many jobs as a queue of weight 3. Default 1. A worker that serves its queues strictly in an
     * order ignores the weight.
     */
    weight: whole(1, 100).or(1),
    /**
     * The aging of priorities: after this time, a waiting job comes before a new job whose priority is higher
     * by one. Default: no aging, so jobs of a lower priority wait while there are jobs of a higher priority.
     */
    aging: duration(1),
    /** How many jobs of the queue may run at a time on all workers together. Default: no limit. */
    concurrency,
    /**
     * How many jobs of the queue may begin within a period on all workers together: `{ limit: 100, per: '1m'
     * }`. Default: no limit.
     */
    rate,
    /**
     * The longest time that a job should wait, from when it is due until it begins. The target does not
     * change how jobs run. Figures, health checks and monitors compare the wait with the target. Default: no
     * target.
     */
    target: duration(1),
    /** The maximum number of jobs in the queue that have not begun. Default: no bound. */
    max: whole(1),
    /**
     * What happens when another job is dispatched to a full queue. `reject` (default): `dispatch` resolves to
     * `false`. `drop-oldest`: the next job of the lowest priority is `cancelled`, with the reason `dropped`.
     */
    full: oneOf<'reject' | 'drop-oldest'>(['reject', 'drop-oldest']).or('reject'),
    /** Which ended jobs of the queue are kept. Default: the setting `jobs.keep`. */
    keep: keepOptions as Option<KeepConfig, Read<typeof keepOptions.entries>>,
  },
  ({ partitions, concurrency = partitions, rate, max }, refuse, written) => {
    const least = `at least ${partitions}: each partition has an equal share`
    if (concurrency < partitions) refuse('concurrency', least)
    if (max !== undefined && max < partitions) refuse('max', least)
    if (max === undefined && written.full !== undefined) refuse('full', 'absent, because max is not set')
    if (rate !== undefined && rate.limit < partitions) refuse('rate.limit', least)
  },
)

/** The options of one queue. */
export interface QueueConfig extends OptionsOf<typeof queueOptions.entries> {}
type Queue = Read<typeof queueOptions.entries>

/**
 * The names of all queues, or an object with the options of each queue under its name. The order has no
 * effect on which job goes first.
 */
export type QueuesConfig = readonly string[] | Readonly<Record<string, QueueConfig>>

export const queuesOption = new Option<QueuesConfig, Map<string, Queue>>(
  "a list of names (up to 200 characters, no spaces, commas, slashes or braces), such as ['default', 'emails'], or an object with a key for each queue",
  (value, path, voice) => {
    const named = Array.isArray(value) ? value.map((name): [string, object] => [name, {}]) : value
    const queues = Array.isArray(named) ? named : isObject(named) ? Object.entries(named) : []
    return queues.length === 0 ? undefined : readEach(queues, isQueueName, queueOptions, path, voice)
  },
)

/** The configured queues. */
export interface ConfiguredQueues extends Retentions {
  queues: string[]
  /** The number of partitions of each queue. */
  partitions: ReadonlyMap<string, number>
  weights: ReadonlyMap<string, number>
  /** The option `aging` in whole milliseconds, for the queues that have it. */
  agings: ReadonlyMap<string, number>
  /** The option `target` in milliseconds, for the queues that have it. */
  targets: ReadonlyMap<string, number>
  /** The limits of each partition, for the queues that have limits. */
  limits: ReadonlyMap<string, Limits>
  /**
   * The bound of each partition, for the queues that have a bound: equal shares of the bound of the queue.
   */
  bounds: ReadonlyMap<string, Bound>
}

/** @param keep the setting for queues that have no `keep` of their own */
export function queuesOf(queues: ReadonlyMap<string, Queue>, keep: Queue['keep']): ConfiguredQueues {
  const each = <T>(of: (queue: Queue) => T | undefined) => {
    const values = [...queues].map(([name, queue]) => [name, of(queue)] as const)
    return new Map(values.filter((pair): pair is [string, T] => pair[1] !== undefined))
  }
  const retentions = each((queue) => queue.keep && retentionFrom(keep, queue.keep))
  return {
    queues: [...queues.keys()],
    retention: retentionFrom(keep),
    ...(retentions.size > 0 && { retentions: Object.fromEntries(retentions) }),
    partitions: each(({ partitions }) => partitions),
    weights: each(({ weight }) => weight),
    agings: each(({ aging }) => (aging === undefined ? undefined : Math.round(aging))),
    targets: each(({ target }) => target),
    limits: each((queue) => limitsOf(queue, queue.partitions)),
    bounds: each(({ max, full, partitions }) =>
      max === undefined ? undefined : { max: Math.floor(max / partitions), full },
    ),
  }
}

type QueueSettings = ConfiguredQueues & { source: ConfigSource }

/**
 * Determines which queues a worker serves, and in which order.
 *
 * @param named the queues, served strictly in this order. Default: all queues, in fair turns or by weight
 * @throws UNKNOWN_QUEUE
 */
export function serviceOf(
  settings: QueueSettings,
  named?: string | readonly string[],
): { queues: readonly string[]; strict: boolean; words: string } {
  const list = typeof named === 'string' ? [named] : named
  const queues = list === undefined ? settings.queues : [...new Set(list)]
  for (const queue of list ?? []) knownQueue(queue, settings)
  const weights = queues.map((queue) => settings.weights.get(queue))
  const isWeighted = list === undefined && weights.some((weight) => weight !== weights[0])
  const turns = isWeighted ? ' in turns by weight' : ' in fair turns'
  const order = queues.length < 2 ? '' : list === undefined ? turns : ' strictly in this order'
  const words = listed(queues.map((queue, i) => (isWeighted ? `${queue} (${weights[i]})` : queue)))
  return { queues, strict: list !== undefined, words: words + order }
}

/**
 * Refuses jobs whose queue or limiter is not configured, or whose id belongs to another partition than its
 * group.
 *
 * @throws UNKNOWN_QUEUE, UNKNOWN_LIMITER, JOB_INVALID
 */
export function checkPlace(
  { queue, records, name }: NewJobs,
  settings: QueueSettings & Parameters<typeof checkLimiters>[1],
): void {
  knownQueue(queue, settings, name)
  if (records[0]?.limiter !== undefined) checkLimiters(records, settings, name)
  if (records[0]?.ownId !== undefined) checkOwnId(queue, records[0], settings, name)
}

/** @throws JOB_INVALID */
function checkOwnId(queue: string, job: NewJob, { partitions }: QueueSettings, name: string): void {
  const count = partitions.get(queue)!
  const { ownId: _, ...others } = job
  const together = placeNameOf(others)
  if (together === undefined || partitionFor(job.id, count) === partitionFor(together, count)) return
  const what = job.group === undefined ? 'unique option' : 'group'
  const message = `${name}: the id ${shown(job.id)} and the ${what} of the job belong to different partitions of ${queue}`
  throw new JobsError('JOB_INVALID', message, {
    hint: `The queue has ${count} partitions, and jobs of one ${what} must be in one of them. Give the job no id, or a queue with one partition.`,
  })
}

/** One line for each class whose dispatches are refused because its queue is not configured. */
export function misplaced(registry: Registry, { queues, partitions }: ConfiguredQueues): string[] {
  const classes = registry.classes.filter(({ queueName }) => !partitions.has(queueName))
  return classes.map((jobClass) => {
    const { name, queueName } = jobClass
    const file = registry.fileOf(jobClass)
    const place = file === undefined ? '' : ` (${file})`
    return `${name} has queueName = '${queueName}'${place}, which is not a configured queue: its dispatches are refused. The configured queues are ${listed(queues)}`
  })
}

/**
 * The remedy for jobs in a queue that is not configured, whose name is probably misspelled: move the jobs to
 * the configured queue with the most similar name. Undefined if no queue is configured.
 *
 * @param job the id of the only job to move. Default: all jobs of the queue
 */
export function moveFrom(queue: string, configured: readonly string[], job?: string): Remedy | undefined {
  const to = nearest(queue, configured) ?? (configured.includes('default') ? 'default' : configured[0])
  return to === undefined ? undefined : { do: 'move', queue, to, ...defined({ job }) }
}

/** @throws UNKNOWN_QUEUE @param name the name of the job class that names the queue */
export function knownQueue(
  queue: string,
  { queues, partitions, source }: QueueSettings,
  name?: string,
): void {
  if (partitions.has(queue)) return
  const near = nearest(queue, queues)
  throw new JobsError(
    'UNKNOWN_QUEUE',
    `${name ? `${name}: ` : ''}${shown(queue)} is not a configured queue`,
    {
      hint: `${near ? `Did you mean ${near}? ` : ''}The configured queues are ${listed(queues)}. Add it to ${placeFor('queues', source)}.`,
    },
  )
}
