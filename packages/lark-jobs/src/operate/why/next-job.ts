/**
 * Finds the job of a queue that runs next, and why it does not run. The first job in the order of the queue
 * may wait for something of its own, such as its paused group or its limiter, while jobs behind it go on. So
 * a job of each group and limiter is asked, until one does not wait for something of its own.
 */
import { defined } from '@s18i/lark/internal'
import type { Counts } from '../../store/contract/store.ts'
import type { OpenFlows } from '../flows/flow-info.ts'
import { list } from '../look/list.ts'
import { partitionsToLookIn } from '../look/stored-jobs.ts'
import { standingsOf } from '../measures/measurement.ts'
import type { QueueStatus } from '../measures/status.ts'
import { strandedOf } from '../measures/stranded-jobs.ts'
import type { ReasonKind } from './reason.ts'
import { type JobWhy, why } from './why.ts'

/** How many of the next jobs are looked at. */
const LOOK = 100
/** How many groups and limiters are asked at most. */
const MOST_ASKED = 5

/** The reasons that concern a job, its group or its limiter alone: other jobs of the queue may go on. */
const own: ReadonlySet<ReasonKind> = new Set([
  ...(['lock', 'paused-group', 'unreadable', 'strict', 'group-limit', 'class-limit', 'limiter'] as const),
  ...(['circuit', 'turn'] as const),
])

interface NextOf extends Pick<QueueStatus, 'queue' | 'stranded'> {
  counts: Pick<Counts, 'waiting' | 'delayed'>
}

/** @throws UNKNOWN_QUEUE */
export async function whyNextOf(open: OpenFlows, queue: string): Promise<JobWhy | undefined> {
  const { store, settings } = open
  const partitions = await partitionsToLookIn({ store, queues: settings.partitions }, queue)
  const [found] = await standingsOf(store, [[queue, partitions]], 0)
  const count = (state: 'waiting' | 'delayed') =>
    found!.standings.reduce((sum, { counts }) => sum + counts[state], 0)
  const counts = { waiting: count('waiting'), delayed: count('delayed') }
  return await whyNext(open, { queue, counts, ...defined({ stranded: await strandedOf(store, found!) }) })
}

/**
 * If no job waits, the answer is about the first delayed job. A job that no worker could read has precedence,
 * because other jobs begin before it.
 *
 * @returns undefined if no job waits and none is delayed
 */
export async function whyNext(
  open: OpenFlows,
  { queue, counts, stranded }: NextOf,
): Promise<JobWhy | undefined> {
  const { waiting, delayed } = counts
  if (stranded !== undefined) return await why(open, stranded.id, { queue })
  if (waiting + delayed === 0) return undefined
  const queues = { store: open.store, queues: open.settings.partitions }
  const isWaiting = waiting > 0
  const state = isWaiting ? 'waiting' : 'delayed'
  const { jobs } = await list(queues, { queue, state }, { limit: isWaiting ? LOOK : 1, isLean: true })
  const lanes = new Map<string, { id: string; count: number }>()
  for (const { id, group, limiter } of jobs) {
    const lane = JSON.stringify([group, limiter])
    const known = lanes.get(lane)
    if (known === undefined) lanes.set(lane, { id, count: 1 })
    else known.count++
  }
  let most: { why: JobWhy; count: number } | undefined
  for (const { id, count } of [...lanes.values()].slice(0, MOST_ASKED)) {
    const found = await why(open, id, { queue })
    // The job has begun or was removed meanwhile.
    if (found === undefined || found.state !== state) continue
    if (!own.has(found.reasons[0]!.kind)) return found
    if (most === undefined || count > most.count) most = { why: found, count }
  }
  return most?.why
}
