import type { ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Command, flag, LarkError } from '@s18i/lark'
import { defined, projectFolders, usageError } from '@s18i/lark/internal'
import { Jobs, jobsInside } from '../../api/default-jobs.ts'
import type { SupervisedOptions } from '../../api/work.ts'
import { absence, spokenOf } from '../../config/config-source.ts'
import { serviceOf } from '../../config/queues.ts'
import { JobsError } from '../../model/errors.ts'
import { presets } from '../../options/preset.ts'
import { isInCommand } from '../../run/command-job.ts'
import { HookCalls } from '../../run/hooks.ts'
import { Development } from '../../supervisor/development.ts'
import type { ProcessSlot } from '../../supervisor/protocol.ts'
import { Supervised, SupervisedReport } from '../../supervisor/supervised.ts'
import { Supervisor } from '../../supervisor/supervisor.ts'
import { startProcess } from '../../supervisor/worker-process.ts'
import { answerAlone, answerOfStore } from '../../telemetry/health/endpoints.ts'
import { HealthServer } from '../../telemetry/health/health-server.ts'
import { addressIn, type HttpAddress, HttpServer } from '../../telemetry/health/http-server.ts'
import { Systemd } from '../../telemetry/health/systemd.ts'
import { within } from '../../waiting/bounded-wait.ts'
import { durationForm, milliseconds } from '../../words/duration.ts'
import { shown } from '../../words/secret.ts'
import { textOf, wholeTextOf } from '../../words/thrown.ts'
import { tellCrashed } from '../../worker/maintenance/tell-crashed.ts'
import { CONCURRENCY } from '../../worker/options.ts'
import type { WorkerReport } from '../../worker/report.ts'
import { ailmentOf } from '../../worker/vitals.ts'
import type { Worker } from '../../worker/worker.ts'
import { completed } from '../words/completed.ts'
import { WorkLimits } from './work-limits.ts'
import { ConsoleReport, JsonReport, sumUp } from './work-report.ts'
import { WorkSignals } from './work-signals.ts'

/** The exit code with which a worker asks to be started again: EX_TEMPFAIL, "try again later". */
const RESTART = 75
/** The exit code of a worker that could not tell the store how jobs ended: EX_IOERR. */
const UNSTORED = 74
/** Milliseconds for which the process waits for the function that `boot` returned. */
const SHUT_DOWN = 10_000

/**
 * `lark jobs:work`: runs a worker in the terminal. With `--processes`, it runs a supervisor of several
 * processes, each of which runs `jobs:work` without that flag.
 */
export class JobsWorkCommand extends Command {
  readonly key = 'jobs:work'
  override description = 'Run jobs from the queues'
  queue = flag.strings('Only these queues, strictly in this order (default: all, in fair turns)')
  concurrency = flag.number('Jobs at a time', { default: CONCURRENCY, short: 'c', wholeFrom: 1 })
  processes = flag.number('Run this number of worker processes, and replace those that die', {
    short: 'p',
    wholeFrom: 1,
  })
  preset = flag.enum('How the worker takes jobs (default: as configured, else balanced)', presets)
  stopWhenEmpty = flag.boolean('End when nothing waits, runs, or is due within a minute')
  maxJobs = flag.number('End after this number of jobs (each process)', { wholeFrom: 1 })
  watch = flag.boolean('Restart when the sources of the project change, for development', { short: 'w' })
  maxTime = flag.string('Restart after this time, such as 1h (each process)')
  maxMemory = flag.string('Restart when the process has more memory, such as 512mb (each process)')
  outcomes = flag.string(
    'How long to try, at the end, to tell an unreachable store how jobs ended (default: 2m)',
  )
  http = flag.string('Answer /live, /ready, /slo and /metrics on this port, or ADDRESS:PORT')
  /** The value that `boot` of the configuration returned. */
  #booted: unknown
  #limits!: WorkLimits
  /** Milliseconds. */
  #outcomes: number | undefined

  override complete(field: string) {
    return completed(field)
  }

  handle(): Promise<number> {
    if (isInCommand()) throw usageError(`${this.key} takes its process for itself, and cannot run as a job`)
    this.#limits = new WorkLimits(this)
    this.#outcomes = this.outcomes === undefined ? undefined : milliseconds(this.outcomes)
    if (this.outcomes !== undefined && this.#outcomes === undefined)
      throw usageError(`--outcomes is '${this.outcomes}'; it must be a duration`, `Such as ${durationForm}`)
    if (this.watch) return this.#watch()
    if (this.processes !== undefined) return this.#supervise(this.processes)
    const supervised = Supervised.find()
    return supervised === undefined ? this.#work() : this.#workFor(supervised)
  }

  /**
   * Runs this command in another process, under a supervisor. The jobs of a worker then go back to the queue
   * no matter how its process ends.
   */
  async #watch(): Promise<number> {
    const report = this.#report()
    const words = this.#words()
    if (this.http !== undefined) words.push(`--http=${this.http}`)
    const root = projectFolders(process.cwd()).at(-1)!
    const development = new Development({
      ...{ root, file: program(), words: [...words, `--processes=${this.processes ?? 1}`] },
      info: (text) => report.info(text),
      warn: (text) => report.warn(text),
    })
    return await development.run()
  }

