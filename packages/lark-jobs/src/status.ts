/**
 * How it stands: every queue with its jobs, what ended there lately, and who works.
 */
import { everyPartition } from './operate.ts'
import { states, type WorkerRecord } from './record.ts'
import type { Counts, Minute, PausedGroup, Store } from './store/store.ts'
import { shownName } from './stored-name.ts'

/** Jobs looked at, a partition and a state, for keys that nobody knows. */
const LOOK = 100
const MINUTE = 60_000

/** How many runs ended within some time. */
export interface Ended {
  completed: number
  /** For good. */
  failed: number
  /** Failed attempts that were to be made again. */
  retried: number
}

export interface QueueStatus {
  queue: string
  /** Of all its partitions. */
  counts: Counts
  lastMinute: Ended
  lastHour: Ended
  /** By hand: it, or one of its partitions. Nothing of that begins. */
  paused: boolean
  /** Groups of it that are paused, those that go on first before the others; at most 100 of each partition. */
  pausedGroups: PausedGroup[]
  /** Live workers that serve it. */
  workers: number
  /** Keys of waiting and delayed jobs that no live worker knows, among the next 100 of each, a partition. */
  unknownKeys: string[]
  partitions: { partition: string; counts: Counts }[]
}

export interface Status {
  store: string
  queues: QueueStatus[]
  workers: WorkerRecord[]
}

/** @param queues that are configured, and how many partitions each has */
export async function status(store: Store, queues: ReadonlyMap<string, number>): Promise<Status> {
  const [workers, now, found] = await Promise.all([
    store.workers(),
    store.now(),
    everyPartition(store, queues),
  ])
  const known = new Set(workers.flatMap((worker) => worker.keys))
  const lines = [...found].map(async ([queue, partitions]): Promise<QueueStatus> => {
    const parts = await Promise.all(partitions.map((partition) => look(store, partition)))
    const minutes = parts.flatMap((part) => part.minutes)
    const keys = new Set(parts.flatMap((part) => part.keys))
    return {
      queue,
      counts: sum(parts.map((part) => part.counts)),
      lastMinute: ended(minutes, (at) => withinLastMinute(at, now)),
      lastHour: ended(minutes, () => 1),
      paused: parts.some((part) => part.paused),
      pausedGroups: pausedGroups(parts.flatMap((part) => part.groups)),
      workers: workers.filter((worker) => worker.queues.includes(queue)).length,
      unknownKeys: [...keys].filter((key) => !known.has(key)).sort(),
      partitions: parts.map(({ partition, counts }) => ({ partition, counts })),
    }
  })
  return { store: store.name, queues: await Promise.all(lines), workers }
}

interface Part {
  partition: string
  counts: Counts
  paused: boolean
  groups: PausedGroup[]
  minutes: Minute[]
  /** Of the jobs that come next. */
  keys: string[]
}

async function look(store: Store, partition: string): Promise<Part> {
  const [counts, { paused, groups }, minutes, waiting, delayed] = await Promise.all([
    store.counts(partition),
    store.configure(partition, {}),
    store.minutes(partition),
    store.heads(partition, { state: 'waiting', limit: LOOK }),
    store.heads(partition, { state: 'delayed', limit: LOOK }),
  ])
  const keys = [...waiting.jobs, ...delayed.jobs].map(({ key }) => key)
  return { partition, counts, paused, groups, minutes, keys }
}

/** Each once, though several partitions of its queue know of its pause; and by the name that its class gave it. */
function pausedGroups(met: readonly PausedGroup[]): PausedGroup[] {
  const groups = new Map(met.map((each) => [each.group, { ...each, group: shownName(each.group) }]))
  const time = ({ until = Number.MAX_SAFE_INTEGER }: PausedGroup) => until
  return [...groups.values()].sort((one, other) => time(one) - time(other))
}

function sum(all: readonly Counts[]): Counts {
  const total = (state: keyof Counts) => all.reduce((count, counts) => count + counts[state], 0)
  return Object.fromEntries(states.map((state) => [state, total(state)])) as Counts
}

/** @param part how much of a minute counts, from 0 to 1 */
function ended(minutes: readonly Minute[], part: (at: number) => number): Ended {
  const total = (kind: keyof Ended) =>
    Math.round(minutes.reduce((count, minute) => count + minute[kind] * part(minute.at), 0))
  return { completed: total('completed'), failed: total('failed'), retried: total('retried') }
}

/** Minutes are counted by the clock: of the one before this, as much counts as is less than 60 seconds ago. */
function withinLastMinute(at: number, now: number): number {
  return Math.min(1, Math.max(0, 1 - (now - MINUTE - at) / MINUTE))
}
