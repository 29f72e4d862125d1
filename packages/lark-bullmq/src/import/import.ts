/**
 * Imports the jobs and schedulers of BullMQ page by page. The jobs of each page are read, marked in BullMQ as
 * begun, queued in Lark, and then marked as imported or, with `move`, removed from BullMQ.
 *
 * So at any moment, each job is in BullMQ, in Lark, or in both. A repeated import recognises a job that is in
 * both by its mark. If the process died between the two marks, the import recognises the job by its id, which
 * Lark keeps for at least an hour. A job that was marked as begun earlier and is not in Lark stays in BullMQ,
 * and the report says so (`import-mark.ts`).
 *
 * BullMQ's own workers would run the jobs that stay in BullMQ. So an import refuses a queue that has workers
 * of BullMQ, unless the queue is paused there.
 */
import { randomUUID } from 'node:crypto'
import { defined } from '@s18i/lark/internal'
import { type AbortSignalLike, type JobRecord, JobsError, type RedisServers } from '@s18i/lark-jobs'
import {
  bookOf,
  groupedBy,
  knownQueue,
  type NewJob,
  type OpenJobs,
  partitionOf,
  partitionWith,
  retentionOf,
  textOf,
} from '@s18i/lark-jobs/internal'
import { larkId } from '../job/own-id.ts'
import { FlowImport } from './flow-import.ts'
import { FlowReader } from './flows.ts'
import { ImportMark, type MarkState } from './import-mark.ts'
import { failedJob, lotsOf, waitingJob } from './jobs.ts'
import type { BullmqOptions } from './options.ts'
import { found, queuesIn, stillRunning } from './queues.ts'
import { RedisBullmq } from './redis-source.ts'
import { anotherHas, type BullmqImport, type LackReason, QueueTally } from './report.ts'
import { nextJobOf, scheduleIdOf, scheduleOf, tickIn } from './schedules.ts'
import type {
  BullmqEntry,
  BullmqPlace,
  BullmqQueue,
  BullmqScheduler,
  BullmqSource,
  ImportedPlace,
} from './source.ts'

/** How many jobs are read, queued and marked together. */
const PAGE = 250
/** How many flows are read and started at the same time. */
const FLOWS = 20
/** The maximum number of schedulers of a queue that are read together. */
const SCHEDULERS = 100

/**
 * Does the import.
 *
 * @param noted called with the number of imported jobs
 * @throws BULLMQ_NOT_FOUND, BULLMQ_RUNNING or UNKNOWN_QUEUE before anything is imported; the errors of a
 *   store
 */
export async function importInto(
  target: OpenJobs,
  connection: string | RedisServers,
  options: BullmqOptions,
  noted: (done: number) => void = () => {},
): Promise<BullmqImport> {
  const { prefix = 'bull', dryRun = false, force = false } = options
  await using source = await RedisBullmq.open(connection, prefix)
  const queues = await queuesIn(source, prefix, options.queues)
  const unknown = queues.map(({ name }) => name).filter((name) => !target.settings.partitions.has(name))
  if (!dryRun) for (const name of unknown) knownQueue(name, target.settings, 'A queue of BullMQ')
  const workers = await source.workers(queues.map(({ name }) => name))
  const running = queues.filter(({ name, paused }) => !paused && (workers?.get(name) ?? 0) > 0)
  if (running.length > 0 && !force && !dryRun) throw stillRunning(running, workers!)
  const tallies = queues.map((queue) => new QueueTally(queue, workers && (workers.get(queue.name) ?? 0)))
  const imported = new Map(queues.map((queue, i) => [queue.name, { queue, tally: tallies[i]! }]))
  const mark = new ImportMark(source, `${target.store.name} ${target.settings.prefix}`)
  const run = new ImportRun(target, source, options, imported, mark, noted)
  for (const { name } of queues) await run.flows(name)
  for (const { name } of queues) await run.queue(name)
  const reports = tallies.map(({ report }) => report)
  const sum = (of: 'imported' | 'existing' | 'schedules' | 'removed' | 'failures') =>
    reports.reduce((all, report) => all + report[of], 0)
  return {
    from: source.name,
    queues: reports,
    ...{ imported: sum('imported'), existing: sum('existing'), schedules: sum('schedules') },
    ...{ removed: sum('removed'), failures: sum('failures') },
    unknownQueues: unknown,
    ...defined({ unmarked: mark.unmarked }),
    ...(dryRun && { dryRun }),
  }
}

/** A job that is being queued, with its previous mark. */
interface BegunEntry {
  entry: BullmqEntry
  mark: MarkState
}

/** A queue that is imported. */
interface ImportedQueue {
  queue: BullmqQueue
  tally: QueueTally
}

