/**
 * The worker's side of one isolated process (`child.ts` is the code that runs in the process).
 *
 *   starting → idle ⇄ busy → ended
 *
 * The process has one job at a time, and reports when the job begins. If the process ends before this report,
 * or does not answer because code of an earlier job still blocks the process, another process gets the job.
 *
 * When the signal of the job is aborted, the process gets a grace period to end the job. After that the
 * process is killed, with everything that the job has started.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { JobsError } from '../model/errors.ts'
import { decode, whyDropped } from '../model/payload.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { version } from '../model/version.ts'
import { MAX_ERRORS, WORKER_DIED } from '../store/contract/store.ts'
import { Deferred } from '../waiting/deferred.ts'
import { inMb } from '../words/bytes.ts'
import { readable } from '../words/duration.ts'
import { crossed, revived } from './crossed-error.ts'
import { LIFELINE } from './memory-guard.ts'
import { type HandlerEnd, type IsolationSetting, larkMessage, type Order, type Report } from './messages.ts'
import type { RemoteRun } from './remote-run.ts'

/** How long a process may take to load its classes, in milliseconds. */
const START = 60_000
/** How long a process may take to begin a job, in milliseconds. */
const ANSWER = 10_000
/** How long a process without a job may take to end by itself, in milliseconds. */
const LEAVE = 1_000
/** How long the last output of a process is read after its end, in milliseconds. */
const LAST_OUTPUT = 500
/**
 * How many characters of the last output of a process are kept (`TAIL`), and how many of these an error
 * contains.
 */
const TAIL = 8_000
const LINES = 900
/** Matches a line of a native stack, which Node prints after the description of the failure. */
const NATIVE = /^ *\d+: 0x.*\n?/gm

/** The methods of the pool that a process calls. */
export interface PoolAround {
  /** Called when the process no longer has a job. */
  freed(process: IsolatedProcess): void
  /**
   * Called when a run has ended.
   *
   * @param isByItself whether the handler ended by itself, so that its process continues
   */
  ended(run: RemoteRun, isByItself: boolean): void
  /** Called when the process can get no more jobs. */
  exited(process: IsolatedProcess): void
  /** Called when the process has ended before it began the job that it was given. */
  returned(run: RemoteRun): void
}

export class IsolatedProcess {
  readonly startedAt = performance.now()
  /** The time at which the last job of the process ended, by `performance.now()`. */
  idleAt = 0
  /** How many jobs the process has had. */
  jobs = 0
  readonly #child: ChildProcess
  readonly #ready = new Deferred<string | undefined>()
  /** Resolves with undefined when the process can run jobs, or with the reason why it cannot. */
  readonly ready: Promise<string | undefined> = this.#ready.promise
  readonly #departed = new Deferred<void>()
  /** Resolves when the process has ended. */
  readonly departed: Promise<void> = this.#departed.promise
  #unknown: Record<string, string> = {}
  #run: RemoteRun | undefined
  readonly #pool: PoolAround
  readonly #answer: number
  readonly #late = setTimeout(() => this.kill(), START)
  #timer: NodeJS.Timeout | undefined
  /** The memory that the process used when its guard killed it, in bytes. */
  #had: number | undefined
  #tail = ''

  /** @param answer how long the process may take to begin a job, in milliseconds */
  constructor(start: () => ChildProcess, setting: IsolationSetting, pool: PoolAround, answer = ANSWER) {
    this.#pool = pool
    this.#answer = answer
    this.#child = start()
    const child = this.#child
    child.on('message', (message) => {
      const report = larkMessage<Report>(message)
      if (report !== undefined) this.#hear(report)
      // Without isolation, a job's `process.send` reaches the program that started the worker. So the
      // messages of an isolated job are passed on to that program.
      else if (process.connected) process.send?.(message, undefined, undefined, () => {})
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      this.#tail = `${this.#tail}${chunk}`.slice(-TAIL)
    })
    const lifeline = child.stdio?.[LIFELINE] as Duplex | undefined
    lifeline?.on('data', (chunk: Buffer) => {
      this.#had = Number.parseInt(String(chunk), 10)
    })
    lifeline?.on('error', () => {})
    child.once('exit', () => {
      pool.exited(this)
      // Processes that a job has started and left behind must be killed, too.
      this.kill()
    })
    void this.#end(child)
    this.#tell({ kind: 'begin', version, ...setting })
  }

