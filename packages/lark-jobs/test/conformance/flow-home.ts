/** Makes, reads and writes the flows of one partition, and the ends of their members, for tests. */
import { expect, test } from 'vitest'
import { NODES } from '../../src/model/flow.ts'
import {
  type Crowd,
  type Flows,
  type FlowWrite,
  type FlowWritten,
  type KeptEnd,
  MAX_DUE,
  type MemberEnd,
  type StoredFlow,
} from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { Book, wrote } from './schedules.ts'

/**
 * Milliseconds of the real clock. A notification of the store arrives within this time. A wait for which no
 * notification should come ends after this time.
 */
export const PATIENCE = 10_000
export const MOMENT = 60
/** The time that the clock of a new harness shows first. */
export const START = Date.UTC(2026, 0, 1)

export type Change = Extract<FlowWrite, { state: string }>
/** The fields of a flow that `write` takes. */
type Fields = Partial<Omit<Change, 'id'>>

/** The flows of one partition. */
export class Home {
  readonly harness: Harness
  readonly partition: string

  constructor(harness: Harness, partition = 'home') {
    this.harness = harness
    this.partition = partition
  }

  get store(): Flows {
    return this.harness.store.flows
  }

  get now(): number {
    return this.harness.clock.now
  }

  /** @returns the answer without `nextTick`, which `next` checks */
  async write(write: FlowWrite): Promise<Omit<FlowWritten, 'nextTick'>> {
    const { nextTick, ...answer } = await this.store.write(this.partition, write)
    return answer
  }

  /** Makes a flow. @param fields the fields of the flow; by default the flow is not due and has no members */
  async make(id = 'flow', fields: Fields = {}): Promise<StoredFlow> {
    expect(
      await this.write({ id, rev: 0, definition: `definition of ${id}`, state: '{}', ...fields }),
    ).toMatchObject({ isWritten: true })
    return this.read(id)
  }

  /** Reads a flow and writes it with changed fields. */
  async change(id = 'flow', fields: Fields = {}): Promise<void> {
    const { rev, state } = await this.read(id)
    expect(await this.write({ id, rev, state, ...fields })).toMatchObject({ isWritten: true })
  }

  /** Reads a flow. The test fails if the flow does not exist. */
  async read(id = 'flow'): Promise<StoredFlow> {
    const found = await this.find(id)
    if (found === undefined) throw new Error(`expected a flow ${id} in ${this.partition}`)
    return found
  }

  async find(id = 'flow'): Promise<StoredFlow | undefined> {
    return (await this.store.get(this.partition, id)).found
  }

  async crowd(id = 'flow'): Promise<Crowd> {
    return (await this.read(id)).crowd
  }

  /** @returns one verdict for each end */
  async apply(...ends: MemberEnd[]): Promise<string[]> {
    return (await this.store.apply(this.partition, ends)).verdicts
  }

  async due(leaseMs = LEASE): Promise<StoredFlow[]> {
    return (await this.harness.store.schedules.due(this.partition, MAX_DUE, leaseMs)).flows
  }

  /**
   * Returns the milliseconds until a flow or a schedule is due. The test fails if the verbs that return this
   * time return different times.
   */
  async next(): Promise<number | undefined> {
    const nextTick = await new Book(this.harness, this.partition).next()
    expect((await this.store.apply(this.partition, [])).nextTick).toBe(nextTick)
    const unwritten = await this.store.write(this.partition, { id: 'nobody', rev: 7, remove: true })
    expect(unwritten).toEqual({
      isWritten: false,
      rev: 0,
      jobs: [],
      ...(nextTick !== undefined && { nextTick }),
    })
    return nextTick
  }
}

/** Makes the end of a member. (`node` makes the end of a node.) */
export function end(index: number, fields: Partial<MemberEnd> = {}): MemberEnd {
  return { flow: 'flow', index, state: 'completed', at: START, ...fields }
}

export function node(number: number, fields: Partial<MemberEnd> = {}): MemberEnd {
  return end(NODES + number, fields)
}

/** Makes the ends of members. */
export function each(indices: readonly number[], fields: Partial<MemberEnd> = {}): MemberEnd[] {
  return indices.map((index) => end(index, fields))
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n)
}

/**
 * Returns an end in its stored form: without its flow, and without its result if the end is news for the
 * flow.
 */
export function kept({ flow, result, ...rest }: MemberEnd): KeptEnd {
  return rest
}

export const failed = { state: 'failed', error: 'mailbox full' } as const
export const unwritten = { isWritten: false, rev: 0, jobs: [] }
export const gone = { ...wrote(), rev: 0 }

/** Declares a test that gets a `Home` in a new store. */
export type Flowing = (
  name: string,
  work: (home: Home, harness: Harness) => Promise<void>,
  options?: Parameters<Make>[0],
) => void

export function flowingIn(make: Make): Flowing {
  return (name, work, options) =>
    test(name, async () => {
      await using harness = await make(options)
      await work(new Home(harness), harness)
    })
}
