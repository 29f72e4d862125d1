/**
 * The supervisor: keeps so many worker processes running, and runs no job itself.
 *
 *   new → running → quiet (its processes take no more; none is replaced) → stopping → stopped
 *
 * Each process has a place. When one ends, what it held is handed back and another takes its place: at once after
 * a life of `HEALTHY`, when the job that ended it is found, and the first time after a shorter one; then with a pause
 * that doubles with each short life.
 * A process that has finished by itself (its queues are empty, it has run so many jobs) leaves its place empty; when
 * all places are, the supervisor has stopped.
 */
import type { ChildProcess } from 'node:child_process'
import { LarkError } from '@s18i/lark/config'
import { readable } from '../model/duration.ts'
import { within } from '../run/bounded-wait.ts'
import type { Store } from '../store/contract/store.ts'
import { STOP_DEADLINE } from '../worker/options.ts'
import { HandBack, type Returned } from './hand-back.ts'
import type { ProcessSlot } from './protocol.ts'
import { ended, type Figures, noFigures, sum } from './protocol.ts'
import { type Departure, WorkerProcess } from './worker-process.ts'

/** Milliseconds after which a process has proved itself. */
const HEALTHY = 60_000
/** Milliseconds of pause before a process is replaced, doubling from the first to the second. */
const PAUSE = { from: 100, to: 30_000 }
/** Milliseconds that a word about a process's end waits for what became of its jobs. */
const PATIENCE = 1_000
/** Milliseconds that the last calls to the store may take. */
const LAST_CALL = 3_000
const SECOND = 1_000

export interface SupervisorOptions {
  processes: number
  /** Starts a process that runs a worker: with an IPC channel, and a pipe at `LIFELINE`. */
  start: (slot: ProcessSlot) => ChildProcess
  store: Store
  /** Those that the workers serve. */
  queues: readonly string[]
  /** Names of those that are configured. */
  limiters: readonly string[]
  /** What is true of every process, to be said at the start and not again. */
  remarks: readonly string[]
  report: {
    warn(text: string): void
    info(text: string): void
    /** A second is over in which runs ended for which no line was printed. */
    counted(ended: number, total: number): void
  }
}

interface ProcessPlace {
  number: number
  process: WorkerProcess | undefined
  /** Lives shorter than `HEALTHY`, one after the other. */
  shortLives: number
  isFinished: boolean
  pause: NodeJS.Timeout | undefined
}

/** How it ended. */
export interface Supervision {
  /** Of all processes together. */
  figures: Figures
  /** False when a process died that was not to be replaced any more, or had to be killed. */
  isInOrder: boolean
}

