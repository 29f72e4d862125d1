/**
 * What the commands that give orders to workers have in common: which workers are meant, which ones got the
 * order, and, with `--wait`, which ones have carried it out.
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

/** Milliseconds between two checks of the workers. They announce themselves every five seconds. */
const LOOK = 500
/** How long `--wait` waits, unless `--timeout` says so. */
export const PATIENCE = '10m'

/** The names of the conditions of a filter in messages. */
const workerFlags = { queue: '--queue', worker: '--worker', host: '--host' }

/** An order, and the words for it. */
export interface CommandOrder {
  give(workers: WorkerOperations, which: WorkerFilter): Promise<WorkerOrderResult>
  /** What the workers are told to do: `take jobs again`. */
  what: string
  /** What else people should know. */
  remark?(told: WorkerOrderResult): string | undefined
  /**
   * What a worker that has carried out the order does now; undefined if it has not carried it out. A worker
   * that is gone has carried it out.
   */
  obeys(now: WorkerRecord): string | undefined
  /** The answer for scripts. @param left the workers that have not carried out the order */
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

  /** @returns the exit code @throws USAGE, and what the order throws */
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

  /** A filter of the flags; without any, all workers. */
  #chosen(): WorkerFilter {
    const { queue, worker, host } = this
    const filter = defined({ queue, worker, host })
    return Object.keys(filter).length === 0 ? { all: true } : (filter as WorkerFilter)
  }

  /** @returns milliseconds to wait; undefined: do not wait @throws USAGE */
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
   * Waits until all workers have carried out the order, and prints what each of them does when that changes.
   *
   * @returns the workers that have not carried it out in time, or when the command was interrupted
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

/** How people find a worker: `9tuqRk2b on web-3 (pid 4711)`. */
export function nameOf({ id, host, pid }: WorkerRecord): string {
  return visible(`${id} on ${host} (pid ${pid})`)
}
