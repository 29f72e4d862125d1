/**
 * The doctor: examines the servers or the file of a store, its queues and its workers, and says what is wrong
 * and what to do. It changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { JobsError } from '../../model/errors.ts'
import { newNonce } from '../../model/id.ts'
import { queueOf } from '../../model/partition.ts'
import { MAX_ITEMS, type Store } from '../../store/contract/store.ts'
import { textOf } from '../../words/thrown.ts'
import { storeFindings } from '../findings/alarms.ts'
import { changeFindings, lookAtChanges } from '../findings/change-findings.ts'
import { type DoctorFinding, Examination } from '../findings/finding-codes.ts'
import { limiterFindings } from '../findings/limiter-findings.ts'
import { lookAtOutbox, outboxFindings } from '../findings/outbox-findings.ts'
import { scheduleFindings } from '../findings/schedule-findings.ts'
import { serverFindings } from '../findings/server-findings.ts'
import { unheardWorkers } from '../look/silent-workers.ts'
import { status } from '../measures/status.ts'
import type { Operated } from '../operated.ts'
import { listSchedules, type OpenSchedules } from '../schedules/schedule-info.ts'
import { type PartitionSample, queueFindings } from './queue-findings.ts'

/** How many jobs of each partition and state are examined. */
const LOOK = 100
/** How many partitions are examined at the same time. */
const TOGETHER = 20
/**
 * Milliseconds after the end of a lease within which a worker must have taken the job back. Workers normally
 * take a job back within a second.
 */
const BACK = 2_000

/** @throws CONFIG_INVALID, CONFIG_FAILED, STORE_NOT_CONFIGURED */
export async function doctor(jobs: Operated): Promise<DoctorFinding[]> {
  await jobs.settings()
  let opened: Awaited<ReturnType<Operated['open']>>
  try {
    opened = await jobs.open()
  } catch (error) {
    if (!JobsError.is(error)) throw error
    const found = new Examination('the store')
    found.fail('store-opens', error.message, error.hint ?? `See ${error.code} in the manual.`)
    return JobsError.is(error, 'STORE_REFUSED')
      ? [...found.findings, ...(await answering(jobs))]
      : found.findings
  }
  return examine(opened, false)
}

/** The findings for an open store. @param isBrief whether to skip the test of the user's rights */
export async function examine(open: OpenSchedules, isBrief: boolean): Promise<DoctorFinding[]> {
  const { store, settings: configured } = open
  const inspection = await store.inspect(isBrief)
  const found = new Examination(store.name)
  found.ok('store-opens', 'can be opened')
  try {
    const facts = await status({ store, queues: configured.partitions }, configured.targets)
    const samples = await lookAtAll(
      store,
      facts.queues.flatMap(({ partitions }) => partitions),
    )
    const now = await store.now()
    const schedules = await listSchedules(open, {})
    const { lost, deadly, silent } = await unheardWorkers({ store, queues: configured.partitions })
    return [
      ...found.findings,
      ...storeFindings(inspection),
      ...queueFindings({
        status: facts,
        samples,
        limiters: [...configured.limiters.keys()],
        now,
        lost,
        deadly,
        silent,
      }),
      ...scheduleFindings(schedules, facts.workers, now),
      ...changeFindings(await lookAtChanges(store), now),
      ...(await limiterFindings(store, configured.limiters, facts.workers, now)),
      ...outboxFindings(await lookAtOutbox(configured)),
    ]
  } catch (error) {
    if (!JobsError.is(error)) throw error
    found.fail(
      'damaged-data',
      `the queues cannot be looked at: ${error.message}`,
      error.hint ?? 'See the other findings.',
    )
    return [...found.findings, ...storeFindings(inspection)]
  }
}

/**
 * The findings for the servers of a store that could not be opened. For example, a server without free memory
 * still answers, although no store can be opened on it.
 */
async function answering(jobs: Operated): Promise<DoctorFinding[]> {
  const store = await jobs.unopened()
  try {
    const inspection = await store.inspect()
    if (inspection.kind !== 'redis') return []
    const servers = inspection.servers.filter(({ failure }) => failure === undefined)
    return serverFindings({ ...inspection, servers })
  } catch (error) {
    if (!JobsError.is(error)) throw error
    return []
  } finally {
    await store.close()
  }
}

type Counted = Awaited<ReturnType<typeof status>>['queues'][number]['partitions'][number]

async function lookAtAll(store: Store, partitions: readonly Counted[]): Promise<PartitionSample[]> {
  const [samples, lost] = await Promise.all([samplesOf(store, partitions), lostLeases(store, partitions)])
  const isLost = new Set(lost)
  return samples.map((sample) => (isLost.has(sample.partition) ? { ...sample, lostFor: BACK } : sample))
}

async function samplesOf(store: Store, partitions: readonly Counted[]): Promise<PartitionSample[]> {
  const samples: PartitionSample[] = []
  for (let i = 0; i < partitions.length; i += TOGETHER)
    samples.push(...(await Promise.all(partitions.slice(i, i + TOGETHER).map((each) => look(store, each)))))
  return samples
}

/** The partitions with ended leases whose jobs no worker has taken back. */
async function lostLeases(store: Store, partitions: readonly Counted[]): Promise<string[]> {
  const ended = await endedLeases(
    store,
    partitions.flatMap(({ partition, counts }) => (counts.active > 0 ? [partition] : [])),
  )
  if (ended.length === 0) return []
  // A worker may be taking these jobs back right now, so the partitions are examined again a little later.
  await sleep(BACK)
  return await endedLeases(store, ended)
}

async function look(store: Store, { partition, counts }: Counted): Promise<PartitionSample> {
  const sample: PartitionSample = { queue: queueOf(partition), partition, active: [], unreadable: [] }
  try {
    sample.doubts = await store.doubts(partition)
    if (counts.active > 0)
      sample.active = (await store.heads(partition, { state: 'active', limit: LOOK })).jobs
    for (const state of ['waiting', 'delayed', 'failed'] as const) {
      if (counts[state] === 0) continue
      const { jobs } = await store.list(partition, { state, limit: LOOK })
      for (const { id, unreadable } of jobs)
        if (unreadable !== undefined)
          sample.unreadable.push({ id, mark: unreadable.kind === 'marked' ? unreadable.mark : undefined })
    }
  } catch (error) {
    sample.failure = textOf(error)
  }
  return sample
}

/** The partitions in which leases have ended. */
async function endedLeases(store: Store, partitions: readonly string[]): Promise<string[]> {
  const ended: string[] = []
  for (let i = 0; i < partitions.length; i += MAX_ITEMS) {
    const some = partitions.slice(i, i + MAX_ITEMS).map((partition) => ({ partition }))
    const { findings } = await store.survey(`doctor.${newNonce()}`, some)
    ended.push(...findings.flatMap(({ partition, nextLeaseEnd }) => (nextLeaseEnd === 0 ? [partition] : [])))
  }
  return ended
}
