/**
 * What is kept once for the whole store: its partitions, its workers, and the job keys that they know.
 */
import type { WorkerRecord } from '../../record.ts'
import type { Connection } from './connection.ts'
import { nothingQueued } from './failure.ts'
import type { Keys } from './keys.ts'
import { packDuration } from './packing.ts'
import { run } from './script.ts'

export class Registry {
  readonly #connection: Connection
  readonly #keys: Keys
  /** The virtual clock of tests, or ''. */
  readonly #clock: () => string
  /** Partitions that this process has entered, each on the link of that epoch. */
  readonly #entered = new Map<string, number>()

  constructor(connection: Connection, keys: Keys, clock: () => string) {
    this.#connection = connection
    this.#keys = keys
    this.#clock = clock
  }

  /** Once a link, since another server may be behind the next one. */
  async enter(partition: string, deadline: number): Promise<void> {
    if (this.#entered.get(partition) === this.#connection.epoch) return
    try {
      await this.#connection.send(['SADD', this.#keys.meta('partitions'), partition], deadline)
    } catch (error) {
      throw nothingQueued(this.#connection.name, error)
    }
    this.#entered.set(partition, this.#connection.epoch)
  }

  partitions(): Promise<string[]> {
    return this.#members(this.#keys.meta('partitions'))
  }

  keys(): Promise<string[]> {
    return this.#members(this.#keys.meta('keys'))
  }

  async announce(worker: WorkerRecord, ttl: number): Promise<void> {
    const args = [this.#clock(), worker.id, packDuration(ttl), JSON.stringify(worker), ...worker.keys]
    await run(this.#connection, 'announce', this.#keys.meta('workers'), args)
  }

  async workers(): Promise<WorkerRecord[]> {
    const records = await run(this.#connection, 'workers', this.#keys.meta('workers'), [this.#clock()])
    return (records as string[]).map((record) => JSON.parse(record) as WorkerRecord)
  }

  /** Forgets a worker, and that it waits: in every partition, since another process may do this for the dead. */
  async retire(caller: string): Promise<void> {
    const partitions = await this.partitions()
    await Promise.all([
      run(this.#connection, 'retire', this.#keys.meta('workers'), [this.#clock(), caller]),
      ...partitions.map((partition) => {
        return this.#connection.send(['SREM', this.#keys.of(partition, 'idle'), caller])
      }),
    ])
  }

  async #members(key: string): Promise<string[]> {
    return ((await this.#connection.send(['SMEMBERS', key])) as string[]).sort()
  }
}
