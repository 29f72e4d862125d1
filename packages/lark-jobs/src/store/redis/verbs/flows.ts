/**
 * Flows on Redis: which members have ended. The keys of a flow lie in the slot of its home partition. `BITFIELD` sets
 * the bits of all members of a call with one command.
 */
import type { Member } from '../../../model/effect.ts'
import { type Applied, type Fate, type Flows, MAX_ITEMS } from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'
import type { PartitionRegistry } from './partition-registry.ts'
import { type FatesReply, readFates } from './reading.ts'

/** The verdicts of `apply.lua`, from -1 on. */
const verdicts = ['unknown', 'repeated', 'counted'] as const

/** The answer of `apply.lua` for one flow. */
type Counted = [counted: number, size: number, verdicts: number[]] | null

export class RedisFlows implements Flows {
  readonly #scripts: Scripts
  readonly #registry: PartitionRegistry

  constructor(scripts: Scripts, registry: PartitionRegistry) {
    this.#scripts = scripts
    this.#registry = registry
  }

  async open(home: string, flow: string, size: number): Promise<boolean> {
    await this.#registry.enter(home, this.#scripts.transport.deadline())
    const key = this.#scripts.keys.of(home, `flow:${flow}`)
    return (await this.#scripts.send(['HSETNX', key, 'size', String(size)])) === 1
  }

  async apply(home: string, members: readonly Pick<Member, 'flow' | 'index'>[]): Promise<Applied> {
    const places = new Map<string, number[]>()
    for (const [i, { flow }] of members.entries()) {
      const its = places.get(flow)
      if (its === undefined) places.set(flow, [i])
      else its.push(i)
    }
    const args = [...places].flatMap(([flow, its]) => [flow, its.map((i) => members[i]!.index).join(',')])
    const counted = (await this.#scripts.run('apply', home, args)) as Counted[]
    const applied: Applied = { verdicts: new Array(members.length).fill('unknown'), flows: {} }
    for (const [n, [flow, its]] of [...places].entries()) {
      const [count, size, found] = counted[n] ?? []
      if (count === undefined || size === undefined) continue
      applied.flows[flow] = { counted: count, size }
      for (const [k, i] of its.entries()) applied.verdicts[i] = verdicts[found![k]! + 1]!
    }
    return applied
  }

  async missing(home: string, flow: string, after: number, count: number): Promise<number[]> {
    const args = [flow, String(after + 1), String(Math.min(count, MAX_ITEMS))]
    return (await this.#scripts.run('missing', home, args)) as number[]
  }

  async fates(partition: string, ids: readonly string[]): Promise<Fate[]> {
    const reply = await this.#scripts.run('fates', partition, ids)
    return readFates(partition, ids, reply as FatesReply)
  }

  async close(home: string, flow: string): Promise<void> {
    const { keys } = this.#scripts
    await this.#scripts.send(['DEL', keys.of(home, `flow:${flow}`), keys.of(home, `members:${flow}`)])
  }
}
