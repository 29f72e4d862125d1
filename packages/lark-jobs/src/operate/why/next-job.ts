/**
 * Finds the job of a queue that runs next, and the reason why it does not run. The first job in the order of
 * the queue may wait for its own group or limiter, while later jobs may begin. So this file looks for the
 * reasons of one job of each group and limiter, until it finds a job that does not wait for its own group or
 * limiter.
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
/** The largest number of groups and limiters whose jobs are examined. */
const MOST_ASKED = 5

/**
 * The reasons that concern only a job, its group or its limiter, so that other jobs of the queue may begin.
 */
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
 * If the queue has jobs that no worker could read, the answer is about the first of these jobs, even if other
 * jobs of the queue may begin. If no job waits, the answer is about the first delayed job.
 *
 * @returns undefined if no job is waiting or delayed
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
