/**
 * The live data for all open dashboards of a process. The dashboards share one snapshot of the store each
 * second. While no dashboard is open, the store is not asked.
 */
import type { Operate, QueueOverview, WorkerRecord } from '@s18i/lark-jobs/operate'

/** Milliseconds between two snapshots. */
const PERIOD = 1_000
/**
 * Milliseconds after which a store that does not answer counts as away. If the last answer of the store took
 * more than half of this time, the store gets more time.
 */
const PATIENCE = 3_000
const MOST_PATIENCE = 15_000
/**
 * Only every fifth snapshot reads which keys no worker knows, because this is most of the cost of a snapshot.
 */
const KEYS_EVERY = 5
/** The maximum number of unknown keys of a queue. */
const MOST_KEYS = 20
/**
 * The maximum number of workers in a snapshot. The page of workers shows how many workers there are in all.
 */
const MOST_WORKERS = 500

/** A queue in the form for the overview. */
export interface LiveQueue extends Omit<QueueOverview, 'partitions'> {
  /** How many partitions the queue has. */
  partitions: number
}

export interface Snapshot {
  /** The time at which the store was asked: milliseconds since 1970, by the clock of the server. */
  at: number
  /** The name of the store, without a password. */
  store: string
  /** How long the store took to answer, in milliseconds. */
  took: number
  queues: LiveQueue[]
  workers: WorkerRecord[]
  workerCount: number
}

/** Sent instead of a snapshot while the store does not answer. */
export interface Away {
  /** The time at which the store stopped answering: milliseconds since 1970, by the clock of the server. */
  since: number
  code: string
  message: string
}

export type Pulse = { kind: 'snapshot'; snapshot: Snapshot } | { kind: 'away'; away: Away }

export type Listener = (pulse: Pulse) => void

export class Live {
  readonly #operate: Operate
  readonly #listeners = new Set<Listener>()
  #last: Pulse | undefined
  #since: number | undefined
  #timer: NodeJS.Timeout | undefined
  #taking: Promise<Pulse> | undefined
  /**
   * The snapshot that is being read. The reading goes on even after the store counts as away, so that a slow
   * store is not asked twice at the same time.
   */
  #looking: Promise<Snapshot> | undefined
  /** How long the last answer took, in milliseconds. */
  #took = 0
  #looks = 0
  /** For each queue, the keys of its next jobs that no live worker knows. */
  #unknownKeys = new Map<string, string[]>()

  constructor(operate: Operate) {
    this.#operate = operate
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /**
   * Calls the listener each second, and at once if the last snapshot is recent.
   *
   * @returns a function that ends the calls
   */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    if (this.#last?.kind === 'snapshot' && Date.now() - this.#last.snapshot.at < 2 * PERIOD)
      listener(this.#last)
    if (this.#listeners.size === 1) void this.#beat()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) clearTimeout(this.#timer)
    }
  }

  /** A snapshot that is at most a second old, or the reason why there is no snapshot. */
  async now(): Promise<Pulse> {
    const last = this.#last
    if (last?.kind === 'snapshot' && Date.now() - last.snapshot.at < PERIOD) return last
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined
    })
    return await this.#taking
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#listeners.clear()
  }

  async #beat(): Promise<void> {
    clearTimeout(this.#timer)
    const begun = performance.now()
    const pulse = await this.now()
    for (const listener of [...this.#listeners]) listener(pulse)
    if (this.#listeners.size === 0) return
    this.#timer = setTimeout(() => void this.#beat(), Math.max(100, PERIOD - (performance.now() - begun)))
    this.#timer.unref()
  }

  async #take(): Promise<Pulse> {
    try {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined
      })
      const patience = Math.min(Math.max(PATIENCE, 2 * this.#took), MOST_PATIENCE)
      const snapshot = await inTime(this.#looking, patience)
      this.#since = undefined
      this.#last = { kind: 'snapshot', snapshot }
    } catch (error) {
      this.#since ??= Date.now()
      const { code = 'STORE_UNREACHABLE', message } = error as { code?: string; message: string }
      this.#last = { kind: 'away', away: { since: this.#since, code, message } }
    }
    return this.#last
  }

  async #look(): Promise<Snapshot> {
    const at = Date.now()
    const begun = performance.now()
    const keys = this.#looks % KEYS_EVERY === 0
    const { store, queues, workers } = await this.#operate.overview({ keys })
    this.#looks += 1
    if (keys)
      this.#unknownKeys = new Map(queues.map((each) => [each.queue, each.unknownKeys.slice(0, MOST_KEYS)]))
    this.#took = performance.now() - begun
    return {
      at,
      store,
      took: this.#took,
      queues: queues.map((each) => ({
        ...each,
        partitions: each.partitions.length,
        unknownKeys: this.#unknownKeys.get(each.queue) ?? [],
      })),
      workers: workers.slice(0, MOST_WORKERS),
      workerCount: workers.length,
    }
  }
}

async function inTime<T>(look: Promise<T>, patience: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const seconds = Math.round(patience / 1_000)
    timer = setTimeout(() => reject(new Error(`The store has not answered for ${seconds} s`)), patience)
  })
  try {
    return await Promise.race([look, late])
  } finally {
    clearTimeout(timer)
  }
}
