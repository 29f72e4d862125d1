/**
 * The supervisor (`--processes`): keeps a number of worker processes running, and runs no job itself.
 *
 *   new → running → quiet (its processes claim no more jobs, and a process that ends is not replaced) →
 *   stopping → stopped
 *
 * When a process ends, the supervisor hands back its jobs and permits (`hand-back.ts`), and starts another
 * process in its place:
 *
 *   - at once, if the process lived for `HEALTHY`, if this is the first short life in its place, or if the
 *     job that ended the process was found
 *   - in all other cases after a pause that doubles with each further short life
 *
 * Processes that ask to be restarted are restarted one after the other. The next process is told to end only
 * when the previous process has been replaced by a new process that serves its queues. If the new process
 * does not come so far, the other processes are not restarted.
 *
 * A process that finishes by itself (because its queues are empty, or because it has run the given number of
 * jobs) is not replaced. When all processes have finished, the supervisor stops. `worker-process.ts` is the
 * supervisor's side of one process, `supervised.ts` is the code that runs in that process, and `protocol.ts`
 * has the messages between them.
 */
import type { ChildProcess } from 'node:child_process'
import { LarkError } from '@s18i/lark/internal'
import { within } from '../waiting/bounded-wait.ts'
import { Deferred } from '../waiting/deferred.ts'
import { readable } from '../words/duration.ts'
import { STOP_DEADLINE } from '../worker/options.ts'
import type { Lifecycle } from '../worker/part.ts'
import type { Vitals } from '../worker/vitals.ts'
import { HandBack, type HandBackOptions, type Returned } from './hand-back.ts'
import { ended, type Figures, noFigures, type ProcessReport, type ProcessSlot, sum } from './protocol.ts'
import { type Departure, WorkerProcess } from './worker-process.ts'

/** A process that lived for at least this many milliseconds is replaced at once. */
const HEALTHY = 60_000
/**
 * The pause before a process is replaced, in milliseconds: it begins with `from`, and doubles each time up to
 * `to`.
 */
const PAUSE = { from: 100, to: 30_000 }
/**
 * How long the message about the end of a process is held back until its jobs have been handed back, in
 * milliseconds.
 */
const PATIENCE = 1_000
/** How long the last calls to the store may take, in milliseconds. */
const LAST_CALL = 3_000
const SECOND = 1_000
const NOT_AGAIN = 'A process that was restarted does not serve'

export interface SupervisorOptions extends HandBackOptions {
  processes: number
  /** Starts a process that runs a worker: with an IPC channel, and a pipe at `LIFELINE`. */
  start: (slot: ProcessSlot) => ChildProcess
  /** Called when a process that is ending needs up to this many milliseconds. */
  needs?: (ms: number) => void
  /** Remarks that apply to every process. The supervisor prints these remarks once, at the start. */
  remarks: readonly string[]
  report: {
    warn(text: string): void
    info(text: string): void
    /** Called once for each second in which runs ended without a printed line. */
    counted(ended: number, total: number): void
  }
}

interface ProcessPlace {
  number: number
  process: WorkerProcess | undefined
  /** How many processes in a row lived shorter than `HEALTHY`. */
  shortLives: number
  isFinished: boolean
  pause: NodeJS.Timeout | undefined
}

/** How the supervisor ended. */
export interface Supervision {
  /** The figures of all processes together. */
  figures: Figures
  /** False if a process died and was not replaced, or if a process had to be killed. */
  isInOrder: boolean
}

