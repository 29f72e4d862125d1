/**
 * What happens when a process that still has jobs ends. The process writes to stderr why it ends and which
 * jobs it ran. The lease thread of the process (`lease/lease-thread.ts`) tells the store how jobs ended, and
 * hands back the jobs that have not ended. The process does this when Node emits `exit`, also after
 * `process.exit()`. If a signal, a native crash or a lack of memory ends the process, Node does not emit
 * `exit`. In this case, the supervisor (`supervisor/supervisor.ts`) or the worker that takes the jobs back
 * reports the cause.
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
 * Milliseconds that an ending process waits until its lease thread has told the store the outcomes and has
 * handed back the jobs.
 */
const HANDING_BACK = 2_000
/** Milliseconds that the lease thread then gets to close its store. */
const CLOSING = 1_000

interface Watched {
  running: ReadonlySet<Execution>
  isRunning: boolean
  report: Pick<WorkerReport, 'warn'>
  thread: Pick<LeaseThread, 'holdsJobs' | 'processEnds' | 'awaitEnd' | 'hasTold' | 'giveUp'>
  /** The outcomes that the store has not acknowledged, by partition. */
  unstored: () => Unstored
  /**
   * Called with the reason why the process ends. The supervisor of the process then hands back the jobs, and
   * tells the store the outcomes if the lease thread could not. `ranJobs` is true if handlers were running.
   */
  onEnding?: Ending | undefined
}

/** The longest cause that is passed on, in characters. */
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

/**
 * Notes an uncaught exception. If the application listens for uncaught exceptions, nothing is noted, because
 * the process does not end.
 */
function note(error: unknown): void {
  if (process.listenerCount('uncaughtException') === 0) uncaught = { error }
}

/**
 * The workers of a process share one lease thread. First each worker passes its outcomes to the thread, and
 * then all workers wait for the thread together.
 */
function tell(code: number): void {
  const stack = stackHere()
  const workers = [...watched]
  if (workers.every(({ running, thread }) => running.size === 0 && !thread.holdsJobs)) return
  for (const worker of workers) {
    try {
      tellOf(worker, code, stack)
    } catch {
      // An error is ignored here because the jobs of the other workers must still be handed back.
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

/** Removes from settlements the fields that cannot be sent to another thread. */
function sendable([partition, settlements]: Unstored[number]): Unstored[number] {
  return [partition, settlements.map(({ id, token, outcome }) => ({ id, token, outcome }))]
}

/** The message for people that the store does not know how some jobs ended. */
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
 * The job that called `process.exit()`. This is known if only one job ran, or if only one running job has a
 * class whose `handle` is on the stack.
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
