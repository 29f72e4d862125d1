/**
 * One isolated process, as its worker sees it (`child.ts` is the process's side).
 *
 *   starting → idle ⇄ busy → ended
 *
 * It has one job at a time. When the signal of the job is aborted, the process has a grace period for ending
 * the job. Then it is killed, with everything that the job has started.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { JobsError } from '../model/errors.ts'
import { decode, whyDropped } from '../model/payload.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { Deferred } from '../waiting/deferred.ts'
import { inMb } from '../words/bytes.ts'
import { readable } from '../words/duration.ts'
import { crossed, revived } from './crossed-error.ts'
import { LIFELINE } from './guard.ts'
import { type HandlerEnd, type IsolationSetting, larkMessage, type Order, type Report } from './messages.ts'
import type { RemoteRun } from './remote-run.ts'

/** Milliseconds for a process to load its classes. */
const START = 60_000
/** Milliseconds in which a process without a job must end by itself. */
const LEAVE = 1_000
/** Milliseconds after the end of a process in which its last output is read. */
const LAST_OUTPUT = 500
/** How many characters of the last output of a process are kept. */
const TAIL = 900

export class IsolatedProcess {
  readonly startedAt = performance.now()
  /** The time at which its last job ended, by `performance.now()`. */
  idleAt = 0
  /** How many jobs it has had. */
  jobs = 0
  readonly #child: ChildProcess
  readonly #ready = new Deferred<string | undefined>()
  /** Resolves with undefined when it can run jobs, or with the reason why it cannot. */
  readonly ready: Promise<string | undefined> = this.#ready.promise
  readonly #departed = new Deferred<void>()
  /** Resolves when it has ended. */
  readonly departed: Promise<void> = this.#departed.promise
  #unknown: Record<string, string> = {}
  #run: RemoteRun | undefined
  readonly #freed: () => void
  #timer: NodeJS.Timeout | undefined
  /** Bytes of memory that it had when its guard killed it. */
  #had: number | undefined
  #tail = ''

  /** @param freed called when it has no job any more */
  constructor(start: () => ChildProcess, setting: IsolationSetting, freed: () => void) {
    this.#freed = freed
    this.#child = start()
    const child = this.#child
    child.on('message', (message) => {
      const report = larkMessage<Report>(message)
      if (report !== undefined) this.#hear(report)
      // Without isolation, `process.send` of a job reaches the program that started this one. It does here,
      // too.
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
    // Everything that its job has started ends with it.
    child.once('exit', () => this.kill())
    this.#timer = setTimeout(() => this.kill(), START)
    void this.#end(child)
    this.#tell({ kind: 'begin', ...setting })
  }

  /** Whether it has loaded its classes. */
  isReady = false

  get isBusy(): boolean {
    return this.#run !== undefined
  }

  /** Why it cannot run a class; undefined if it can run it. */
  refusal(key: string): string | undefined {
    return this.#unknown[key]
  }

  /** Runs a job. */
  begin(run: RemoteRun): void {
    this.jobs += 1
    this.#run = run
    this.#tail = ''
    run.aborting = () => this.#killIn(run)
    run.begin((order) => this.#tell(order))
  }

  /** Ends the process, in order if it has no job. */
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
      // On Windows it has no group of its own. Or it has just ended.
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
      clearTimeout(this.#timer)
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
    if (report.kind === 'wrote') execution.run.write(report.level, report.text)
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
      // The text is stored as it came. Middleware sees the value.
      const hasValue = text !== undefined && whyDropped(text) === undefined
      const value = hasValue ? decode(text) : flag
      if (text !== undefined) execution.crossed = { value, text }
      run.returned(value)
    }
  }

  #free(): void {
    this.idleAt = performance.now()
    this.#freed()
  }

  async #end(child: ChildProcess): Promise<void> {
    const how = await ended(child)
    clearTimeout(this.#timer)
    child.stdio?.[LIFELINE]?.destroy()
    this.#ready.resolve(`its process ${how}${this.#lastLines === '' ? '' : `: ${this.#lastLines}`}`)
    const run = this.#run
    this.#run = undefined
    this.#departed.resolve()
    if (run === undefined) return
    run.ended(undefined)
    run.threw(run.execution.run.reason ?? this.#failure(run, how))
  }

  get #lastLines(): string {
    return this.#tail.trim()
  }

  /** The error of a job whose process has ended, unless it ended because the signal was aborted. */
  #failure({ execution, jobClass }: RemoteRun, how: string): JobsError {
    const { name } = execution
    const { memory } = jobClass.isolate!
    if (this.#had !== undefined && memory !== undefined)
      return new JobsError(
        'MEMORY_EXCEEDED',
        `${name} had ${inMb(this.#had)} MB of memory, and may have ${inMb(memory)} MB: its process was killed`,
        { hint: 'Have it hold less at a time, or raise memory of isolated().' },
      )
    const cause = this.#lastLines === '' ? undefined : printed(this.#lastLines)
    const error = new JobsError('PROCESS_DIED', `${name}: its process ${how} before handle() had ended`, {
      ...{ cause, hint: 'The job was alone in this process. The cause has what it printed last.' },
    })
    // The class wants no further run after a crash.
    return jobClass.maxCrashes === 1 ? asNonRetryable(error) : error
  }
}

/** The last output of a process, as the cause of an error. */
function printed(lines: string): Error {
  const error = new Error(lines)
  error.name = 'stderr'
  error.stack = ''
  return error
}

/** How a process ended, in words. */
function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(`could not be started: ${error.message}`)
    })
    child.once('exit', (code, signal) => {
      const text = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
      // A process that it left behind may keep its pipes open.
      const late = setTimeout(resolve, LAST_OUTPUT, text)
      child.once('close', () => {
        clearTimeout(late)
        resolve(text)
      })
    })
  })
}

/** Starts an isolated process. @param file the program to run */
export function startIsolated(file: string): ChildProcess {
  return fork(file, [], {
    execArgv: flags(process.execArgv),
    // Faster for large texts, and it can carry certificates.
    serialization: 'advanced',
    // Its own process group, so that everything that a job has started is killed with it.
    detached: true,
    // The fifth entry is the lifeline (`guard.ts`).
    stdio: ['ignore', 'inherit', 'pipe', 'ipc', 'pipe'],
  })
}

/**
 * The Node flags of this process that load what the application needs. Flags that belong to this program only
 * are left out.
 */
function flags(all: readonly string[]): string[] {
  const at = all.findIndex((flag) => /^(-[ep]|-pe|--eval|--print)$/.test(flag))
  const kept = at < 0 ? all : all.filter((_, i) => i !== at && i !== at + 1)
  return kept.filter((flag) => !/^--(inspect|watch|test)/.test(flag))
}