export class Supervisor implements AsyncDisposable {
  /** Resolves when no process is left. Rejects when the first ones could not start, with what they said. */
  readonly done: Promise<Supervision>
  readonly #options: SupervisorOptions
  readonly #places: ProcessPlace[]
  readonly #leases: HandBack
  readonly #remarks = new Set<string>()
  /** Words about ends that wait for what became of the jobs. */
  readonly #tidying = new Set<Promise<void>>()
  #state: 'new' | 'running' | 'quiet' | 'stopping' | 'stopped' = 'new'
  #hasServed = false
  #isInOrder = true
  #refusal: LarkError | undefined
  /** Of processes that are gone. */
  #past = noFigures()
  #counted = noFigures()
  #second: NodeJS.Timeout | undefined
  #resolve!: (supervision: Supervision) => void
  #reject!: (error: LarkError) => void

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#leases = new HandBack(options.store, options.queues, options.limiters)
    this.#places = Array.from({ length: options.processes }, (_, i) => {
      return { number: i + 1, process: undefined, shortLives: 0, isFinished: false, pause: undefined }
    })
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    for (const text of this.#options.remarks) this.#remark(text)
    for (const place of this.#places) this.#fill(place)
  }

  /** Has every process take no more, finish what runs, and stay until `stop`. One that ends is not replaced. */
  quiet(): void {
    if (this.#state !== 'running') return
    this.#state = 'quiet'
    for (const { process, pause } of this.#places) {
      clearTimeout(pause)
      process?.quiet()
    }
    this.#lookWhetherDone()
  }

  /**
   * Has every process take no more, finish what runs, and end.
   *
   * @param deadline milliseconds, default 25 s; 0 gives back at once. Called again, the shorter one holds.
   */
  async stop(deadline = STOP_DEADLINE): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopping'
    for (const { process, pause } of this.#places) {
      clearTimeout(pause)
      process?.stop(deadline)
    }
    this.#lookWhetherDone()
    await this.done.catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #fill(place: ProcessPlace): void {
    const process = new WorkerProcess(place.number, this.#places.length, this.#options.start, {
      remark: (text) => this.#remark(text),
      serving: () => {
        this.#hasServed = true
      },
      figures: () => {
        this.#second ??= setTimeout(() => this.#count(), SECOND)
      },
    })
    place.process = process
    void process.departed.then((departure) => this.#departed(place, process, departure))
  }

  #departed(place: ProcessPlace, process: WorkerProcess, departure: Departure): void {
    place.process = undefined
    place.isFinished = departure.kind === 'finished'
    this.#past = sum(this.#past, process.figures)
    if (this.#state !== 'running' && departure.kind === 'died' && (process.hasServed || process.isKilled))
      this.#isInOrder = false
    // Nobody has run a job yet: what keeps the first from starting keeps all, and is for people to mend.
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

  /** @returns milliseconds until another takes the place; undefined when none does */
  #replace(place: ProcessPlace, { startedAt }: WorkerProcess): number | undefined {
    if (this.#state !== 'running' || place.isFinished) return undefined
    if (performance.now() - startedAt >= HEALTHY) place.shortLives = 0
    const { from, to } = PAUSE
    const pause = place.shortLives === 0 ? 0 : Math.min(to, from * 2 ** (place.shortLives - 1))
    place.shortLives++
    place.pause = setTimeout(() => this.#fill(place), pause)
    return pause
  }

  /** The job that ended the process was found, so it cannot end the next one. @returns as `#replace` */
  #hurry(place: ProcessPlace): number {
    place.shortLives = 0
    if (this.#state === 'running' && place.process === undefined) {
      clearTimeout(place.pause)
      this.#fill(place)
    }
    return 0
  }

  /** Hands back what the process held, and says how it ended. */
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
    const cause = departure.kind === 'died' ? departure.how : undefined
    const handed = this.#leases.handBack(slot.worker, cause, late).then((all) => {
      returned = all
    })
    await within(PATIENCE, handed)
    const what = returned === undefined ? 'its jobs go back when the store answers' : wentBack(returned)
    if (pause !== undefined && returned !== undefined && returned.failed > 0) pause = this.#hurry(place)
    const next =
      pause === undefined ? '' : `; another starts ${pause === 0 ? 'now' : `in ${readable(pause)}`}`
    // The first that could not start is what `done` rejects with.
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

  get #figures(): Figures {
    return this.#places.reduce((all, { process }) => (process ? sum(all, process.figures) : all), this.#past)
  }

  /** A second is over. */
  #count(): void {
    this.#second = undefined
    const figures = this.#figures
    const before = this.#counted
    this.#counted = figures
    if (figures.hidden > before.hidden)
      this.#options.report.counted(ended(figures) - ended(before), ended(figures))
  }

  #lookWhetherDone(): void {
    if (this.#state === 'stopped' || this.#tidying.size > 0) return
    if (this.#places.some(({ process }) => process !== undefined)) return
    if (this.#state === 'running' && this.#places.some(({ isFinished }) => !isFinished)) return
    this.#state = 'stopped'
    this.#leases.stop()
    clearTimeout(this.#second)
    this.#count()
    if (this.#refusal !== undefined) this.#reject(this.#refusal)
    else this.#resolve({ figures: this.#past, isInOrder: this.#isInOrder })
  }
}

/** The rest of a sentence; undefined for what needs no word. */
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
