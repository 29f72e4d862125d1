/**
 * The lists that exist once for the whole store: its partitions, its workers, and the job keys that workers
 * know.
 */

import { defined } from '@s18i/lark/internal'
import type { BlockingNow } from '../../../model/blocked-loop.ts'
import { JobsError } from '../../../model/errors.ts'
import type { AnnouncedWorker, WorkerRecord } from '../../../model/record.ts'
import {
  BASE,
  baseIn,
  classesIn,
  type KeptClasses,
  nameOfBucket,
  namesOfBuckets,
  outdatedNames,
  textsToKeep,
} from '../../contract/class-history.ts'
import { DAY, HOUR } from '../../contract/history.ts'
import { LOST_KEPT, type LostWorker, MOST_TAKEOVERS, takeoversIn } from '../../contract/lost-workers.ts'
import { ORDER_HOLDS, orderIn, orderText, type WorkerOrder } from '../../contract/orders.ts'
import { MAX_ITEMS } from '../../contract/rules/capacity.ts'
import { inLots } from '../../contract/rules/in-lots.ts'
import type { AgreedRetentions } from '../../contract/rules/retention.ts'
import { parsed } from '../../contract/rules/unreadable.ts'
import { needed, outdated, type RunsAt, runsAt, runsOf, runsText } from '../../contract/run-history.ts'
import { dueToFold, type FleetRuns, type KnownRuns, pastIn, pastText, runsIn } from '../../contract/runs.ts'
import { currentEpoch } from '../client/connection.ts'
import { damagedKey } from '../client/damage.ts'
import { nothingQueued } from '../client/failure.ts'
import type { Scripts } from '../client/script.ts'
import { packDuration } from './pack-limits.ts'
import type { takenIn } from './reading.ts'

/** The answer to a worker's announcement: see `lua/shared/known.lua`. */
export type AnnounceAnswer = [order: string | null, keeps: 1 | null, retentions?: string[]]

export interface Retirement {
  /**
   * The partitions in which workers hold jobs, as `leave.lua` reports them; undefined on a cluster, where
   * this script is not called.
   */
  holding: ReadonlySet<string> | undefined
  /** The errors of partitions that the worker could not leave. */
  failures: unknown[]
}

export class PartitionRegistry {
  readonly #scripts: Scripts
  /** The partitions that this process has added to the list, and the epoch of the connection at that time. */
  readonly #entered = new Map<string, number>()
  /** The partitions that this process is adding to the list now. */
  readonly #entering = new Map<string, Promise<void>>()

  readonly #retentions: AgreedRetentions
  /** The hour for which the counts of the classes are known to be kept. */
  #keptHour = -1

  constructor(scripts: Scripts, retentions: AgreedRetentions) {
    this.#scripts = scripts
    this.#retentions = retentions
  }

  hasEntered(partition: string): boolean {
    return this.#entered.get(partition) === currentEpoch()
  }