  /** Whether the process has loaded its classes. */
  isReady = false

  get isBusy(): boolean {
    return this.#run !== undefined
  }

  /** Why the process cannot run a class. Undefined if the process can run the class. */
  refusal(key: string): string | undefined {
    return this.#unknown[key]
  }

  /** Runs a job. */
  begin(run: RemoteRun): void {
    this.jobs += 1
    this.#run = run
    this.#tail = ''
    run.aborting = () => this.#killIn(run)
    this.#timer = setTimeout(() => this.kill(), this.#answer)
    run.begin((order) => this.#tell(order))
  }

  /** Ends the process. A process without a job ends in an orderly way. A process with a job is killed. */
  leave(): Promise<void> {
    if (this.isBusy) this.kill()
    else {
      this.#tell({ kind: 'end' })
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.kill(), LEAVE)
    }
    return this.departed
  }

  kill(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // On Windows the process has no group of its own. On other systems the process has just ended.
      this.#child.kill('SIGKILL')
    }
  }

  #killIn(run: RemoteRun): void {
    const { grace } = run.jobClass.isolate!
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      run.execution.run.write(
        'warn',
        `Its process was killed, ${readable(grace)} after its signal was aborted`,
      )
      this.kill()
    }, grace)
  }

  #tell(order: Order): void {
    if (this.#child.connected) this.#child.send({ lark: order }, () => {})
  }

  #hear(report: Report): void {
    if (report.kind === 'ready') {
      clearTimeout(this.#late)
      this.#unknown = report.unknown
      this.isReady = true
      this.#free()
      this.#ready.resolve(undefined)
      return
    }
    if (report.kind === 'refused') {
      this.#ready.resolve(report.why)
      this.kill()
      return
    }
    const run = this.#run
    if (run === undefined) return
    const { execution } = run
    if (report.kind === 'began') {
      // After an abort, the timer of the grace period must stay, because the process is killed when that
      // period is over.
      if (execution.run.reason === undefined) clearTimeout(this.#timer)
      run.began()
    } else if (report.kind === 'wrote') execution.run.write(report.level, report.text)
    else if (report.kind === 'reported') execution.run.report(report.progress)
    else if (report.kind === 'recorded') run.recorded(report)
    else if (report.kind === 'spent') {
      execution.deadline -= report.ms
      execution.environment.hurries?.(execution)
    } else if (report.kind === 'more') void this.#more(run, report.from)
    else this.#settle(run, report)
  }

  async #more(run: RemoteRun, from: number): Promise<void> {
    const { execution, number } = run
    const answer = await execution.environment.more!(execution, from).then(
      (journal) => (journal === undefined ? {} : { journal }),
      (error) => ({ error: crossed(error) }),
    )
    this.#tell({ kind: 'journal', run: number, ...answer })
  }

  #settle(run: RemoteRun, ended: HandlerEnd): void {
    const { execution } = run
    clearTimeout(this.#timer)
    this.#run = undefined
    run.ended(ended.rest)
    this.#pool.ended(run, true)
    this.#free()
    if (ended.kind === 'suspended') execution.suspend(ended.outcome)
    else if (ended.kind === 'undone') {
      const { found } = ended
      run.undone(found.kind === 'failed' ? { ...found, error: revived(found.error) } : found)
    } else if (ended.kind === 'threw') {
      const error = revived(ended.error)
      const { decision } = ended
      if (decision !== undefined) execution.run.decision ??= { ...decision, error } as never
      run.threw(error)
    } else {
      const { flag, text } = ended
      // The text of the result is stored unchanged. It is parsed only because middleware receives the value.
      const hasValue = text !== undefined && whyDropped(text) === undefined
      const value = hasValue ? decode(text) : flag
      if (text !== undefined) execution.crossed = { value, text }
      run.returned(value)
    }
  }

  #free(): void {
    this.idleAt = performance.now()
    this.#pool.freed(this)
  }

  async #end(child: ChildProcess): Promise<void> {
    const how = await ended(child)
    clearTimeout(this.#late)
    clearTimeout(this.#timer)
    child.stdio?.[LIFELINE]?.destroy()
    this.#ready.resolve(`its process ${how}${this.#lastLines === '' ? '' : `: ${this.#lastLines}`}`)
    const run = this.#run
    this.#run = undefined
    this.#departed.resolve()
    if (run === undefined) return
    run.ended(undefined)
    const { reason } = run.execution.run
    if (run.hasBegun) this.#pool.ended(run, false)
    if (run.hasBegun || reason !== undefined) run.threw(reason ?? (await this.#failure(run, how)))
    else this.#pool.returned(run)
  }

  get #lastLines(): string {
    return this.#tail.replace(NATIVE, '').trim().slice(-LINES)
  }

  /** The error of a job whose process has ended, unless it ended because the signal was aborted. */
  async #failure(run: RemoteRun, how: string): Promise<unknown> {
    const { execution, jobClass } = run
    const { name } = execution
    const { memory } = jobClass.isolate!
    if (this.#had !== undefined && memory !== undefined)
      return new JobsError(
        'MEMORY_EXCEEDED',
        `${name} had ${inMb(this.#had)} MB of memory, and may have ${inMb(memory)} MB: its process was killed`,
        { hint: 'Let the job hold less in memory at a time, or raise memory in isolated().' },
      )
    const cause = this.#lastLines === '' ? undefined : printed(this.#lastLines)
    const error = new JobsError('PROCESS_DIED', `${name}: its process ${how} before handle() had ended`, {
      ...{
        cause,
        hint: 'No other job was running in this process. The cause has the last output of the process.',
      },
    })
    try {
      return (await isLastCrash(run)) ? asNonRetryable(error) : error
    } catch (stopped) {
      // The store did not answer before the run was stopped.
      return stopped
    }
  }
}

/** Whether this end of a process is the last crash that the class's `maxCrashes` allows. */
async function isLastCrash({ execution, jobClass, isProgress }: RemoteRun): Promise<boolean> {
  const most = Math.min(jobClass.maxCrashes ?? Number.POSITIVE_INFINITY, MAX_ERRORS + 1)
  const { job, environment } = execution
  // Attempts before the latest progress do not count.
  const before = isProgress ? 0 : job.failures
  if (before + 1 < most) return false
  if (most === 1) return true
  const failed = (await environment.errors!(execution)).filter(({ code }) => code !== WORKER_DIED.code)
  const crashes = failed.slice(-before).filter(({ code }) => code === 'PROCESS_DIED')
  return crashes.length + 1 >= most
}

/** The last output of a process, as the cause of an error. */
function printed(lines: string): Error {
  const error = new Error(lines)
  error.name = 'stderr'
  error.stack = ''
  return error
}

/** Says in words how a process ended. */
function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(`could not be started: ${error.message}`)
    })
    child.once('exit', (code, signal) => {
      const text = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
      // There is a time limit because a process that this process has left behind may keep the pipes open.
      // `setImmediate` lets output that has already arrived be read first, even if this event loop is late.
      const late = setTimeout(() => setImmediate(resolve, text), LAST_OUTPUT)
      child.once('close', () => {
        clearTimeout(late)
        resolve(text)
      })
    })
  })
}

/**
 * Starts an isolated process. @param file the program to run @param execArgv the Node flags of the process.
 *   Default: the flags of this process
 */
export function startIsolated(file: string, execArgv = flags(process.execArgv)): ChildProcess {
  return fork(file, [], {
    execArgv: [...execArgv],
    // This serialization is faster for large texts, and can carry certificates.
    serialization: 'advanced',
    // The process gets its own process group, so that everything that a job has started is killed with it.
    detached: true,
    // The fifth entry is the lifeline (`memory-guard.ts`).
    stdio: ['ignore', 'inherit', 'pipe', 'ipc', 'pipe'],
  })
}

/**
 * The Node flags for the isolated process: the flags of this process that load modules for the application.
 * Flags that concern only this program are left out.
 */
function flags(all: readonly string[]): readonly string[] {
  const at = all.findIndex((flag) => /^(-[ep]|-pe|--eval|--print)$/.test(flag))
  const kept = at < 0 ? all : all.filter((_, i) => i !== at && i !== at + 1)
  return kept.filter((flag) => !/^--(inspect|watch|test)/.test(flag))
}
