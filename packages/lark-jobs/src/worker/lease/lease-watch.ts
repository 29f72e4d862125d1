/**
 * The lease thread. It does the work of its process that must go on while a handler blocks the event loop.
 *
 *   - It gives back prefetched jobs that wait longer than their window, so that another worker starts them.
 *     It also makes the store take back claims that the loop has not read (`unread.ts`).
 *   - It renews the permits of limiters, and the leases of claims that were not renewed for half a lease.
 *   - It notes in the store which class blocks the loop (`loop-naming.ts`), so that people can see this
 *     during the standstill.
 *   - Under a supervisor, it ends a process in which a handler blocks the loop long past its timeout. Before
 *     that, it finds out which job blocks the loop (`loop-holder.ts`), settles that job as failed, and puts
 *     back the other running jobs.
 *   - When the process exits, it tells the store how jobs ended, and hands back the other jobs of the workers
 *     (`../death.ts`).
 *
 * The thread reads the ledgers of the workers (`ledger.ts`), and changes a ledger only when it gives back a
 * prefetched job. The thread opens its own connection to the store, because the worker's connection needs the
 * blocked loop. Work that fails is repeated at the next check. `lease-thread.ts` has the worker's side.
 *
 * All workers of a process share one thread, because a thread needs 35 ms of CPU to start, and 11 MB. After
 * the last worker has stopped, the thread goes on for a few seconds, in case another worker starts.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Outcome } from '../../model/record.ts'
import { connect, type StoreLocation } from '../../store/connect.ts'
import { isLent } from '../../store/contract/connection/credentials.ts'
import { keptBy, type LeaseNote, MAX_ITEMS, type Store } from '../../store/contract/store.ts'
import { inTime, within } from '../../waiting/bounded-wait.ts'
import { Deferred } from '../../waiting/deferred.ts'
import { BLOCKED } from '../blocked-loops.ts'
import { Claimer } from '../fetch/claimer.ts'
import { Part } from '../part.ts'
import type { ProcessEnd, Unstored } from '../process-end.ts'
import { clock, LEASE_THREAD, type Message, Pulse, type Served, VERSION, type Watch } from './lease-thread.ts'
import { DONE, LedgerPage, NEVER, PREFETCHED, RETURNED, RUNNING } from './ledger.ts'
import { StoppedLoop } from './loop-holder.ts'
import { LoopNaming } from './loop-naming.ts'
import { nameOf as nameOfRun } from './loop-witness.ts'
import { Renewals } from './renewals.ts'
import { Recaller, Unread } from './unread.ts'

/**
 * Milliseconds between two checks. `often` is used while jobs are prefetched and for a second (`AWAKE`) after
 * that. At other times `rarely`, or an eighth of a lease, is used. If the worker holds no jobs and its store
 * cannot hand over jobs with a ring, the thread does not check at all, and the worker wakes it when it has
 * claimed jobs. (Measured on 2026-11-25 over 80 seconds with an idle worker: four checks a second took 0.10 %
 * of a core, and no checks 0.01 %.)
 */
const LOOK = { often: 5, rarely: 250 }
const AWAKE = 1_000
/**
 * Milliseconds after the end of the window. In this time, a worker whose loop turns gives the jobs back
 * itself.
 */
const GRACE = 8
/**
 * Milliseconds. `after`: for how long past its timeout a handler may block the loop. `still`: for how long
 * the loop must have been blocked. `stop`: how long the lease thread tries to stop the thread of the loop,
 * and how long it then tries to find out which job blocks the loop.
 */
const STUCK = { after: 10_000, still: 5_000, stop: 2_000 }
/** Milliseconds for the last calls to the store before the process is killed. */
const LAST_CALL = 3_000

/** The stores that this thread has opened, and how many watches use each of them. */
const stores = new Map<unknown, { store: Promise<Store>; users: number }>()

/**
 * This check is necessary because other threads may load this file, too: a bundler may put this file into one
 * bundle with the code of other threads.
 */
if (workerData === LEASE_THREAD) parentPort!.on('message', begin)

function begin({ watch, port }: { watch: Watch; port: MessagePort }): void {
  const unfit = unfitFor(watch.version)
  if (unfit === undefined) {
    new LeaseWatch(watch, port).start().catch((error) => port.postMessage(String(error?.stack ?? error)))
    return
  }
  port.postMessage(unfit)
  port.on('message', (message: Message) => message === 'end' && port.close())
}

