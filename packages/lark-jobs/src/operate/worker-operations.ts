/**
 * The operations on the live workers of a store: read, quiet, resume, restart. Each worker receives an order
 * with the answer to its next announcement, within five seconds, and the `state` in `list()` shows which
 * workers have carried out the order.
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
  /** Only workers that serve this queue. */
  queue: queueName,
  /** Only the worker with this id. */
  worker: option<string>('the id of a worker', isText),
  /** Only workers on this host. */
  host: option<string>('the name of a host', isText),
}
const filterSchema = conditions({ ...entries, all })

/** Conditions that choose workers. A worker must meet all of them. */
export interface WorkerConditions extends OptionsOf<typeof entries> {}

type OpenFleet = { store: Store; settings: { partitions: OpenQueues['queues'] } }

/** At least one condition, or `{ all: true }`. A worker must meet all given conditions. */
export type WorkerFilter =
  | (WorkerConditions &
      (Pick<Required<WorkerConditions>, 'queue'> | Pick<Required<WorkerConditions>, 'worker'>))
  | (WorkerConditions & Pick<Required<WorkerConditions>, 'host'>)
  | ({ all: true } & { [Name in keyof WorkerConditions]?: never })

/** The workers that get the order. */
export interface WorkerOrderResult {
  /** The workers that got the order, with their state before the order. */
  workers: WorkerRecord[]
  /**
   * Only for `restart`: workers that get no order, because an application has started them and only the
   * application can restart them.
   */
  left: WorkerRecord[]
}

/** Reads the workers of a store and gives them orders; `operate().workers` is such an object. */
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

  /** Lists the live workers. A worker that has died stays in the list for up to 20 seconds. */
  async list(): Promise<WorkerRecord[]> {
    return (await this.#open()).store.workers()
  }

  /**
   * Lists the workers that died within the last hour, the latest death first. A worker counts as dead if all
   * its leases have ended although the worker did not announce that it stops. Each entry has the jobs that
   * were taken back from the worker, and which worker took them back.
   *
   * @example const [last] = await operate().workers.lost()
   */
  async lost(): Promise<LostWorker[]> {
    return (await this.unheard()).lost
  }

  /**
   * Lists the workers that have not announced themselves for too long. `lost`: the dead workers, as in
   * `lost()`. `silent`: workers with leases that have not ended, perhaps because a handler blocks their event
   * loop; each entry has one of the jobs that the worker holds.
   *
   * @example for (const { id, job } of (await operate().workers.unheard()).silent) console.log(id, job.id)
   */
  async unheard(): Promise<UnheardWorkers> {
    const { unheardWorkers } = await import('./look/silent-workers.ts')
    const { store, settings } = await this.#open()
    return unheardWorkers({ store, queues: settings.partitions })
  }

  /**
   * Tells workers to take no more jobs, and to finish the jobs that are running. The processes of these
   * workers go on until a person or program stops them. Workers that start later take jobs as usual.
   *
   * @throws FILTER_INVALID
   * @example const { workers } = await operate().workers.quiet({ host: 'web-3' })
   */
  quiet(filter: WorkerFilter): Promise<WorkerOrderResult> {
    return this.#order('quiet', filter)
  }

  /**
   * Tells quiet workers to take jobs again, even if a signal to their process made them quiet. Workers that
   * are already stopping still stop.
   *
   * @throws FILTER_INVALID
   */
  resume(filter: WorkerFilter): Promise<WorkerOrderResult> {
    return this.#order('resume', filter)
  }

  /**
   * Tells workers of `lark jobs:work` to restart. They take no more jobs, wait up to 25 seconds for the
   * running jobs, and exit with code 75, so that the service manager starts them again with the new code.
   * With `--processes`, the supervisor restarts one process after the other.
   *
   * @returns the workers that get the order, and the workers that go on because an application has started
   *   them and only the application can restart them
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
