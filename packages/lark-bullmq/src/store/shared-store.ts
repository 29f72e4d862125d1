/**
 * The store that all objects with the same connection and prefix share in a process. The store is one
 * instance of `Jobs`, and is closed when the last of these objects is closed.
 *
 * With BullMQ, a process makes its queues one after the other, each with its own settings. So the settings of
 * this instance are maps, to which queues can be added at any time.
 */
import { hostname } from 'node:os'
import { defined, visible } from '@s18i/lark/internal'
import type { Counts, CrashedEvent, Jobs, RedisServers } from '@s18i/lark-jobs'
import {
  jobsWith,
  LARGEST,
  limitsOf,
  type OpenJobs,
  opened,
  partitionsOf,
  retentionOf,
  settingsOf,
} from '@s18i/lark-jobs/internal'
import { type QueueRetention, type Rate, type Retention, retention } from '@s18i/lark-jobs/operate'
import { wrongValue } from '../compared/unsupported.ts'
import { type BullConnection, larkConnection } from './connection.ts'
import { type OwnWorker, RunningJobs } from './running-jobs.ts'

/** The options of every class that say where the jobs are. */
export interface PlaceOptions {
  /**
   * Options of ioredis, an open ioredis, or a text such as `redis://localhost:6379` or `sqlite:jobs.db`.
   * Default: the store of the application.
   */
  connection?: BullConnection | object
  /** The prefix of the keys. Default: the prefix of the application, or `lark`. */
  prefix?: string
}

/** The options of every class. The options below have no effect, because Lark does the same by itself. */
export interface QueueBaseOptions extends PlaceOptions {
  blockingConnection?: boolean
  skipVersionCheck?: boolean
  skipWaitingForReady?: boolean
}

/** The place of a store, in a form that can be sent to another process. */
export interface Place {
  connection: string | RedisServers | undefined
  prefix: string | undefined
}

/** The place of a job. */
export interface JobHome {
  readonly store: SharedStore
  readonly queue: string
}

/** The place of the jobs of each queue and each worker. */
const homes = new WeakMap<object, JobHome>()

/** Remembers where the jobs of a queue or a worker are, for the static methods of `Job`. */
export function settleAt(owner: object, home: JobHome): JobHome {
  homes.set(owner, home)
  return home
}

/** @throws JOB_INVALID if `owner` is not a queue or a worker of this package */
export function homeOf(who: string, owner: unknown): JobHome {
  const home = typeof owner === 'object' && owner !== null ? homes.get(owner) : undefined
  if (home !== undefined) return home
  throw wrongValue(who, 'the queue', owner, 'a Queue or a Worker of @s18i/lark-bullmq')
}

/**
 * Milliseconds between two attempts of a worker or of `QueueEvents` to begin while the store does not answer.
 * The pause doubles each time.
 */
export const RETRY = { from: 500, to: 10_000 }

/** If no process listens to a queue, no hints (`SharedStore.hint`) are sent for this many milliseconds. */
const UNHEARD = 1_000

/** The reason of a pause that is a rate limit. */
const RATE_LIMITED = 'rateLimit()'

/** The arguments of an event of BullMQ. */
export type EventArgs = Readonly<Record<string, unknown>>

const stores = new Map<string, SharedStore>()

export class SharedStore {
  readonly jobs: Jobs
  readonly place: Place
  readonly running = new RunningJobs()
  /** The workers of this process, by queue. */
  readonly #workers = new Map<string, Set<OwnWorker>>()
  readonly #key: string
  readonly #partitions = new Map<string, number>()
  readonly #names = new Map<string, string>()
  readonly #limits: Map<string, NonNullable<ReturnType<typeof limitsOf>>> = new Map()
  /** The rates that workers in this process have set for their queues, with the number of these workers. */
  readonly #rates = new Map<string, { rate: Rate; workers: number }>()
  /** The limits in the configuration. */
  #configured: OpenJobs['settings']['limits'] | undefined
  readonly #retentions: Record<string, QueueRetention> = {}
  /** The default retention of a queue. */
  #retention: QueueRetention = retention
  readonly #crashed = new Map<string, Set<(event: CrashedEvent) => void>>()
  readonly #remarks = new Set<string>()
  /** For each queue without listeners, the time until which no hints are sent, by `performance.now()`. */
  readonly #unheard = new Map<string, number>()
  #settings: Promise<OpenJobs['settings']> | undefined
  /** The prefix of the keys. Undefined until the prefix is known. */
  #prefix: string | undefined
  #users = 0

  /** @internal */
  constructor(key: string, place: Place) {
    this.#key = key
    this.place = place
    this.#prefix = place.prefix
    this.jobs = jobsWith(() => this.settings())
  }