export class Supervisor implements Lifecycle {
  readonly #done = new Deferred<Supervision>()
  /** Resolves when no process is left. Rejects if the first processes could not start, with their error. */
  readonly done = this.#done.promise
  readonly #options: SupervisorOptions
  readonly #places: ProcessPlace[]
  readonly #leases: HandBack
  readonly #remarks = new Set<string>()
  /** A promise for each ended process whose jobs are being handed back. */
  readonly #tidying = new Set<Promise<void>>()
  #state: 'new' | 'running' | 'quiet' | 'stopping' | 'stopped' = 'new'
  #hasServed = false
  /** Processes that wait for their turn to restart. */
  readonly #toRestart = new Set<WorkerProcess>()
  #isRestarting = false
  #isInOrder = true
  #refusal: LarkError | undefined
  /** The figures of processes that are gone. */
  #past = noFigures()
  #counted = noFigures()
  #second: NodeJS.Timeout | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#leases = new HandBack(options)
    this.#places = Array.from({ length: options.processes }, (_, i) => {
      return { number: i + 1, process: undefined, shortLives: 0, isFinished: false, pause: undefined }
    })
  }

  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    for (const text of this.#options.remarks) this.#remark(text)
    for (const place of this.#places) this.#fill(place)
  }

  /**
   * Tells all processes to claim no more jobs and to finish the running jobs. The processes go on until
   * `stop`. A process that ends is not replaced.
   */
  quiet(): void {
    if (this.#state !== 'running') return
    this.#state = 'quiet'
    for (const { process, pause } of this.#places) {
      clearTimeout(pause)
      void process?.quiet()
    }
    this.#lookWhetherDone()
  }

  /**
   * Tells all processes to claim no more jobs, to finish the running jobs, and to end.
   *
   * @param deadline how long running jobs may take, in milliseconds. Default 25 s. With 0, running jobs are
   *   given back at once. If there are several calls, the earliest deadline counts
   * @param outcomes see the `stop` of a worker
   */
  async stop(deadline = STOP_DEADLINE, outcomes?: number): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopping'
    for (const { process, pause } of this.#places) {
      clearTimeout(pause)
      void process?.stop(deadline, outcomes)
    }
    this.#lookWhetherDone()
    await this.done.catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** The condition of each process, according to its last report. */
  get patients(): { name: string; vitals: Vitals | undefined; age: number }[] {
    return this.#places.flatMap(({ number, process }) => {
      if (process === undefined) return []
      const { pid, vitals, heardAt } = process
      return { name: `Worker process ${number} (pid ${pid})`, vitals, age: performance.now() - heardAt }
    })
  }

  #fill(place: ProcessPlace): void {
    const heard = (report: ProcessReport) => {
      if (report.kind === 'remark') this.#remark(report.text)
      if (report.kind === 'serving') this.#hasServed = true
      if (report.kind === 'needs') this.#options.needs?.(report.ms)
      if (report.kind === 'figures') this.#second ??= setTimeout(() => this.#count(), SECOND)
      if (report.kind === 'restart') {
        this.#toRestart.add(process)
        void this.#restartInTurn()
      }
    }
    const process = new WorkerProcess(place.number, this.#places.length, this.#options.start, heard)
    place.process = process
    void process.departed.then((departure) => this.#departed(place, process, departure))
    void process.start()
  }

  async #restartInTurn(): Promise<void> {
    if (this.#isRestarting) return
    this.#isRestarting = true
    for (const process of this.#toRestart) {
      this.#toRestart.delete(process)
      const place = this.#places.find((each) => each.process === process)
      if (place === undefined || this.#state !== 'running') continue
      process.restart(STOP_DEADLINE)
      await process.departed
      const next = place.process
      await next?.began
      if (next === undefined || next.hasServed || this.#state !== 'running') continue
      const others = this.#toRestart.size
      this.#toRestart.clear()
      if (others > 0) this.#options.report.warn(`${NOT_AGAIN}: ${others} others go on as they are`)
    }
    this.#isRestarting = false
  }

  #departed(place: ProcessPlace, process: WorkerProcess, departure: Departure): void {
    place.process = undefined
    place.isFinished = departure.kind === 'finished'
    this.#past = sum(this.#past, process.figures)
    if (this.#state !== 'running' && departure.kind === 'died' && (process.hasServed || process.isKilled))
      this.#isInOrder = false
    // No process has served yet, so the reason why this process could not start also applies to all other
    // processes, and a person must fix it.
    if (departure.kind === 'refused' && !this.#hasServed) {
      const { code, message, ...hint } = departure
      this.#refusal ??= new LarkError(code, message, hint)
      void this.stop(0)
    }
    const pause = this.#replace(place, process)
    const tidied = this.#tidy(place, process, departure, pause).finally(() => {
      this.#tidying.delete(tidied)
      this.#lookWhetherDone()
    })
    this.#tidying.add(tidied)
  }

  /**
   * @returns the number of milliseconds until another process takes the place. Undefined if no other process
   *   will take it
   */
  #replace(place: ProcessPlace, { startedAt, isRestarting }: WorkerProcess): number | undefined {
    if (this.#state !== 'running' || place.isFinished) return undefined
    if (isRestarting) {
      this.#fill(place)
      return 0
    }
    if (performance.now() - startedAt >= HEALTHY) place.shortLives = 0
    const { from, to } = PAUSE
    const pause = place.shortLives === 0 ? 0 : Math.min(to, from * 2 ** (place.shortLives - 1))
    place.shortLives++
    place.pause = setTimeout(() => this.#fill(place), pause)
    return pause
  }

  /**
   * Starts the next process at once. The job that ended the previous process was found and has failed, so it
   * cannot end the next process. Nothing is done if a further process has already been started.
   *
   * @returns see `#replace`
   */
  #hurry(place: ProcessPlace): number {
    place.shortLives = 0
    if (this.#state === 'running' && place.process === undefined && !place.isFinished) {
      clearTimeout(place.pause)
      this.#fill(place)
    }
    return 0
  }

  /** Hands back the jobs and permits that the process held, and prints how it ended. */
  async #tidy(
    place: ProcessPlace,
    process: WorkerProcess,
    departure: Departure,
    pause: number | undefined,
  ): Promise<void> {
    const { report } = this.#options
    const { pid, slot } = process
    const name = `Worker process ${slot.number}`
    const late = (returned: Returned) => report.info(`${name}: ${wentBack(returned)} after all`)
    let returned: Returned | undefined
    const { cause, fromWithin } =
      departure.kind === 'died' ? departure : { cause: undefined, fromWithin: false }
    const handed = this.#leases
      .handBack({ holder: slot.worker, cause, fromWithin, outcomes: process.outcomes }, late)
      .then((all) => {
        returned = all
      })
    await within(PATIENCE, handed)
    const what = returned === undefined ? 'its jobs go back when the store answers' : wentBack(returned)
    if (pause !== undefined && returned !== undefined && returned.failed > 0) pause = this.#hurry(place)
    const next =
      pause === undefined ? '' : `; another starts ${pause === 0 ? 'now' : `in ${readable(pause)}`}`
    // If a process could not start, nothing is printed, because `done` rejects with the error of this
    // process.
    const how = this.#refusal === undefined ? saying(departure) : undefined
    if (how !== undefined)
      report.warn(`${name}${pid === undefined ? '' : ` (pid ${pid})`} ${how}: ${what}${next}`)
    else if (pause !== undefined) report.info(`${name} (pid ${pid}) has stopped${next}`)
    if (returned !== undefined) return
    void handed.then(() => {
      if (returned !== undefined && returned.jobs > 0) late(returned)
    })
    await within(LAST_CALL, handed)
  }

  #remark(text: string): void {
    if (this.#remarks.has(text)) return
    this.#remarks.add(text)
    this.#options.report.warn(text)
  }

  /**
   * Reports the runs that ended without a printed line. Called one second after the first new figures of a
   * process.
   */
  #count(): void {
    this.#second = undefined
    const before = this.#counted
    const running = this.#places.flatMap(({ process }) => process?.figures ?? [])
    const figures = running.reduce(sum, this.#past)
    this.#counted = figures
    if (figures.hidden > before.hidden)
      this.#options.report.counted(ended(figures) - ended(before), ended(figures))
  }

  #lookWhetherDone(): void {
    if (this.#state === 'stopped' || this.#tidying.size > 0) return
    if (this.#places.some(({ process }) => process !== undefined)) return
    if (this.#state === 'running' && this.#places.some(({ isFinished }) => !isFinished)) return
    this.#state = 'stopped'
    void this.#leases.stop()
    clearTimeout(this.#second)
    this.#count()
    if (this.#refusal !== undefined) this.#done.reject(this.#refusal)
    else this.#done.resolve({ figures: this.#past, isInOrder: this.#isInOrder })
  }
}

/**
 * The rest of a sentence that begins with the name of the process. Undefined if nothing needs to be printed.
 */
function saying(departure: Departure): string | undefined {
  if (departure.kind === 'died') return departure.how
  if (departure.kind === 'refused') return `could not start (${departure.message})`
  return undefined
}

function wentBack({ jobs, failed }: Returned): string {
  if (jobs === 0) return 'it held no job'
  const back = jobs - failed
  const parts = [
    back === 0 ? [] : `${back === 1 ? '1 job' : `${back} jobs`} went back`,
    failed === 0 ? [] : `${failed === 1 ? '1 job' : `${failed} jobs`} failed with WORKER_DIED`,
  ]
  return parts.flat().join(', ')
}