  /** Runs a worker in this process. */
  async #work(): Promise<number> {
    const report = this.#report()
    const signals = this.#signals()
    const address = this.#httpAddress()
    const warn = (text: string) => report.warn(text)
    const health = address && new HealthServer(address, jobsInside, warn)
    await health?.start()
    if (health !== undefined) report.info(answers(health.url))
    const worker = await this.#start(report, { onRestart: (worker) => void worker.restart() })
    signals.serve(worker)
    const restart = (why: string) => {
      report.info(why)
      void worker.restart()
    }
    this.#limits.watch({ time: restart, memory: restart })
    health?.watch(worker)
    const systemd = Systemd.find(warn, () => ailmentOf(worker.vitals, 0))
    void systemd?.start()
    const summary = await worker.done
    void systemd?.stop()
    void health?.stop()
    report.end()
    sumUp(this.console, summary, report.queues)
    await this.#shutDown(report)
    await Jobs.close()
    signals.release()
    this.#exit()
    if (summary.unstored > 0) return UNSTORED
    return worker.state === 'restarting' ? RESTART : 0
  }

  /** Runs a worker in this process, which a supervisor started. */
  async #workFor(supervised: Supervised): Promise<number> {
    const shown = this.#report(supervised.slot)
    const report = new SupervisedReport(shown, supervised)
    try {
      const worker = await this.#start(report, {
        id: supervised.slot.worker,
        onStuck: () => supervised.leave(),
        onRestart: () => supervised.askToRestart(),
        onDelivering: (ms) => supervised.needs(ms),
        onEnding: (...ending) => supervised.ends(...ending),
      })
      report.summary = () => worker.summary
      supervised.serve(worker, report)
      this.#limits.watch({
        time: (why) => {
          report.info(why)
          supervised.askToRestart()
        },
        // When the memory reaches its limit, the process does not wait for its turn to restart, because the
        // system may kill the process soon.
        memory: (why) => {
          report.info(why)
          supervised.leave()
        },
      })
      await worker.done
      shown.end()
      report.tell()
      if (this.#booted !== undefined) supervised.needs(SHUT_DOWN)
      await this.#shutDown(report)
      await Jobs.close()
      await drained()
      await supervised.tell({ kind: 'ended', finished: !supervised.isAsked })
      return 0
    } catch (error) {
      if (!LarkError.is(error)) throw error
      const { code, message, hint } = error
      await supervised.tell(defined({ kind: 'refused' as const, code, message, hint }))
      return 1
    } finally {
      this.#exit()
    }
  }

  async #supervise(processes: number): Promise<number> {
    const signals = this.#signals()
    const { settings, store, warnings } = await jobsInside.open('supervisor')
    const { queues, words } = serviceOf(settings, this.queue.length > 0 ? this.queue : undefined)
    const report = this.#report()
    const missing = absence(settings.source, process.env.NODE_ENV === 'production')
    const many = processes === 1 ? '1 process' : `${processes} processes`
    report.info(`Serving ${store.name}: ${words}, ${many} × ${this.concurrency} at a time${missing}`)
    const hooks = settings.hooks && new HookCalls(settings.hooks, (text) => report.warn(text))
    // This process loads no job classes, so hooks get the keys of jobs as names.
    const noClasses = { find: () => undefined }
    const address = this.#httpAddress()
    const systemd = Systemd.find(
      (text) => report.warn(text),
      () => {
        const { status, text } = answerAlone('/live', supervisor.patients)!
        return status === 200 ? undefined : text.trimEnd()
      },
    )
    const says = address !== undefined || systemd !== undefined
    const supervisor = new Supervisor({
      processes,
      start: (slot) => this.#fork({ ...slot, says }),
      store,
      queues,
      limiters: [...settings.limiters.keys()],
      needs: (ms) => signals.needs(ms),
      recovered: (partition, recovery) =>
        void tellCrashed(store, noClasses, hooks, partition, recovery, settings.telemetry).catch((error) =>
          report.warn(textOf(error)),
        ),
      remarks: warnings,
      report,
    })
    const answer = async (path: string) =>
      answerAlone(path, supervisor.patients) ?? answerOfStore(path, jobsInside)
    const health = address && new HttpServer(address, answer)
    await health?.start()
    if (health !== undefined) report.info(answers(health.url))
    supervisor.start()
    signals.serve(supervisor)
    void systemd?.start()
    try {
      const { figures, isInOrder } = await supervisor.done
      sumUp(this.console, figures.summary, Object.entries(figures.queues))
      if (!isInOrder) return 1
      return figures.summary.unstored > 0 ? UNSTORED : 0
    } finally {
      void systemd?.stop()
      void health?.stop()
      await Jobs.close()
      signals.release()
      this.#exit()
    }
  }

  #httpAddress(): HttpAddress | undefined {
    if (this.http === undefined) return undefined
    const address = addressIn(this.http)
    if (address === undefined)
      throw usageError(
        `--http is ${shown(this.http)}, which must be a port, or ADDRESS:PORT, such as 127.0.0.1:9090`,
      )
    return address
  }

  #report(slot?: ProcessSlot): ConsoleReport | JsonReport {
    return this.json ? new JsonReport(this.console, slot) : new ConsoleReport(this.console, slot)
  }

  async #start(report: WorkerReport, supervised?: SupervisedOptions): Promise<Worker> {
    const { concurrency, queue, preset, stopWhenEmpty, maxJobs } = this
    const queues = queue.length > 0 ? queue : undefined
    const outcomes = this.#outcomes
    const options = defined({ report, concurrency, stopWhenEmpty, queues, preset, maxJobs, outcomes })
    this.#booted = await boot()
    const worker = await jobsInside
      .supervisedWork(options, { ...supervised, boots: true })
      .catch(async (error) => {
        await this.#shutDown(report)
        throw error
      })
    // If one job leaves a rejected promise without a handler, this must not end the process, because other
    // jobs run in it.
    process.on('unhandledRejection', (reason) => report.warn(unhandledText(reason)))
    return worker
  }

  /**
   * Calls the function that `boot` returned, which ends the services of the application. These services may
   * still dispatch meanwhile.
   */
  async #shutDown(report: WorkerReport): Promise<void> {
    if (typeof this.#booted !== 'function') return
    const end = this.#booted
    const ended = Promise.resolve()
      .then(() => end())
      .catch((error) => report.warn(`The function that boot() returned threw: ${wholeTextOf(error)}`))
    await within(SHUT_DOWN, ended)
  }

  #fork(slot: ProcessSlot): ChildProcess {
    return startProcess(program(), this.#words(), slot)
  }

  /** The words of the command line with which one process is started. */
  #words(): string[] {
    const words = [
      this.key,
      `--concurrency=${this.concurrency}`,
      ...this.queue.map((queue) => `--queue=${queue}`),
    ]
    if (this.preset !== undefined) words.push(`--preset=${this.preset}`)
    if (this.stopWhenEmpty) words.push('--stop-when-empty')
    if (this.maxJobs !== undefined) words.push(`--max-jobs=${this.maxJobs}`)
    if (this.outcomes !== undefined) words.push(`--outcomes=${this.outcomes}`)
    if (this.maxTime !== undefined) words.push(`--max-time=${this.maxTime}`)
    if (this.maxMemory !== undefined) words.push(`--max-memory=${this.maxMemory}`)
    if (this.json) words.push('--json')
    if (this.quiet) words.push('--quiet')
    if (this.console.color === false) words.push('--no-color')
    return words
  }

  #signals(): WorkSignals {
    return new WorkSignals((text) => this.info(text))
  }

  /** Ends the process, even if code of the application has left something open, such as a pool or a timer. */
  #exit(): void {
    setImmediate(async () => {
      await drained()
      process.exit()
    })
  }
}

/** Calls `boot` of the configuration. @returns the value that `boot` returned @throws BOOT_FAILED */
async function boot(): Promise<unknown> {
  const { settings } = await jobsInside.open('worker')
  try {
    return await settings.boot?.()
  } catch (cause) {
    const hint = 'The worker took no job. The stack shows where boot() failed.'
    throw new JobsError('BOOT_FAILED', `boot() of ${spokenOf(settings.source)} threw: ${textOf(cause)}`, {
      cause,
      hint,
    })
  }
}

/** Resolves when all output has been read, or when no program reads the output any more. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => resolve()))
}

/**
 * The path of the program `lark` in the copy of `@s18i/lark` that this package depends on. Another copy may
 * have started this process.
 */
function program(): string {
  return join(dirname(createRequire(import.meta.url).resolve('@s18i/lark/package.json')), 'bin', 'lark.js')
}

function answers(url: string): string {
  return `Answers ${url}/live, /ready, /slo and /metrics`
}

function unhandledText(reason: unknown): string {
  return `A promise was rejected, and nobody handled it (a job that did not await it?): ${wholeTextOf(reason)}`
}
