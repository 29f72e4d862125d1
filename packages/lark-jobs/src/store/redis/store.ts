/**
 * The store on Redis or Valkey. Each verb of the contract is one script. This class makes the arguments of
 * the scripts and reads their answers.
 *
 * The store has at most two connections to a server. One connection carries all verbs, many at once. The
 * other connection receives notifications, and is opened when the first caller claims. bench/README.md has
 * the cost of a job.
 */
import { defined } from '@s18i/lark/internal'
import type { AnnouncedWorker, JobRecord, LogLine, NewJob, State, WorkerRecord } from '../../model/record.ts'
import type { RedisServers } from '../contract/connection/servers.ts'
import { laneName } from '../contract/rules/lane.ts'
import { packPaused, packStoredLimits } from '../contract/rules/pause.ts'
import { AgreedRetentions } from '../contract/rules/retention.ts'
import type * as contract from '../contract/store.ts'
import { EVENTS_PAGE, MAX_ITEMS, MAX_PAUSED, numberAt, readHeard } from '../contract/store.ts'
import { nothingQueued } from './client/failure.ts'
import { greet } from './client/greeting.ts'
import { Keys } from './client/keys.ts'
import { clientOf, hasOwnUser, type Location, parseLocation } from './client/location.ts'
import { openTransport } from './client/open-transport.ts'
import { repeated } from './client/repetition.ts'
import { Scripts } from './client/script.ts'
import type { Transport } from './client/transport.ts'
import { RedisAudit } from './verbs/audit.ts'
import { DurabilityWait } from './verbs/durability-wait.ts'
import { RedisFlows, readFlow } from './verbs/flows.ts'
import { histories } from './verbs/histories.ts'
import { inspectServer } from './verbs/inspect.ts'
import { RedisJournals } from './verbs/journals.ts'
import { packWaiting, readLimited } from './verbs/lane.ts'
import { type RedisLayout, settleLayout } from './verbs/layout.ts'
import { RedisLimiters } from './verbs/limiters.ts'
import { RedisMoves } from './verbs/moves.ts'
import { Notifier } from './verbs/notifier.ts'
import { packAges, packCounts, packDuration, packLimits } from './verbs/pack-limits.ts'
import {
  packChange,
  packEffects,
  packJobs,
  packNotes,
  packRecovery,
  packRestored,
  packSettings,
  packSettlements,
  packUndone,
  unpackLog,
} from './verbs/packing.ts'
import { limitOf, type Mark, type PassedReply, pageCursors, pageQuery } from './verbs/page-query.ts'
import { PartitionRegistry, rejectionsOf } from './verbs/partition-registry.ts'
import {
  addDues,
  addJournals,
  type Exchanged,
  type FatesReply,
  readClaim,
  readClock,
  readCounts,
  readDoubts,
  readEffects,
  readEnqueued,
  readExtension,
  readFates,
  readHeads,
  readJobs,
  readLanes,
  readMinutes,
  readRecovery,
  readSetting,
  readVerdicts,
  type ShownHeads,
  type ShownJobs,
  type ShownLanes,
  takenIn,
} from './verbs/reading.ts'
import { RedisSchedules } from './verbs/schedules.ts'
import { packStand, readStand, type ShownStand } from './verbs/stand.ts'
import { Standings } from './verbs/standings.ts'
import { Surveys } from './verbs/survey.ts'
import { packStep, Writing } from './verbs/writing.ts'

export interface RedisStoreOptions extends contract.StoreOptions {
  /** The text with which all keys of the store begin. Default `lark`. */
  prefix?: string
  /**
   * A verb rejects if it has found no server or has got no answer after this many milliseconds. Default
   * 4,500.
   */
  patience?: number
  /** For tests: another layout. Default: the layout of this version. */
  layout?: RedisLayout
}

/**
 * @example
 * const store = new RedisStore('redis://localhost:6379/0', { retention })
 * for (const warning of await store.open()) console.error(warning)
 */
export class RedisStore implements contract.Store {
  readonly isRemote = true
  readonly name: string
  readonly limiters: RedisLimiters
  readonly flows: RedisFlows
  readonly schedules: RedisSchedules
  readonly journals: RedisJournals
  readonly moves: RedisMoves
  readonly audit: RedisAudit
  readonly #options: RedisStoreOptions
  readonly #retentions: AgreedRetentions
  readonly #keys: Keys
  readonly #location: Location
  readonly #transport: Transport
  readonly #durability: DurabilityWait | undefined
  readonly #notifier: Notifier
  readonly #registry: PartitionRegistry
  readonly #scripts: Scripts
  readonly #surveys: Surveys
  readonly #standings: Standings
  #opened: Promise<string[]> | undefined

