/**
 * What exists once for the whole store: its partitions, its workers, and the job keys that workers know.
 */
import type { WorkerRecord } from '../../../model/record.ts'
import { MAX_ITEMS } from '../../contract/capacity.ts'
import { damaged, failureBeside, sendTo } from '../client/damage.ts'
import { nothingQueued } from '../client/failure.ts'
import type { Keys } from '../client/keys.ts'
import { run } from '../client/script.ts'
import type { Transport } from '../client/transport.ts'
import { packDuration } from './pack-limits.ts'

export interface Retirement {
  /** The partitions where jobs are handed out, to any worker. Undefined on a cluster, which is not asked. */
  holding: ReadonlySet<string> | undefined
  /** Why the worker could not leave some partitions. */
  failures: unknown[]
}

export class PartitionRegistry {
  readonly #transport: Transport
  readonly #keys: Keys
  /** The time of the virtual clock that tests use, or ''. */
  readonly #clock: () => string
  /** The partitions that this process has entered, and the epoch of the connection in which it did. */
  readonly #entered = new Map<string, number>()
  /** The partitions that are being entered. */
  readonly #entering = new Map<string, Promise<void>>()

  constructor(transport: Transport, keys: Keys, clock: () => string) {
    this.#transport = transport
    this.#keys = keys
    this.#clock = clock
  }

  hasEntered(partition: string): boolean {
    return this.#entered.get(partition) === this.#transport.epoch
  }

  /**
   * Adds a partition to the list, once for each epoch, because the server behind a new link may not have it. Only the
   * first time is awaited. Later, a dispatch does not wait for this, so that it can go on while the node of a cluster
   * that has the list is away.
   */
  async enter(partition: string, deadline: number): Promise<void> {
    if (this.hasEntered(partition)) return
    const entering = this.#entering.get(partition) ?? this.#enter(partition, this.#transport.epoch, deadline)
    if (!this.#entered.has(partition)) await entering
  }

  #enter(partition: string, epoch: number, deadline: number): Promise<void> {
    const entering = sendTo(
      this.#transport,
      ['SADD', this.#keys.meta('partitions'), partition],
      deadline,
      true,
    )
      .then(
        () => void this.#entered.set(partition, epoch),
        (error) => {
          throw nothingQueued(this.#transport.name, error)
        },
      )
      .finally(() => this.#entering.delete(partition))
    this.#entering.set(partition, entering)
    entering.catch(() => {})
    return entering
  }

  partitions(): Promise<string[]> {
    return this.#members(this.#keys.meta('partitions'))
  }

  keys(): Promise<string[]> {
    return this.#members(this.#keys.meta('keys'))
  }

  /** @returns how many partitions there are */
  async announce(worker: WorkerRecord, ttl: number): Promise<number> {
    const args = [this.#clock(), worker.id, packDuration(ttl), JSON.stringify(worker), ...worker.keys]
    return (await run(this.#transport, 'announce', this.#keys.meta('workers'), args)) as number
  }

  async workers(): Promise<WorkerRecord[]> {
    const records = await run(this.#transport, 'workers', this.#keys.meta('workers'), [this.#clock()])
    return (records as string[]).map((record) => this.#read(record))
  }

  /** @throws STORE_DAMAGED if the text is not the record of a worker */
  #read(record: string): WorkerRecord {
    try {
      const worker = JSON.parse(record) as WorkerRecord
      if (Array.isArray(worker.queues) && Array.isArray(worker.keys)) return worker
    } catch {
      // The text is not JSON.
    }
    throw damaged(this.#transport.name, this.#keys.meta('workers'), 'the record of a worker', undefined)
  }

  /**
   * Forgets a worker, and that it waits: in every partition, because another process may do this for a dead worker.
   *
   * @param called the partitions that the worker has called: no job may ever have been in some of them
   */
  async retire(caller: string, called: readonly string[]): Promise<Retirement> {
    const partitions = [...new Set([...(await this.partitions()), ...called])]
    const retiring = run(this.#transport, 'retire', this.#keys.meta('workers'), [this.#clock(), caller])
    const holding = this.#transport.isWhole ? new Set<string>() : undefined
    const leaving = holding
      ? slices(partitions).map((some) => this.#leave(caller, some, holding))
      : partitions.flatMap((partition) => [
          sendTo(this.#transport, ['SREM', this.#keys.of(partition, 'idle'), caller]),
          sendTo(this.#transport, ['HDEL', this.#keys.of(partition, 'offers'), caller]),
        ])
    return { holding, failures: await failuresOf([retiring, ...leaving]) }
  }

  /** @param holding gets the partitions where jobs are handed out @throws STORE_DAMAGED for one of the others */
  async #leave(caller: string, partitions: readonly string[], holding: Set<string>): Promise<void> {
    const args = [this.#clock(), caller, ...partitions]
    const reply = await run(this.#transport, 'leave', this.#keys.meta('partitions'), args)
    const [found, [place, text]] = reply as [number[], (number | string)[]]
    for (const i of found) holding.add(partitions[i]!)
    if (place === undefined) return
    const key = this.#keys.of(partitions[Number(place)]!, 'jobs')
    throw await failureBeside(this.#transport, key, String(text))
  }

  async #members(key: string): Promise<string[]> {
    return ((await sendTo(this.#transport, ['SMEMBERS', key])) as string[]).sort()
  }
}

/** Waits for all. @returns the errors of those that failed */
export async function failuresOf(all: readonly Promise<unknown>[]): Promise<unknown[]> {
  const answers = await Promise.allSettled(all)
  return answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
}

/** Lists of as many partitions as one call takes. */
function slices(partitions: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(partitions.length / MAX_ITEMS) }, (_, i) =>
    partitions.slice(i * MAX_ITEMS, (i + 1) * MAX_ITEMS),
  )
}
