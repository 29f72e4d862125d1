/**
 * The report of a worker under a supervisor: passes on what is of this process, has the supervisor say what is
 * true of all of them, and tells it once a second what was done.
 */
import type { LeasedJob, LogLine } from '../model/record.ts'
import type { Ending, Report, RunningJob, Summary } from '../worker/report.ts'
import type { Supervised } from './supervised.ts'
import type { QueueFigures } from './supervised-figures.ts'

/** Milliseconds between two reports of figures. */
const SECOND = 1_000

/** What shows the lines, and counts. */
export interface ShownReport extends Report {
  readonly queues: ReadonlyMap<string, QueueFigures>
  /** Runs for which no line was printed. */
  readonly hidden: number
}

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