  /**
   * @param servers a connection string (`location.ts` has its forms), or an object with the same options
   * @throws STORE_INVALID
   */
  constructor(servers: string | RedisServers, options: RedisStoreOptions) {
    const { patience, standsBy = false, durability = 'normal', role = 'web' } = options
    this.#options = options
    this.#retentions = new AgreedRetentions(options)
    this.#keys = new Keys(options.prefix ?? 'lark')
    this.#location = parseLocation(servers, role)
    this.#transport = openTransport(this.#location, { standsBy, ...defined({ patience }) })
    this.#notifier = new Notifier(this.#transport.notifications, this.#keys)
    this.#scripts = new Scripts(this.#transport, this.#keys, () => this.#clock())
    this.#registry = new PartitionRegistry(this.#scripts, this.#retentions)
    this.#surveys = new Surveys(this.#scripts, this.#registry, this.#retentions, () => this.now())
    this.#standings = new Standings(this.#scripts, (...args) => this.heads(...args))
    this.limiters = new RedisLimiters(this.#scripts)
    this.audit = new RedisAudit(this.#scripts)
    this.#durability = durability === 'normal' ? undefined : new DurabilityWait(this.#transport, durability)
    this.journals = new RedisJournals(this.#scripts, this.#registry, this.#durability)
    this.moves = new RedisMoves(this.#scripts, this.#registry, this.#durability)
    const cancelledOf = (partition: string) => this.#countsOf(partition)[2]
    const writing = new Writing(this.#scripts, this.#registry, this.#durability, cancelledOf)
    this.flows = new RedisFlows(writing)
    this.schedules = new RedisSchedules(writing)
    this.name = this.#transport.name
  }

  open(): Promise<string[]> {
    this.#opened ??= this.#open().catch((error) => {
      this.#opened = undefined
      throw nothingQueued(this.name, error)
    })
    return this.#opened
  }

  async enqueue(
    partition: string,
    call: contract.Call,
    jobs: readonly NewJob[],
  ): Promise<contract.Enqueued[]> {
    if (jobs.length === 0) return []
    const deadline = this.#transport.deadline(call.patience)
    // For a registered partition there is no `await` here, so that the call is sent at once.
    if (!this.#registry.hasEntered(partition)) await this.#registry.enter(partition, deadline)
    const packed = packJobs(jobs, call.bound, this.#countsOf(partition)[2])
    // The server must be confirmed as the primary (`isSure`), because jobs that a replaced primary accepts
    // would be lost.
    const answer = await this.#scripts.call('enqueue', partition, call, packed, deadline, true)
    await this.#durability?.confirm(this.#keys.of(partition, `call:${call.caller}`), deadline)
    return readEnqueued(answer as string, jobs)
  }

  async exchange(
    ...[partition, call, settlements, want]: Parameters<contract.Store['exchange']>
  ): Promise<contract.Exchange> {
    const { limit, prefetch = 0 } = want
    const claims = limit + prefetch > 0
    const hears = claims && (await this.#notifier.listen(call.caller))
    const unheard = claims ? this.#notifier.looks(call.caller, partition, call.number, want.hand) : ''
    const { args, places } = packSettlements(settlements)
    const waiting = packWaiting(hears ? (want.hand ? 'hand' : 'ring') : '', want)
    const effects = packEffects(want.effects, want.leaseMs)
    const reply = await this.#scripts.call(
      'exchange',
      partition,
      call,
      [
        want.flows && limit > 0 ? `${limit};${packStep()}` : String(limit),
        want.limits ? packLimits(want.limits) : String(prefetch),
        packDuration(want.leaseMs),
        effects === '' ? waiting : `${waiting}\n${effects}`,
        unheard,
        ...this.#countsOf(partition),
        ...args,
      ],
      this.#transport.deadline(call.patience),
    )
    const [verdicts, due, ids, records, counters, limited, handed, dues, tick = -1, journals, flows] =
      reply as Exchanged
    const jobs = readClaim(`${call.caller}.${call.number}`, ids, records, counters)
    if (dues) addDues(jobs, dues)
    if (journals) addJournals(jobs, journals)
    if (claims) this.#notifier.looked(call.caller, partition, jobs.length < limit, hears)
    return {
      verdicts: places.map((index) => (verdicts[index] === '0' ? 'lost' : 'settled')),
      jobs,
      ...(due >= 0 && { nextDue: due }),
      ...(limited && { limited: readLimited(limited) }),
      ...(handed && { effects: readEffects(partition, handed) }),
      ...defined({ nextTick: tick < 0 ? undefined : tick }),
      ...(flows && { dueFlows: { at: Number(flows[0]), flows: flows[1].map(readFlow) } }),
    }
  }

  async extend(
    partition: string,
    _caller: string,
    notes: readonly contract.LeaseNote[],
    leaseMs: number,
  ): Promise<contract.Extension> {
    if (notes.length === 0) return { lost: [], notices: [] }
    return readExtension(await this.#scripts.run('extend', partition, packNotes(notes, leaseMs)))
  }

  async recover(partition: string, options: contract.RecoverOptions = {}): Promise<contract.Recovery> {
    const [, failed, cancelled] = this.#countsOf(partition)
    const args = [failed, cancelled, ...packRecovery(options)]
    const reply = await this.#scripts.run('recover', partition, args)
    if (options.by !== undefined) await this.#registry.noteTaken(options.by, takenIn(reply))
    return readRecovery(partition, reply)
  }

  async prune(partition: string): Promise<number> {
    return this.#remove('prune', partition, [
      ...packAges(this.#retentions.of(partition)),
      ...this.#countsOf(partition),
    ])
  }

  survey(...args: Parameters<contract.Store['survey']>): Promise<contract.Survey> {
    return this.#surveys.survey(...args)
  }

  wait(...[caller, timeout, signal, noticed]: Parameters<contract.Store['wait']>): Promise<string[]> {
    return this.#notifier.wait(caller, timeout, signal, noticed)
  }

  async watch(
    ...[partition, watcher, ids, ttl, news = false]: Parameters<contract.WatchVerb>
  ): Promise<contract.Fate[]> {
    if (ids.length === 0) return []
    await this.#notifier.listen(watcher)
    const args = [watcher, packDuration(ttl), news ? '1' : '', ...ids]
    return readFates(partition, ids, (await this.#scripts.run('watch', partition, args)) as FatesReply)
  }

  async listen(partition: string, listener: string, ttl: number, position?: string): Promise<contract.Heard> {
    await this.#notifier.listen(listener)
    const hear = async (from?: string) => {
      const number = from === undefined ? '' : String(numberAt(from))
      const args = [listener, packDuration(ttl), number, String(EVENTS_PAGE)]
      const [first, texts] = (await this.#scripts.run('listen', partition, args)) as [number, string[]]
      return readHeard(from, first, texts)
    }
    const heard = position === undefined ? undefined : await hear(position)
    return heard ?? { ...(await hear())!, ...(position !== undefined && { isGap: true }) }
  }

  async publish(partition: string, text: string): Promise<boolean> {
    return (await this.#scripts.run('publish', partition, [text])) === 1
  }

  async wake(partition: string, caller: string): Promise<void> {
    await this.#scripts.run('wake', partition, [caller])
  }

  async announce(worker: AnnouncedWorker, ttl: number): Promise<contract.WorkerOrder | undefined> {
    return (await this.#registry.announce(worker, ttl)).order
  }

  noteBlocking(...args: Parameters<contract.Store['noteBlocking']>): Promise<void> {
    return this.#registry.noteBlocking(...args)
  }

  order(workers: readonly string[], order: contract.WorkerOrder): Promise<string[]> {
    return this.#registry.order(workers, order)
  }

  async retire(caller: string): Promise<void> {
    const { called, rung, offered } = this.#notifier.forget(caller)
    const { holding, failures } = await this.#registry.retire(caller, called)
    const handed = holding === undefined ? offered : offered.filter((partition) => holding.has(partition))
    const rest = await rejectionsOf([
      ...handed.map((partition) => this.recover(partition, { holder: caller, forgiving: true })),
      ...rung.map((partition) => this.wake(partition, caller)),
    ])
    // The first error is thrown only now, after the jobs in all other partitions have been taken back.
    for (const failure of [...failures, ...rest]) throw failure
  }

  lostWorkers(): Promise<contract.LostWorker[]> {
    return this.#registry.lost()
  }

  workers(): Promise<WorkerRecord[]> {
    return this.#registry.workers()
  }

  workerRuns(): Promise<contract.FleetRuns> {
    return this.#registry.runs()
  }

  async runHistory(length: number, count: number): Promise<contract.RunsAt[]> {
    return await this.#registry.runHistory(await this.now(), length, count)
  }

  async classHistory(length: number, count: number): Promise<contract.KeptClasses> {
    return await this.#registry.classHistory(await this.now(), length, count)
  }

  keys(): Promise<string[]> {
    return this.#registry.keys()
  }

  async inspect(isBrief = false): Promise<contract.Inspection> {
    const { kind, managed = false } = this.#location
    const durability = this.#options.durability ?? 'normal'
    const servers = await this.#transport.servers(this.#transport.deadline())
    const how = { keys: this.#keys, way: kind, durability, isNarrow: hasOwnUser(this.#location), isBrief }
    const facts = await Promise.all(servers.map((each) => inspectServer(each, how)))
    return { kind: 'redis', way: kind, durability, isManaged: managed, servers: facts }
  }

  async now(partition?: string): Promise<number> {
    const virtual = this.#clock()
    if (virtual !== '') return Number(virtual)
    const key = partition === undefined ? undefined : this.#keys.of(partition, 'jobs')
    return readClock(await this.#scripts.ask(['TIME'], this.#transport.deadline(), key))
  }

  partitions(): Promise<string[]> {
    return this.#registry.partitions()
  }

  async get(partition: string, id: string, isLean = false): Promise<JobRecord | undefined> {
    const shown = await this.#scripts.run('get', partition, [id, isLean ? '1' : ''])
    const job = shown ? readJobs(partition, shown as ShownJobs)[0] : undefined
    return isLean && job !== undefined ? { ...job, payload: '' } : job
  }

  list(partition: string, filter: contract.Filter): Promise<contract.Page> {
    return this.#page(partition, filter, 'jobs', (shown: ShownJobs) => {
      const jobs = readJobs(partition, shown)
      // The script leaves out only large payloads. A small payload is part of the record of its job, so it is
      // removed after the call.
      return filter.isLean ? jobs.map((job) => ({ ...job, payload: '' })) : jobs
    })
  }

  heads(partition: string, filter: contract.Filter): Promise<contract.Page<contract.JobHead>> {
    return this.#page(partition, filter, 'heads', readHeads)
  }

  async lanes(partition: string, filter: contract.LaneFilter): Promise<contract.LanePage> {
    const limit = Math.max(1, Math.min(MAX_ITEMS, filter.limit ?? MAX_ITEMS))
    const place = filter.cursor === undefined ? ['', ''] : (JSON.parse(filter.cursor) as string[])
    const args = [filter.state, String(limit), ...place]
    return readLanes(filter, (await this.#scripts.run('list-lanes', partition, args)) as ShownLanes)
  }

  async counts(partition: string): Promise<contract.Counts> {
    return readCounts((await this.#scripts.run('counts', partition, [])) as number[])
  }

  async lowered(partition: string): Promise<number> {
    return (await this.#scripts.run('lowered', partition, [])) as number
  }

  standings(partitions: readonly string[], next?: number): Promise<contract.Standing[]> {
    return this.#standings.look(partitions, next)
  }

  async minutes(partition: string): Promise<contract.Minute[]> {
    return readMinutes((await this.#scripts.run('minutes', partition, [])) as number[])
  }

  history(partitions: readonly string[]): Promise<contract.History[]> {
    return histories(this.#scripts, partitions)
  }

  async log(partition: string, id: string): Promise<LogLine[]> {
    return unpackLog(
      (await this.#scripts.send(['HGET', this.#keys.of(partition, 'logs'), id])) as string | null,
    )
  }

  async doubts(partition: string): Promise<contract.DoubtedJob[]> {
    const found = await this.#scripts.send([
      'ZREVRANGE',
      this.#keys.of(partition, 'doubts'),
      '0',
      '99',
      'WITHSCORES',
    ])
    return readDoubts(found as string[])
  }

  async stand(
    partition: string,
    id: string,
    options: contract.StandOptions = {},
  ): Promise<contract.Stand | undefined> {
    const found = await this.#scripts.run('stand', partition, packStand(id, options))
    return found ? readStand(partition, found as ShownStand) : undefined
  }

  async alter(
    partition: string,
    ids: readonly string[],
    change: contract.Change,
  ): Promise<contract.AlterVerdict[]> {
    if (ids.length === 0) return []
    const [, failed, cancelled] = this.#countsOf(partition)
    const args = [change.kind === 'unpin' ? failed : cancelled, ...packChange(change), ...ids]
    return readVerdicts((await this.#scripts.run('alter', partition, args)) as string)
  }

  async restore(partition: string, jobs: readonly JobRecord[]): Promise<contract.Restored[]> {
    if (jobs.length === 0) return []
    const deadline = this.#transport.deadline()
    if (!this.#registry.hasEntered(partition)) await this.#registry.enter(partition, deadline)
    const letters = await this.#scripts.run('restore', partition, [
      this.#countsOf(partition)[1],
      ...jobs.flatMap(packRestored),
    ])
    return [...(letters as string)].map((letter) => (letter === 'd' ? 'restored' : 'exists'))
  }

  async undo(partition: string, jobs: readonly JobRecord[]): Promise<contract.AlterVerdict[]> {
    if (jobs.length === 0) return []
    const args = [this.#countsOf(partition).join(), ...jobs.flatMap(packUndone)]
    return readVerdicts((await this.#scripts.run('undo', partition, args)) as string)
  }

  async configure(partition: string, settings: contract.SettingChange): Promise<contract.Setting> {
    const args = [
      packSettings(settings),
      String(MAX_PAUSED),
      settings.limits === null ? '-' : packStoredLimits(settings.limits),
    ]
    return readSetting((await this.#scripts.run('configure', partition, args)) as string[])
  }

  async pause(partition: string, group: string, ms?: number, by?: string): Promise<contract.MetGroup> {
    const args = [
      laneName(group),
      ms === undefined ? '' : packDuration(ms),
      by === undefined ? '' : packPaused(by),
    ]
    const found = (await this.#scripts.run('pause-group', partition, args)) as string
    return { wasPaused: found.includes('p'), hasJobs: found.includes('j') }
  }

  clear(partition: string, state: Exclude<State, 'active'> | 'hidden'): Promise<number> {
    return this.#remove('clear', partition, [state])
  }

  become(role: contract.Role): void {
    clientOf(this.#location)?.change(role)
  }

  async close(): Promise<void> {
    this.#notifier.close()
    this.#transport.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #open(): Promise<string[]> {
    const { durability } = this.#options
    const greeting = () => greet(this.#transport, durability, this.#location.managed)
    const warnings = await repeated('read', this.#transport.deadline(), greeting)
    await settleLayout(this.#scripts, this.#options.layout)
    return warnings
  }

  async #page<Shown extends ShownJobs | ShownHeads, Job extends contract.JobHead>(
    partition: string,
    filter: contract.Filter,
    what: 'jobs' | 'heads',
    read: (shown: Shown) => Job[],
  ): Promise<contract.Page<Job>> {
    if (filter.state === 'blocked') return { jobs: [] }
    const { script, args } = pageQuery(filter, what)
    if (filter.state === 'active' && filter.isById) {
      const ids = await this.#activeIds(partition, filter)
      if (ids.length === 0) return { jobs: [] }
      args.splice(1, 3, ids.length > limitOf(filter) ? '1' : '', '', '', ...ids.slice(0, limitOf(filter)))
    }
    const reply = await this.#scripts.run(script, partition, args)
    const [shown, mark, marks, passed] = reply as [Shown, Mark, Mark[], PassedReply?]
    const jobs = read(shown)
    return { jobs, ...pageCursors(shown, mark, marks, jobs, filter, passed) }
  }

  /**
   * The sorted ids of the active jobs after a cursor of `isById`. This process sorts the ids, because a
   * script that sorts would block the server.
   */
  async #activeIds(partition: string, { cursor }: contract.Filter): Promise<string[]> {
    const ids = (await this.#scripts.send(['HKEYS', this.#keys.of(partition, 'holders')])) as string[]
    const after = cursor === undefined ? '' : (JSON.parse(cursor) as string[])[0]!
    // The field '' of `holders` is not a job.
    return ids.filter((id) => id > after).sort()
  }

  /** Removes up to `MAX_ITEMS` jobs. For large jobs this takes several calls of the script. */
  async #remove(script: 'clear' | 'prune', partition: string, args: readonly string[]): Promise<number> {
    for (let count = 0; ; ) {
      const removed = (await this.#scripts.run(script, partition, args)) as number
      count += Math.abs(removed)
      if (removed >= 0 || count >= MAX_ITEMS) return count
    }
  }

  /** How many completed, failed and cancelled jobs a partition keeps. */
  #countsOf(partition: string): [string, string, string] {
    return packCounts(this.#retentions.of(partition))
  }

  #clock(): string {
    return this.#options.clock ? String(this.#options.clock()) : ''
  }
}
