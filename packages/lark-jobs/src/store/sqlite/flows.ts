/**
 * Flows in SQLite: which members have ended. Each verb is one transaction.
 *
 * `flows` has a row for each flow that is open. `members` has the bits of `PAGE` members in each row, as hexadecimal
 * text, because a change writes the whole row. A page that is not there has no bit.
 */
import type { Member } from '../../model/effect.ts'
import { type Applied, type Fate, type Flows, MAX_ITEMS, type Progress } from '../contract/store.ts'
import type { Database } from './database.ts'
import { Partition } from './partition.ts'
import { fates } from './read.ts'

interface Flow extends Progress {
  number: number
}

/** Members of one row. */
const PAGE = 1_024

const create = `
  INSERT INTO flows (partition, id, size)
  SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM flows WHERE partition = ?1 AND id = ?2)`
const find = 'SELECT number, size, counted FROM flows WHERE partition = ? AND id = ?'
const count = 'UPDATE flows SET counted = ? WHERE number = ?'
const remove = 'DELETE FROM flows WHERE number = ?'
const findPage = 'SELECT bits FROM members WHERE flow = ? AND page = ?'
const keepPage = 'INSERT OR REPLACE INTO members (flow, page, bits) VALUES (?, ?, ?)'
const removePages = 'DELETE FROM members WHERE flow = ?'

export class SqliteFlows implements Flows {
  readonly #database: () => Database

  constructor(database: () => Database) {
    this.#database = database
  }

  open(home: string, flow: string, size: number): Promise<boolean> {
    return this.#change(home, (database, { id }) => database.run(create, id, flow, size) > 0)
  }

  apply(home: string, members: readonly Pick<Member, 'flow' | 'index'>[]): Promise<Applied> {
    return this.#change(home, (database, partition) => {
      const flows = new Map<string, OpenFlow | undefined>()
      const verdicts = members.map(({ flow, index }) => {
        if (!flows.has(flow)) flows.set(flow, OpenFlow.find(database, partition.id, flow))
        return flows.get(flow)?.mark(index) ?? 'unknown'
      })
      const applied: Applied = { verdicts, flows: {} }
      for (const [id, flow] of flows) if (flow !== undefined) applied.flows[id] = flow.save()
      return applied
    })
  }

  async missing(home: string, flow: string, after: number, most: number): Promise<number[]> {
    const database = this.#database()
    return database.read(() => {
      const partition = Partition.find(database, home)
      const found = partition && OpenFlow.find(database, partition.id, flow)
      return found?.missing(after + 1, Math.min(most, MAX_ITEMS)) ?? []
    })
  }

  async fates(name: string, ids: readonly string[]): Promise<Fate[]> {
    const database = this.#database()
    return database.read(() => {
      const partition = Partition.find(database, name)
      return partition === undefined ? ids.map(() => ({ kind: 'unknown' })) : fates(partition, ids)
    })
  }

  close(home: string, flow: string): Promise<void> {
    return this.#change(home, (database, { id }) => OpenFlow.find(database, id, flow)?.remove())
  }

  #change<T>(home: string, work: (database: Database, partition: Partition) => T): Promise<T> {
    const database = this.#database()
    return database.accept(() => work(database, Partition.enter(database, home)))
  }
}

/** A flow as one transaction sees it. */
class OpenFlow {
  readonly #database: Database
  readonly #flow: Flow
  readonly #pages = new Map<number, Buffer>()

  private constructor(database: Database, flow: Flow) {
    this.#database = database
    this.#flow = flow
  }

  static find(database: Database, partition: number, id: string): OpenFlow | undefined {
    const flow = database.get<Flow>(find, partition, id)
    return flow && new OpenFlow(database, flow)
  }

  mark(index: number): Applied['verdicts'][number] {
    if (index >= this.#flow.size) return 'unknown'
    const bits = this.#page(Math.floor(index / PAGE))
    const place = index % PAGE
    if (isSet(bits, place)) return 'repeated'
    bits[place >> 3]! |= 1 << (place & 7)
    this.#flow.counted += 1
    return 'counted'
  }

  missing(from: number, most: number): number[] {
    const { size } = this.#flow
    const found: number[] = []
    for (let index = from; index < size && found.length < most; index += 1)
      if (!isSet(this.#page(Math.floor(index / PAGE)), index % PAGE)) found.push(index)
    return found
  }

  save(): Progress {
    const { number, counted, size } = this.#flow
    for (const [page, bits] of this.#pages) this.#database.run(keepPage, number, page, bits.toString('hex'))
    if (this.#pages.size > 0) this.#database.run(count, counted, number)
    return { counted, size }
  }

  remove(): void {
    this.#database.run(removePages, this.#flow.number)
    this.#database.run(remove, this.#flow.number)
  }

  #page(page: number): Buffer {
    const known = this.#pages.get(page)
    if (known !== undefined) return known
    const bits = this.#database.get<{ bits: string }>(findPage, this.#flow.number, page)?.bits
    const read = bits === undefined ? Buffer.alloc(PAGE / 8) : Buffer.from(bits, 'hex')
    this.#pages.set(page, read)
    return read
  }
}

function isSet(bits: Buffer, place: number): boolean {
  return (bits[place >> 3]! & (1 << (place & 7))) !== 0
}
