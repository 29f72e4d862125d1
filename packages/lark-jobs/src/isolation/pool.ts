/**
 * The isolated processes of a worker. The pool starts processes in advance: there is always one process
 * without a job, up to the maximum number of processes. The process that ran a job most recently gets the
 * next job, so that the other processes can end when they are not needed.
 *
 * A new process is started for the first job of a class, and for the next job of a class whose last process
 * was killed or has crashed. Without this rule, jobs that end by themselves would wait for the start of a
 * process after each kill.
 */
import type { ChildProcess } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { JobsError } from '../model/errors.ts'
import { type ClassMaker, classMaker } from '../options/isolated.ts'
import { classOf, type JobClass } from '../options/job-class.ts'
import type { Registry } from '../options/registry.ts'
import type { Execution, Isolation } from '../run/execution.ts'
import { listed } from '../words/listed.ts'
import { textOf } from '../words/thrown.ts'
import { Part } from '../worker/part.ts'
import { threadFile } from '../worker/thread-file.ts'
import { IsolatedProcess, type PoolAround, startIsolated } from './isolated-process.ts'
import type { IsolationSetting } from './messages.ts'
import { RemoteRun } from './remote-run.ts'

/** If this many processes were given a job and did not begin it, the job goes back to the store. */
const MOST_HANDS = 3
/** Milliseconds between two checks for processes that are no longer needed. */
const LOOK = 10_000
const BUNDLE = 'In a bundle, build a file isolated-jobs beside it that exports the isolated classes.'

export interface IsolationOptions {
  /** The maximum number of processes. */
  processes: number
  maxJobs?: number | undefined
  /** The age at which a process is replaced, in milliseconds. */
  maxAge?: number | undefined
  /** How long a process may have no job before it ends, in milliseconds. */
  idle: number
  /** How long a process may take to begin a job, in milliseconds. */
  answer?: number | undefined
  setting: IsolationSetting
  warn: (text: string) => void
  start: () => ChildProcess
}

