/**
 * The worker's side of the lease thread, and the messages between the worker and the thread. The thread
 * (`lease-watch.ts`) looks after the worker's jobs while a handler blocks the event loop. The worker passes
 * the pages of its ledger (`ledger.ts`) to the thread. In shared memory (`Pulse`), the worker notes when its
 * event loop last turned and when it last renewed its leases. All workers of a process share one thread, and
 * each worker has its own port to the thread.
 *
 *   new → running → stopped, or missing (a bundle has no file for the thread, or the thread cannot open the
 *   store)
 */

import { once, setMaxListeners } from 'node:events'
// A test may replace the global timers, but not these imported functions.
import { clearTimeout, setTimeout } from 'node:timers'
import { MessageChannel, type MessagePort, Worker as Thread } from 'node:worker_threads'
import type { StoreLocation } from '../../store/connect.ts'
import { type Lent, lend, withoutCredentials } from '../../store/contract/connection/credentials.ts'
import { within } from '../../waiting/bounded-wait.ts'
import { BLOCKED } from '../blocked-loops.ts'
import { Part } from '../part.ts'
import type { ProcessEnd } from '../process-end.ts'
import { threadFile } from '../thread-file.ts'
import type { LedgerPage } from './ledger.ts'
import type { Unread } from './unread.ts'

/** Milliseconds that a stopping worker waits until the thread no longer works for this worker. */
const LAST_CALL = 2_000
/**
 * Milliseconds for which the thread goes on without a worker. So a process that starts one worker after
 * another, as a test file does, starts the thread only once. (Measured on 2026-12-02: 96 tests with a worker
 * each took 20 s of CPU instead of 35.)
 */
const IDLE = 5_000

/** The numbers that the worker and the thread share. */
export class Pulse {
  readonly memory: SharedArrayBuffer
  readonly #times: Float64Array
  readonly #flags: Int32Array
  readonly #told: Int32Array
  /** How many claims are unread, both in answers to calls and in rings (`unread.ts`). */
  readonly unread: Int32Array

  constructor(memory = new SharedArrayBuffer(40)) {
    this.memory = memory
    this.#times = new Float64Array(memory, 0, 2)
    this.#flags = new Int32Array(memory, 16, 3)
    this.unread = new Int32Array(memory, 28, 2)
    this.#told = new Int32Array(memory, 36, 1)
  }

