/**
 * Pausing a queue, or one group in it: none of its jobs starts. Running jobs go on, and dispatched jobs wait.
 */
import { type Duration, durationForm, milliseconds } from './duration.ts'
import { JobsError } from './errors.ts'
import { all, type Conditions, checkFilter, type Flags, isText, queueName } from './filter.ts'
import { groupName } from './group.ts'
import { partitionsToLookIn, type Queues } from './operate.ts'
import { partitionFor, partitionsOf } from './partition.ts'
import type { Store } from './store/store.ts'
import { isHash, notName } from './stored-name.ts'

/** What is paused. */
export interface PauseTarget {
  queue: string
  /** Only this group of it, as the class's `group` names it. */
  group?: string | number
  /** Only the group with this hash: for a name with more than 64 letters, `Jobs.status()` shows only the hash. */
  groupHash?: string
}

export interface PauseOptions extends PauseTarget {
  /** With a group: it goes on by itself after so long. Default: when it is told to (`resume`). */
  for?: Duration
}

/** Every queue that is configured, or that the store has. */
export interface EveryQueue {
  all: true
  queue?: never
  group?: never
  groupHash?: never
  for?: never
}

const target: Conditions = {
  queue: queueName,
  group: {
    right: 'the name of a group: a text that is not empty, or a number',
    ok: (value) => value !== '' && notName(value) === undefined,
  },
  groupHash: { right: 'a hash that Jobs.status() shows', ok: (value) => isText(value) && isHash(value) },
  all,
}
/** An invalid duration is `PAUSE_INVALID`. */
const span: Conditions[string] = { right: durationForm, ok: (value) => value !== undefined }

/** @throws FILTER_INVALID, PAUSE_INVALID @param flags see `checkFilter` */
export function checkPause(options: unknown, flags?: Flags): void {
  check('Jobs.pause()', options, { ...target, for: span }, flags)
  const { queue, group, groupHash, for: time } = options as PauseOptions
  if (time === undefined) return
  if (!((milliseconds(time) ?? 0) > 0)) {
    const got = typeof time === 'string' ? `'${time}'` : String(time)
    throw new JobsError(
      'PAUSE_INVALID',
      `${flags?.for ?? 'for'} is ${got}; it must be ${durationForm}, above 0`,
    )
  }
  if (group === undefined && groupHash === undefined)
    throw new JobsError('PAUSE_INVALID', `${queue}: only a group is paused for a time`, {
      hint: 'A queue is paused until it is resumed.',
    })
}

/** @throws FILTER_INVALID @param flags see `checkFilter` */
export function checkResume(options: unknown, flags?: Flags): void {
  check('Jobs.resume()', options, target, flags)
}

function check(call: string, options: unknown, conditions: Conditions, flags: Flags | undefined): void {
  checkFilter(call, options, conditions, ['queue'], flags)
  const { group, groupHash } = options as PauseTarget
  if (group === undefined || groupHash === undefined) return
  const both = flags === undefined ? `${call}: group and groupHash` : `${flags.group} and ${flags.groupHash}`
  throw new JobsError('FILTER_INVALID', `${both} each name a group; give one of them`, { exit: 2 })
}

/** What a call that pauses or resumes found. */
export interface MetPause {
  /** It was paused; with several queues or partitions, at least one of them was. */
  wasPaused: boolean
  /** For a group: it has jobs that wait, are delayed, or run. */
  hasJobs?: boolean
}

/** @throws UNKNOWN_QUEUE @param options checked */
export async function pause(
  store: Store,
  queues: Queues,
  options: PauseOptions | EveryQueue,
): Promise<MetPause> {
  const { for: time } = options
  return set(store, queues, options, true, time === undefined ? undefined : milliseconds(time))
}

/** @throws UNKNOWN_QUEUE */
export async function resume(
  store: Store,
  queues: Queues,
  target: PauseTarget | EveryQueue,
): Promise<MetPause> {
  return set(store, queues, target, false, 0)
}

async function set(
  store: Store,
  queues: Queues,
  { queue, group, groupHash }: PauseTarget | EveryQueue,
  paused: boolean,
  ms: number | undefined,
): Promise<MetPause> {
  const partitions = await partitionsToLookIn(store, queues, queue)
  let wasPaused = false
  const name = group === undefined ? groupHash : groupName(group)
  if (queue === undefined || name === undefined) {
    for (const partition of partitions) {
      wasPaused = (await store.configure(partition, {})).paused || wasPaused
      await store.configure(partition, { paused })
    }
    return { wasPaused }
  }
  // Where its jobs are put, and wherever they were before the queue had as many partitions.
  const count = queues.get(queue) ?? 1
  const place = partitionsOf(queue, count)[partitionFor(name, count)]!
  let hasJobs = false
  for (const partition of new Set([place, ...partitions])) {
    const met = await store.pause(partition, name, ms)
    wasPaused ||= met.wasPaused
    hasJobs ||= met.hasJobs
  }
  return { wasPaused, hasJobs }
}