export class IsolationPool extends Part implements Isolation, PoolAround {
  readonly #options: IsolationOptions
  readonly #processes = new Set<IsolatedProcess>()
  /** The processes without a job. The process that ran a job most recently is last. */
  readonly #idle: IsolatedProcess[] = []
  /** The runs that wait for a process, in order. */
  readonly #waiting: RemoteRun[] = []
  /** The keys of the classes whose last job has ended without the end of its process. */
  readonly #trusted = new Set<string>()
  /** The keys of the classes for which a warning was printed, because no process can load them. */
  readonly #said = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: IsolationOptions) {
    super()
    this.#options = options
  }

  handle(execution: Execution, jobClass: JobClass): Promise<unknown> {
    const run = new RemoteRun(execution, jobClass)
    execution.stepsIfAny = run
    this.#place(run)
    // Middleware runs before this call and may take long, so the run may already have been aborted.
    if (execution.run.reason !== undefined) run.abort(execution.run.reason)
    this.#grow()
    return run.handled
  }

  protected override onStart(): void {
    this.#timer = setInterval(() => this.#look(), Math.min(LOOK, this.#options.idle)).unref()
    this.#grow()
  }

  protected override async onStop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#processes].map((process) => process.leave()))
  }

  /** Whether a run may get a process that has had jobs of other classes. */
  #mayShare(run: RemoteRun): boolean {
    return this.#trusted.size === 0 || this.#trusted.has(keyOf(run))
  }

  #place(run: RemoteRun): void {
    const process = this.#mayShare(run) ? this.#idle.pop() : undefined
    if (process !== undefined) this.#begin(process, run)
    else this.#wait(run)
  }

  #wait(run: RemoteRun): void {
    run.aborting = (reason) => {
      this.#waiting.splice(this.#waiting.indexOf(run), 1)
      run.threw(reason)
    }
    if (run.hands > 0) this.#waiting.unshift(run)
    else this.#waiting.push(run)
  }

  freed(process: IsolatedProcess): void {
    const { maxJobs = Number.POSITIVE_INFINITY } = this.#options
    if (this.isStopped) return
    if (process.jobs >= maxJobs || this.#isOld(process)) {
      void process.leave()
      this.#grow()
      return
    }
    const run = this.#nextFor(process)
    if (run !== undefined) this.#begin(process, run)
    else if (process.jobs === 0) this.#idle.unshift(process)
    else this.#idle.push(process)
  }

  /** The next run for a process without a job: the run that has waited longest and may get this process. */
  #nextFor(process: IsolatedProcess): RemoteRun | undefined {
    // If more runs wait than processes are starting, each waiting run may use a process that has had jobs of
    // other classes.
    const mayAll = process.jobs === 0 || this.#waiting.length > this.#starting
    const at = mayAll ? 0 : this.#waiting.findIndex((run) => this.#mayShare(run))
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0]
  }

  ended(run: RemoteRun, isByItself: boolean): void {
    if (isByItself) this.#trusted.add(keyOf(run))
    else this.#trusted.delete(keyOf(run))
  }

  exited(process: IsolatedProcess): void {
    const at = this.#idle.indexOf(process)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  returned(run: RemoteRun): void {
    if (run.hands >= MOST_HANDS || !this.isAlive) {
      this.#refuse(run, 'its processes ended before it had begun')
      return
    }
    this.#place(run)
    this.#grow()
  }

  #begin(process: IsolatedProcess, run: RemoteRun): void {
    const key = keyOf(run)
    const refusal = process.refusal(key)
    if (refusal !== undefined) {
      if (!this.#said.has(key)) this.#options.warn(`A process could not load ${key}: ${refusal}`)
      this.#said.add(key)
      this.#refuse(run, refusal)
      this.freed(process)
    } else process.begin(run)
  }

  /** Starts processes until there is one process for each waiting run, and one process without a job. */
  #grow(): void {
    const wanted = this.#waiting.length + (this.#idle.length === 0 ? 1 : 0) - this.#starting
    const room = this.#options.processes - this.#processes.size
    for (let i = Math.min(wanted, room); i > 0 && this.isAlive; i--) void this.#start()
    // If no process can be started for a run, the run gets a process that has no job.
    while (this.#waiting.length > this.#starting && this.#idle.length > 0)
      this.#begin(this.#idle.pop()!, this.#waiting.shift()!)
  }

  /** How many processes are starting. */
  get #starting(): number {
    return [...this.#processes].filter(({ isReady }) => !isReady).length
  }

  get isAlive(): boolean {
    return this.#timer !== undefined && !this.isStopped
  }

  async #start(): Promise<void> {
    const { start, setting, answer, warn } = this.#options
    const process = new IsolatedProcess(start, setting, this, answer)
    this.#processes.add(process)
    void process.departed.then(() => this.#left(process))
    const why = await process.ready
    if (why === undefined || this.isStopped) return
    warn(`A process for isolated jobs could not start: ${why}`)
    for (const run of this.#waiting.splice(0)) this.#refuse(run, why)
  }

  #left(process: IsolatedProcess): void {
    this.#processes.delete(process)
    // If the ended process has had no job, it could not start. Another process is then started only if a job
    // waits for it.
    if (process.jobs > 0 || this.#waiting.length > 0) this.#grow()
  }

  /**
   * Whether a process is too old. A process that has had no job yet is never too old, even if it took long to
   * start.
   */
  #isOld({ jobs, startedAt }: IsolatedProcess): boolean {
    return jobs > 0 && performance.now() - startedAt >= (this.#options.maxAge ?? Number.POSITIVE_INFINITY)
  }

  /** Ends the processes that are no longer needed. */
  #look(): void {
    const { idle } = this.#options
    const now = performance.now()
    for (const process of [...this.#idle]) {
      if (!this.#isOld(process) && (this.#idle.length === 1 || now - process.idleAt < idle)) continue
      this.#idle.splice(this.#idle.indexOf(process), 1)
      void process.leave()
    }
  }

  /** Puts back a job that no process can run, in the same way as a job whose class no worker knows. */
  #refuse(run: RemoteRun, why: string): void {
    const { execution } = run
    const error = new JobsError('PROCESS_DIED', `${execution.name}: ${why}`)
    execution.run.decision ??= { kind: 'stranded', because: why, error }
    run.threw(error)
  }
}

