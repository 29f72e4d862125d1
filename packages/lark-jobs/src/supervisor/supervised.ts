/**
 * A worker process's side of being supervised.
 *
 * It is quiet when the supervisor says so, or when it gets a SIGTSTP of its own, as a Ctrl-Z of the terminal sends it to
 * both. It stops when the supervisor says so, when it gets a SIGTERM of its own, and when the supervisor is gone. These
 * may come together (a process manager signals every process of a service at once), so none of them counts as the
 * second signal: only the supervisor says "now". SIGINT it leaves to the supervisor: a Ctrl-C of the terminal
 * reaches both.
 */
import { Worker as Thread } from 'node:worker_threads'
import type { LeasedJob, LogLine } from '../model/record.ts'
import { STOP_DEADLINE } from '../worker/options.ts'
import type { Ending, Report, RunningJob, Summary } from '../worker/report.ts'
import { threadFile } from '../worker/thread-file.ts'
import type { Worker } from '../worker/worker.ts'
import {
  GRACE,
  LIFELINE,
  larkMessage,
  PROCESS_SLOT,
  type ProcessCommand,
  type ProcessReport,
  type ProcessSlot,
  type QueueFigures,
} from './protocol.ts'

export class Supervised {
  readonly slot: ProcessSlot
  /** Whether anyone asked for an end. */
  isAsked = false
  #isQuiet = false
  #worker: Worker | undefined
  #report: Report | undefined

  /**
   * This process's supervisor; undefined when it has none. To be called once, before the application's files are
   * loaded: processes that they start must not take themselves for workers.
   */
  static find(): Supervised | undefined {
    const slot = process.env[PROCESS_SLOT]
    delete process.env[PROCESS_SLOT]
    if (slot === undefined || process.send === undefined) return undefined
    return new Supervised(JSON.parse(slot) as ProcessSlot)
  }

  private constructor(slot: ProcessSlot) {
    this.slot = slot
    process.on('message', (message) => {
      const order = larkMessage<ProcessCommand>(message)
      if (order?.kind === 'quiet') this.#quiet()
      if (order?.kind === 'stop') this.#stop(order.deadline)
    })
    process.on('disconnect', () => this.#orphaned())
    process.on('SIGTERM', () => this.leave())
    process.on('SIGINT', () => {})
    process.on('SIGTSTP', () => this.#quiet())
    this.#guard()
  }

  /** Its worker runs. */
  serve(worker: Worker, report: Report): void {
    this.#worker = worker
    this.#report = report
    if (this.#isQuiet) worker.quiet()
    void this.tell({ kind: 'serving' })
  }

  /** Stops without having been told to by the supervisor, which will start another in its place. */
  leave(): void {
    void this.tell({ kind: 'leaving' })
    this.#stop(STOP_DEADLINE)
  }

  /** Resolves when it is on its way, or there is nobody to hear it. */
  tell(word: ProcessReport): Promise<void> {
    return new Promise((resolve) => {
      if (process.connected) process.send?.({ lark: word }, undefined, undefined, () => resolve())
      else resolve()
    })
  }

  /** One that is still starting is quiet as soon as it serves. */
  #quiet(): void {
    this.#isQuiet = true
    this.#worker?.quiet()
  }

  #stop(deadline: number): void {
    this.isAsked = true
    if (this.#worker !== undefined) void this.#worker.stop(deadline)
    // Nothing is claimed yet, and a file that is being loaded may take for ever.
    else void this.tell({ kind: 'ended', finished: false }).then(() => process.exit())
  }

  #orphaned(): void {
    this.#report?.warn('The supervisor is gone: finishes what runs, and ends')
    this.#stop(STOP_DEADLINE)
  }

  #guard(): void {
    const unwatched = 'A process that a handler blocks may outlive its supervisor'
    const file = threadFile('supervised-guard')
    if (file === undefined) {
      void this.tell({ kind: 'remark', text: `${unwatched}: the thread that watches is not there` })
      return
    }
    const workerData = { lifeline: LIFELINE, within: STOP_DEADLINE + GRACE }
    // Without the options of this process: nothing that they load is wanted there.
    const thread = new Thread(file, { workerData, execArgv: [] })
    thread.unref()
    thread.once('error', (error) => {
      const text = `${unwatched}: the thread that watches has ended (${error.message})`
      void this.tell({ kind: 'remark', text })
    })
  }
}

/** Milliseconds between two reports of figures. */
const SECOND = 1_000

/** What shows the lines, and counts. */
export interface ShownReport extends Report {
  readonly queues: ReadonlyMap<string, QueueFigures>
  /** Runs for which no line was printed. */
  readonly hidden: number
}

/**
 * The report of a worker under a supervisor: prints what concerns this process, leaves to the supervisor what is true of
 * all processes, and sends it the figures once a second.
 */
export class SupervisedReport implements Report {
  /** What the worker did so far, once there is one. */
  summary: (() => Summary) | undefined
  readonly #shown: ShownReport
  readonly #supervised: Supervised
  #last = 0
  #second: NodeJS.Timeout | undefined

  constructor(shown: ShownReport, supervised: Supervised) {
    this.#shown = shown
    this.#supervised = supervised
  }

  wrote(lease: LeasedJob, name: string, line: LogLine): void {
    this.#shown.wrote(lease, name, line)
  }

  running(jobs: readonly RunningJob[]): void {
    this.#shown.running?.(jobs)
  }

  ended(ending: Ending): void {
    this.#last = Date.now()
    this.#second ??= setTimeout(() => this.tell(), SECOND).unref()
    this.#shown.ended(ending)
  }

  /** Before there is a worker it is about the application's files, which all processes load. */
  warn(text: string): void {
    if (this.summary !== undefined) this.#shown.warn(text)
    else void this.#supervised.tell({ kind: 'remark', text })
  }

  /** Which store it serves, the supervisor has said. */
  info(text: string): void {
    if (this.summary !== undefined) this.#shown.info(text)
  }

  tell(): void {
    clearTimeout(this.#second)
    this.#second = undefined
    if (this.summary === undefined) return
    const { queues, hidden } = this.#shown
    const figures = {
      summary: this.summary(),
      queues: Object.fromEntries(queues),
      hidden,
      last: this.#last,
    }
    void this.#supervised.tell({ kind: 'figures', figures })
  }
}
