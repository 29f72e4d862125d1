/**
 * The end of a process that still has jobs: says on stderr why it ends and which jobs it ran, and makes the
 * lease thread (`lease/lease-thread.ts`) tell the store how jobs ended and hand back the other jobs of its
 * workers. This happens when Node emits `exit`, including in `process.exit()`. After a signal, a native crash
 * or a lack of memory, the process itself can do nothing: then the supervisor says why
 * (`supervisor/supervisor.ts`), or the worker that takes the jobs back.
 */
import { fileURLToPath } from 'node:url'
import type { Execution } from '../run/execution.ts'
import type { Settlement } from '../store/contract/store.ts'
import { listed } from '../words/listed.ts'
import { plural } from '../words/plural.ts'
import { fieldOf, isError, textOf } from '../words/thrown.ts'
import type { LeaseThread } from './lease/lease-thread.ts'
import { Part } from './part.ts'
import type { Ending, Unstored } from './process-end.ts'
import type { WorkerReport } from './report.ts'

/** How many frames of the stack are searched for the call of `process.exit()`. */
const FRAMES = 100

/**
 * Milliseconds that a process at its end waits for its lease thread to tell the store the outcomes and to
 * hand back the jobs of its workers.
 */
const HANDING_BACK = 2_000
/** Milliseconds that the thread then gets to close its store. */
const CLOSING = 1_000

interface Watched {
  running: ReadonlySet<Execution>
  isRunning: boolean
  report: Pick<WorkerReport, 'warn'>
  thread: Pick<LeaseThread, 'holdsJobs' | 'processEnds' | 'awaitEnd' | 'hasTold' | 'giveUp'>
  /** By partition: how jobs ended, for outcomes that the store has not acknowledged. */
  unstored: () => Unstored
  /**
   * Called with the reason why the process ends. Its supervisor then hands back the jobs, and tells the store
   * the outcomes if the lease thread could not. `ranJobs`: handlers were running.
   */
  onEnding?: Ending | undefined
}

/** The most characters of a cause. */
const LONGEST = 500

const watched = new Set<Watched>()
/** The uncaught exception that ends the process. */
let uncaught: { error: unknown } | undefined

export class DeathWatch extends Part {
  readonly #one: Watched

  constructor(one: Omit<Watched, 'isRunning'>) {
    super()
    this.#one = { ...one, isRunning: true }
  }

  protected override onStart(): void {
    if (watched.size === 0) process.on('uncaughtExceptionMonitor', note).on('exit', tell)
    watched.add(this.#one)
  }

  protected override onQuiet(): void {
    this.#one.isRunning = false
  }

  protected override onResume(): void {
    this.#one.isRunning = true
  }

  protected override onStop(): void {
    if (watched.delete(this.#one) && watched.size === 0)
      process.off('uncaughtExceptionMonitor', note).off('exit', tell)
  }
}

/** Notes an uncaught exception, unless the application listens for such errors: then the process goes on. */
function note(error: unknown): void {
  if (process.listenerCount('uncaughtException') === 0) uncaught = { error }
}

/** The workers share one lease thread: all of them give it their outcomes, and then wait for it together. */
function tell(code: number): void {
  const stack = stackHere()
  const workers = [...watched]
  if (workers.every(({ running, thread }) => running.size === 0 && !thread.holdsJobs)) return
  for (const worker of workers) {
    try {
      tellOf(worker, code, stack)
    } catch {
      // An error here is ignored: the process ends anyway, and the jobs of the other workers must still go
      // back.
    }
  }
  const until = performance.now() + HANDING_BACK
  const late = workers.filter(({ thread }) => !thread.awaitEnd(until))
  for (const { thread } of late) thread.giveUp()
  for (const { thread } of late) thread.awaitEnd(until + CLOSING)
  for (const { report, thread, unstored } of workers) {
    const left = thread.hasTold ? [] : unstored().flatMap(([, settlements]) => settlements)
    if (left.length > 0) report.warn(unstoredText(left))
  }
}

function tellOf(one: Watched, code: number, stack: readonly string[]): void {
  const { running, isRunning, report, thread, unstored, onEnding } = one
  const jobs = [...running].filter(({ abandoned }) => !abandoned)
  const cause = `exit code ${code}: ${why(jobs, stack)}`
  const holds = jobs.length > 0 || thread.holdsJobs
  const ending = holds ? `ended with ${cause}`.slice(0, LONGEST) : undefined
  const outcomes = unstored().filter(([, settlements]) => settlements.length > 0)
  const isOurs = onEnding === undefined && ending !== undefined
  const sent = outcomes.map(sendable)
  thread.processEnds({ ...(isOurs && { cause: ending, fromWithin: isRunning }), outcomes: sent })
  if (ending !== undefined) onEnding?.(ending, jobs.length > 0, sent)
  const count = outcomes.reduce((sum, [, settlements]) => sum + settlements.length, 0)
  const parts = [
    ...(jobs.length > 0 ? [`it ran ${listed(jobs.map(nameOf))}`] : []),
    ...(count > 0 ? [`it tells the store how ${plural(count, 'job')} ended`] : []),
  ]
  if (parts.length > 0) report.warn(`This process ends with ${cause}; ${parts.join(', and ')}`)
}

/** Settlements without the fields that only this thread can use. */
function sendable([partition, settlements]: Unstored[number]): Unstored[number] {
  return [partition, settlements.map(({ id, token, outcome }) => ({ id, token, outcome }))]
}

/** The line which says that the store has not been told how jobs ended. */
export function unstoredText(settlements: readonly Settlement[]): string {
  const ids = settlements.map(({ id }) => id)
  const may = ids.length === 1 ? 'it' : 'they'
  return `The store did not answer: how ${plural(ids.length, 'job')} ended is not stored, and ${may} may run again: ${ids.join(', ')}`
}

function why(jobs: readonly Execution[], stack: readonly string[]): string {
  if (uncaught !== undefined) {
    const { error } = uncaught
    const name = isError(error) ? `${textOf(fieldOf(error, 'name'))}: ` : ''
    return `nobody caught ${name}${textOf(error).split('\n', 1)[0]}`
  }
  const exit = stack.findLastIndex((line) => /^at process\.(exit|reallyExit) /.test(line))
  if (exit < 0) return 'nothing kept it alive'
  const caller = stack.slice(exit + 1).find((line) => !line.includes('(node:'))
  const culprit = culpritOf(jobs, stack)
  const call =
    culprit === undefined ? 'process.exit() was called' : `${nameOf(culprit)} called process.exit()`
  return caller === undefined ? call : `${call} ${shown(caller)}`
}

/**
 * The job that called `process.exit()`: the only one that ran, or the only one of a class whose `handle` is
 * on the stack.
 */
function culpritOf(jobs: readonly Execution[], stack: readonly string[]): Execution | undefined {
  if (jobs.length === 1) return jobs[0]
  const calls = jobs.filter(({ jobClass }) =>
    stack.some((line) => line.includes(`${jobClass?.name}.handle `)),
  )
  return calls.length === 1 ? calls[0] : undefined
}

function stackHere(): string[] {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES
  const lines = new Error().stack?.split('\n').map((line) => line.trim()) ?? []
  Error.stackTraceLimit = stackTraceLimit
  return lines
}

/** A stack frame, with a path instead of a `file:` URL. */
function shown(frame: string): string {
  return frame.replace(/file:\/\/[^\s)]+?(?=:\d+:\d+)/, (url) => fileURLToPath(url))
}

function nameOf({ name, job }: Execution): string {
  return `${name} ${job.id}`
}
