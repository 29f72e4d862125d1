/**
 * Finds out which running jobs of a worker may block the event loop. The lease thread stops the blocked
 * thread between two instructions, and calls the functions of this file in the blocked thread
 * (`loop-holder.ts`).
 */
import type { Outcome } from '../../model/record.ts'
import type { Execution } from '../../run/execution.ts'

/** How many frames of the stack are searched for a handler. */
const FRAMES = 200

/** The functions of one worker. */
export interface Witness {
  /** The id of the worker. */
  id: string
  running: ReadonlySet<Execution>
  /** Reports a job that the lease thread has settled as failed. */
  failed(execution: Execution, outcome: Outcome & { kind: 'failed' }): void
  /**
   * Called with the classes of the worker that may block the loop. The list is empty if a handler of another
   * worker blocks the loop.
   */
  seen(by: readonly string[]): void
}

/** The functions that the lease thread calls. They name a run as `nameOf` does. */
export interface Witnesses {
  /** The workers in this thread of the process. */
  all: Set<Witness>
  /**
   * The running jobs of each class whose `handle` is on the stack or awaits a function that is on the stack.
   */
  onStack(): string[]
  /** @param outcome the outcome of the failed job, as JSON */
  failed(name: string, outcome: string): void
  /**
   * Tells the workers which of their classes may block the loop.
   *
   * @param id the id of a worker. If the worker does not run in this thread, no worker is told
   * @param names the names of the runs that may block the loop. If the list is empty, each running job may
   *   block the loop
   * @returns the names of the classes of these jobs
   */
  seen(id: string, names: readonly string[]): string[]
}

/**
 * The key under which the lease thread finds these functions. All copies of this package in a process share
 * the functions.
 */
export const WITNESSES = 's18i.lark.loop-witnesses'

const everywhere = globalThis as { [slot: symbol]: Witnesses | undefined }

/** @returns a function that removes the worker again */
export function watchLoop(witness: Witness): () => void {
  everywhere[Symbol.for(WITNESSES)] ??= { all: new Set(), onStack, failed, seen }
  const { all } = everywhere[Symbol.for(WITNESSES)]!
  all.add(witness)
  return () => all.delete(witness)
}

/** The name of a run, made of the token of its lease and the id of its job. */
export function nameOf(token: string, id: string): string {
  return `${token} ${id}`
}

function* runs(witnesses: Witnesses): Generator<{ witness: Witness; execution: Execution; name: string }> {
  for (const witness of witnesses.all) {
    for (const execution of witness.running)
      yield { witness, execution, name: nameOf(execution.job.token, execution.job.id) }
  }
}

function onStack(this: Witnesses): string[] {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES
  const lines = String(new Error().stack).split('\n')
  Error.stackTraceLimit = stackTraceLimit
  const isOn = ({ jobClass }: Execution) => lines.some((line) => line.includes(` ${jobClass?.name}.handle `))
  return [...runs(this)].filter(({ execution }) => isOn(execution)).map(({ name }) => name)
}

function failed(this: Witnesses, name: string, outcome: string): void {
  for (const each of runs(this))
    if (each.name === name) each.witness.failed(each.execution, JSON.parse(outcome))
}

function seen(this: Witnesses, id: string, names: readonly string[]): string[] {
  if (![...this.all].some((witness) => witness.id === id)) return []
  const here = [...runs(this)].filter(({ execution }) => !execution.isIsolated)
  const found = here.filter(({ name }) => names.length === 0 || names.includes(name))
  const classes = (some: typeof found) => [...new Set(some.map(({ execution }) => execution.name))]
  if (found.length > 0)
    for (const each of this.all) each.seen(classes(found.filter(({ witness }) => witness === each)))
  return classes(found)
}