  /** Whether the store has acknowledged all outcomes of the ending process. */
  get hasTold(): boolean {
    return Atomics.load(this.#told, 0) === 1
  }
  tell(): void {
    Atomics.store(this.#told, 0, 1)
  }

  /** When the event loop last turned, by `performance.now()` of the worker. */
  get beat(): number {
    return this.#times[0]!
  }
  set beat(at: number) {
    this.#times[0] = at
  }

  /** When the worker last began a round that renewed all its leases, by the wall clock. */
  get renewedAt(): number {
    return this.#times[1]!
  }
  set renewedAt(at: number) {
    this.#times[1] = at
  }

  /**
   * Whether the thread checks rarely, because no job was prefetched for a while. If so, the worker must wake
   * the thread when it prefetches a job.
   */
  get isDozing(): boolean {
    return Atomics.load(this.#flags, 0) === 1
  }
  set isDozing(dozes: boolean) {
    Atomics.store(this.#flags, 0, dozes ? 1 : 0)
  }

  /** The number of the last sign. The event loop of the worker gives a sign when the thread asks for one. */
  get sign(): number {
    return Atomics.load(this.#flags, 1)
  }
  set sign(number: number) {
    Atomics.store(this.#flags, 1, number)
  }

  /**
   * Blocks the worker until the thread no longer works for this worker.
   *
   * @returns false if `ms` milliseconds were not enough
   */
  awaitEnd(ms: number): boolean {
    return Atomics.wait(this.#flags, 2, 0, Math.max(0, ms)) !== 'timed-out'
  }
  /** Notes that the thread no longer works for the worker. */
  ended(): void {
    Atomics.store(this.#flags, 2, 1)
    Atomics.notify(this.#flags, 2)
  }
}

declare const LARK_VERSION: string

/** The version of this package, which the build inserts; undefined when the sources run without a build. */
export const VERSION = typeof LARK_VERSION === 'string' ? LARK_VERSION : undefined

/** A thread that starts with this `workerData` acts as the lease thread. */
export const LEASE_THREAD = '@s18i/lark-jobs: lease thread'

/** What the thread is told about a worker, together with its port. */
export interface Watch {
  /** The worker's `VERSION`. The shared memory of another version may have another layout. */
  version: string | undefined
  location: StoreLocation
  /** The worker's id. */
  caller: string
  /** Milliseconds. */
  leaseMs: number
  /** Milliseconds that a prefetched job may wait before it starts. */
  window: number
  pulse: SharedArrayBuffer
  /** The time by `process.hrtime()`, in milliseconds, at which `performance.now()` of the worker was 0. */
  origin: number
  /**
   * Whether the thread ends the process when a handler blocks the loop long past its timeout. This is true
   * under a supervisor, because the supervisor then starts another process.
   */
  kills: boolean
}

/** A partition that the worker serves, with the memory of its `Unread`. */
export interface Served {
  partition: string
  unread: SharedArrayBuffer
}

/** The part of a `Watch` that only the worker knows. */
type WatchOrder = Omit<Watch, 'version' | 'pulse' | 'origin'>

/**
 * The messages that a worker sends to the thread after the first message: a page of its ledger; whether the
 * worker holds permits of a limiter; a partition that the worker serves; how the process ends; that a job is
 * prefetched; that the worker ends.
 */
export type Message =
  | SharedArrayBuffer
  | { limiter: string; isHeld: boolean }
  | Served
  | ProcessEnd
  | 'wake'
  | 'end'

/**
 * A message of the thread to a worker. A number asks the worker for the sign with this number. A negative
 * number also tells the worker that the thread has recalled a claim. A text is the reason why the thread does
 * nothing for this worker.
 */
export type ThreadAnswer = number | string

/** Milliseconds by a clock that all threads of a process share. */
export function clock(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1_000 + nanoseconds / 1e6
}

/**
 * The thread of this process, the number of workers that use it, whether it has ended, and the timer that
 * ends an unused thread.
 */
interface Shared {
  thread: Thread
  users: number
  isOver: boolean
  idle?: NodeJS.Timeout
}

let shared: Shared | undefined

function share(file: string): Shared {
  if (shared === undefined) {
    const started: Shared = {
      thread: new Thread(file, { workerData: LEASE_THREAD, execArgv: [], stderr: false }),
      users: 0,
      isOver: false,
    }
    // Each worker adds a listener. From eleven listeners on, Node would warn of a leak.
    setMaxListeners(0, started.thread)
    started.thread.unref()
    // While no worker uses the thread, only this listener receives the errors of the thread. An error without
    // a listener would end the process.
    started.thread.on('error', () => {})
    started.thread.once('exit', () => {
      started.isOver = true
      if (shared === started) shared = undefined
    })
    shared = started
  }
  clearTimeout(shared.idle)
  shared.users++
  return shared
}

/**
 * Makes the thread stop its work for a worker. The thread stops between two calls to the store: if it were
 * terminated during a call to SQLite, the driver would abort the process.
 */
async function leave(from: Shared, port: MessagePort): Promise<void> {
  if (!from.isOver) {
    const closed = once(port, 'close')
    port.postMessage('end' satisfies Message)
    await within(LAST_CALL, closed)
  }
  if (--from.users > 0) return
  from.idle = setTimeout(() => {
    if (shared === from) shared = undefined
    void from.thread.terminate()
  }, IDLE).unref()
}

/**
 * Names an option of a connection that cannot be passed to another thread, such as a function. If there is
 * such an option, the thread does not connect at all. For example, without `tls.checkServerIdentity` the
 * thread might trust a server that the worker does not trust.
 */
function unsharableIn(value: unknown, path = ''): string | undefined {
  try {
    structuredClone(value)
    return undefined
  } catch {
    if (typeof value !== 'object' || value === null) return path
    for (const [key, part] of Object.entries(value)) {
      const found = unsharableIn(part, path === '' ? key : `${path}.${key}`)
      if (found !== undefined) return found
    }
    return path
  }
}

export class LeaseThread extends Part {
  readonly pulse = new Pulse()
  readonly #watch: WatchOrder | undefined
  readonly #warn: (text: string) => void
  readonly #recalled: () => void
  readonly #stoodStill: (ms: number) => void
  readonly #pages: LedgerPage[] = []
  /** The messages that the thread must get when it starts. */
  readonly #known: Message[] = []
  readonly #ended = (why: Error | string) =>
    this.#warn(`The lease thread ended: ${(why as Error).stack ?? why}`)
  #shared: Shared | undefined
  #port: MessagePort | undefined
  #lent: Lent | undefined

  /**
   * @param watch undefined if the store is in the memory of this process, where no other thread can reach it
   * @param recalled called when the thread has recalled claims
   * @param stoodStill called when the event loop turns again, with the milliseconds for which it had not
   *   turned
   */
  constructor(
    watch: WatchOrder | undefined,
    warn: (text: string) => void,
    recalled: () => void,
    stoodStill: (ms: number) => void = () => {},
  ) {
    super()
    this.#watch = watch
    this.#warn = warn
    this.#recalled = recalled
    this.#stoodStill = stoodStill
  }

  protected override onStart(): void {
    if (this.#watch === undefined) return
    // A store in memory can be reached only from the thread that opened it.
    if (this.#watch.location.connection === 'sqlite::memory:') return
    const file = threadFile('lease-watch')
    if (file === undefined) {
      this.#warn(
        'The lease thread is not there: a handler that blocks the event loop may lose its lease. A bundle needs @s18i/lark-jobs/lease-watch beside it, built as lease-watch.js',
      )
      return
    }
    const { location } = this.#watch
    const unsharable = unsharableIn(withoutCredentials(location.connection))
    if (unsharable !== undefined) {
      this.#warn(
        `The lease thread cannot use ${unsharable} of the connection, because it is not plain data: a handler that blocks the event loop may lose its lease`,
      )
      return
    }
    this.beat()
    const lent = lend(location.connection)
    const watch: Watch = {
      ...this.#watch,
      location: { ...location, connection: lent.connection },
      version: VERSION,
      pulse: this.pulse.memory,
      origin: clock() - performance.now(),
    }
    const { port1: port, port2: theirs } = new MessageChannel()
    this.#shared = share(file)
    this.#shared.thread.on('error', this.#ended)
    this.#shared.thread.postMessage({ watch, port: theirs }, [theirs, ...lent.ports])
    this.#lent = lent
    port.on('message', (message: ThreadAnswer) => {
      if (typeof message === 'string') return this.#ended(message)
      this.pulse.sign = Math.abs(message)
      if (message < 0) this.#recalled()
    })
    port.unref()
    this.#port = port
    for (const message of this.#known) port.postMessage(message)
  }

  /**
   * Tells the thread of one more partition. A page of the ledger names a partition by its index, and the
   * order of the calls of `serve` gives the indexes.
   */
  serve(partition: string, unread: Unread): void {
    this.#tell({ partition, unread: unread.memory })
  }

  add(page: LedgerPage): void {
    this.#pages.push(page)
    this.#tell(page.memory)
  }

  /**
   * Tells the thread whether the worker holds permits of a limiter, which the thread then renews. (Measured
   * on 2026-11-26, Node 20.20, 2 cores, shared and busy: a message takes 2 µs here and 2 µs in the thread,
   * much less than the call to the store beside it.)
   */
  hold(limiter: string, isHeld: boolean): void {
    this.#port?.postMessage({ limiter, isHeld } satisfies Message)
  }

  #tell(message: Message): void {
    this.#known.push(message)
    this.#port?.postMessage(message)
  }

  /** Notes that the event loop turns. */
  beat(): void {
    const { beat } = this.pulse
    const now = performance.now()
    if (beat > 0 && now - beat >= BLOCKED) this.#stoodStill(now - beat)
    this.pulse.beat = now
  }

  /** Wakes the thread, because a job is prefetched. */
  wake(): void {
    if (!this.pulse.isDozing) return
    this.pulse.isDozing = false
    this.#port?.postMessage('wake' satisfies Message)
  }

  /**
   * Whether the worker holds jobs. A job is held from its claim until the store has acknowledged its outcome.
   */
  get holdsJobs(): boolean {
    return this.#pages.some((page) => page.inUse)
  }

  /**
   * Called when the process ends. The thread tells the store how jobs ended, hands back the other jobs of the
   * worker, and closes its store. So another worker can claim these jobs at once, before their leases end.
   * The store also gets the cause of the end, which only this process knows.
   */
  processEnds(end: ProcessEnd): void {
    if (this.#isThere) this.#port!.postMessage(end satisfies Message)
  }

  /**
   * Whether the store has acknowledged the outcomes that were passed to `processEnds`. Valid after
   * `awaitEnd`.
   */
  get hasTold(): boolean {
    return this.pulse.hasTold
  }

  /**
   * Blocks until the thread has closed its store, at most until the time `until` (`performance.now()`). To be
   * called after `processEnds`.
   *
   * @returns false if the thread could not close the store in time, because the store does not answer or is
   *   locked
   */
  awaitEnd(until: number): boolean {
    return !this.#isThere || this.pulse.awaitEnd(until - performance.now())
  }

  /**
   * Makes the thread close its store without handing back jobs. The leases of these jobs then run out. The
   * process must wait until the store is closed: Node terminates the threads of a process that exits, and if
   * it terminates a thread during a call to SQLite, the driver aborts the process with exit code 134.
   */
  giveUp(): void {
    this.#port?.postMessage('end' satisfies Message)
  }

  get #isThere(): boolean {
    return this.#port !== undefined && this.#shared?.isOver === false
  }

  protected override async onStop(): Promise<void> {
    if (this.#shared === undefined) return
    const [from, port] = [this.#shared, this.#port!]
    this.#shared = undefined
    this.#port = undefined
    await leave(from, port)
    from.thread.off('error', this.#ended)
    port.close()
    this.#lent?.close()
  }
}