/**
 * Returns why the thread cannot work for a worker of another release. (This file would read the shared memory
 * of another release wrongly.) A file of an older release may be left beside a bundle.
 */
function unfitFor(version: string | undefined): string | undefined {
  if (version === VERSION || version === undefined || VERSION === undefined) return undefined
  return `Its file is of @s18i/lark-jobs ${VERSION}, and the worker of ${version}: build both from one release`
}

/** A job, and its place in the ledger. */
interface LedgerJob {
  page: LedgerPage
  index: number
  id: string
  token: string
}

/** The work of the thread for one worker. */
class LeaseWatch extends Part {
  readonly #watch: Watch
  readonly #port: MessagePort
  readonly #pulse: Pulse
  readonly #pages: LedgerPage[] = []
  /** The limiters of which the worker holds permits. */
  readonly #limiters = new Set<string>()
  /** Milliseconds. */
  readonly #rarely: number
  readonly #end = new AbortController()
  #store: Store | undefined
  /** The same store, when it is open. */
  readonly #opened = new Deferred<Store>()
  /** One claimer for each of `#partitions`. The list is empty before the store is open. */
  readonly #claimers: Claimer[] = []
  /** All partitions that the worker serves, in the order in which it learned of them. */
  readonly #partitions: Served[] = []
  readonly #unread: Unread[] = []
  readonly #recaller: Recaller
  /** Claimers that are giving back jobs, each with a promise that resolves when this is done. */
  readonly #settling = new Map<Claimer, Promise<void>>()
  #awakeUntil = 0
  /** When the oldest prefetched job was claimed. */
  #heldSince: number | undefined
  #timer: NodeJS.Timeout | undefined
  #isRenewing = false
  readonly #leases = new Renewals()
  readonly #permits = new Renewals()
  #isEnding = false
  readonly #naming: LoopNaming
  /** When the timeout of the job that blocks the loop expires, by `performance.now()` of the worker. */
  #patientUntil = 0

