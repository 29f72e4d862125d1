/**
 * Pausing a queue, or one group in it: nothing of it begins. What runs goes on, and what is dispatched waits.
 */
import { type Duration, durationForm, milliseconds } from './duration.ts'
import { JobsError } from './errors.ts'
import { groupName } from './group.ts'
import { partitionsToLookIn, type Queues } from './operate.ts'
import { partitionFor, partitionsOf } from './partition.ts'
import type { Store } from './store/store.ts'

/** What is paused. */
export interface PauseTarget {
  queue: string
  /** Only this group of it, as the class's `group` names it. */
  group?: string | number
}

export interface PauseOptions extends PauseTarget {
  /** With a group: it goes on by itself after so long. Default: when it is told to (`resume`). */
  for?: Duration
}

/** @throws UNKNOWN_QUEUE, PAUSE_INVALID */
export async function pause(store: Store, queues: Queues, options: PauseOptions): Promise<void> {
  const { queue, group, for: span } = options
  const ms = span === undefined ? undefined : milliseconds(span)
  if (span !== undefined && !((ms ?? 0) > 0)) {
    const got = typeof span === 'string' ? `'${span}'` : String(span)
    throw new JobsError('PAUSE_INVALID', `for is ${got}; it must be ${durationForm}, above 0`)
  }
  if (span !== undefined && group === undefined)
    throw new JobsError('PAUSE_INVALID', `${queue}: only a group is paused for a time`, {
      hint: 'A queue is paused until it is resumed.',
    })
  await set(store, queues, options, true, ms)
}

/** @throws UNKNOWN_QUEUE */
export async function resume(store: Store, queues: Queues, target: PauseTarget): Promise<void> {
  await set(store, queues, target, false, 0)
}

async function set(
  store: Store,
  queues: Queues,
  { queue, group }: PauseTarget,
  paused: boolean,
  ms: number | undefined,
): Promise<void> {
  const partitions = await partitionsToLookIn(store, queues, queue)
  if (group === undefined) {
    for (const partition of partitions) await store.configure(partition, { paused })
    return
  }
  const name = groupName(group)
  // Where its jobs are put, and wherever they were before the queue had as many partitions.
  const count = queues.get(queue) ?? 1
  const place = partitionsOf(queue, count)[partitionFor(name, count)]!
  for (const partition of new Set([place, ...partitions])) await store.pause(partition, name, ms)
}
