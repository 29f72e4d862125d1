/**
 * `jobs:work --watch`: starts `jobs:work` again whenever the sources of the project change, for development.
 * The program is a separate process, so that everything is loaded again, including a configuration that could
 * not be loaded before.
 *
 *   running   the program runs, until it ends by itself or a source file changes
 *   ending    the program was told to stop because of a change. The program gives back jobs that still run
 *             after
 *             `DEADLINE`, and may need longer if the store is unreachable while it reports how its jobs ended
 *   waiting   the program has ended, by itself or because of a mistake. The next change starts it again
 *   stopping  a signal has come: when the program has ended, this process ends, too
 *
 * The program listens to messages while it has a channel to this process, and stops when the channel ends. So
 * the program also ends if this process is killed.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { STOP_DEADLINE } from '../worker/options.ts'
import { GRACE, larkMessage, type ProcessCommand, type ProcessReport, WATCHED } from './protocol.ts'
import { SourceWatch } from './source-watch.ts'

/** How long running jobs may go on after a change before they are given back, in milliseconds. */
const DEADLINE = 5_000
/**
 * How long the supervisor may need, after the deadline and its grace period, to end its processes and to hand
 * back their jobs, in milliseconds.
 */
const MARGIN = 5_000
/** The maximum number of changed files that are named. */
const MOST = 3

export interface DevelopmentOptions {
  /** The root of the project. */
  root: string
  /** A program that runs a worker when it is called with `words`. */
  file: string
  words: readonly string[]
  info(text: string): void
  warn(text: string): void
}

export class Development {
  readonly #options: DevelopmentOptions
  readonly #sources: SourceWatch
  #child: ChildProcess | undefined
  #state: 'running' | 'ending' | 'waiting' | 'stopping' = 'waiting'
  /** The time at which the program is killed, if it was told to stop and has not ended by then. */
  #killAt = 0
  #kill: NodeJS.Timeout | undefined
  #signals = 0
  #done: (code: number) => void = () => {}

  constructor(options: DevelopmentOptions) {
    this.#options = options
    this.#sources = new SourceWatch(options.root, (files) => this.#changed(files))
  }

  /** Runs until a signal comes. @returns the exit code */
  async run(): Promise<number> {
    const { root, info, warn } = this.#options
    info(`Watching ${root}: restarts when its sources change`)
    await this.#sources.start()
    if (this.#sources.isPartial) warn('It has more folders than can be watched: changes in some are not seen')
    process.on('SIGINT', this.#stop).on('SIGTERM', this.#stop)
    // This process ignores Ctrl-Z, which is meant for the program: the program then takes no more jobs.
    process.on('SIGTSTP', ignore)
    const done = new Promise<number>((resolve) => {
      this.#done = resolve
    })
    this.#start()
    try {
      return await done
    } finally {
      await this.#sources.stop()
      process.off('SIGINT', this.#stop).off('SIGTERM', this.#stop).off('SIGTSTP', ignore)
    }
  }

  #start(): void {
    const { file, words } = this.#options
    this.#state = 'running'
    const env = { ...process.env, [WATCHED]: '1' }
    const child = fork(file, words, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    child.on('error', (error) => {
      if (child.pid !== undefined) return
      this.#options.warn(`The worker could not be started: ${error.message}`)
      this.#ended(1)
    })
    child.on('message', (message) => {
      const report = larkMessage<ProcessReport>(message)
      if (report?.kind === 'needs') this.#killIn(report.ms)
      // Messages of a job are passed on to the program that started this process.
      else process.send?.(message, undefined, undefined, ignore)
    })
    child.once('close', (code) => this.#ended(code ?? 1))
  }

  #ended(code: number): void {
    clearTimeout(this.#kill)
    this.#child = undefined
    if (this.#state === 'stopping') this.#done(code)
    else if (this.#state === 'ending') this.#start()
    else {
      this.#state = 'waiting'
      const how = code === 0 ? 'The worker has ended' : `The worker has ended with exit code ${code}`
      this.#options.warn(`${how}: waits for a change`)
    }
  }

  #changed(files: readonly string[]): void {
    const more = files.length - MOST
    const which = [...files.slice(0, MOST), ...(more > 0 ? [`${more} more`] : [])].join(', ')
    if (this.#state !== 'running' && this.#state !== 'waiting') return
    this.#options.info(`Changed: ${which}: restarts`)
    if (this.#state === 'waiting') this.#start()
    else {
      this.#state = 'ending'
      this.#tell(DEADLINE)
    }
  }

  /**
   * Tells the program to stop. With a deadline of 0, the program gives back its jobs at once.
   *
   * @param outcomes see the `stop` of a worker
   */
  #tell(deadline: number, outcomes?: number): void {
    const command: ProcessCommand = { kind: 'stop', deadline, outcomes }
    if (this.#child!.connected) this.#child!.send({ lark: command }, () => {})
    this.#killAt = 0
    this.#killIn(deadline)
  }

  /**
   * Sets the time at which the program is killed. If the program has several processes, the process that
   * needs the longest time determines this time.
   */
  #killIn(ms: number): void {
    const at = performance.now() + ms + GRACE + MARGIN
    if ((this.#state !== 'ending' && this.#state !== 'stopping') || at <= this.#killAt) return
    this.#killAt = at
    clearTimeout(this.#kill)
    this.#kill = setTimeout((child) => child.kill('SIGKILL'), at - performance.now(), this.#child!)
  }

  /**
   * Handles signals as without `--watch`: after the first signal the program stops in an orderly way, after
   * the second it gives back its jobs at once, and after the third it no longer waits for the store.
   */
  readonly #stop = (): void => {
    this.#signals++
    const isNow = this.#state === 'waiting'
    this.#state = 'stopping'
    if (isNow) this.#done(0)
    else this.#tell(this.#signals === 1 ? STOP_DEADLINE : 0, this.#signals < 3 ? undefined : 0)
  }
}

function ignore(): void {}
