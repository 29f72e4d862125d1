/**
 * Renews the leases of running jobs, hands their log lines over on the way, and brings back word of those that are
 * lost or should be cancelled. It runs on the worker's event loop: a handler that blocks the loop for longer than
 * a lease loses it.
 */
import { JobsError } from '../errors.ts'
import { type Extension, type LeaseNote, MAX_ITEMS, type Store } from '../store/store.ts'
import type { Running } from './running.ts'

export class LeaseKeeper {
  readonly #store: Store
  readonly #caller: string
  readonly #lease: number
  readonly #running: ReadonlySet<Running>
  readonly #trouble: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined

  constructor(
    store: Store,
    caller: string,
    lease: number,
    running: ReadonlySet<Running>,
    trouble: (error: unknown) => void,
  ) {
    this.#store = store
    this.#caller = caller
    this.#lease = lease
    this.#running = running
    this.#trouble = trouble
  }

  start(): void {
    // A third of the lease: two rounds may fail before a lease ends.
    this.#timer ??= setInterval(() => {
      this.#round ??= this.#renewAll().finally(() => {
        this.#round = undefined
      })
    }, this.#lease / 3)
  }

  /** The round under way, if any, is waited for. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#round
  }

  async #renewAll(): Promise<void> {
    const byPartition = new Map<string, Running[]>()
    for (const running of this.#running) {
      if (running.abandoned) continue
      const group = byPartition.get(running.claimer.partition)
      if (group === undefined) byPartition.set(running.claimer.partition, [running])
      else group.push(running)
    }
    await Promise.all(
      [...byPartition].map(async ([partition, group]) => {
        for (let i = 0; i < group.length; i += MAX_ITEMS)
          await this.#renew(partition, group.slice(i, i + MAX_ITEMS))
      }),
    )
  }

  async #renew(partition: string, group: Running[]): Promise<void> {
    const notes = group.map((running): LeaseNote => {
      const log = running.takeLog()
      return { id: running.lease.id, token: running.lease.token, ...(log !== undefined && { log }) }
    })
    try {
      this.#tell(group, await this.#store.extend(partition, this.#caller, notes, this.#lease))
    } catch (error) {
      // After an unanswered call the lines may be kept already: once too few is better than twice.
      if ((error as JobsError).code !== 'STORE_UNCERTAIN') {
        for (const [i, { log }] of notes.entries()) if (log !== undefined) group[i]!.keepLog(log)
      }
      this.#trouble(error)
    }
  }

  #tell(group: Running[], { lost, notices }: Extension): void {
    if (lost.length === 0 && notices.length === 0) return
    for (const running of group) {
      const { id } = running.lease
      if (lost.includes(id) && this.#running.has(running)) {
        running.abandoned = true
        running.run.abort(
          new JobsError('LEASE_LOST', `The lease on ${id} is lost; another worker may be running it`, { id }),
        )
      } else if (notices.some((notice) => notice.id === id)) {
        running.run.abort(new JobsError('JOB_CANCELLED', `${id} was cancelled`, { id }))
      }
    }
  }
}
