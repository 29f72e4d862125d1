/**
 * The base of the commands that give orders to workers. Such a command chooses the workers, and prints which
 * workers got the order. With `--wait`, it also prints which workers have carried out the order.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import type { WorkerFilter, WorkerOperations, WorkerOrderResult, WorkerRecord } from '../../operate.ts'
import { durationForm, milliseconds, readable } from '../../words/duration.ts'
import { plural } from '../../words/plural.ts'
import { shown } from '../../words/secret.ts'
import { byCommand } from '../words/by-command.ts'
import { completed } from '../words/completed.ts'

/** Milliseconds between two checks of the workers. Workers announce themselves every five seconds. */
const LOOK = 500
/** How long `--wait` waits if there is no `--timeout`. */
export const PATIENCE = '10m'

/** The flag of each condition of a filter, for messages. */
const workerFlags = { queue: '--queue', worker: '--worker', host: '--host' }

/** An order to workers, with the texts for it. */
export interface CommandOrder {
  give(workers: WorkerOperations, which: WorkerFilter): Promise<WorkerOrderResult>
  /** The text of the order, such as `take jobs again`. */
  what: string
  /** Returns a further line for people, or undefined. */
  remark?(told: WorkerOrderResult): string | undefined
  /**
   * Says in words what a worker does now, if it has carried out the order. Returns undefined if the worker
   * has not carried out the order. A worker that has ended counts as having carried out the order.
   */
  obeys(now: WorkerRecord): string | undefined
  /** Makes the answer for scripts. @param left the workers that have not carried out the order */
  answer(told: WorkerOrderResult, left: readonly WorkerRecord[]): object
}

/** A command that gives an order to workers. */
export abstract class OrderCommand extends Command {
  queue = flag.string('Only workers that serve this queue')
  worker = flag.string('Only the worker with this id')
  host = flag.string('Only workers on this host')
  abstract wait: boolean
  abstract timeout: string | undefined

  override complete(field: string) {
    return completed(field)
  }

  /** @returns the exit code @throws USAGE, and the errors of the order */
  protected async order({ give, what, remark, obeys, answer }: CommandOrder): Promise<number> {
    const ms = this.#patience()
    await using jobs = Jobs
    const { workers } = byCommand(jobs, workerFlags)
    const which = this.#chosen()
    const told = await give(workers, which)
    if (told.workers.length === 0) {
      const of = 'all' in which ? '' : ' meets these conditions'
      if (told.left.length === 0) this.warn(`No live worker${of}: see lark jobs:workers`)
      return 1
    }
    this.success(`Told ${plural(told.workers.length, 'worker')} to ${what}: each gets it within 5 seconds`)
    const also = remark?.(told)
    if (also !== undefined) this.info(also)
    const left = ms === undefined ? [] : await this.#awaitObedience(workers, told.workers, ms, obeys)
    if (this.json) this.console.json(answer(told, left))
    const when = this.signal.aborted ? 'before you stopped waiting' : `within ${readable(ms ?? 0)}`
    for (const worker of left) this.warn(`${nameOf(worker)} has not obeyed ${when}: see lark jobs:workers`)
    return left.length === 0 ? 0 : 1
  }

  /** The filter that results from the flags. Without flags, it chooses all workers. */
  #chosen(): WorkerFilter {
    const { queue, worker, host } = this
    const filter = defined({ queue, worker, host })
    return Object.keys(filter).length === 0 ? { all: true } : (filter as WorkerFilter)
  }

  /** @returns how many milliseconds to wait. Undefined if the command must not wait @throws USAGE */
  #patience(): number | undefined {
    const { wait, timeout } = this
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
   * Waits until all workers have carried out the order. Prints a line each time when a worker does something
   * new.
   *
   * @returns the workers that have not carried out the order in time, or before the command was interrupted
   */
  async #awaitObedience(
    workers: WorkerOperations,
    told: readonly WorkerRecord[],
    ms: number,
    obeys: CommandOrder['obeys'],
  ): Promise<WorkerRecord[]> {
    const end = performance.now() + ms
    const left = new Map(told.map((worker) => [worker.id, worker]))
    const spinner = this.spinner('')
    try {
      for (;;) {
        const living = new Map((await workers.list()).map((worker) => [worker.id, worker]))
        for (const [id, worker] of left) {
          const now = living.get(id)
          const done = now === undefined ? 'has ended' : obeys(now)
          if (done === undefined) continue
          left.delete(id)
          this.info(`${nameOf(worker)} ${done}`)
        }
        if (left.size === 0 || this.signal.aborted || performance.now() >= end) return [...left.values()]
        const states = [...left.keys()].map((id) => living.get(id)!)
        const busy = states.reduce((sum, { running }) => sum + running, 0)
        spinner.text = `${told.length - left.size} of ${told.length} done, ${busy === 1 ? '1 job runs' : `${busy} jobs run`} on the others`
        await pause(LOOK, undefined, { signal: this.signal }).catch(() => {})
      }
    } finally {
      spinner.stop()
    }
  }
}

/** The name of a worker for people: `9tuqRk2b on web-3 (pid 4711)`. */
export function nameOf({ id, host, pid }: WorkerRecord): string {
  return visible(`${id} on ${host} (pid ${pid})`)
}
