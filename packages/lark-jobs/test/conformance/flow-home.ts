/**
 * The flows of one partition, for tests: to make, read and write them, and the ends of their members.
 */
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
 * Milliseconds of the real clock: longer than any ring takes, and after which a wait that should not be rung
 * ends.
 */
export const PATIENCE = 10_000
export const MOMENT = 60
/** Of the clock of a new harness. */
export const START = Date.UTC(2026, 0, 1)

export type Change = Extract<FlowWrite, { state: string }>
/** What `write` says of a flow, and its number. */
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

  /** @returns the answer without `nextTick`, which `next` looks at */
  async write(write: FlowWrite): Promise<Omit<FlowWritten, 'nextTick'>> {
    const { nextTick, ...answer } = await this.store.write(this.partition, write)
    return answer
  }

  /** Makes a flow. @param fields default: it is not due, and has no members */
  async make(id = 'flow', fields: Fields = {}): Promise<StoredFlow> {
    expect(
      await this.write({ id, rev: 0, definition: `definition of ${id}`, state: '{}', ...fields }),
    ).toMatchObject({ isWritten: true })
    return this.read(id)
  }

  /** Writes what was read just now. */
  async change(id = 'flow', fields: Fields = {}): Promise<void> {
    const { rev, state } = await this.read(id)
    expect(await this.write({ id, rev, state, ...fields })).toMatchObject({ isWritten: true })
  }

  /** The test fails if it is not there. */
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

  /** @returns a verdict for each */
  async apply(...ends: MemberEnd[]): Promise<string[]> {
    return (await this.store.apply(this.partition, ends)).verdicts
  }

  async due(leaseMs = LEASE): Promise<StoredFlow[]> {
    return (await this.harness.store.schedules.due(this.partition, MAX_DUE, leaseMs)).flows
  }

  /** Milliseconds until a flow or a schedule is due. @returns the same from each verb that says it */
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

/** The end of a member, or of a node (`node`). */
export function end(index: number, fields: Partial<MemberEnd> = {}): MemberEnd {
  return { flow: 'flow', index, state: 'completed', at: START, ...fields }
}

export function node(number: number, fields: Partial<MemberEnd> = {}): MemberEnd {
  return end(NODES + number, fields)
}

/** Ends of members. */
export function each(indices: readonly number[], fields: Partial<MemberEnd> = {}): MemberEnd[] {
  return indices.map((index) => end(index, fields))
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n)
}

/** As it is kept: without its flow, and for news without its result. */
export function kept({ flow, result, ...rest }: MemberEnd): KeptEnd {
  return rest
}

export const failed = { state: 'failed', error: 'mailbox full' } as const
export const unwritten = { isWritten: false, rev: 0, jobs: [] }
export const gone = { ...wrote(), rev: 0 }

/** A test with a home in a new store. */
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