  /**
   * The store that some options name. Each user of the store calls `leave` once.
   *
   * @param name the name that the application has given to the queue
   * @throws BULLMQ_UNSUPPORTED, JOB_INVALID
   */
  static of(
    who: string,
    { connection: given, prefix: written }: PlaceOptions,
    queue?: string,
    name = queue,
  ): SharedStore {
    const connection = larkConnection(who, given)
    if (written !== undefined && typeof written !== 'string')
      throw wrongValue(who, 'prefix', written, 'a text')
    // In BullMQ, braces keep the keys of a queue on one node of a cluster. Lark does this by itself.
    const prefix = written?.replaceAll(/[{}]/g, '') || undefined
    const store = SharedStore.at({ connection, prefix }, queue)
    if (name !== queue) store.#names.set(queue!, name!)
    return store
  }

  /** The name that the application has given to a queue, which may have braces. */
  nameOf(queue: string): string {
    return this.#names.get(queue) ?? queue
  }

  /** The store of a place. Each user of the store calls `leave` once. */
  static at(place: Place, queue?: string): SharedStore {
    const key = JSON.stringify([place.connection ?? null, place.prefix ?? null])
    const store = stores.get(key) ?? new SharedStore(key, place)
    stores.set(key, store)
    store.#users++
    if (queue !== undefined) store.admit(queue)
    return store
  }

