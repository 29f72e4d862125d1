/**
 * The live workers of a store: look, quiet, resume, restart. An order reaches each worker with the answer to
 * its next announcement, within five seconds, and `list()` shows which of them have carried it out (`state`).
 */

import { newNonce } from '../model/id.ts'
import type { WorkerRecord } from '../model/record.ts'
import { isText, type OptionsOf, option } from '../options/schema.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import { type LostWorker, MAX_ITEMS, type Store, type WorkerOrder } from '../store/contract/store.ts'
import { type Perform, unrecorded } from './audit/hand-change.ts'
import { all, checkFilter, conditions, type Flags, queueName } from './look/filter.ts'
import type { UnheardWorkers } from './look/silent-workers.ts'
import type { OpenQueues } from './look/stored-jobs.ts'

const entries = {
  /** Workers that serve this queue. */
  queue: queueName,
  /** The worker with this id. */
  worker: option<string>('the id of a worker', isText),
  /** Workers on this host. */
  host: option<string>('the name of a host', isText),
}
const filterSchema = conditions({ ...entries, all })

/** A worker must meet all of them. */
export interface WorkerConditions extends OptionsOf<typeof entries> {}

type OpenFleet = { store: Store; settings: { partitions: OpenQueues['queues'] } }

/** At least one condition, all of which a worker must meet, or `{ all: true }`. */
export type WorkerFilter =
  | (WorkerConditions &
      (Pick<Required<WorkerConditions>, 'queue'> | Pick<Required<WorkerConditions>, 'worker'>))
  | (WorkerConditions & Pick<Required<WorkerConditions>, 'host'>)
  | ({ all: true } & { [Name in keyof WorkerConditions]?: never })

/** Which workers got the order. */
export interface WorkerOrderResult {
  /** The workers as they were before the order. */
  workers: WorkerRecord[]
  /**
   * Workers that cannot restart on their own, because their process belongs to an application. Only for
   * `restart`.
   */
  left: WorkerRecord[]
}

/** Looks at the workers of a store, and gives them orders; `operate().workers` is such an object. */
export class WorkerOperations {
  readonly #open: () => Promise<OpenFleet>
  readonly #names: Flags | undefined
  readonly #perform: Perform

  /** @internal */
  constructor(open: () => Promise<OpenFleet>, names?: Flags, perform: Perform = unrecorded) {
    this.#open = open
    this.#names = names
    this.#perform = perform
  }

  /** The live workers. A worker that has died is in the list for up to 20 seconds. */
  async list(): Promise<WorkerRecord[]> {
    return (await this.#open()).store.workers()
  }

  /**
   * The workers that have died within an hour, the last first: they did not say that they stop, and all their
   * leases have ended. Each comes with the jobs that were taken back from it, and by whom.
   *
   * @example const [last] = await operate().workers.lost()
   */
  async lost(): Promise<LostWorker[]> {
    return (await this.unheard()).lost
  }

  /**
   * The workers that have not announced themselves for too long. `lost`: as `lost()`. `silent`: those with
   * leases that have not ended, perhaps because a handler blocks their event loop; each comes with a job that
   * it holds.
   *
   * @example for (const { id, job } of (await operate().workers.unheard()).silent) console.log(id, job.id)
   */
  async unheard(): Promise<UnheardWorkers> {
    const { unheardWorkers } = await import('./look/silent-workers.ts')
    const { store, settings } = await this.#open()
    return unheardWorkers({ store, queues: settings.partitions })
  }

  /**
   * Tells workers to take no more jobs, and to finish those that run. Their processes stay until they are
   * stopped. Workers that start later take jobs.
   *
   * @throws FILTER_INVALID
   * @example const { workers } = await operate().workers.quiet({ host: 'web-3' })
   */
  quiet(filter: WorkerFilter): Promise<WorkerOrderResult> {
    return this.#order('quiet', filter)
  }

  /**
   * Tells quiet workers to take jobs again, whoever made them quiet. Workers that are already stopping do
   * stop.
   *
   * @throws FILTER_INVALID
   */
  resume(filter: WorkerFilter): Promise<WorkerOrderResult> {
    return this.#order('resume', filter)
  }

  /**
   * Tells workers of `lark jobs:work` to restart: they take no more jobs, finish those that run for up to 25
   * seconds, and exit with code 75, so that what has started them starts them again, with the code that is
   * there then. Of `--processes`, the supervisor restarts one after the other.
   *
   * @returns also the workers that an application has started: they go on, because only the application can
   *   restart them
   * @throws FILTER_INVALID
   * @example await operate().workers.restart({ all: true })
   */
  restart(filter: WorkerFilter): Promise<WorkerOrderResult> {
    return this.#order('restart', filter)
  }

  async #order(kind: WorkerOrder['kind'], filter: WorkerFilter): Promise<WorkerOrderResult> {
    const needed = Object.keys(entries)
    checkFilter(`operate().workers.${kind}()`, filter, filterSchema, { needed, flags: this.#names })
    const { all: _, ...named } = filter as WorkerConditions & { all?: true }
    const of = Object.entries(named).map(([name, value]) => `${name} ${value}`)
    const on = of.length === 0 ? 'every worker' : `workers of ${of.join(', ')}`
    const count = ({ workers }: WorkerOrderResult) => workers.length
    return this.#perform({ what: `${kind}-workers`, on, count }, () => this.#tell(kind, named))
  }

  async #tell(
    kind: WorkerOrder['kind'],
    { queue, worker, host }: WorkerConditions,
  ): Promise<WorkerOrderResult> {
    const { store } = await this.#open()
    const chosen = (await store.workers()).filter(
      (each) =>
        (queue === undefined || each.queues.includes(queue)) &&
        (worker === undefined || each.id === worker) &&
        (host === undefined || each.host === host),
    )
    const able = chosen.filter(({ restarts }) => kind !== 'restart' || restarts === true)
    const told = new Set<string>()
    for (const some of inLots(able, MAX_ITEMS)) {
      const ids = some.map(({ id }) => id)
      for (const id of await store.order(ids, { id: newNonce(), kind })) told.add(id)
    }
    return {
      workers: able.filter(({ id }) => told.has(id)),
      left: chosen.filter((each) => !able.includes(each)),
    }
  }
}
