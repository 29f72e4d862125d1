/**
 * The status of a store: every queue with its jobs, the jobs that ended there recently, and the live workers.
 */

import { defined } from '@s18i/lark/internal'
import { isKnown } from '../../model/every-key.ts'
import { states, type WorkerRecord } from '../../model/record.ts'
import { isHash, shownName } from '../../model/stored-name.ts'
import type { OutboxBacklog } from '../../outbox/outbox-database.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import {
  type Counts,
  DAY,
  type Dropped,
  MAX_STANDINGS,
  MINUTE,
  type PausedGroup,
  type Setting,
  type Standing,
  type Store,
} from '../../store/contract/store.ts'
import type { DoctorFinding } from '../findings/finding-codes.ts'
import { everyPartition, type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'
import {
  type EndedCounts,
  ended,
  endedSince,
  type Measurement,
  oldestOf,
  type QueueStandings,
  standingsOf,
} from './measurement.ts'
import { type StrandedJobs, strandedOf } from './stranded-jobs.ts'

/** How many jobs of each partition and state are searched for unknown keys. */
export const LOOK = 100

/** A paused group: its name, or only its hash if the name has more than 64 characters. */
export type ShownGroup = Omit<PausedGroup, 'group'> & ({ group: string } | { groupHash: string })

export interface QueueStatus {
  queue: string
  /** Whether the queue is in the configuration of this process. If false, only the store has the queue. */
  configured: boolean
  /**
   * The counts of jobs in all partitions of the queue together. Jobs that no worker could read are counted as
   * waiting.
   */
  counts: Counts
  /** How many of the waiting and delayed jobs have failed at least once, and wait for their next try. */
  retrying: number
  /** How many of the waiting and delayed jobs are suspended: they sleep, or wait for a signal. */
  suspended: number
  /**
   * The jobs that no worker could read, if there are any. All counts include these jobs in `waiting`.
   * `delayed` says how many of these jobs the store has delayed until another worker may try.
   */
  stranded?: StrandedJobs
  /** How many milliseconds ago the first of the waiting jobs became due. Absent if no job waits. */
  oldest?: number
  /**
   * How long the oldest job may wait according to the configuration of this process, in milliseconds. Absent
   * if no target is configured.
   */
  target?: number
  /**
   * `late`: the oldest job has waited for longer than the target. `still`: the oldest job has waited for more
   * than a minute, and no job has ended within a minute. Absent if neither is the case. Also absent if the
   * jobs wait for another reason: the queue is paused, there is no worker, or no worker could read the jobs.
   */
  pace?: 'late' | 'still'
  /**
   * How many failed jobs were removed earlier than the configuration allows them to be kept, and when a job
   * was last removed early. Absent if this did not happen within the last day.
   */
  dropped?: Dropped
  lastMinute: EndedCounts
  /**
   * How many runs ended in the last five minutes. The period may be up to a minute longer, because runs are
   * counted by the minute.
   */
  lastFiveMinutes: EndedCounts
  lastHour: EndedCounts
  /** Whether the queue, or one of its partitions, is paused. No job of a paused queue or partition begins. */
  paused: boolean
  /**
   * When the pause of the queue ends: milliseconds since 1970. Absent if the queue is not paused, or is
   * paused until somebody resumes it.
   */
  pausedUntil?: number
  /** Why the queue is paused, if the job or person that paused it gave a reason. */
  pausedBecause?: string
  /**
   * The person who paused the queue, such as `ada at web-1`, and when: milliseconds since 1970. Absent if a
   * job paused the queue.
   */
  pausedBy?: string
  pausedAt?: number
  /**
   * The paused groups of the queue, sorted by when their pauses end. At most 100 groups of each partition are
   * listed.
   */
  pausedGroups: ShownGroup[]
  /** How many live workers serve the queue. */
  workers: number
  /**
   * Keys that no live worker knows, among the next 100 waiting and the next 100 delayed jobs of each
   * partition.
   */
  unknownKeys: string[]
  partitions: { partition: string; counts: Counts }[]
  /**
   * Partitions with data that Lark did not write. In all other fields, these partitions are counted as empty.
   */
  damaged: { partition: string; code: string; message: string }[]
}

export interface Status {
  store: string
  queues: QueueStatus[]
  workers: WorkerRecord[]
  /**
   * Problems found by the doctor that the figures of the queues do not show: errors of the store itself and
   * late schedules, and warnings about paused schedules, stuck limiters and open circuits.
   */
  alarms: DoctorFinding[]
  /**
   * The backlog of the outbox. Absent if no outbox is configured in this process, or if the outbox cannot be
   * read. In the second case there is an alarm.
   */
  outbox?: OutboxBacklog
}

/** The status of the queues and the workers. */
export type QueueStatuses = Omit<Status, 'alarms' | 'outbox'>

/**
 * @param targets the maximum time that the oldest job of each queue should wait according to the
 *   configuration, in milliseconds
 * @param queue the only queue whose status is wanted. Default: every queue
 * @throws UNKNOWN_QUEUE
 */
export async function status(
  open: OpenQueues,
  targets: ReadonlyMap<string, number> = new Map(),
  queue?: string,
): Promise<QueueStatuses> {
  const { store } = open
  const partitions = queue === undefined ? everyPartition(open) : partitionsOnlyOf(open, queue)
  const [workers, at, found] = await Promise.all([store.workers(), store.now(), partitions])
  const queues = await standingsOf(store, found, LOOK)
  return { store: store.name, queues: await statusesOf(open, { at, workers, queues }, targets), workers }
}

async function partitionsOnlyOf(open: OpenQueues, queue: string): Promise<Map<string, string[]>> {
  return new Map([[queue, await partitionsToLookIn(open, queue)]])
}

/**
 * @param measured a measurement with the keys of the next `LOOK` jobs in each partition and state. Without
 *   these keys, no key is reported as unknown
 */
export async function statusesOf(
  { store, queues: configured }: OpenQueues,
  { at, workers, queues }: Pick<Measurement, 'at' | 'workers' | 'queues'>,
  targets: ReadonlyMap<string, number>,
): Promise<QueueStatus[]> {
  const served = tally(workers.flatMap((worker) => worker.queues))
  const settings = await settingsOf(store, queues)
  const stranded = await Promise.all(queues.map((each) => strandedOf(store, each)))
  return queues.map(({ queue, partitions, standings }, n): QueueStatus => {
    const keys = new Set(standings.flatMap((standing) => standing.keys))
    const oldest = oldestOf(standings)
    const pauses = partitions.map((partition) => settings.get(partition) ?? unpaused)
    const status: Omit<QueueStatus, 'pace'> = {
      queue,
      configured: configured.has(queue),
      counts: sum(standings.map(({ counts }) => counts)),
      retrying: standings.reduce((count, { retrying }) => count + retrying, 0),
      suspended: standings.reduce((count, { suspended }) => count + suspended, 0),
      ...(stranded[n] && { stranded: stranded[n] }),
      ...defined({ oldest: oldest && Math.max(0, at - oldest), target: targets.get(queue) }),
      ...droppedOf(standings, at),
      lastMinute: ended(standings, (minute) => withinLastMinute(minute, at)),
      lastFiveMinutes: endedSince(standings, at - 5 * MINUTE),
      lastHour: ended(standings, () => 1),
      ...pauseOf(pauses),
      pausedGroups: pausedGroups(pauses.flatMap(({ groups }) => groups)),
      workers: served.get(queue) ?? 0,
      unknownKeys: [...keys].filter((key) => !isKnown(workers, key, queue)).sort(),
      partitions: partitions.map((partition, i) => ({ partition, counts: standings[i]!.counts })),
      damaged: partitions.flatMap((partition, i) => {
        const { damage } = standings[i]!
        return damage === undefined ? [] : [{ partition, code: damage.code, message: damage.message }]
      }),
    }
    return { ...status, ...defined({ pace: paceOf(status) }) }
  })
}

function paceOf(queue: Omit<QueueStatus, 'pace'>): QueueStatus['pace'] {
  const { oldest = 0, target, paused, stranded, workers, lastMinute } = queue
  if (workers === 0 || paused || stranded !== undefined) return undefined
  if (target !== undefined && oldest > target) return 'late'
  return oldest > MINUTE && lastMinute.completed + lastMinute.failed === 0 ? 'still' : undefined
}

function droppedOf(standings: readonly Standing[], now: number): Pick<QueueStatus, 'dropped'> {
  const lately = standings.flatMap(({ dropped }) =>
    dropped !== undefined && dropped.at > now - DAY ? dropped : [],
  )
  if (lately.length === 0) return {}
  const count = lately.reduce((sum, each) => sum + each.count, 0)
  return { dropped: { count, at: Math.max(...lately.map(({ at }) => at)) } }
}

/** How often each value occurs. */
function tally(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/**
 * Reads the settings of the partitions in which something is paused. The partitions are read in lots, as in
 * `standingsOf`.
 */
async function settingsOf(store: Store, queues: readonly QueueStandings[]): Promise<Map<string, Setting>> {
  const paused = queues.flatMap(({ partitions, standings }) =>
    partitions.filter((_, i) => standings[i]!.isPaused),
  )
  const settings = new Map<string, Setting>()
  for (const some of inLots(paused, MAX_STANDINGS)) {
    const found = await Promise.all(some.map((partition) => store.configure(partition, {})))
    for (const [n, setting] of found.entries()) settings.set(some[n]!, setting)
  }
  return settings
}

type PausedQueue = Pick<QueueStatus, 'paused' | 'pausedUntil' | 'pausedBecause' | 'pausedBy' | 'pausedAt'>

/** The pause of a queue, which is the longest among the pauses of its partitions. */
function pauseOf(parts: readonly Setting[]): PausedQueue {
  const end = ({ paused, until = Number.POSITIVE_INFINITY }: Setting) => (paused ? until : 0)
  const [longest] = [...parts].sort((one, other) => end(other) - end(one))
  if (!longest?.paused) return { paused: false }
  const { until: pausedUntil, because: pausedBecause, by: pausedBy, at: pausedAt } = longest
  return { paused: true, ...defined({ pausedUntil, pausedBecause, pausedBy, pausedAt }) }
}

/** The paused groups. A group is listed once, even if several partitions of the queue have its pause. */
function pausedGroups(met: readonly PausedGroup[]): ShownGroup[] {
  const groups = new Map(met.map((each) => [each.group, each]))
  const time = ({ until = Number.MAX_SAFE_INTEGER }: PausedGroup) => until
  const sorted = [...groups.values()].sort((one, other) => time(one) - time(other))
  return sorted.map(({ group, ...rest }) => ({
    ...(isHash(group) ? { groupHash: group } : { group: shownName(group) }),
    ...rest,
  }))
}

const unpaused: Setting = { paused: false, groups: [] }

function sum(all: readonly Counts[]): Counts {
  const total = (state: keyof Counts) => all.reduce((count, counts) => count + counts[state], 0)
  return Object.fromEntries(states.map((state) => [state, total(state)])) as Counts
}

/**
 * How much of a clock minute belongs to the last 60 seconds, from 0 to 1. The store counts by clock minutes,
 * so the last 60 seconds consist of the current minute and a part of the previous minute. @param at the
 * instant at which the clock minute begins
 */
export function withinLastMinute(at: number, now: number): number {
  return Math.min(1, Math.max(0, 1 - (now - MINUTE - at) / MINUTE))
}
