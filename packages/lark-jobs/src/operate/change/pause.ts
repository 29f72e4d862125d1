/**
 * Pauses and resumes a queue, or one group of a queue. During the pause no job of the queue or group starts.
 * Running jobs go on, and newly dispatched jobs wait.
 */
import { defined, excerpt } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { partitionWith } from '../../model/partition.ts'
import { isHash } from '../../model/stored-name.ts'
import { groupName } from '../../options/group.ts'
import { duration, isText, option } from '../../options/schema.ts'
import { type Duration, milliseconds } from '../../words/duration.ts'
import { all, checkFilter, conditions, type Flags, group, queueName } from '../look/filter.ts'
import { type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'

/** The queue or group to pause. */
export interface PauseTarget {
  /** The name of a queue. */
  queue: string
  /** Only this group of the queue: the name that the `group` of the job class returns. */
  group?: string | number
  /**
   * Only the group with this hash, for groups whose name has more than 64 characters: `Jobs.status()` shows
   * only their hash.
   */
  groupHash?: string
}

export interface PauseOptions extends PauseTarget {
  /** How long the pause lasts: milliseconds, or `'30s'`, `'5m'`. Default: until `resume`. */
  for?: Duration
  /**
   * For a queue: the reason, in a few words. `lark jobs:status` prints it. At most 200 characters are kept.
   */
  because?: string
}

/** `{ all: true }` means every queue in the configuration or in the store. */
export type EveryQueue = { all: true } & { [Name in keyof PauseOptions]?: never }

const targetEntries = {
  queue: queueName,
  group,
  groupHash: option<string>('a hash that Jobs.status() shows', (value) => isText(value) && isHash(value)),
}
const resumeConditions = conditions({ ...targetEntries, all })
const because = option<string>('a text', isText)
const pauseConditions = conditions({ ...targetEntries, for: duration(), because, all })

/** @throws FILTER_INVALID, PAUSE_INVALID @param flags see `checkFilter` */
export function checkPause(options: unknown, flags?: Flags): void {
  const { queue, group, groupHash, for: time, because } = (options ?? {}) as PauseOptions
  checkFilter('Jobs.pause()', options, pauseConditions, {
    needed: ['queue'],
    flags,
    codeOf: (path) => (path === 'for' && time !== undefined ? 'PAUSE_INVALID' : 'FILTER_INVALID'),
  })
  checkGroup('Jobs.pause()', options, flags)
  if (because === undefined || (group === undefined && groupHash === undefined)) return
  throw new JobsError('PAUSE_INVALID', `${excerpt(queue!)}: the pause of a group keeps no reason`, {
    exit: 2,
    hint: 'A reason is kept with the pause of a whole queue.',
  })
}

/** @throws FILTER_INVALID @param flags see `checkFilter` */
export function checkResume(options: unknown, flags?: Flags): void {
  checkFilter('Jobs.resume()', options, resumeConditions, { needed: ['queue'], flags })
  checkGroup('Jobs.resume()', options, flags)
}

function checkGroup(call: string, options: unknown, flags: Flags | undefined): void {
  const { group, groupHash } = options as PauseTarget
  if (group === undefined || groupHash === undefined) return
  const both = flags === undefined ? `${call}: group and groupHash` : `${flags.group} and ${flags.groupHash}`
  throw new JobsError('FILTER_INVALID', `${both} each name a group; give one of them`, { exit: 2 })
}

/** The result of `pause` and `resume`. */
export interface PauseResult {
  /**
   * Whether the queue or group was paused before the call. With several queues or partitions: whether at
   * least one of them was paused.
   */
  wasPaused: boolean
  /** For a group: whether it has waiting, delayed or active jobs. */
  hasJobs?: boolean
}

/**
 * @throws UNKNOWN_QUEUE @param options must be checked already @param by the person who pauses the queue or
 * group
 */
export async function pause(
  open: OpenQueues,
  options: PauseOptions | EveryQueue,
  by?: string,
): Promise<PauseResult> {
  const { for: time, because } = options
  return set(open, options, true, time === undefined ? undefined : milliseconds(time), { because, by })
}

/** The paused or resumed queue or group, in words. */
export function placeWords({ queue, group, groupHash }: PauseTarget | EveryQueue): string {
  const name = group ?? groupHash
  if (queue === undefined) return 'every queue'
  return name === undefined ? `queue ${queue}` : `group ${name} of queue ${queue}`
}

/** @throws UNKNOWN_QUEUE */
export async function resume(open: OpenQueues, target: PauseTarget | EveryQueue): Promise<PauseResult> {
  return set(open, target, false, 0)
}

async function set(
  open: OpenQueues,
  { queue, group, groupHash }: PauseTarget | EveryQueue,
  paused: boolean,
  ms: number | undefined,
  { because, by }: { because?: string | undefined; by?: string | undefined } = {},
): Promise<PauseResult> {
  const { store, queues } = open
  const partitions = await partitionsToLookIn(open, queue)
  let wasPaused = false
  const name = group === undefined ? groupHash : groupName(group)
  if (queue === undefined || name === undefined) {
    for (const partition of partitions) {
      wasPaused = (await store.configure(partition, {})).paused || wasPaused
      await store.configure(partition, paused ? { paused, because, by, ...defined({ for: ms }) } : { paused })
    }
    return { wasPaused }
  }
  // The group is paused in all partitions, not only in the partition of its new jobs. Other partitions may
  // have older jobs of the group, because the queue may have had another number of partitions.
  const place = partitionWith(name, queue, queues)
  let hasJobs = false
  for (const partition of new Set([place, ...partitions])) {
    const met = await store.pause(partition, name, ms, by)
    wasPaused ||= met.wasPaused
    hasJobs ||= met.hasJobs
  }
  return { wasPaused, hasJobs }
}