  constructor(watch: Watch, port: MessagePort) {
    super()
    this.#watch = watch
    this.#port = port
    this.#pulse = new Pulse(watch.pulse)
    this.#rarely = Math.min(LOOK.rarely, watch.leaseMs / 8)
    this.#naming = new LoopNaming(watch.caller, this.#pulse, this.#end.signal)
    // Each partition adds a listener. From eleven listeners on, Node would warn of a leak.
    setMaxListeners(0, this.#end.signal)
    this.#recaller = new Recaller({
      unread: this.#unread,
      counts: this.#pulse.unread,
      ask: (number, hasRecalled) => port.postMessage(hasRecalled ? -number : number),
      beat: () => this.#pulse.beat,
      sign: () => this.#pulse.sign,
      holdsSince: () => this.#heldSince,
      runs: () => this.#pages.some((page) => page.inUse && page.states.includes(RUNNING)),
      recover: (index, number) =>
        this.#store!.recover(this.#partitions[index]!.partition, { unread: `${watch.caller}.${number}` }),
    })
    port.on('message', (message: Message) => {
      if (message === 'end') return void this.stop()
      if (typeof message === 'object' && 'outcomes' in message) return void this.#processEnds(message)
      if (typeof message === 'object' && 'limiter' in message) {
        if (message.isHeld) this.#limiters.add(message.limiter)
        else this.#limiters.delete(message.limiter)
        return
      }
      if (message instanceof SharedArrayBuffer) this.#pages.push(new LedgerPage(message))
      else if (message !== 'wake') this.#serve(message)
      this.#awakeUntil = this.#now() + AWAKE
      this.#look()
    })
  }

  protected override async onStart(): Promise<void> {
    const { location } = this.#watch
    const { signal } = this.#end
    const store = await open(location)
    // Errors are ignored here, because the worker itself reports a store that does not answer.
    const isOpen = () =>
      store
        .open()
        .then(() => true)
        .catch(() => false)
    while (!signal.aborted && !(await isOpen())) await pause(this.#rarely)
    if (signal.aborted) return
    this.#store = store
    this.#opened.resolve(store)
    this.#serve()
    this.#look()
  }

  protected override async onStop(): Promise<void> {
    this.#end.abort()
    clearTimeout(this.#timer)
    for (const claimer of this.#claimers) void claimer.stop()
    await this.#naming.ended
    await leave(this.#watch.location)
    this.#pulse.ended()
    this.#port.close()
  }

  #now(): number {
    return clock() - this.#watch.origin
  }

  /** Serves the given partition, if there is one. Before the store is open, partitions are only noted. */
  #serve(served?: Served): void {
    const { caller, leaseMs } = this.#watch
    const store = this.#store
    if (served !== undefined) this.#partitions.push(served)
    if (store === undefined) return
    const changed = (claimer: Claimer) => {
      if (!this.#settling.has(claimer)) this.#settling.set(claimer, this.#settle(claimer))
    }
    for (const { partition, unread: memory } of this.#partitions.slice(this.#claimers.length)) {
      this.#claimers.push(new Claimer({ store, partition, caller: `${caller}-thread`, leaseMs, changed }))
      // Claims of an embedded store are never unread: the loop that makes the call reads the answer.
      if (store.isRemote) this.#unread.push(new Unread(this.#pulse.unread, memory))
    }
  }

  #look(): void {
    clearTimeout(this.#timer)
    if (this.#end.signal.aborted) return
    const { leaseMs, kills } = this.#watch
    const pulse = this.#pulse
    const at = this.#now()
    // `isDozing` is set before the check. So the worker wakes the thread for each job that it prefetches
    // after this line, and the check below sees all jobs that it prefetched before.
    pulse.isDozing = at > this.#awakeUntil
    if (this.#store !== undefined && !this.#isEnding) {
      this.#returnOverdue(at)
      this.#recaller.look(at)
      if (Date.now() - pulse.renewedAt > leaseMs / 2 && !this.#isRenewing) void this.#renew(this.#store)
      const still = at - pulse.beat
      if (still > BLOCKED && !this.#jobsIn(RUNNING).next().done) this.#naming.look(this.#store, still)
      if (kills && still > STUCK.still && !this.#naming.isLooking) void this.#endIfStuck(at)
    }
    if (pulse.isDozing && this.#unread.length === 0 && !this.#pages.some((page) => page.inUse)) return
    const pause = pulse.isDozing ? this.#rarely : LOOK.often
    this.#timer = setTimeout(() => this.#look(), Math.min(pause, this.#untilOverdue()))
  }

  /** Milliseconds until the oldest prefetched job has waited too long, rounded up. */
  #untilOverdue(): number {
    const at = this.#now()
    const { window } = this.#watch
    const ends = [window, window + GRACE].map((ms) => (this.#heldSince ?? at) + ms)
    return Math.ceil(Math.min(...ends.filter((end) => end > at)) - at)
  }

  /** Yields the jobs in one state, page by page. */
  *#jobsIn(state: number): Generator<LedgerJob> {
    for (const page of this.#pages) {
      page.isRead = true
      try {
        // The worker tells the thread of a partition by a message, which may arrive after the page in shared
        // memory has been filled.
        if (!page.inUse || page.head[2]! >= this.#claimers.length || !page.states.includes(state)) continue
        const token = `${this.#watch.caller}.${page.claim[0]}`
        for (const [index, id] of page.ids.entries()) {
          if (page.states[index] === state) yield { page, index, id, token }
        }
      } finally {
        page.isRead = false
      }
    }
  }

  #returnOverdue(at: number): void {
    const window = this.#watch.window + (this.#recaller.isOwed(at) ? 0 : GRACE)
    this.#heldSince = undefined
    for (const { page, index, id, token } of this.#jobsIn(PREFETCHED)) {
      this.#awakeUntil = at + AWAKE
      this.#pulse.isDozing = false
      const claimedAt = page.claim[1]!
      if (claimedAt + window > at) {
        this.#heldSince = Math.min(this.#heldSince ?? claimedAt, claimedAt)
        continue
      }
      if (Atomics.compareExchange(page.states, index, PREFETCHED, RETURNED) !== PREFETCHED) continue
      this.#claimers[page.head[2]!]!.settle(id, token, { kind: 'unstarted' }, at)
    }
  }

  async #settle(claimer: Claimer): Promise<void> {
    const { signal } = this.#end
    // This `await` waits one tick, so that one call gives back all jobs that this check has found.
    await null
    while (claimer.hasSettlements && !signal.aborted) await claimer.exchange(0, 0, signal)
    this.#settling.delete(claimer)
  }

  /**
   * Renews the leases of claims with running jobs. A call with one job of each claim would be enough to renew
   * the leases, but the store also notes that each job in the call has begun. Ended jobs are in the call,
   * too, because the blocked loop may not have sent their outcomes. The store ignores jobs that are already
   * settled.
   */
  async #renew(store: Store): Promise<void> {
    this.#isRenewing = true
    const { caller, leaseMs } = this.#watch
    const partitions = this.#partitions
    const notes = partitions.map((): LeaseNote[] => [])
    for (const state of [RUNNING, DONE])
      for (const { page, id, token } of this.#jobsIn(state)) notes[page.head[2]!]!.push({ id, token })
    const extend = async (partition: string, list: readonly LeaseNote[]): Promise<void> => {
      for (let i = 0; i < list.length && !this.#end.signal.aborted; i += MAX_ITEMS)
        await store.extend(partition, caller, list.slice(i, i + MAX_ITEMS), leaseMs)
    }
    const leases = notes.flatMap((list, index) => {
      const { partition } = partitions[index]!
      return list.length === 0 ? [] : [[partition, () => isAnswered(extend(partition, list))] as const]
    })
    const permits = [...this.#limiters].map(
      (name) => [name, () => isAnswered(store.limiters.renew(name, caller, leaseMs))] as const,
    )
    const answers = Promise.all([this.#leases.begin(leases).all, this.#permits.begin(permits).all])
    // A partition that does not answer must not delay the next round.
    const answered = await inTime(leaseMs / 4, answers, () => undefined)
    // The worker learns of lost leases and notices from its own calls, when its loop turns again.
    if (answered?.includes(false)) await pause(this.#rarely)
    else if (answered !== undefined && notes.some(({ length }) => length > 0)) await pause(leaseMs / 4)
    this.#isRenewing = false
  }

  /**
   * Renews all permits that the worker holds.
   *
   * @param ms the new lease of the permits in milliseconds; 0 gives the permits back
   */
  async #renewPermits(store: Store, ms: number): Promise<void> {
    const { caller } = this.#watch
    await Promise.all([...this.#limiters].map((name) => store.limiters.renew(name, caller, ms)))
  }

  /**
   * Makes the last calls for the worker when the process ends. The worker's loop waits for these calls, and
   * is blocked meanwhile.
   */
  async #processEnds({ cause, fromWithin = false, outcomes }: ProcessEnd): Promise<void> {
    this.#isEnding = true
    if (outcomes.length > 0) await this.#tellOutcomes(outcomes)
    // The store must not treat a job whose handler has ended as interrupted. So if the store does not
    // acknowledge the outcomes, the thread hands back no job, and the leases run out.
    if (cause !== undefined && (outcomes.length === 0 || this.#pulse.hasTold))
      await this.#handBack(cause, fromWithin)
    await this.stop()
  }

  /**
   * Sends the outcomes again and again until the store has acknowledged all of them, or until the worker
   * stops waiting.
   */
  async #tellOutcomes(outcomes: Unstored): Promise<void> {
    await this.#opened.promise
    for (const [partition, settlements] of outcomes) {
      const claimer = this.#claimers.find((each) => each.partition === partition)
      for (const { id, token, outcome } of settlements) claimer?.settle(id, token, outcome, this.#now())
    }
    await Promise.all(this.#settling.values())
    // A store with a newer layout accepts no outcomes.
    if (this.#claimers.every(({ unstored }) => unstored.length === 0)) this.#pulse.tell()
  }

  async #handBack(cause: string, fromWithin: boolean): Promise<void> {
    const { caller: holder } = this.#watch
    const options = { holder, cause, fromWithin, by: holder }
    const takeFrom = async (store: Store, partition: string): Promise<void> => {
      for (;;) {
        const { recovered, failed } = await store.recover(partition, options)
        if (recovered.length + failed.length === 0) return
      }
    }
    try {
      const store = await this.#opened.promise
      // First the store must remove the worker from its list of waiting workers: the ring for a returned job
      // must not go to the blocked loop.
      await store.retire(holder).catch(() => {})
      // Jobs on a damaged page are not handed back, so their leases run out.
      await Promise.allSettled(this.#partitions.map(({ partition }) => takeFrom(store, partition)))
      await this.#renewPermits(store, 0)
    } catch {
      // If these calls fail, the leases of the jobs run out, so the error is ignored.
    }
  }

  /**
   * Ends the process if a handler blocks the loop and a job is long past its timeout. Only the job that
   * blocks the loop fails, because the other late jobs are late because of this job.
   */
  async #endIfStuck(at: number): Promise<void> {
    const isOverdue = (job: LedgerJob) => deadlineOf(job) + STUCK.after < at
    if (at < this.#patientUntil || ![...this.#jobsIn(RUNNING)].some(isOverdue)) return
    this.#isEnding = true
    const { beat } = this.#pulse
    const loop = await StoppedLoop.stop(STUCK.stop)
    const hasTurned = this.#pulse.beat !== beat || this.#end.signal.aborted
    const running = hasTurned ? [] : [...this.#jobsIn(RUNNING)]
    const named = await this.#holdersAmong(running, loop)
    const [holder] = named
    const deadline = holder === undefined ? 0 : deadlineOf(holder)
    // The job that blocks the loop may still be within its own timeout. The thread waits, and the job fails
    // only if it blocks the loop beyond this timeout.
    const mayGoOn = named.length === 1 && deadline >= at && deadline < Number.POSITIVE_INFINITY
    if (hasTurned || mayGoOn) {
      this.#isEnding = false
      if (mayGoOn) this.#patientUntil = deadline + STUCK.after
      loop?.resume()
      return
    }
    const failed = named.length === 1 && deadline < at ? holder : undefined
    // No job is settled if it is not known which of several jobs blocks the loop, or if the blocking job has
    // no timeout. In this case the end of the process counts as a crash of each of these jobs. Later each of
    // these jobs runs alone in its process, so a further crash shows which job is the cause
    // (`maintenance/suspects.ts`).
    const suspects = failed !== undefined ? [] : named.length > 0 ? named : running.filter(isOverdue)
    for (const job of running) {
      if (job === failed) await this.#fail(job, loop, at)
      else if (!suspects.includes(job)) this.#putBack(job, { kind: 'released', in: 0 }, at)
    }
    for (const job of this.#jobsIn(PREFETCHED)) {
      if (Atomics.compareExchange(job.page.states, job.index, PREFETCHED, RETURNED) === PREFETCHED)
        this.#putBack(job, { kind: 'unstarted' }, at)
    }
    const end = () => process.kill(process.pid, 'SIGKILL')
    setTimeout(end, LAST_CALL)
    void Promise.all(this.#settling.values()).then(end)
  }

  /** The jobs that may block the loop. Empty if nothing is known. */
  async #holdersAmong(running: readonly LedgerJob[], loop: StoppedLoop | undefined): Promise<LedgerJob[]> {
    if (running.length === 1) return [...running]
    const unknown = (): string[] => []
    const names = loop && (await inTime(STUCK.stop, loop.holders().catch(unknown), unknown))
    return running.filter(({ token, id }) => names?.includes(nameOfRun(token, id)))
  }

  async #fail(job: LedgerJob, loop: StoppedLoop | undefined, at: number): Promise<void> {
    const { page, index, id, token } = job
    const [, retryIn, run] = page.terms.subarray(index * 3, index * 3 + 3)
    const message = 'it took longer than its timeout, and blocked its process'
    const error = { run: run!, name: 'JobsError', code: 'JOB_TIMED_OUT', message }
    const next = retryIn! >= 0 ? { retryIn: retryIn! } : { untold: retryIn === NEVER }
    const outcome: Outcome = { kind: 'failed', error, ...next }
    this.#putBack(job, outcome, at)
    // The call runs a hook of the application, which may take any time, so the call has a limit.
    await within(STUCK.stop, loop?.failed(nameOfRun(token, id), JSON.stringify(outcome)) ?? Promise.resolve())
  }

  #putBack({ page, id, token }: LedgerJob, outcome: Outcome, at: number): void {
    this.#claimers[page.head[2]!]!.settle(id, token, outcome, at)
  }
}

/** When the timeout of a running job expires, by `performance.now()` of the worker. */
function deadlineOf({ page, index }: LedgerJob): number {
  return page.terms[index * 3]!
}

function isAnswered(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  )
}

/** Opens the store of a location once, and counts the watches that use the store. */
function open(location: StoreLocation): Promise<Store> {
  const { connection, prefix, options } = location
  const name = nameOf(location)
  const known = stores.get(name) ?? {
    store: connect(connection, prefix, {
      ...options,
      ...keptBy(true, options),
      standsBy: true,
      role: 'lease-thread',
    }),
    users: 0,
  }
  stores.set(name, known)
  known.users++
  return known.store
}

/** Called when a watch no longer uses the store of a location. Closes the store after the last watch. */
async function leave(location: StoreLocation): Promise<void> {
  const name = nameOf(location)
  const known = stores.get(name)!
  if (--known.users > 0) return
  stores.delete(name)
  const store = await known.store.catch(() => undefined)
  await store?.close()
}

/** A key that two locations of one store share. A location with a message channel has its own key. */
function nameOf(location: StoreLocation): unknown {
  const { connection, prefix, options } = location
  return isLent(connection) ? location : JSON.stringify([connection, prefix, options])
}
