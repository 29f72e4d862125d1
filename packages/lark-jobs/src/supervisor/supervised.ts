/**
 * The code that runs in a worker process under a supervisor (`worker-process.ts` is the supervisor's side).
 *
 *   - The worker takes no more jobs when the supervisor says so, or after a SIGTSTP, because a Ctrl-Z in the
 *     terminal reaches both processes.
 *   - The worker stops when the supervisor says so, after a SIGTERM, and when the supervisor has ended. These
 *     may come together, because a process manager sends a signal to all processes of a service at once. So
 *     none of these counts as a second signal. Only the supervisor decides that the worker must give back its
 *     jobs at once.
 *   - The process ignores SIGINT, because a Ctrl-C in the terminal reaches both processes, and the supervisor
 *     decides what happens.
 *
 * The signals of a worker without a supervisor: `commands/workers/work-signals.ts`.
 */
import { Worker as Thread } from 'node:worker_threads'
import type { ClaimedJob, LogLine } from '../model/record.ts'
import type { Remedy } from '../model/remedy.ts'
import { STOP_DEADLINE } from '../worker/options.ts'
import type { Ending } from '../worker/process-end.ts'
import type { EndedRun, RunningJob, WorkerReport, WorkerSummary } from '../worker/report.ts'
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
  /** Whether the process was asked to end. */
  isAsked = false
  #isQuiet = false
  #worker: Worker | undefined
  #report: WorkerReport | undefined
  #guarding: Thread | undefined

  /**
   * Finds the supervisor of this process. Undefined if there is no supervisor. This method must be called
   * once, before the application's files are loaded. Otherwise, processes that these files start would take
   * themselves for supervised workers.
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
      const command = larkMessage<ProcessCommand>(message)
      if (command?.kind === 'quiet') this.#quiet()
      if (command?.kind === 'stop') this.#stop(command.deadline, false, command.outcomes)
      if (command?.kind === 'restart') this.#stop(command.deadline, true)
    })
    process.on('disconnect', () => {
      this.#report?.warn('The supervisor is gone: finishes the running jobs, and ends')
      this.#stop(STOP_DEADLINE)
    })
    process.on('SIGTERM', () => this.leave())
    process.on('SIGINT', () => {})
    process.on('SIGTSTP', () => this.#quiet())
    this.#guard()
  }

  /** Called when the worker of this process has started. */
  serve(worker: Worker, report: WorkerReport): void {
    this.#worker = worker
    this.#report = report
    if (this.#isQuiet) void worker.quiet()
    void this.tell({ kind: 'serving' })
    if (!this.slot.says) return
    const say = () => void this.tell({ kind: 'vitals', vitals: worker.vitals })
    say()
    setInterval(say, SECOND).unref()
  }

  /** Reports that the process is ending in an orderly way and needs up to this many milliseconds. */
  needs(ms: number): void {
    void this.tell({ kind: 'needs', ms })
    this.#guarding?.postMessage(ms + GRACE)
  }

  /**
   * Reports that the process ends although it still has jobs.
   *
   * @param cause why the process ends, as the rest of a sentence that begins with "its process": `ended with
   *   exit code 1: …`
   * @param ranJobs whether handlers were running. If not, only outcomes had not been reported yet
   * @param outcomes the outcomes that the store has not received. They are sent last and one by one, because
   *   messages that the channel has not accepted before the end of the process are lost
   */
  ends(...[cause, ranJobs, outcomes]: Parameters<Ending>): void {
    void this.tell({ kind: 'ends', cause, ranJobs })
    for (const [partition, settlements] of outcomes)
      for (const settlement of settlements) void this.tell({ kind: 'outcome', partition, settlement })
  }

  /** Reports that this process stops by itself. The supervisor then starts another process in its place. */
  leave(): void {
    void this.tell({ kind: 'leaving' })
    this.#stop(STOP_DEADLINE)
  }

  /**
   * Asks the supervisor to restart this process. The supervisor restarts its processes one after the other.
   */
  askToRestart(): void {
    void this.tell({ kind: 'restart' })
  }

  /**
   * Sends a message to the supervisor. Resolves when the message has been sent, or if the supervisor has
   * ended.
   */
  tell(report: ProcessReport): Promise<void> {
    return new Promise((resolve) => {
      if (process.connected) process.send?.({ lark: report }, undefined, undefined, () => resolve())
      else resolve()
    })
  }

  /** Makes the worker quiet. If the worker is still starting, it becomes quiet as soon as it serves. */
  #quiet(): void {
    this.#isQuiet = true
    void this.#worker?.quiet()
  }

  #stop(deadline: number, restarts = false, outcomes?: number): void {
    this.isAsked = true
    if (this.#worker !== undefined)
      void (restarts ? this.#worker.restart(deadline) : this.#worker.stop(deadline, outcomes))
    // The process may exit at once, because no job is claimed yet. The process does not wait until it has
    // started, because a file of the application may take for ever to load.
    else void this.tell({ kind: 'ended', finished: false }).then(() => process.exit())
  }

  #guard(): void {
    const unwatched = 'A process that a handler blocks may outlive its supervisor'
    const file = threadFile('supervised-guard')
    if (file === undefined) {
      void this.tell({ kind: 'remark', text: `${unwatched}: the thread that watches is not there` })
      return
    }
    const workerData = { lifeline: LIFELINE, within: STOP_DEADLINE + GRACE }
    // The thread does not get the Node options of this process, because it needs nothing that they load.
    const thread = new Thread(file, { workerData, execArgv: [] })
    thread.unref()
    this.#guarding = thread
    thread.once('error', (error) => {
      const text = `${unwatched}: the thread that watches has ended (${error.message})`
      void this.tell({ kind: 'remark', text })
    })
  }
}

/** Milliseconds between two reports of figures. */
const SECOND = 1_000

/** A report that prints lines and counts runs. */
export interface ShownReport extends WorkerReport {
  readonly queues: ReadonlyMap<string, QueueFigures>
  /** Runs for which no line was printed. */
  readonly hidden: number
}

/**
 * The report of a worker under a supervisor. This report prints lines about this process alone. Lines about
 * all processes are printed by the supervisor, to which this report sends the figures once a second.
 */
export class SupervisedReport implements WorkerReport {
  /** Returns what the worker has done so far. Undefined before there is a worker. */
  summary: (() => WorkerSummary) | undefined
  readonly #shown: ShownReport
  readonly #supervised: Supervised
  #last = 0
  #second: NodeJS.Timeout | undefined

  constructor(shown: ShownReport, supervised: Supervised) {
    this.#shown = shown
    this.#supervised = supervised
  }

  wrote(job: ClaimedJob, name: string, line: LogLine): void {
    this.#shown.wrote(job, name, line)
  }

  running(jobs: readonly RunningJob[]): void {
    this.#shown.running?.(jobs)
  }

  ended(ending: EndedRun): void {
    this.#last = Date.now()
    this.#second ??= setTimeout(() => this.tell(), SECOND).unref()
    this.#shown.ended(ending)
  }

  /**
   * Prints a warning. Before there is a worker, a warning is about the application's files, which all
   * processes load, so the supervisor prints it once.
   */
  warn(text: string, remedy?: Remedy): void {
    if (this.summary !== undefined) this.#shown.warn(text, remedy)
    else void this.#supervised.tell({ kind: 'remark', text })
  }

  /**
   * Before there is a worker, this method prints nothing, because the supervisor has already printed which
   * store is used.
   */
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
