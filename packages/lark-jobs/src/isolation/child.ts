/**
 * The code that runs in an isolated process (`isolated-process.ts` is the worker's side). This code loads the
 * isolated classes, and runs the `handle` of one job at a time.
 */
import { writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { Worker as Thread } from 'node:worker_threads'
import { defined, importModule } from '@s18i/lark/internal'
import { inContext } from '../model/context.ts'
import { ISOLATED } from '../model/copies.ts'
import type { JobsError } from '../model/errors.ts'
import type { Journal } from '../model/journal.ts'
import { resultText } from '../model/payload.ts'
import type { LogLine, Outcome } from '../model/record.ts'
import { inRunOf } from '../model/run/current-member.ts'
import type { TelemetryCalls } from '../model/run/telemetry.ts'
import { version } from '../model/version.ts'
import type { ClassMaker } from '../options/isolated.ts'
import { classOf, type JobClass, type JobConstructor } from '../options/job-class.ts'
import { classIn } from '../options/registry.ts'
import { Execution, type RunEnvironment } from '../run/execution.ts'
import type { Make } from '../run/made-job.ts'
import type { Permits } from '../run/middleware/permits.ts'
import { handle } from '../run/runner.ts'
import { within } from '../waiting/bounded-wait.ts'
import { textOf, wholeTextOf } from '../words/thrown.ts'
import { crossed, revived } from './crossed-error.ts'
import { killGroup } from './memory-guard.ts'
import { type CrossedUndone, type HandlerEnd, larkMessage, type Order, type Report } from './messages.ts'

/**
 * How long the process may take at its end to close the store and stop everything that `boot` has started, in
 * milliseconds.
 */
const LAST_WORDS = 2_000
/** The nice value of the process, so that it has a lower priority than the worker. */
const NICE = 10

/** The part of the package that an isolated process uses. */
export interface Host {
  /** The instance of `Jobs` that the jobs of the process belong to. */
  readonly owner: object
  configure(config: object): void
  /**
   * The functions of the configuration that make jobs (`make`) and that run before the first job (`boot`).
   */
  settings(): Promise<{ make: Make | undefined; boot: (() => unknown) | undefined }>
  telemetry(): Promise<TelemetryCalls | undefined>
  close(): Promise<void>
}

type RunOrder = Order & { kind: 'run' }

export class IsolatedChild implements RunEnvironment {
  readonly middleware = []
  // An isolated process has no permits, because only middleware needs permits, and middleware runs in the
  // worker.
  readonly permits = {} as Permits
  readonly clock = { now: () => this.#now + performance.now() - this.#began }
  make: Make | undefined
  #telemetry: TelemetryCalls | undefined
  readonly owner: object
  readonly #host: Host
  readonly #guard: Thread
  readonly #classes = new Map<string, JobClass>()
  #shutDown: unknown
  /** The run of the current job. */
  #execution: Execution | undefined
  #run = 0
  /**
   * The time by the store's clock when the job began (`#now`), and the time by the clock of the process at
   * that moment.
   */
  #now = 0
  #began = 0
  /** Called with the rest of the journal when it arrives. */
  #asked: ((order: Order & { kind: 'journal' }) => void) | undefined

  /** @param guard the file of the guard thread */
  constructor(host: Host, guard: string) {
    this.#host = host
    this.owner = host.owner
    Object.defineProperty(globalThis, ISOLATED, { value: true })
    // The guard thread starts before the priority is lowered. On Linux each thread has its own priority, and
    // the guard thread must run even if the main thread is in a busy loop.
    this.#guard = new Thread(guard, { execArgv: [] })
    this.#guard.unref()
    this.#guard.once('online', yieldToOthers)
    process.on('message', (message) => {
      const order = larkMessage<Order>(message)
      if (order !== undefined) this.#obey(order)
    })
    process.on('disconnect', killGroup)
    // A Ctrl-C in the terminal also reaches the worker, which decides what happens.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
    process.on('unhandledRejection', (reason) => {
      const text = `A promise was rejected, and nobody handled it: ${wholeTextOf(reason)}`
      if (this.#execution === undefined) process.stderr.write(`${text}\n`)
      else this.#execution.write('warn', text)
    })
  }

  wrote(execution: Execution, { level, text }: LogLine): void {
    execution.takeLog()
    this.#tell({ kind: 'wrote', level, text })
  }

  reported(execution: Execution): void {
    const progress = execution.takeProgress()
    if (progress !== undefined) this.#tell({ kind: 'reported', progress })
  }

  records(execution: Execution): void {
    // All entries of one tick are sent together, as in a worker.
    setImmediate(() => {
      if (execution !== this.#execution) return
      const taken = execution.stepsIfAny!.take()
      if (taken.steps !== undefined || taken.heard !== undefined) this.#tell({ kind: 'recorded', ...taken })
    })
  }

  more(_: Execution, from: number): Promise<Journal | undefined> {
    this.#tell({ kind: 'more', from })
    return new Promise((resolve, reject) => {
      this.#asked = ({ journal, error }) => (error === undefined ? resolve(journal) : reject(revived(error)))
    })
  }

  hurries({ startedAt, timeout, deadline }: Execution): void {
    const ms = startedAt + timeout - deadline
    if (timeout < Number.POSITIVE_INFINITY) this.#tell({ kind: 'spent', ms })
  }

  suspends(execution: Execution, outcome: Outcome): void {
    this.#end(
      execution,
      { kind: 'suspended', outcome: outcome as Outcome & { kind: 'suspended' } },
      undefined,
    )
  }

  goesOn(): void {}

  #obey(order: Order): void {
    if (order.kind === 'begin') void this.#begin(order)
    else if (order.kind === 'end') void this.#leave()
    else if (order.kind === 'run') this.#start(order)
    else if (order.run === this.#run && this.#execution !== undefined) this.#hear(order, this.#execution)
  }

  #hear(order: Exclude<Order, { kind: 'begin' | 'end' | 'run' }>, execution: Execution): void {
    if (order.kind === 'abort') execution.run.abort(revived(order.reason) as Error)
    else if (order.kind === 'signalled') execution.signalled()
    else if (order.kind === 'journal') this.#asked?.(order)
    else {
      const lost = order.lost && (revived(order.lost) as JobsError)
      execution.stepsIfAny?.answered(order.signals, lost, order.known)
    }
  }

  async #begin(order: Order & { kind: 'begin' }): Promise<void> {
    const { classes, makes, boots, traced, configure } = order
    try {
      if (order.version !== version)
        throw new Error(
          `its program is of @s18i/lark-jobs ${version}, and the worker of ${order.version}: build both from one release`,
        )
      if (traced) this.#telemetry = await this.#host.telemetry()
      if (configure !== undefined)
        this.#host.configure({ ...configure, ...defined({ telemetry: this.#telemetry }) })
      if (makes || boots) {
        const { make, boot } = await this.#host.settings()
        if (makes) this.make = make
        if (boots) this.#shutDown = await boot?.()
      }
    } catch (error) {
      this.#tell({ kind: 'refused', why: textOf(error) })
      return
    }
    const unknown: Record<string, string> = {}
    for (const { key, files, maker } of classes)
      try {
        const found = await (maker === undefined ? firstWith(key, files) : made(files[0]!, maker))
        this.#classes.set(key, classOf(found))
      } catch (error) {
        unknown[key] = textOf(error)
      }
    this.#tell({ kind: 'ready', unknown })
  }

  #start(order: RunOrder): void {
    const { job, partition, queue } = order
    this.#tell({ kind: 'began' })
    const known = this.#classes.get(order.class)!
    const jobClass: JobClass = { ...known, key: job.key, isolate: undefined, middleware: [] }
    this.#run = order.run
    this.#now = order.now
    this.#began = performance.now()
    this.#guard.postMessage(known.isolate?.memory ?? 0)
    const execution = new Execution(job, { partition, queue }, jobClass, this, this.#began)
    this.#execution = execution
    const traced = { id: job.id, queue, key: known.key }
    execution.processing = this.#telemetry?.continued(traced, order.trace)
    const act = () => inRunOf(job.id, inContext, order.context, () => this.#handle(execution, jobClass))
    if (execution.processing === undefined) act()
    else execution.processing.within(act)
  }

  #handle(execution: Execution, jobClass: JobClass): void {
    const handled = handle(execution, jobClass)
    if (execution.undoes) {
      void this.#undo(execution, handled)
      return
    }
    handled.then(
      (value) => this.#end(execution, ...returned(value, execution, jobClass)),
      (error) => this.#end(execution, ...threw(error, execution)),
    )
  }

  async #undo(execution: Execution, handled: Promise<unknown>): Promise<void> {
    try {
      const found = await execution.steps!.undo(handled)
      const undone: CrossedUndone =
        found.kind === 'failed' ? { ...found, error: crossed(found.error) } : found
      this.#end(execution, { kind: 'undone', found: undone }, undefined)
    } catch (error) {
      this.#end(execution, ...threw(error, execution))
    }
  }

  /** @param thrown the error of the handler */
  #end(execution: Execution, ended: HandlerEnd, thrown: unknown): void {
    if (execution !== this.#execution) return
    this.#execution = undefined
    this.#guard.postMessage(0)
    const rest = execution.stepsIfAny?.end(thrown)
    this.#tell({ ...ended, ...defined({ rest }) })
  }

  async #leave(): Promise<void> {
    const end = this.#shutDown
    const ended = Promise.resolve()
      .then(() => (typeof end === 'function' ? end() : undefined))
      .catch((error) => process.stderr.write(`The function that boot() returned threw: ${textOf(error)}\n`))
      .then(() => this.#host.close())
    await within(LAST_WORDS, ended)
    process.exit()
  }

  #tell(report: Report): void {
    process.send?.({ lark: report }, undefined, undefined, () => {})
  }
}