  /** Adds a queue to the settings. */
  admit(queue: string): void {
    if (!this.#partitions.has(queue)) this.#partitions.set(queue, 1)
  }

  /**
   * The beginning of the keys of a queue's jobs in BullMQ: `prefix:queue`.
   *
   * @throws Error if the prefix comes from the configuration of the application, and this configuration is
   *   not loaded yet
   */
  qualifiedName(queue: string): string {
    if (this.#prefix !== undefined) return `${this.#prefix}:${queue}`
    throw new Error(`The prefix of ${queue} is not known yet: await waitUntilReady() first, or give a prefix`)
  }

  /** Called by each user of the store when it is closed. The last user closes the store. */
  async leave(): Promise<void> {
    if (--this.#users > 0) return
    stores.delete(this.#key)
    await this.jobs.close()
  }

  /**
   * Limits how many jobs of a queue begin within a time, counted over all processes. The limit applies only
   * to the workers of this process.
   *
   * @throws JOB_INVALID if another worker of this process has set another limit
   */
  limit(who: string, queue: string, rate: Rate): void {
    const { rate: other, workers } = this.#rates.get(queue) ?? { rate, workers: 0 }
    if (other.limit !== rate.limit || other.per !== rate.per)
      throw wrongValue(
        who,
        'limiter',
        { max: rate.limit, duration: rate.per },
        'that of the other workers of the queue',
      )
    this.#rates.set(queue, { rate, workers: workers + 1 })
    if (this.#settings !== undefined) this.#setLimit(queue, rate)
  }

  /**
   * Called when a worker that has called `limit` is closed. The limit ends with the last of these workers.
   */
  unlimit(queue: string): void {
    const { rate, workers } = this.#rates.get(queue)!
    if (workers > 1) {
      this.#rates.set(queue, { rate, workers: workers - 1 })
      return
    }
    this.#rates.delete(queue)
    const limits = this.#configured?.get(queue)
    if (limits === undefined) this.#limits.delete(queue)
    else this.#limits.set(queue, limits)
  }

  #setLimit(queue: string, rate: Rate): void {
    const { burst: _, ...others } = rate
    this.#limits.set(queue, limitsOf({ rate: { ...others, burst: undefined } }, this.#partitions.get(queue))!)
  }

  /**
   * Sets how many ended jobs of a queue are kept. This applies to jobs that this process runs. The settings
   * must be loaded.
   */
  keep(queue: string, state: 'completed' | 'failed', kept: Retention): void {
    const now = retentionOf({ retention: this.#retention, retentions: this.#retentions }, queue)
    if (now[state].count === kept.count && now[state].age === kept.age) return
    this.#retentions[queue] = { ...now, [state]: kept }
  }

  /**
   * Calls a function when a worker that ran a job of the queue has died. Only the process that takes back the
   * jobs of the dead worker calls a listener, and it calls only one listener.
   */
  whenCrashed(queue: string, hear: (event: CrashedEvent) => void): void {
    const all = this.#crashed.get(queue) ?? new Set()
    this.#crashed.set(queue, all.add(hear))
  }

  forget(queue: string, hear: (event: CrashedEvent) => void): void {
    this.#crashed.get(queue)?.delete(hear)
  }

  /** Prints a warning about the store once, even if several workers report the same warning. */
  remark(text: string): void {
    if (this.#remarks.has(text)) return
    this.#remarks.add(text)
    console.warn(`! lark-bullmq  ${visible(text)}`)
  }

  settings(): Promise<OpenJobs['settings']> {
    // BullMQ throws the same error. Without this error, a call after the close would open the store again,
    // and no object would close the store.
    if (this.#users <= 0) return Promise.reject(new Error('Connection is closed.'))
    this.#settings ??= this.#load().catch((error) => {
      this.#settings = undefined
      throw error
    })
    return this.#settings
  }

  /**
   * Publishes an event to `QueueEvents` in all processes. This method is for events for which the store
   * itself writes no event.
   *
   * @returns whether a process listens
   * @throws JOB_INVALID if the event is too long
   */
  async publish(who: string, queue: string, event: string, args: EventArgs): Promise<boolean> {
    const { store } = await opened(this.jobs)
    const text = JSON.stringify([event, args])
    if (Buffer.byteLength(text) > LARGEST.published)
      throw wrongValue(who, 'an event', text.slice(0, 40), `at most ${LARGEST.published} bytes as JSON`)
    return await store.publish(partitionsOf(queue, this.#partitions.get(queue) ?? 1)[0]!, text)
  }

  /**
   * Like `publish`, but for an event that listeners may miss, and without errors. If no process listens,
   * further hints of the queue are not sent for a second.
   */
  async hint(queue: string, event: string, args: EventArgs): Promise<void> {
    if ((this.#unheard.get(queue) ?? 0) > performance.now()) return
    const isHeard = await this.publish('', queue, event, args).catch(() => true)
    if (!isHeard) this.#unheard.set(queue, performance.now() + UNHEARD)
  }

  /** Pauses a queue for some milliseconds from now on, unless a person has paused the queue. */
  async pauseFor(queue: string, ms: number): Promise<void> {
    if (ms === 0 || (await this.isPaused(queue))) return
    await this.jobs.pause({ queue, for: ms, because: RATE_LIMITED })
  }

  /**
   * For how many milliseconds from now no job of a queue may begin because of a rate limit. 0 if a job may
   * begin. The rate of a worker is known only in the process of that worker.
   */
  async limitedFor(queue: string): Promise<number> {
    const { store } = await opened(this.jobs)
    const limits = this.#limits.get(queue)
    let left = Number.POSITIVE_INFINITY
    for (const partition of partitionsOf(queue, this.#partitions.get(queue) ?? 1)) {
      const { until = 0, because, limits: stored } = await store.configure(partition, {})
      const paused = because === RATE_LIMITED ? until - Date.now() : 0
      const isRated = limits !== undefined || stored?.rate !== undefined
      left = Math.min(left, Math.max(paused, isRated ? await rateLeft(store, partition, limits ?? {}) : 0))
    }
    return Math.max(0, left)
  }

  /** Whether a queue is paused. The pause of a rate limit does not count. */
  async isPaused(queue: string): Promise<boolean> {
    if (!(await this.standing(queue)).isPaused) return false
    const { store } = await opened(this.jobs)
    for (const partition of partitionsOf(queue, this.#partitions.get(queue) ?? 1)) {
      const { paused, because, groups } = await store.configure(partition, {})
      if (groups.length > 0 || (paused && because !== RATE_LIMITED)) return true
    }
    return false
  }

  /** Ends a pause of `pauseFor`. @returns whether there was such a pause */
  async endLimit(queue: string): Promise<boolean> {
    const { store } = await opened(this.jobs)
    let wasLimited = false
    for (const partition of partitionsOf(queue, this.#partitions.get(queue) ?? 1)) {
      if ((await store.configure(partition, {})).because !== RATE_LIMITED) continue
      await store.configure(partition, { paused: false })
      wasLimited = true
    }
    return wasLimited
  }

  /**
   * The limits that are stored with a queue, for the workers of all processes. These are the limits that
   * `setLimits` has set, rounded down to a multiple of the number of partitions.
   */
  async limitsOf(queue: string): Promise<{ concurrency?: number; rate?: Rate }> {
    const { store } = await opened(this.jobs)
    const partitions = partitionsOf(queue, this.#partitions.get(queue) ?? 1)
    const { limits = {} } = await store.configure(partitions[0]!, {})
    const { concurrency, rate } = limits
    const all = (share: number) => share * partitions.length
    return {
      ...(concurrency !== undefined && { concurrency: all(concurrency) }),
      ...(rate !== undefined && { rate: { ...rate, limit: all(rate.limit), burst: all(rate.burst) } }),
    }
  }

  /**
   * Stores limits with a queue. A limit that is `undefined` is removed. A limit that is absent does not
   * change.
   */
  async setLimits(
    who: string,
    queue: string,
    change: { concurrency?: number | undefined; rate?: Rate | undefined },
  ): Promise<void> {
    const { store } = await opened(this.jobs)
    const partitions = partitionsOf(queue, this.#partitions.get(queue) ?? 1)
    const { concurrency, rate } = { ...(await this.limitsOf(queue)), ...change }
    const least = Math.min(concurrency ?? Number.POSITIVE_INFINITY, rate?.limit ?? Number.POSITIVE_INFINITY)
    if (least < partitions.length)
      throw wrongValue(who, 'a limit', least, `at least the number of its partitions, ${partitions.length}`)
    const limits = limitsOf({ concurrency, rate: rate && { ...rate, burst: undefined } }, partitions.length)
    for (const partition of partitions) await store.configure(partition, { limits: limits ?? null })
  }

  /** How many jobs of a queue are in each state, how many are suspended, and whether it is paused. */
  async standing(queue: string): Promise<{ counts: Counts; suspended: number; isPaused: boolean }> {
    const { store } = await opened(this.jobs)
    const standings = await store.standings(partitionsOf(queue, this.#partitions.get(queue) ?? 1))
    const counts: Record<string, number> = {}
    for (const standing of standings)
      for (const [state, count] of Object.entries(standing.counts))
        counts[state] = (counts[state] ?? 0) + count
    return {
      counts: counts as unknown as Counts,
      suspended: standings.reduce((sum, { suspended }) => sum + suspended, 0),
      isPaused: standings.some(({ isPaused }) => isPaused),
    }
  }

  /**
   * How many jobs of a queue wait with a priority. An embedded store counts at most 10,000 jobs. Jobs with
   * `keepLastIfActive` are left out.
   */
  async prioritized(queue: string): Promise<number> {
    const { store } = await opened(this.jobs)
    const partitions = partitionsOf(queue, this.#partitions.get(queue) ?? 1)
    const counts = await Promise.all(partitions.map((partition) => store.lowered(partition)))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  hire(queue: string, worker: OwnWorker): void {
    this.#workers.set(queue, (this.#workers.get(queue) ?? new Set()).add(worker))
  }

  dismiss(queue: string, worker: OwnWorker): void {
    this.#workers.get(queue)?.delete(worker)
  }

  /**
   * The workers of a queue: those of this process, and those of others that run. The names of workers are
   * known only in their own process.
   */
  async workersOf(queue: string): Promise<Record<string, string>[]> {
    const { store, settings } = await opened(this.jobs)
    const own = [...(this.#workers.get(queue) ?? [])]
    const known = new Set(own.map(({ larkId }) => larkId))
    const raw = `${settings.prefix}:${Buffer.from(queue).toString('base64')}`
    const others = (await store.workers()).filter(
      ({ id, queues }) => queues.includes(queue) && !known.has(id),
    )
    return [
      ...own.map(({ id, opts: { name } }) => {
        return {
          id,
          addr: `${hostname()}:${process.pid}`,
          name: queue,
          rawname: name ? `${raw}:w:${name}` : raw,
        }
      }),
      ...others.map(({ id, host, pid, startedAt }) => {
        const age = String(Math.max(0, Math.round((Date.now() - startedAt) / 1_000)))
        return { id, addr: `${host}:${pid}`, age, name: queue, rawname: raw }
      }),
    ]
  }

  async #load(): Promise<OpenJobs['settings']> {
    const { connection, prefix } = this.place
    const found = await settingsOf(connection, 'a Queue or a Worker of @s18i/lark-bullmq')
    this.#prefix ??= found.prefix
    for (const [queue, count] of found.partitions) this.#partitions.set(queue, count)
    for (const [queue, limits] of found.limits) this.#limits.set(queue, limits)
    this.#configured = found.limits
    for (const [queue, { rate }] of this.#rates) this.#setLimit(queue, rate)
    Object.assign(this.#retentions, found.retentions)
    this.#retention = found.retention
    const hooks = Object.assign(Object.create(found.hooks ?? null), {
      crashed: (event: CrashedEvent) => {
        const [hear] = this.#crashed.get(event.queue) ?? []
        hear?.(event)
        return found.hooks?.crashed?.(event)
      },
    })
    return {
      ...found,
      partitions: this.#partitions,
      limits: this.#limits,
      retentions: this.#retentions,
      agrees: false,
      hooks,
      ...defined({ prefix }),
    }
  }
}

/**
 * Milliseconds until a rate allows a job of a partition to begin. The store knows this only for a partition
 * in which a job waits or runs. If there is no such job, the answer is 0.
 */
async function rateLeft(
  store: OpenJobs['store'],
  partition: string,
  limits: NonNullable<ReturnType<typeof limitsOf>>,
): Promise<number> {
  for (const state of ['waiting', 'active'] as const) {
    const [job] = (await store.list(partition, { state, limit: 1, isLean: true })).jobs
    const found = job && (await store.stand(partition, job.id, { limits }))
    if (found?.limits?.nextAt !== undefined) return found.limits.nextAt - found.at
    if (found?.limits !== undefined) return 0
  }
  return 0
}
