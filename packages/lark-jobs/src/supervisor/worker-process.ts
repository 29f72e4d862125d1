/**
 * The supervisor's side of one worker process.
 *
 *   new → starting → serving → quiet → leaving (the process was told to stop, or stops by itself) → departed
 *
 * A process that was told to stop is killed if it has not ended when its deadline and a grace period
 * (`GRACE`) are over, unless it has reported that it needs longer. A process that is blocked by a handler
 * cannot report this.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { newNonce } from '../model/id.ts'
import { Deferred } from '../waiting/deferred.ts'
import { STOP_DEADLINE } from '../worker/options.ts'
import { Part } from '../worker/part.ts'
import type { Vitals } from '../worker/vitals.ts'
import {
  type Figures,
  GRACE,
  larkMessage,
  noFigures,
  PROCESS_SLOT,
  type ProcessCommand,
  type ProcessReport,
  type ProcessSlot,
} from './protocol.ts'

/** How long the last output of a process is still read after its end, in milliseconds. */
const LAST_WORDS = 1_000

/** Signals that a process gets because of its own actions, such as a native crash or a full heap. */
const OWN_SIGNALS = ['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGSYS', 'SIGTRAP']

/**
 * How a process ended. `finished` and `left` are orderly ends. After `left`, another process takes the place.
 */
export type Departure =
  | { kind: 'finished' | 'left' }
  | Extract<ProcessReport, { kind: 'refused' }>
  /**
   * `how`: how the process ended, as the rest of a sentence that begins with "its process": `was killed by
   * SIGKILL`. `cause`: the same text, with the report of the process itself. Undefined if no handler was
   * running, so that no job was interrupted. `fromWithin`: whether code of a job ended the process, and
   * neither a command nor a signal from outside did.
   */
  | { kind: 'died'; how: string; cause: string | undefined; fromWithin: boolean }

export class WorkerProcess extends Part {
  readonly slot: ProcessSlot
  /** The time at which the process was started, by `performance.now()`. */
  readonly startedAt = performance.now()
  readonly #departed = new Deferred<Departure>()
  /** Resolves when the process has ended and all its messages have been read. */
  readonly departed: Promise<Departure> = this.#departed.promise
  figures: Figures = noFigures()
  /** The last report about the worker of the process. `heardAt`: when it came, by `performance.now()`. */
  vitals: Vitals | undefined
  heardAt = performance.now()
  /** The outcomes of jobs that the process reported at its end. */
  readonly outcomes: Extract<ProcessReport, { kind: 'outcome' }>[] = []
  hasServed = false
  /** Whether the process was told to end so that another process takes its place. */
  isRestarting = false
  readonly #began = new Deferred<void>()
  /** Resolves when the process serves, or has ended before it served. */
  readonly began: Promise<void> = this.#began.promise
  /** Whether the process was killed because it did not end in time. */
  isKilled = false
  readonly #start: (slot: ProcessSlot) => ChildProcess
  #child: ChildProcess | undefined
  readonly #heard: (report: ProcessReport) => void
  /** The departure that the process announced. Undefined if it has announced none. */
  #last: Departure | undefined
  /** What the process reported at its end. A later signal overrides it. */
  #ending: Extract<ProcessReport, { kind: 'ends' }> | undefined
  #killAt = Number.POSITIVE_INFINITY
  #kill: NodeJS.Timeout | undefined

  /** @param heard called with each report, after it was recorded here */
  constructor(
    number: number,
    of: number,
    start: (slot: ProcessSlot) => ChildProcess,
    heard: (report: ProcessReport) => void,
  ) {
    super()
    this.slot = { number, of, worker: newNonce() }
    this.#start = start
    this.#heard = heard
  }

  /** The id of the process. Undefined before the process is started, and if it could not be started. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  protected override onStart(): void {
    this.#child = this.#start(this.slot)
    this.#child.on('message', (message) => {
      const report = larkMessage<ProcessReport>(message)
      if (report !== undefined) this.#hear(report)
      // Messages that are not messages of Lark are passed on, so that messages of a job reach the program
      // that started the supervisor, and messages of Node reach `node --watch`.
      else if (process.connected) process.send?.(message, undefined, undefined, () => {})
    })
    void this.#end(this.#child).then(this.#departed.resolve)
  }

  /** Tells the process to claim no more jobs. */
  protected override onQuiet(): void {
    this.#tell({ kind: 'quiet' })
  }

