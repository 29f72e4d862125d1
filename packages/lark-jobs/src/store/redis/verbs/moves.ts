/** Moves on Redis (`contract/moves.ts`): makes the arguments of the scripts and reads their answers. */

import { defined } from '@s18i/lark/internal'
import { inLots } from '../../contract/rules/in-lots.ts'
import { readLaneName } from '../../contract/rules/unreadable.ts'
import {
  MOVE_LEASE_MS,
  MOVED_LEAST,
  MOVED_MEMORY,
  type MovedPlace,
  type Moves,
  type MovingJob,
  type TakeVerdict,
} from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'
import type { DurabilityWait } from './durability-wait.ts'
import type { PartitionRegistry } from './partition-registry.ts'

const verdicts: Readonly<Record<string, TakeVerdict>> = {
  t: 'taken',
  r: 'refused',
  m: 'missing',
  l: 'left',
}

/** The answer of the script: a letter for each job, and four values for each job that was taken out. */
type TakenOut = [letters: string, taken: string[]]

export class RedisMoves implements Moves {
  readonly #scripts: Scripts
  readonly #registry: PartitionRegistry
  readonly #durability: DurabilityWait | undefined

  constructor(scripts: Scripts, registry: PartitionRegistry, durability: DurabilityWait | undefined) {
    this.#scripts = scripts
    this.#registry = registry
    this.#durability = durability
  }

  async where(partition: string, ids: readonly string[]): Promise<MovedPlace[]> {
    const found = (await this.#scripts.run('move-where', partition, ids)) as string[]
    return [...inLots(found, 3)].map(([kind, at, lock]): MovedPlace => {
      if (kind !== 'here') return { kind: kind as 'moving' | 'moved', to: at!, movedAt: Number(lock) }
      const { group } = at === '' ? {} : readLaneName(at!)
      return { kind, ...defined({ group }), ...(lock !== '' && { lock: lock! }) }
    })
  }

  async meets(...[partition, jobs]: Parameters<Moves['meets']>): Promise<boolean[]> {
    const args = jobs.flatMap(({ id, lock = '' }) => [id, lock])
    return ((await this.#scripts.run('move-meets', partition, args)) as number[]).map((met) => met === 1)
  }

  async take(...[partition, ids, to]: Parameters<Moves['take']>): ReturnType<Moves['take']> {
    if (ids.length === 0) return { verdicts: [], jobs: [] }
    const [letters, jobs] = await this.#take(
      partition,
      ids.flatMap((id, i) => [id, to[i]!]),
    )
    return { verdicts: [...letters].map((letter) => verdicts[letter]!), jobs }
  }

  async due(partition: string, isAll = false): Promise<MovingJob[]> {
    const [, jobs] = await this.#take(partition, isAll ? ['*'] : [])
    return jobs
  }

  async put(partition: string, jobs: readonly MovingJob[]): Promise<boolean[]> {
    const deadline = this.#scripts.transport.deadline()
    if (!this.#registry.hasEntered(partition)) await this.#registry.enter(partition, deadline)
    const args = jobs.flatMap(({ id, movedAt, text }) => [id, String(movedAt), text])
    const isSafe = async (memory: string) => this.#durability!.confirm(memory, deadline)
    // The next step of a move removes the jobs from their old partition. Before that step, this write must be
    // durable.
    const safely = this.#durability === undefined ? undefined : isSafe
    const all = [String(MOVED_LEAST), ...args]
    const letters = (await this.#scripts.run('move-put', partition, all, deadline, true, safely)) as string
    return [...letters].map((letter) => letter === 'a')
  }

  async settle(...[partition, jobs]: Parameters<Moves['settle']>): Promise<void> {
    const args = jobs.flatMap(({ id, movedAt }) => [id, String(movedAt)])
    await this.#scripts.run('move-settle', partition, [String(MOVED_MEMORY), ...args])
  }

  async revoke(...[partition, jobs]: Parameters<Moves['revoke']>): Promise<void> {
    const args = jobs.flatMap(({ id, movedAt }) => [id, String(movedAt)])
    await this.#scripts.run('move-revoke', partition, args)
  }

  async #take(from: string, args: readonly string[]): Promise<[letters: string, jobs: MovingJob[]]> {
    const [letters, taken] = (await this.#scripts.run('move-take', from, [
      String(MOVE_LEASE_MS),
      ...args,
    ])) as TakenOut
    const jobs = [...inLots(taken, 4)].map(([id, to, movedAt, text]) => ({
      ...{ id: id!, from, to: to! },
      ...{ movedAt: Number(movedAt), text: text! },
    }))
    return [letters, jobs]
  }
}