class ImportRun {
  readonly #target: OpenJobs
  readonly #source: BullmqSource
  readonly #options: BullmqOptions
  readonly #template: string
  readonly #mark: ImportMark
  readonly #queues: ReadonlyMap<string, ImportedQueue>
  readonly #flows: FlowImport
  readonly #found: number
  readonly #noted: (done: number) => void
  #done = 0
  #imported = 0

  constructor(
    target: OpenJobs,
    source: BullmqSource,
    options: BullmqOptions,
    queues: ReadonlyMap<string, ImportedQueue>,
    mark: ImportMark,
    noted: (done: number) => void,
  ) {
    this.#target = target
    this.#source = source
    this.#options = options
    this.#template = options.key ?? '{name}'
    this.#queues = queues
    const all = [...queues.values()]
    const { dryRun, force } = options
    this.#flows = new FlowImport({
      ...{ store: target.store, mark, dryRun, force },
      reader: new FlowReader(source, this.#template, target.settings, new Set(queues.keys())),
      tallies: new Map(all.map(({ queue, tally }) => [queue.name, tally])),
    })
    const counted = all.map(({ queue }) => queue)
    this.#found = found(counted, options.failed)
    this.#noted = noted
    this.#mark = mark
  }

  get #isOver(): boolean {
    const signal: AbortSignalLike | undefined = this.#options.signal
    return signal?.aborted === true
  }

  /** Imports the flows whose root jobs wait for their children in a queue. */
  async flows(queue: string): Promise<void> {
    for (let offset = 0; !this.#isOver; offset += PAGE) {
      const page = await this.#source.entries(queue, 'waiting-children', offset, PAGE)
      if (page.length === 0) break
      const now = await this.#source.now()
      const roots = page.filter(({ parentKey }) => parentKey === undefined)
      for (let i = 0; i < roots.length && !this.#isOver; i += FLOWS) {
        const some = roots.slice(i, i + FLOWS)
        await Promise.all(some.map((entry) => this.#flows.bring(queue, entry, now)))
      }
    }
  }

  /**
   * Marks or removes the jobs that wait for their children and that were imported, and reports the jobs that
   * stay in BullMQ.
   */
  async #parents(queue: string, tally: QueueTally): Promise<void> {
    for (let offset = 0; !this.#isOver; ) {
      const page = await this.#source.entries(queue, 'waiting-children', offset, PAGE)
      if (page.length === 0) break
      const now = await this.#source.now()
      const settled = page.filter((entry) => this.#flows.takes(queue, entry, now)).map(({ id }) => id)
      offset += page.length - (await this.#settle(queue, 'waiting-children', settled, tally))
      this.#progress(page.length)
    }
  }

  /** Imports the jobs and schedulers of a queue. Its flows must have been imported before. */
  async queue(name: string): Promise<void> {
    const { queue, tally } = this.#queues.get(name)!
    const { counts } = queue
    const schedules = await this.#schedulers(queue, tally)
    const places: BullmqPlace[] = ['wait', 'paused', 'prioritized', 'delayed']
    for (const place of places) await this.#place(name, place, schedules, tally)
    await this.#parents(name, tally)
    if (this.#options.failed) await this.#failedJobs(name, tally)
    else tally.left('failed', [], counts.failed)
    if (this.#options.move && !this.#options.dryRun && !this.#isOver)
      for (const { scheduler, since } of schedules.values()) {
        if (since === undefined) continue
        await this.#source.removeScheduler(name, scheduler.id)
        tally.report.removed++
      }
    tally.left('active', await this.#source.ids(name, 'active', 5), counts.active)
    tally.left('completed', [], counts.completed)
  }

  /**
   * Imports the schedulers.
   *
   * @returns for each scheduler, the time from which on Lark makes its jobs. Undefined if Lark does not make
   *   them
   */
  async #schedulers(
    { name: queue }: BullmqQueue,
    tally: QueueTally,
  ): Promise<Map<string, { scheduler: BullmqScheduler; since: number | undefined }>> {
    const all = new Map<string, { scheduler: BullmqScheduler; since: number | undefined }>()
    for (let offset = 0; !this.#isOver; offset += SCHEDULERS) {
      const page = await this.#source.schedulers(queue, offset, SCHEDULERS)
      for (const scheduler of page) {
        let since: number | undefined
        try {
          since = await this.#schedule(queue, scheduler, tally)
        } catch (error) {
          if (JobsError.is(error) && error.code.startsWith('STORE_')) throw error
          tally.mistake(scheduler.id, textOf(error))
        }
        all.set(scheduler.id, { scheduler, since })
      }
      this.#progress(page.length)
      if (page.length < SCHEDULERS) break
    }
    return all
  }

  /** @returns the time since when the schedule is in Lark */
  async #schedule(queue: string, scheduler: BullmqScheduler, tally: QueueTally): Promise<number> {
    const { settings } = this.#target
    const id = scheduleIdOf(queue, scheduler)
    const book = bookOf(this.#target)
    const existing = await book.get(id)
    if (existing !== undefined) {
      tally.report.existingSchedules++
      return existing.state.since
    }
    const now = await this.#source.now()
    const nextJob = await this.#source.entry(queue, nextJobOf(scheduler))
    const { definition, lacks } = scheduleOf(scheduler, nextJob, scheduler.next <= now, {
      ...{ queue, template: this.#template, timezone: settings.schedules.timezone },
    })
    tally.lacks(scheduler.id, lacks)
    tally.key(definition.job.key)
    tally.report.schedules++
    if (this.#options.dryRun) return now
    await book.set(id, definition, partitionOf(id, definition, settings.partitions))
    return now
  }

  async #place(
    queue: string,
    place: BullmqPlace,
    schedules: ReadonlyMap<string, { since: number | undefined }>,
    tally: QueueTally,
  ): Promise<void> {
    for (let offset = 0; !this.#isOver; ) {
      const page = await this.#source.entries(queue, place, offset, PAGE)
      if (page.length === 0) break
      const now = await this.#source.now()
      const ready = new Map<string, BegunEntry>()
      const jobs: NewJob[] = []
      const settled: string[] = []
      for (const entry of page) {
        // BullMQ 4 adds entries that are not jobs, to wake its workers.
        if (/^0(:|$)/.test(entry.id)) continue
        const mark = this.#mark.read(entry.mark, now)
        const isTaken = this.#flows.has(queue, entry.id)
        if (entry.parentKey !== undefined || entry.hasChildren || isTaken) {
          // This job has waited for all its children, and has their results.
          if (entry.parentKey === undefined && !isTaken) await this.#flows.bring(queue, entry, now)
          if (this.#flows.takes(queue, entry, now)) settled.push(entry.id)
          continue
        }
        const left = leftFor(entry, schedules)
        if (left !== undefined) {
          tally.left(left, [entry.id])
          if (left === 'next-run' && this.#options.move) settled.push(entry.id)
        } else if (mark === 'done') {
          tally.report.existing++
          settled.push(entry.id)
        } else if (mark === 'old' && !this.#options.force && !(await this.#has(queue, larkId(entry.id))))
          tally.left('uncertain', [entry.id])
        else {
          const read = this.#read(entry, tally, () => waitingJob(entry, queue, this.#template, now))
          if (read === undefined) continue
          tally.key(read.job.key)
          if (ready.has(read.job.id)) {
            // The id was already handled: the place contains it twice.
            settled.push(entry.id)
            continue
          }
          jobs.push(read.job)
          ready.set(read.job.id, { entry, mark })
        }
      }
      await this.#begin(queue, [...ready.values()], now)
      const kept = await this.#enqueue(queue, jobs, ready, tally)
      offset += page.length - (await this.#settle(queue, place, [...settled, ...kept], tally))
      this.#progress(page.length)
    }
  }

  /**
   * Imports failed jobs, beginning with the job that failed last. The import stops at the number and the age
   * of failed jobs that the queue keeps in Lark.
   */
  async #failedJobs(queue: string, tally: QueueTally): Promise<void> {
    const { settings, store } = this.#target
    const { count, age } = retentionOf(settings, queue).failed
    for (let offset = 0, seen = 0; !this.#isOver; ) {
      const page = await this.#source.entries(queue, 'failed', offset, PAGE)
      if (page.length === 0) break
      const now = await this.#source.now()
      const records = new Map<string, BegunEntry & { record: JobRecord }>()
      const settled: string[] = []
      for (const entry of page) {
        const isOld = seen++ >= count || now - (entry.finishedOn ?? now) >= age
        const mark = this.#mark.read(entry.mark, now)
        if (isOld) tally.left('failed-before', [entry.id])
        else if (mark === 'done') {
          tally.report.existing++
          settled.push(entry.id)
        } else {
          const read = this.#read(entry, tally, () => failedJob(entry, queue, this.#template, now))
          if (read === undefined) continue
          tally.key(read.record.key)
          const partition = this.#partition(queue, read.record.id)
          records.set(entry.id, { entry, mark, record: { ...read.record, partition } })
        }
      }
      await this.#begin(queue, [...records.values()], now)
      for (const [partition, list] of groupedBy([...records.values()], ({ record }) => record.partition)) {
        const restored = this.#options.dryRun
          ? list.map(() => 'restored')
          : await store.restore(
              partition,
              list.map(({ record }) => record),
            )
        for (const [i, { entry, mark, record }] of list.entries()) {
          if (restored[i] === 'restored') tally.report.imported++
          else if (await this.#isImported(partition, record, mark)) tally.report.existing++
          else {
            tally.mistake(entry.id, anotherHas(record.id))
            continue
          }
          settled.push(entry.id)
        }
      }
      offset += page.length - (await this.#settle(queue, 'failed', settled, tally))
      this.#progress(page.length)
    }
  }

  #read<T extends { lacks: readonly LackReason[] }>(
    { id }: BullmqEntry,
    tally: QueueTally,
    read: () => T,
  ): T | undefined {
    try {
      const made = read()
      tally.lacks(id, made.lacks)
      return made
    } catch (error) {
      tally.mistake(id, textOf(error))
      return undefined
    }
  }

  /** Queues jobs. @returns BullMQ's ids of the jobs that Lark now has */
  async #enqueue(
    queue: string,
    jobs: readonly NewJob[],
    entries: ReadonlyMap<string, BegunEntry>,
    tally: QueueTally,
  ): Promise<string[]> {
    const kept: string[] = []
    for (const [partition, all] of groupedBy(jobs, ({ id }) => this.#partition(queue, id)))
      for (const lot of lotsOf(all)) {
        const call = { caller: `import-${randomUUID()}`, number: 1 }
        const verdicts = this.#options.dryRun
          ? lot.map(() => 'queued' as const)
          : await this.#target.store.enqueue(partition, call, lot)
        for (const [i, verdict] of verdicts.entries()) {
          const job = lot[i]!
          const { entry, mark } = entries.get(job.id)!
          if (verdict === 'queued') {
            tally.report.imported++
            this.#imported++
            kept.push(entry.id)
          } else if (typeof verdict === 'object' && verdict.kind === 'refused') {
            tally.mistake(entry.id, 'the jobs of its queue have 256 other priorities in Lark already')
          } else if (await this.#isImported(partition, job, mark)) {
            tally.report.existing++
            kept.push(entry.id)
          } else tally.mistake(entry.id, anotherHas(job.id))
        }
      }
    return kept
  }

  async #has(queue: string, id: string): Promise<boolean> {
    return (await this.#target.store.get(this.#partition(queue, id), id)) !== undefined
  }

  /**
   * Whether the job in Lark is the same as the job in BullMQ. A job without a mark was never sent to Lark.
   */
  async #isImported(
    partition: string,
    { id, key, payload }: Pick<NewJob, 'id' | 'key' | 'payload'>,
    mark: MarkState,
  ): Promise<boolean> {
    const found = await this.#target.store.get(partition, id)
    if (found?.key !== key) return false
    // If jobs could not be marked, the payloads are compared.
    return mark !== 'none' || (this.#mark.unmarked !== undefined && found.payload === payload)
  }

  /** Marks the jobs that are about to be queued. A job that was begun before keeps its earlier time. */
  async #begin(queue: string, jobs: readonly BegunEntry[], now: number): Promise<void> {
    const fresh = jobs.filter(({ mark }) => mark !== 'begun').map(({ entry }) => entry.id)
    if (!this.#options.dryRun) await this.#mark.write(queue, fresh, this.#mark.begun(now))
  }

  /** Marks or removes the jobs that Lark has. @returns how many jobs were removed from the place */
  async #settle(
    queue: string,
    place: ImportedPlace,
    ids: readonly string[],
    tally: QueueTally,
  ): Promise<number> {
    const { move, dryRun } = this.#options
    if (dryRun || ids.length === 0) return 0
    if (move) {
      const removed = await this.#source.remove(queue, place, ids)
      tally.taken(ids.filter((_, i) => !removed[i]))
      const count = removed.filter(Boolean).length
      tally.report.removed += count
      return count
    }
    await this.#mark.write(queue, ids, this.#mark.done)
    return 0
  }

  #partition(queue: string, id: string): string {
    return partitionWith(id, queue, this.#target.settings.partitions)
  }

  #progress(count: number): void {
    this.#done += count
    this.#noted(this.#imported + this.#flows.imported)
    this.#options.onProgress?.(this.#done, Math.max(this.#done, this.#found))
  }
}

/** Why a job of a scheduler stays in BullMQ. Undefined if the job is imported. */
function leftFor(
  { id, schedulerId }: BullmqEntry,
  schedules: ReadonlyMap<string, { since: number | undefined }>,
): 'unscheduled' | 'next-run' | undefined {
  const schedule = schedulerId === undefined ? undefined : schedules.get(schedulerId)
  const tick = tickIn(id)
  if (schedule === undefined || tick === undefined) return undefined
  if (schedule.since === undefined) return 'unscheduled'
  // A job that was due before the schedule was imported is imported like any other job.
  return tick > schedule.since ? 'next-run' : undefined
}
