/**
 * The condition of a queue, so that damaged, stuck, late, failing, paused, busy and idle queues look
 * different at a glance.
 */
import type { LiveQueue } from '../../src/server/look/live.ts'

/**
 *   damaged   the queue has data that Lark did not write
 *   still     jobs wait and none has begun or ended for a while, or the queue has jobs that no worker could
 *             read
 *   late      the oldest waiting job has waited for longer than the target of the queue
 *   failing   at least a tenth of the runs of the last minute failed for good
 *   retrying  at least a fifth of the runs of the last minute failed, and their jobs are tried again
 *   paused    the queue, or a group of the queue, is paused
 *   busy      jobs run
 *   idle      no job waits and no job runs
 */
export type HealthKind = 'damaged' | 'still' | 'late' | 'failing' | 'retrying' | 'paused' | 'busy' | 'idle'

export interface Health {
  kind: HealthKind
  /** The condition in a few words. */
  text: string
  /** A higher rank is a worse condition. */
  rank: number
  /** Whether a person should look at the queue. */
  isSick: boolean
  /** Whether the condition is shown in red, because it does not go away by itself. */
  isBad: boolean
}

const ranks: Readonly<Record<HealthKind, number>> = {
  damaged: 7,
  still: 6,
  late: 5,
  failing: 4,
  retrying: 3,
  paused: 2,
  busy: 1,
  idle: 0,
}

/** The minimum share of failed runs with which a queue counts as failing. */
const FAILING = 0.1
/** The minimum share of runs that failed, for good or not, with which a queue counts as retrying. */
const RETRYING = 0.2
/**
 * The minimum number of failed runs with which a queue counts as retrying. One or two failures among a few
 * runs have no meaning.
 */
const RETRIED = 5
/** Milliseconds after which a queue counts as stuck if its jobs wait and none of them begins. */
const STILL = 10_000

export function healthOf(queue: LiveQueue): Health {
  const { counts, lastMinute, oldest = 0, target, workers, paused, damaged, out, stranded } = queue
  const { waiting, active } = counts
  const health = (kind: HealthKind, text: string): Health => {
    const isBad = kind === 'damaged' || kind === 'failing' || (kind === 'still' && workers === 0)
    const rank = ranks[kind]
    return { kind, text, rank, isSick: rank >= ranks.retrying, isBad }
  }
  if (damaged.length > 0) return health('damaged', damaged[0]!.message)
  if (paused && waiting + active > 0 && target !== undefined && oldest > target)
    return health('late', 'paused, and over its target')
  if (paused) return health('paused', reasonOf(queue))
  if (waiting > 0 && active === 0 && out === 0 && oldest > STILL)
    return health('still', `${waiting.toLocaleString('en')} waiting, none started${whyStill(queue)}`)
  if (stranded !== undefined && oldest > STILL) return health('still', strandedWords(stranded))
  if (target !== undefined && oldest > target)
    return health('late', 'the oldest waits for longer than the target')
  const runs = lastMinute.completed + lastMinute.failed + lastMinute.retried
  if (lastMinute.failed > 0 && lastMinute.failed >= runs * FAILING)
    return health(
      'failing',
      `${lastMinute.failed.toLocaleString('en')} of ${runs.toLocaleString('en')} runs failed in the last minute`,
    )
  const bad = lastMinute.failed + lastMinute.retried
  if (bad >= RETRIED && bad >= runs * RETRYING)
    return health(
      'retrying',
      `${bad.toLocaleString('en')} of ${runs.toLocaleString('en')} runs failed in the last minute; most are tried again`,
    )
  if (queue.pausedGroups.length > 0)
    return health(
      'paused',
      `${queue.pausedGroups.length === 1 ? 'a group is' : `${queue.pausedGroups.length} groups are`} paused`,
    )
  if (active > 0 || waiting > 0 || out > 0) return health('busy', workers === 0 ? 'no worker' : '')
  return health('idle', '')
}

function whyStill({ workers, unknownKeys, stranded }: LiveQueue): string {
  if (workers === 0) return ', no worker serves it'
  if (stranded !== undefined) return `, ${strandedWords(stranded)}`
  if (unknownKeys.length > 0) return `, no worker knows ${unknownKeys[0]}`
  return ''
}

/**
 * The words for jobs that no worker could read, such as `14 that no worker could read: its payload is of
 * version 2, …`.
 */
function strandedWords({ count, because }: NonNullable<LiveQueue['stranded']>): string {
  const why = because === undefined ? '' : `: ${because}`
  return `${count.toLocaleString('en')} that no worker could read${why}`
}

function reasonOf({ pausedBecause }: LiveQueue): string {
  return pausedBecause ?? ''
}
