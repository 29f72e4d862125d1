/**
 * Carries out the orders to a worker (`store/contract/orders.ts`). Every answer to an announcement repeats
 * the last order, but the order is carried out only once.
 */
import type { WorkerState } from '../model/record.ts'
import type { WorkerOrder } from '../store/contract/store.ts'
import type { WorkerOptions } from './options.ts'
import type { WorkerReport } from './report.ts'

/** The members of a worker that this file uses. */
export interface Obeying {
  readonly state: WorkerState
  quiet(): void
  resume(): void
  restart(): unknown
}

export class Obedience {
  readonly #worker: Obeying
  readonly #report: WorkerReport
  readonly #onRestart: WorkerOptions['onRestart']
  /** The id of the last order that was carried out. */
  #last: string | undefined

  constructor(worker: Obeying, { report, onRestart }: Pick<WorkerOptions, 'report' | 'onRestart'>) {
    this.#worker = worker
    this.#report = report
    this.#onRestart = onRestart
  }

  hear({ id, kind }: WorkerOrder): void {
    const worker = this.#worker
    if (id === this.#last || worker.state === 'stopping' || worker.state === 'restarting') return
    this.#last = id
    if (kind === 'quiet' && worker.state === 'running') {
      this.#report.info('Told to take no more jobs: finishes the running ones')
      void worker.quiet()
    } else if (kind === 'resume' && worker.state === 'quiet') {
      this.#report.info('Told to take jobs again')
      worker.resume()
    } else if (kind === 'restart' && this.#onRestart !== undefined) {
      this.#report.info('Told to restart')
      this.#onRestart(worker)
    }
  }
}