/** @throws the error of the first file, if no file exports the class */
async function firstWith(key: string, [file, ...others]: readonly string[]): Promise<JobConstructor> {
  try {
    return await classIn(file!, key)
  } catch (error) {
    if (others.length === 0) throw error
    return firstWith(key, others).catch(() => Promise.reject(error))
  }
}

async function made(file: string, { module, given }: ClassMaker): Promise<JobConstructor> {
  const { classIn } = (await importModule(module)) as never as {
    classIn(file: string, given: object): Promise<JobConstructor>
  }
  return await classIn(file, given)
}

/** Lowers the priority of this process, so that other work on the machine runs first. */
function yieldToOthers(): void {
  setPriority(NICE)
  try {
    // On Linux, nice values are only compared within a session, and this process has a session of its own. So
    // the priority of the session is lowered, too: see "autogroup" in `sched(7)`.
    if (process.platform === 'linux') writeFileSync('/proc/self/autogroup', String(NICE))
  } catch {
    // An error is ignored here, because the system may have no such groups, or may allow only a few changes a
    // second.
  }
}

function returned(value: unknown, execution: Execution, jobClass: JobClass): [HandlerEnd, unknown] {
  if (execution.run.decision !== undefined) return threw(execution.run.decision.error, execution)
  if (value === false) return [{ kind: 'returned', flag: false }, undefined]
  const unawaited = execution.stepsIfAny?.notAwaited
  if (unawaited !== undefined) return threw(unawaited, execution)
  if (value === true) return [{ kind: 'returned', flag: true }, undefined]
  const text = resultText(value, jobClass.name)
  return [{ kind: 'returned', ...defined({ text }) }, undefined]
}

function threw(error: unknown, { run: { decision } }: Execution): [HandlerEnd, unknown] {
  if (decision === undefined) return [{ kind: 'threw', error: crossed(error) }, error]
  if (decision.kind === 'suspended') return [{ kind: 'suspended', outcome: decision.outcome }, undefined]
  const { error: own, ...rest } = decision
  return [{ kind: 'threw', error: crossed(own), decision: rest }, own]
}