  /**
   * Adds a partition to the list of partitions. A process adds its partitions again in each epoch, because
   * the server behind a new link may have lost the entry. A dispatch waits only when this process adds the
   * partition for the first time. Later dispatches do not wait, so that they work even while the node of a
   * cluster that has the list is away.
   */
  async enter(partition: string, deadline: number): Promise<void> {
    if (this.hasEntered(partition)) return
    const entering = this.#entering.get(partition) ?? this.#enter(partition, currentEpoch(), deadline)
    if (!this.#entered.has(partition)) await entering
  }

  #enter(partition: string, epoch: number, deadline: number): Promise<void> {
    const entering = this.#scripts
      .send(['SADD', this.#scripts.keys.meta('partitions'), partition], deadline, true)
      .then(
        () => void this.#entered.set(partition, epoch),
        (error) => {
          throw nothingQueued(this.#scripts.transport.name, error)
        },
      )
      .finally(() => this.#entering.delete(partition))
    this.#entering.set(partition, entering)
    entering.catch(() => {})
    return entering
  }

  partitions(): Promise<string[]> {
    return this.#members(this.#scripts.keys.meta('partitions'))
  }

  keys(): Promise<string[]> {
    return this.#members(this.#scripts.keys.meta('keys'))
  }

  /** @returns the number of partitions, and the last order to the worker */
  async announce(worker: AnnouncedWorker, ttl: number): Promise<{ partitions: number; order?: WorkerOrder }> {
    const text = this.#retentions.text(worker.queues)
    const args = [worker.id, packDuration(ttl), JSON.stringify(worker), text, ...worker.keys]
    const reply = await this.#scripts.on(this.#scripts.keys.meta('workers'), 'announce', args)
    const [partitions, told] = reply as [number, AnnounceAnswer?]
    return defined({ partitions, order: await this.hear(told) })
  }

  /**
   * Handles the answer to an announcement: learns the retentions of all live workers, and stores the counts
   * of runs if the answer asks for it.
   *
   * @returns the last order to the worker
   */
  async hear(
    [order, keeps, retentions = []]: AnnounceAnswer = [null, null],
  ): Promise<WorkerOrder | undefined> {
    this.#retentions.hear(retentions)
    if (keeps) await this.#keepRuns()
    return orderIn(order)
  }

  async order(workers: readonly string[], order: WorkerOrder): Promise<string[]> {
    const args = [orderText(order), packDuration(ORDER_HOLDS), ...workers]
    return (await this.#scripts.on(this.#scripts.keys.meta('workers'), 'order-workers', args)) as string[]
  }

  async workers(): Promise<WorkerRecord[]> {
    const records = await this.#scripts.on(this.#scripts.keys.meta('workers'), 'workers', [])
    return (records as string[]).map((record) => this.#read(record))
  }

  async lost(): Promise<LostWorker[]> {
    const reply = await this.#scripts.on(this.#scripts.keys.meta('workers'), 'lost-workers', [])
    const found = reply as (string | string[])[]
    return Array.from({ length: found.length / 3 }, (_, i) => {
      const [until, record, taken] = found.slice(3 * i) as [string, string, string[]]
      return { ...this.#read(record), endedAt: Number(until), taken: takeoversIn(taken.map(parsed)) }
    })
  }

  /**
   * Records which jobs were taken back from which workers. A failure is ignored, because only people who look
   * for the cause of a death read this.
   */
  async noteTaken(by: string, taken: ReturnType<typeof takenIn>): Promise<void> {
    if (taken.length === 0) return
    const notes = taken.flatMap(([caller, count, jobs]) => [
      caller,
      `${JSON.stringify({ by, count, jobs }).slice(0, -1)},"at":`,
    ])
    const args = [packDuration(LOST_KEPT), String(MOST_TAKEOVERS), ...notes]
    await this.#scripts.on(this.#scripts.keys.meta('workers'), 'note-taken', args).catch(() => {})
  }

  async noteBlocking(worker: string, blocks: BlockingNow): Promise<void> {
    const key = this.#scripts.keys.meta('workers')
    await this.#scripts.on(key, 'note-blocking', [worker, JSON.stringify(blocks)])
  }

  async runs(): Promise<FleetRuns> {
    const key = this.#scripts.keys.meta('workers')
    const [time, sum, ...rest] = (await this.#scripts.on(key, 'worker-runs', [])) as string[]
    const at = Number(time)
    const workers: KnownRuns[] = []
    for (let i = 0; i < rest.length; i += 3) {
      const [id, until] = [rest[i]!, Number(rest[i + 1])]
      const runs = runsIn(rest[i + 2]!)
      if (runs !== undefined) workers.push({ id, ...runs, ...(until <= at && { endedAt: until }) })
    }
    const found: FleetRuns = { at, workers, ...pastIn(sum) }
    const due = dueToFold(found)
    // If two processes do this for the same workers, the script lets only one of them change the sum.
    if (due.length > 0) {
      await this.#scripts.on(key, 'fold-runs', [sum!, pastText(found, due), ...due.map(({ id }) => id)])
    }
    return found
  }

  /**
   * Stores the present counts of all runs for this minute. A failure is ignored: this minute then has no
   * counts, and the announcement is still valid.
   */
  async #keepRuns(): Promise<void> {
    try {
      const found = await this.runs()
      const runs = runsAt(found)
      const key = this.#scripts.keys.meta('run-history')
      await this.#scripts.send(['HSET', key, String(runs.at), runsText(runs)])
      const old = outdated(await this.#instants(), found.at)
      if (old.length > 0) await this.#scripts.send(['HDEL', key, ...old.map(String)])
      await this.#keepClasses(found)
    } catch (error) {
      if (!JobsError.is(error)) throw error
    }
  }

  /** Keeps the runs of each class, once an hour. */
  async #keepClasses(found: FleetRuns): Promise<void> {
    const hour = found.at - (found.at % HOUR)
    if (hour === this.#keptHour) return
    const key = this.#scripts.keys.meta('class-history')
    const base = baseIn((await this.#scripts.send(['HGET', key, BASE])) as string | null)
    const day = base && (await this.#scripts.send(['HGET', key, nameOfBucket(base.hour, DAY)]))
    const texts = textsToKeep(base, (day as string | null) ?? undefined, found)
    if (texts !== undefined) {
      // One command writes all texts, so a process that dies leaves all of them or none.
      await this.#scripts.send(['HSET', key, ...Object.entries(texts).flat()])
      const names = (await this.#scripts.send(['HKEYS', key])) as string[]
      const old = outdatedNames(names, found.at)
      if (old.length > 0) await this.#scripts.send(['HDEL', key, ...old])
    }
    this.#keptHour = hour
  }

  /** @param now by the store's clock */
  async classHistory(now: number, length: number, count: number): Promise<KeptClasses> {
    const names = namesOfBuckets(now, length, count)
    const key = this.#scripts.keys.meta('class-history')
    const [base, ...texts] = (await this.#scripts.send(['HMGET', key, BASE, ...names])) as (string | null)[]
    return {
      base: baseIn(base),
      within: classesIn(texts.map((text, i) => [names[i]!, text] as const)),
    }
  }

  /** @param now by the store's clock */
  async runHistory(now: number, length: number, count: number): Promise<RunsAt[]> {
    const which = [...needed(await this.#instants(), now, length, count)].sort((one, other) => one - other)
    if (which.length === 0) return []
    const key = this.#scripts.keys.meta('run-history')
    const texts = (await this.#scripts.send(['HMGET', key, ...which.map(String)])) as (string | null)[]
    return texts.flatMap((text, i) => runsOf(which[i]!, text) ?? [])
  }

  async #instants(): Promise<number[]> {
    const fields = (await this.#scripts.send(['HKEYS', this.#scripts.keys.meta('run-history')])) as string[]
    return fields.map(Number).filter(Number.isSafeInteger)
  }

  /** @throws STORE_DAMAGED if the text is not the record of a worker */
  #read(record: string): WorkerRecord {
    try {
      const { runs: _, ...worker } = JSON.parse(record) as AnnouncedWorker
      if (Array.isArray(worker.queues) && Array.isArray(worker.keys)) return worker
    } catch {
      // The text is not JSON.
    }
    const { transport, keys } = this.#scripts
    throw damagedKey(transport.name, keys.meta('workers'), 'the record of a worker')
  }

  /**
   * Removes a worker from the lists of live and of waiting workers. All partitions are visited, because a
   * process that removes a dead worker does not know in which partitions this worker waited.
   *
   * @param called the partitions that the worker has called. A partition that never had a job is not in the
   *   list of partitions, so the worker must name it
   */
  async retire(caller: string, called: readonly string[]): Promise<Retirement> {
    const partitions = [...new Set([...(await this.partitions()), ...called])]
    const retiring = this.#scripts.on(this.#scripts.keys.meta('workers'), 'retire', [caller])
    const holding = this.#scripts.transport.isWhole ? new Set<string>() : undefined
    const leaving = holding
      ? [...inLots(partitions, MAX_ITEMS)].map((some) => this.#leave(caller, some, holding))
      : partitions.flatMap((partition) => [
          this.#scripts.send(['SREM', this.#scripts.keys.of(partition, 'idle'), caller]),
          this.#scripts.send(['HDEL', this.#scripts.keys.of(partition, 'offers'), caller]),
        ])
    return { holding, failures: await rejectionsOf([retiring, ...leaving]) }
  }

  /**
   * @param holding the partitions that have claimed jobs are added to this set
   * @throws STORE_DAMAGED if a partition is damaged. The caller has left all other partitions nevertheless
   */
  async #leave(caller: string, partitions: readonly string[], holding: Set<string>): Promise<void> {
    const key = this.#scripts.keys.meta('partitions')
    const reply = await this.#scripts.on(key, 'leave', [caller, ...partitions])
    const [found, [place, text]] = reply as [number[], (number | string)[]]
    for (const i of found) holding.add(partitions[i]!)
    if (place === undefined) return
    throw await this.#scripts.failureOf(partitions[Number(place)]!, text)
  }

  async #members(key: string): Promise<string[]> {
    return ((await this.#scripts.send(['SMEMBERS', key])) as string[]).sort()
  }
}

/** Waits for all promises. @returns the errors of the promises that rejected */
export async function rejectionsOf(all: readonly Promise<unknown>[]): Promise<unknown[]> {
  const answers = await Promise.allSettled(all)
  return answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
}
