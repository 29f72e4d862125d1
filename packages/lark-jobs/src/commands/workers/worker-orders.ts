/**
 * What `jobs:quiet` and `jobs:restart` have in common: they tell workers, and may wait until these have
 * obeyed.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from '@s18i/lark'
import { usageError, visible } from '@s18i/lark/internal'
import { defined } from '../../model/defined.ts'
import type { ToldWorkers, WorkerFilter, WorkerOperations, WorkerRecord } from '../../operate.ts'
import { durationForm, milliseconds, readable } from '../../words/duration.ts'
import { shown } from '../../words/secret.ts'

/** Milliseconds between two looks at the workers. They announce themselves every five seconds. */
const LOOK = 500
/** How long `--wait` waits, unless `--timeout` says so. */
export const PATIENCE = '10m'

/** What messages call the conditions of a filter. */
export const workerFlags = { queue: '--queue', worker: '--worker', host: '--host' }

/** The command, with the flags of both. */
export interface OrderingCommand extends Command {
  queue: string | undefined
  worker: string | undefined
  host: string | undefined
  wait: boolean
  timeout: string | undefined
}

/** A filter of the flags; without any, all workers. */
export function chosenWorkers({ queue, worker, host }: OrderingCommand): WorkerFilter {
  const filter = defined({ queue, worker, host })
  return Object.keys(filter).length === 0 ? { all: true } : (filter as WorkerFilter)
}

/** @returns milliseconds to wait; undefined: not at all @throws USAGE */
export function waitOf({ wait, timeout }: OrderingCommand): number | undefined {
  if (!wait) {
    if (timeout !== undefined)
      throw usageError('--timeout came without --wait', 'Add --wait, or leave it out.')
    return undefined
  }
  const ms = milliseconds(timeout ?? PATIENCE)
  if (ms === undefined)
    throw usageError(`--timeout is ${shown(timeout)}; it must be a duration`, `Such as ${durationForm}`)
  return ms
}

/**
 * Waits until all have obeyed, and says of each what it does, when that changes.
 *
 * @param obeys what a worker does that has obeyed, and undefined of one that has not; of one that is gone,
 *   without a record
 * @returns those that have not obeyed in time, or when the command was interrupted
 */
export async function awaitObedience(
  command: OrderingCommand,
  workers: WorkerOperations,
  told: readonly WorkerRecord[],
  ms: number,
  obeys: (now: WorkerRecord | undefined) => string | undefined,
): Promise<WorkerRecord[]> {
  const end = performance.now() + ms
  const left = new Map(told.map((worker) => [worker.id, worker]))
  const spinner = command.spinner('')
  try {
    for (;;) {
      const living = new Map((await workers.list()).map((worker) => [worker.id, worker]))
      for (const [id, worker] of left) {
        const done = obeys(living.get(id))
        if (done === undefined) continue
        left.delete(id)
        command.info(`${nameOf(worker)} ${done}`)
      }
      if (left.size === 0 || command.signal.aborted || performance.now() >= end) return [...left.values()]
      const states = [...left.keys()].map((id) => living.get(id)!)
      const busy = states.reduce((sum, { running }) => sum + running, 0)
      spinner.text = `${told.length - left.size} of ${told.length} done, ${busy === 1 ? '1 job runs' : `${busy} jobs run`} on the others`
      await pause(LOOK, undefined, { signal: command.signal }).catch(() => {})
    }
  } finally {
    spinner.stop()
  }
}

/** How people find a worker: `9tuqRk2b on web-3 (pid 4711)`. */
export function nameOf({ id, host, pid }: WorkerRecord): string {
  return visible(`${id} on ${host} (pid ${pid})`)
}

export function counted(count: number): string {
  return count === 1 ? '1 worker' : `${count} workers`
}

/** Says which workers have not obeyed. */
export function tellLeft(command: OrderingCommand, left: readonly WorkerRecord[], ms: number): void {
  if (left.length === 0) return
  const when = command.signal.aborted ? 'before you stopped waiting' : `within ${readable(ms)}`
  for (const worker of left) command.warn(`${nameOf(worker)} has not obeyed ${when}: see lark jobs:workers`)
}

/** Says that nobody was told. */
export function tellNobody(command: OrderingCommand, { left }: ToldWorkers): void {
  if (left.length > 0) return
  const isAll = 'all' in chosenWorkers(command)
  command.warn(`No live worker${isAll ? '' : ' meets these conditions'}: see lark jobs:workers`)
}
