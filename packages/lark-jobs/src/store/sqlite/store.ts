/**
 * The embedded store: jobs in one SQLite file that several processes of a machine use at once, or in memory.
 *
 * Each verb of the contract is one transaction on one partition. The files in `sql/` contain what a verb
 * does. Waiting callers are rung after the commit, because they cannot see the new jobs earlier.
 */
import { resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import type { AnnouncedWorker, JobRecord, LogLine, NewJob, State, WorkerRecord } from '../../model/record.ts'
import { settingOf } from '../contract/change.ts'
import type * as contract from '../contract/store.ts'
import { AgreedRetentions, dueToFold, MAX_ITEMS } from '../contract/store.ts'
import type { Access } from '../sql/access.ts'
import { forgetCalls } from '../sql/calls.ts'
import { alter } from '../sql/change/alter.ts'
import { SqliteMoves } from '../sql/change/moves.ts'
import { undo } from '../sql/change/undo.ts'
import { exchange } from '../sql/claim/exchange.ts'
import { extend, recordSteps } from '../sql/claim/extend.ts'
import { forgetPauses, pausedGroups, pauseGroup, repositionLanes } from '../sql/claim/lane.ts'
import { recover } from '../sql/claim/recover.ts'
import { doubtsIn, hasLease, hearIn } from '../sql/claim/silence.ts'
import { findings, register } from '../sql/claim/survey.ts'
import { SqliteFlows } from '../sql/documents/flows.ts'
import { SqliteSchedules } from '../sql/documents/schedules.ts'
import { forgetEffects } from '../sql/effects/effect.ts'
import { countEndsAtHome } from '../sql/effects/tally.ts'
import { dropOldLogs } from '../sql/end/keep.ts'
import { clear, forgetCompleted, prune, type Removal, trim } from '../sql/end/retain.ts'
import { enqueue } from '../sql/enqueue/enqueue.ts'
import { forgetThrottles } from '../sql/enqueue/lock.ts'
import { forgetRelayed } from '../sql/enqueue/relayed.ts'
import { restore } from '../sql/enqueue/restore.ts'
import { SqliteAudit } from '../sql/events/audit.ts'
import { forgetEvents, hear, listen, tell, writeEvents } from '../sql/events/events.ts'
import {
  forgetWaiters,
  hasRing,
  leaveAllWaiters,
  ring,
  ringForNews,
  takeRings,
} from '../sql/events/waiters.ts'
import { look, watch } from '../sql/events/watch.ts'
import { classHistory } from '../sql/history/class-history.ts'
import { histories } from '../sql/history/history.ts'
import { keepLastMinute, minutes, minutesOf } from '../sql/history/minutes.ts'
import { runHistory } from '../sql/history/run-history.ts'
import { forgetEarly, SqliteJournals } from '../sql/journal/journal.ts'
import { SqliteLimiters } from '../sql/limits/limiters.ts'
import { forgetOver } from '../sql/limits/rate.ts'
import { listLanes } from '../sql/look/lane-list.ts'
import { counts, get, listHeads, listJobs, log, lowered, noCounts } from '../sql/look/read.ts'
import { stand } from '../sql/look/stand.ts'
import { noStanding, standingOf } from '../sql/look/standing.ts'
import { Partition } from '../sql/partition.ts'
import {
  allKeys,
  announce,
  endWorker,
  foldRuns,
  livingWorkers,
  lostWorkers,
  noteBlocking,
  orderWorkers,
  workerRuns,
} from '../sql/workers.ts'
import { Bell } from './bell.ts'
import { Clock } from './clock.ts'
import { SqliteDatabase } from './database.ts'
import { closed, isForWantOfRoom, notReplicated, toJobsError } from './failure.ts'
import { inspectFile } from './inspect.ts'
import { prepare } from './layout.ts'
import { type FileLayout, layout as present } from './schema.ts'

const MEMORY = ':memory:'
/**
 * A call that changes a partition saves its counters. A call that only reads counts the jobs that have become
 * due since then. If these are more than `MANY` jobs, the reading call saves the new counters, too.
 */
const MANY = 1_000

/**
 * @example
 * const store = new SqliteStore('.lark/jobs.db', { retention })
 * await store.open()
 */
export class SqliteStore implements contract.Store {
  readonly isRemote = false
  readonly name: string
  readonly limiters = new SqliteLimiters(() => this.#opened().database)
  readonly flows: SqliteFlows
  readonly schedules: SqliteSchedules
  readonly journals: SqliteJournals
  readonly moves: SqliteMoves
  readonly audit = new SqliteAudit(() => this.#opened().database)
  readonly #file: string
  readonly #options: contract.StoreOptions
  readonly #retentions: AgreedRetentions
  readonly #layout: FileLayout
  readonly #clock: Clock
  #opening: Promise<string[]> | undefined
  #database: SqliteDatabase | undefined
  #bell: Bell | undefined

  /**
   * @param target the path of a file, or `:memory:` for a store that exists only as long as this object
   * @param layout only tests set it
   * @throws STORE_INVALID for `durability: 'replicated'`
   */
  constructor(target: string, options: contract.StoreOptions, layout: FileLayout = present) {
    this.#file = target === MEMORY ? MEMORY : resolve(target)
    this.name = `sqlite:${this.#file}`
    this.#options = options
    this.#retentions = new AgreedRetentions(options)
    this.#layout = layout
    this.#clock = new Clock(options.clock, options.clock)
    if (options.durability === 'replicated') throw notReplicated(this.name)
    const access: Access = {
      database: () => this.#opened().database,
      look: (name, nothing, work) => this.#look(name, nothing, work),
      change: (name, work) => this.#withRoom(() => this.#accept(name, work)),
    }
    this.flows = new SqliteFlows(access)
    this.schedules = new SqliteSchedules(access)
    this.journals = new SqliteJournals(access, (name, notes) => this.#record(name, notes))
    this.moves = new SqliteMoves(access)
  }

  open(): Promise<string[]> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  enqueue(name: string, call: contract.Call, jobs: readonly NewJob[]): Promise<contract.Enqueued[]> {
    return this.#withRoom(() => this.#accept(name, (partition) => enqueue(partition, call, jobs), call))
  }

  exchange(
    ...[name, call, settlements, want]: Parameters<contract.Store['exchange']>
  ): Promise<contract.Exchange> {
    const attempt = (want: contract.Want) =>
      this.#change(name, (partition) => exchange(partition, call, settlements, want), call)
    // On a full disk, a call that only settles may succeed: it writes less than a call that also claims, and
    // it frees space.
    const alone = { ...want, limit: 0, prefetch: 0 }
    return this.#withRoom(() => attempt(want), settlements.length > 0 ? () => attempt(alone) : undefined)
  }

  extend(...[name, , notes, leaseMs]: Parameters<contract.Store['extend']>): Promise<contract.Extension> {
    return this.#change(name, (partition) => extend(partition, notes, leaseMs))
  }

  recover(name: string, options: contract.RecoverOptions = {}): Promise<contract.Recovery> {
    return this.#change(name, (partition) => recover(partition, options))
  }

  async prune(name: string): Promise<number> {
    let forgotten = 0
    const prunes = (partition: Partition, most: number): Removal => {
      forgetCalls(partition)
      forgetWaiters(partition)
      forgetThrottles(partition)
      forgetPauses(partition)
      forgetEvents(partition)
      const effects = forgetEffects(partition, MAX_ITEMS)
      forgotten = Math.max(
        forgotten,
        forgetOver(partition),
        effects,
        dropOldLogs(partition),
        forgetEarly(partition, MAX_ITEMS),
        forgetRelayed(partition),
      )
      return prune(partition, this.#retentions.of(name), most)
    }
    const pruned = await removeAll((most) => this.#change(name, (partition) => prunes(partition, most)))
    // The caller calls again if the result is `MAX_ITEMS` or more.
    return forgotten >= MAX_ITEMS ? forgotten : pruned
  }

  async survey(
    ...[caller, partitions, announced, leaseMs]: Parameters<contract.Store['survey']>
  ): Promise<contract.Survey> {
    const { database } = this.#opened()
    database.tidy()
    const now = this.#clock.now()
    const { toRefresh, ...found } = await database.read(() =>
      findings(database, caller, partitions, this.#retentions, now),
    )
    const leased = leaseMs === undefined ? [] : found.findings.filter(hasLease)
    const isChange = announced !== undefined || toRefresh.length + leased.length > 0
    const change = () => {
      hearIn(database, leased, leaseMs ?? 0, now)
      return register(database, caller, toRefresh, announced, this.#retentions)
    }
    return { at: now, ...found, failures: new Map(), ...(isChange && (await database.write(change))) }
  }

  async wait(...[caller, timeout, signal, noticed]: Parameters<contract.Store['wait']>): Promise<string[]> {
    const { database, bell } = this.#opened()
    return bell.wait(caller, timeout, signal, async () => {
      // This read needs no write lock, and usually finds no ring.
      if (!(await database.read(() => hasRing(database, caller)))) return []
      const found = await database.write(() => takeRings(database, caller))
      for (const notice of found.noticed) noticed?.(...notice)
      return found.rung
    })
  }

  async watch(name: string, watcher: string, ids: readonly string[], ttl: number, news = false) {
    // Usually nothing must be written, because all watches exist already and last long enough.
    const none = { found: ids.map((): contract.Fate => ({ kind: 'unknown' })), unwatched: [] as string[] }
    const looked = await this.#look(name, none, (partition) => look(partition, watcher, ids, ttl))
    if (looked.unwatched.length === 0 && !news) return looked.found
    try {
      return await this.#change(name, (partition) => watch(partition, watcher, ids, ttl, news))
    } catch (error) {
      // The write failed, but the read above has found ends of jobs. These ends are returned. The next call
      // of `watch` registers the watches.
      if (looked.found.some(({ kind }) => kind === 'ended')) return looked.found
      throw error
    }
  }

  async listen(name: string, listener: string, ttl: number, position?: string): Promise<contract.Heard> {
    // Usually nothing must be written, because the listener is known already and its time is long enough.
    const heard = await this.#look(name, undefined, (partition) => hear(partition, listener, ttl, position))
    return heard ?? this.#change(name, (partition) => listen(partition, listener, ttl, position))
  }

  async publish(name: string, text: string): Promise<boolean> {
    const isHeard = ({ listened = 0, now }: Partition) => listened > now
    if (!(await this.#look(name, false, isHeard))) return false
    return await this.#change(name, (partition) => {
      tell(partition, 'published', [text])
      return isHeard(partition)
    })
  }

  async wake(name: string, caller: string): Promise<void> {
    const { database, bell } = this.#opened()
    const rung = await database.write(() => {
      const partition = Partition.find(database, name)
      return partition ? ring(partition, 1, caller) : []
    })
    bell.ring(rung)
  }

  async announce(worker: AnnouncedWorker, ttl: number): Promise<contract.WorkerOrder | undefined> {
    const { database } = this.#opened()
    return database.write(() => announce(database, worker, ttl, this.#retentions))
  }

  async noteBlocking(...args: Parameters<contract.Store['noteBlocking']>): Promise<void> {
    const { database } = this.#opened()
    await database.write(() => noteBlocking(database, ...args))
  }

  async order(workers: readonly string[], order: contract.WorkerOrder): Promise<string[]> {
    const { database } = this.#opened()
    return database.write(() => orderWorkers(database, workers, order))
  }

  async retire(caller: string): Promise<void> {
    const { database, bell } = this.#opened()
    const rung = await database.write(() => {
      endWorker(database, caller)
      return leaveAllWaiters(database, caller)
    })
    bell.ring(rung)
  }

  async workers(): Promise<WorkerRecord[]> {
    const { database } = this.#opened()
    return database.read(() => livingWorkers(database))
  }

  async lostWorkers(): Promise<contract.LostWorker[]> {
    const { database } = this.#opened()
    return database.read(() => lostWorkers(database))
  }

  async workerRuns(): Promise<contract.FleetRuns> {
    const { database } = this.#opened()
    const found = await database.read(() => workerRuns(database))
    if (dueToFold(found).length > 0) await database.write(() => foldRuns(database))
    return found
  }

  async runHistory(length: number, count: number): Promise<contract.RunsAt[]> {
    const { database } = this.#opened()
    return database.read(() => runHistory(database, length, count))
  }

  async classHistory(length: number, count: number): Promise<contract.KeptClasses> {
    const { database } = this.#opened()
    return database.read(() => classHistory(database, length, count))
  }

  async keys(): Promise<string[]> {
    const { database } = this.#opened()
    return database.read(() => allKeys(database))
  }

  async inspect(): Promise<contract.Inspection> {
    const file = this.#file === MEMORY ? undefined : this.#file
    return inspectFile(this.#opened().database, file, this.#options.durability ?? 'normal')
  }

  async now(): Promise<number> {
    return this.#clock.now()
  }

  async partitions(): Promise<string[]> {
    const { database } = this.#opened()
    return database.read(() => Partition.names(database))
  }

  get(name: string, id: string, isLean = false): Promise<JobRecord | undefined> {
    return this.#look(name, undefined, (partition) => get(partition, id, isLean))
  }

  list(name: string, filter: contract.Filter): Promise<contract.Page> {
    return this.#look(name, { jobs: [] }, (partition) => listJobs(partition, filter))
  }

  heads(name: string, filter: contract.Filter): Promise<contract.Page<contract.JobHead>> {
    return this.#look(name, { jobs: [] }, (partition) => listHeads(partition, filter))
  }

  lanes(name: string, filter: contract.LaneFilter): Promise<contract.LanePage> {
    return this.#look(name, { lanes: [] }, (partition) => listLanes(partition, filter))
  }

  async counts(name: string): Promise<contract.Counts> {
    let unseen = 0
    const found = await this.#look(name, noCounts, (partition) => {
      unseen = partition.fellDue
      return counts(partition)
    })
    // An empty change saves the counters, so that the next reader does not count the same jobs again.
    if (unseen > MANY) await this.#change(name, () => undefined)
    return found
  }

  lowered(name: string): Promise<number> {
    return this.#look(name, 0, lowered)
  }

  async standings(names: readonly string[], next?: number): Promise<contract.Standing[]> {
    const { database } = this.#opened()
    const unseen: string[] = []
    const found = await database.read(() => {
      const partitions = Partition.findAll(database, names)
      const ended = minutesOf(next === undefined ? [] : [...partitions.values()])
      return names.map((name) => {
        const partition = partitions.get(name)
        if (partition === undefined) return noStanding
        if (partition.fellDue > MANY) unseen.push(partition.name)
        return standingOf(partition, ended.get(partition.id) ?? [], next)
      })
    })
    for (const name of unseen) await this.#change(name, () => undefined)
    return found
  }

  minutes(name: string): Promise<contract.Minute[]> {
    return this.#look(name, [], minutes)
  }

  async history(names: readonly string[]): Promise<contract.History[]> {
    const { database } = this.#opened()
    return database.read(() => histories(database, names))
  }

  log(name: string, id: string): Promise<LogLine[]> {
    return this.#look(name, [], (partition) => log(partition, id))
  }

  doubts(name: string): Promise<contract.DoubtedJob[]> {
    return this.#look(name, [], doubtsIn)
  }

  stand(name: string, id: string, options: contract.StandOptions = {}): Promise<contract.Stand | undefined> {
    return this.#look(name, undefined, (partition) => stand(partition, id, options))
  }

  alter(name: string, ids: readonly string[], change: contract.Change): Promise<contract.AlterVerdict[]> {
    return this.#accept(name, (partition) => alter(partition, ids, change))
  }

  restore(name: string, jobs: readonly JobRecord[]): Promise<contract.Restored[]> {
    return this.#accept(name, (partition) => restore(partition, jobs))
  }

  undo(name: string, jobs: readonly JobRecord[]): Promise<contract.AlterVerdict[]> {
    return this.#accept(name, (partition) => undo(partition, jobs))
  }

  configure(name: string, settings: contract.SettingChange): Promise<contract.Setting> {
    const setting = (partition: Partition) =>
      settingOf(partition.pause, pausedGroups(partition), partition.limits)
    if (settings.paused === undefined && settings.limits === undefined)
      return this.#look(name, { paused: false, groups: [] }, setting)
    return this.#accept(name, (partition) => {
      partition.configure(settings)
      return setting(partition)
    })
  }

  pause(name: string, group: string, ms?: number, by?: string): Promise<contract.MetGroup> {
    return this.#accept(name, (partition) => {
      partition.ringsAll = true
      return pauseGroup(partition, group, ms === undefined ? undefined : partition.now + Math.ceil(ms), by)
    })
  }

  clear(name: string, state: Exclude<State, 'active'> | 'hidden'): Promise<number> {
    return removeAll((most) => this.#accept(name, (partition) => clear(partition, state, most)))
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined)
    this.#bell?.close()
    this.#database?.close()
    this.#bell = undefined
    this.#database = undefined
    this.#opening ??= Promise.resolve([])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #open(): Promise<string[]> {
    try {
      const database = await this.#connect()
      this.#database = database
      const bell = new Bell(this.name, this.#file === MEMORY ? undefined : this.#file)
      this.#bell = bell
      database.renewed = (words) => {
        bell.renew()
        // Only the main thread warns: the lease thread of a worker has a store of its own and would repeat
        // the warning.
        if (isMainThread) process.emitWarning(words, { code: 'LARK_STORE_MOVED' })
      }
      return []
    } catch (error) {
      this.#database?.close()
      this.#database = undefined
      this.#opening = undefined
      throw toJobsError(this.name, error)
    }
  }

  async #connect(): Promise<SqliteDatabase> {
    const database = await SqliteDatabase.connect(this.name, this.#file)
    database.now = () => this.#clock.now()
    database.reopen = () => this.#connect()
    try {
      await prepare(database, this.#options.durability, this.#layout)
      this.#clock.meet(await database.read(() => Partition.latest(database)))
      return database
    } catch (error) {
      database.close()
      throw error
    }
  }

  #opened(): { database: SqliteDatabase; bell: Bell } {
    if (this.#database === undefined || this.#bell === undefined) throw closed(this.name)
    return { database: this.#database, bell: this.#bell }
  }

  /**
   * Runs a change. If the disk is full, completed jobs are removed before their time, as many as necessary,
   * and the change is tried again.
   *
   * @param less a smaller change that is tried first when the disk is full
   */
  async #withRoom<T>(attempt: () => Promise<T>, less?: () => Promise<T>): Promise<T> {
    let next = attempt
    for (;;) {
      try {
        return await next()
      } catch (error) {
        if (!isForWantOfRoom(error)) throw error
        if (less !== undefined) next = less
        else if ((await this.#forgetSome()) === 0) throw error
        less = undefined
      }
    }
  }

  async #forgetSome(): Promise<number> {
    const { database } = this.#opened()
    const name = await database.read(() => Partition.ofMostCompleted(database))
    return name === undefined ? 0 : this.#change(name, forgetCompleted)
  }

  scrub(): Promise<void> {
    return this.#opened().database.scrub()
  }

  /**
   * Runs a verb that writes. In the same transaction, counters are saved and excess jobs are removed. Waiting
   * callers are rung after the commit.
   */
  #change<T>(name: string, work: (partition: Partition) => T, call?: contract.Call): Promise<T> {
    return this.#ringing(name, work, (database, change) => database.write(change, call?.patience), call)
  }

  /**
   * Runs a change that must not end in a moved or deleted file, such as a dispatch (`SqliteDatabase.accept`).
   */
  #accept<T>(name: string, work: (partition: Partition) => T, call?: contract.Call): Promise<T> {
    return this.#ringing(name, work, (database, change) => database.accept(change, call?.patience), call)
  }

  async #ringing<T>(
    name: string,
    work: (partition: Partition) => T,
    write: (database: SqliteDatabase, change: () => T) => Promise<T>,
    call?: contract.Call,
  ): Promise<T> {
    const { database, bell } = this.#opened()
    let rung: string[] = []
    const result = await write(database, () => {
      const partition = Partition.enter(database, name)
      this.#clock.meet(partition.now)
      const result = work(partition)
      rung = this.#finish(partition, call?.caller)
      return result
    })
    bell.ring(rung)
    return result
  }

  /**
   * Writes what steps have recorded. The row of the partition is written only if a listener must be told that
   * a job has started.
   */
  async #record(name: string, notes: readonly contract.StepsNote[]): Promise<contract.Recording> {
    const { database, bell } = this.#opened()
    let rung: string[] = []
    const recording = await database.write(() => {
      const started: string[] = []
      const of = Partition.idOf(database, name)
      const recording = recordSteps(database, of, notes, (id) => started.push(id))
      if (started.length === 0) return recording
      const partition = Partition.enter(database, name)
      this.#clock.meet(partition.now)
      tell(partition, 'started', started)
      if (partition.told.length > 0) rung = this.#finish(partition)
      return recording
    })
    bell.ring(rung)
    return recording
  }

  /**
   * Completes the work of a transaction that changes a partition. @returns the callers to ring after the
   * commit
   */
  #finish(partition: Partition, caller?: string): string[] {
    countEndsAtHome(partition)
    repositionLanes(partition)
    trim(partition, this.#retentions.of(partition.name))
    keepLastMinute(partition)
    writeEvents(partition)
    const rung = ringForNews(partition, caller).concat(partition.noticed)
    partition.save()
    return rung
  }

  /** Runs a verb that only reads. If the partition does not exist, the result is `nothing`. */
  async #look<T>(name: string, nothing: T, work: (partition: Partition) => T): Promise<T> {
    const { database } = this.#opened()
    return database.read(() => {
      const partition = Partition.find(database, name)
      if (partition === undefined) return nothing
      this.#clock.meet(partition.now)
      return work(partition)
    })
  }
}

/**
 * Removes up to `MAX_ITEMS` jobs. Large jobs are removed in several transactions, so that other processes can
 * write in between.
 */
async function removeAll(remove: (most: number) => Promise<Removal>): Promise<number> {
  let count = 0
  for (;;) {
    const removal = await remove(MAX_ITEMS - count)
    count += removal.count
    if (!removal.isCut || count >= MAX_ITEMS) return count
    await setImmediate()
  }
}