  /**
   * @param deadline in milliseconds. If there are several calls, the earliest deadline counts
   * @param outcomes see the `stop` of a worker
   */
  override async stop(deadline = STOP_DEADLINE, outcomes?: number): Promise<void> {
    this.#tell({ kind: 'stop', deadline, outcomes })
    if (this.#child !== undefined) this.#killIn(deadline + GRACE)
    await super.stop()
  }

  protected override async onStop(): Promise<void> {
    if (this.#child !== undefined) await this.departed
  }

  /** Like `stop`, but another process takes the place of this one. */
  restart(deadline: number): void {
    this.isRestarting = true
    this.#tell({ kind: 'restart', deadline })
    this.#killIn(deadline + GRACE)
  }

  /** Sends a command, unless the process has just ended. */
  #tell(command: ProcessCommand): void {
    if (this.#child?.connected) this.#child.send({ lark: command }, () => {})
  }

  #hear(report: ProcessReport): void {
    if (report.kind === 'serving') {
      this.hasServed = true
      this.#began.resolve()
    } else if (report.kind === 'figures') this.figures = report.figures
    else if (report.kind === 'vitals') {
      this.vitals = report.vitals
      this.heardAt = performance.now()
    } else if (report.kind === 'needs') {
      this.#killAt = Number.POSITIVE_INFINITY
      this.#killIn(report.ms + GRACE)
    } else if (report.kind === 'ends') this.#ending = report
    else if (report.kind === 'outcome') this.outcomes.push(report)
    else if (report.kind === 'leaving') this.#killIn(STOP_DEADLINE + GRACE)
    else if (report.kind === 'refused' || report.kind === 'ended') {
      this.#last = report.kind === 'refused' ? report : { kind: report.finished ? 'finished' : 'left' }
      this.#killIn(GRACE)
    }
    this.#heard(report)
  }

  #killIn(ms: number): void {
    const at = performance.now() + ms
    if (at >= this.#killAt) return
    this.#killAt = at
    clearTimeout(this.#kill)
    this.#kill = setTimeout(() => {
      this.isKilled = this.#last === undefined
      this.#child?.kill('SIGKILL')
    }, ms)
  }

  async #end(child: ChildProcess): Promise<Departure> {
    const how = await new Promise<string>((resolve) => {
      child.on('error', (error) => {
        if (this.pid === undefined) resolve(`could not be started: ${error.message}`)
      })
      child.once('exit', (code, signal) => {
        const text = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
        // `close` comes when the pipes have been read to the end. There is a time limit, because a process
        // that the ended process has left behind may hold the pipes open.
        const late = setTimeout(resolve, LAST_WORDS, text)
        child.once('close', () => {
          clearTimeout(late)
          resolve(text)
        })
      })
    })
    clearTimeout(this.#kill)
    this.#began.resolve()
    if (this.#last !== undefined) return this.#last
    if (this.isKilled) {
      const killed = 'did not stop in time and was killed'
      return { kind: 'died', how: killed, cause: killed, fromWithin: false }
    }
    const { signalCode: signal } = child
    const isOwn = signal === null || OWN_SIGNALS.includes(signal)
    const fromWithin = isOwn && this.#killAt === Number.POSITIVE_INFINITY
    const ending = signal === null ? this.#ending : undefined
    const cause = ending?.ranJobs === false ? undefined : (ending?.cause ?? how)
    return { kind: 'died', how, cause, fromWithin }
  }
}

const NEWLINE = 10

/**
 * Starts a worker process, with a channel for messages and with the pipe that is its lifeline.
 *
 * The process writes to the stderr of the supervisor. If the stdout of the supervisor is a terminal, the
 * process also writes to this stdout. If it is not a terminal, the supervisor passes on the output of the
 * process in whole lines. Several processes that write to a pipe with a slow reader could each write half a
 * line.
 *
 * @param file a program that runs a worker when it is called with `words`
 */
export function startProcess(file: string, words: readonly string[], slot: ProcessSlot): ChildProcess {
  const { env, stdout } = process
  const child = fork(file, words, {
    env: { ...env, [PROCESS_SLOT]: JSON.stringify(slot) },
    // The fifth entry is the lifeline (`LIFELINE`).
    stdio: ['ignore', stdout.isTTY ? 'inherit' : 'pipe', 'inherit', 'ipc', 'pipe'],
  })
  // `stdout` is undefined if the system could not start another process.
  if (child.stdout) passOn(child, child.stdout, stdout)
  return child
}

/**
 * Passes on the output of a process. While the process lives, this function reads no faster than it can
 * write. After the end of the process only a little output is left, which must not delay the end. The
 * function does not wait for a reader that has ended (`| head`).
 */
function passOn(child: ChildProcess, from: Readable, to: Writable): void {
  const rest: Buffer[] = []
  from.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf(NEWLINE) + 1
    if (end > 0) {
      if (child.exitCode === null && child.signalCode === null) from.pause()
      to.write(Buffer.concat([...rest.splice(0), chunk.subarray(0, end)]), () => from.resume())
    }
    if (end < chunk.length) rest.push(chunk.subarray(end))
  })
  child.once('exit', () => from.resume())
  // A process that was killed may have written only the beginning of a line.
  from.once('end', () => {
    if (rest.length > 0) to.write(Buffer.concat([...rest, Buffer.from('\n')]))
  })
}