/**
 * Makes the pool of a worker that has isolated classes.
 *
 * @param registry the classes of the worker
 * @throws JOB_INVALID for a class that no file exports
 */
export function isolationOf(
  registry: Registry,
  options: Omit<IsolationOptions, 'setting' | 'start'> & { setting: Omit<IsolationSetting, 'classes'> },
): IsolationPool {
  const isolated = registry.classes.filter(({ isolate }) => isolate !== undefined)
  const bundled = threadFile('isolated-jobs')
  const program = programFile()
  const filesOf = (each: JobClass): string[] => {
    const [found, named] = [registry.pathOf(each), each.isolate!.file]
    if (makerOf(each) !== undefined || found !== undefined) return [named ?? found!]
    // In a bundle, the file that the class names is the program, so only the file `isolated-jobs` beside the
    // program is used. Outside of a bundle, a file that has this name by chance lacks the class, so the named
    // file is tried after it.
    const files = [bundled, named === program && bundled !== undefined ? undefined : named]
    return files.filter((file) => file !== undefined)
  }
  const [first] = isolated as [JobClass]
  const fileless = isolated.filter((each) => filesOf(each).length === 0)
  if (fileless.length > 0) {
    const are = fileless.length === 1 ? 'is' : 'are'
    const names = `${listed(fileless.map(({ name }) => name))} ${are} isolated`
    throw new JobsError(
      'JOB_INVALID',
      `${names}, and the worker does not know the file to load in another process`,
      {
        hint: `Export it from a file, and name this file: isolate = isolated({ file: import.meta.url }). ${BUNDLE}`,
      },
    )
  }
  const own = isolated.find((each) => program !== undefined && filesOf(each).includes(program))
  if (own !== undefined)
    throw new JobsError(
      'JOB_INVALID',
      `${own.name} is isolated, and its file is the program, which its process would run again`,
      { hint: `Move it to a file of its own. ${BUNDLE}` },
    )
  const process = threadFile('isolated')
  if (process === undefined)
    throw new JobsError('JOB_INVALID', `${first.name} is isolated, and isolated.js is not there`, {
      hint: 'It is the program of isolated processes: build @s18i/lark-jobs/isolated beside the bundle, or install @s18i/lark-jobs.',
    })
  const classes = isolated.map((each) => ({ key: each.key, files: filesOf(each), maker: makerOf(each) }))
  try {
    structuredClone({ ...options.setting, classes })
  } catch (cause) {
    throw new JobsError(
      'JOB_INVALID',
      `${first.name} is isolated, and its process cannot have the configuration: ${textOf(cause)}`,
      { cause, hint: 'Write the configuration into lark.config, which the process reads itself.' },
    )
  }
  return new IsolationPool({
    ...options,
    setting: { ...options.setting, classes },
    start: () => startIsolated(process, classes.find(({ maker }) => maker)?.maker?.execArgv),
  })
}

function keyOf({ jobClass }: RemoteRun): string {
  return classOf(jobClass.Class).key
}

/** The function that makes the class in another process. Undefined if a file exports the class. */
export function makerOf({ Class }: JobClass): ClassMaker | undefined {
  return (Class as { [classMaker]?: ClassMaker })[classMaker]
}

/** The main file of this process. Undefined if there is none. */
function programFile(): string | undefined {
  try {
    return realpathSync(process.argv[1]!)
  } catch {
    return undefined
  }
}
