/**
 * Flows: of several writers one writes, and jobs are queued in the same step; what is due is handed out once; each end of a
 * node is news once; members are counted once. (`rollbacks.ts`: and if the server loses what it had acknowledged.)
 */
import { expect, test } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import { MAX_FLOW_ID, NODES } from '../../src/model/flow.ts'
import {
  type Crowd,
  type Flows,
  type FlowWrite,
  type FlowWritten,
  type KeptEnd,
  MAX_BYTES,
  MAX_DUE,
  MAX_ERROR,
  MAX_FAILURES,
  MAX_ITEMS,
  MAX_NEWS,
  MAX_RESULTS,
  type MemberEnd,
  RESULT_NOT_KEPT,
  type StoredFlow,
} from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { cancel, endRest, ends, forgetful, take } from './effects.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed as failedRun, ids, job, jobs, settlement } from './jobs.ts'
import { Book, wrote } from './schedules.ts'

/** Milliseconds of the real clock: longer than any ring takes, and after which a wait that should not be rung ends. */
const PATIENCE = 10_000
const MOMENT = 60
/** Of the clock of a new harness. */
const START = Date.UTC(2026, 0, 1)

type Change = Extract<FlowWrite, { state: string }>
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

  async due(lease = LEASE): Promise<StoredFlow[]> {
    return (await this.harness.store.schedules.due(this.partition, MAX_DUE, lease)).flows
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
function each(indices: readonly number[], fields: Partial<MemberEnd> = {}): MemberEnd[] {
  return indices.map((index) => end(index, fields))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n)
}

/** As it is kept: without its flow, and for news without its result. */
function kept({ flow, result, ...rest }: MemberEnd): KeptEnd {
  return rest
}

const failed = { state: 'failed', error: 'mailbox full' } as const
const unwritten = { isWritten: false, rev: 0, jobs: [] }
const gone = { ...wrote(), rev: 0 }

export function flows(make: Make): void {
  function flowing(
    name: string,
    work: (home: Home, harness: Harness) => Promise<void>,
    options?: Parameters<Make>[0],
  ): void {
    test(name, async () => {
      await using harness = await make(options)
      await work(new Home(harness), harness)
    })
  }

  // writing

  flowing('a flow is kept as it was written, with a number', async (home) => {
    const { store } = home
    expect(await store.get('home', 'flow')).toEqual({ at: START })
    const made = await home.make()
    expect(made).toEqual({
      id: 'flow',
      rev: expect.any(Number),
      definition: 'definition of flow',
      state: '{}',
      news: [],
      crowd: { reserved: 0, completed: 0, failed: 0 },
    })
    expect(made.rev).toBeGreaterThan(0)
    expect(await store.get('home', 'flow')).toEqual({ at: START, found: made })
    expect(await store.state('home', 'flow')).toBe(made.state)
    for (const [home, id] of [
      ['home', 'other'],
      ['elsewhere', 'flow'],
    ] as const)
      expect(await store.state(home, id)).toBeUndefined()
    expect(await store.get('elsewhere', 'flow')).toEqual({ at: START })
  })

  flowing('without a definition it stays, and with one both change; the number rises', async (home) => {
    const { id, rev } = await home.make()
    const answer = await home.write({ id, rev, state: '1' })
    const second = await home.read()
    expect(second).toMatchObject({ rev: answer.rev, definition: 'definition of flow', state: '1' })
    expect(second.rev).toBeGreaterThan(rev)
    await home.write({ id, rev: second.rev, definition: 'other', state: '2' })
    const third = await home.read()
    expect(third).toMatchObject({ definition: 'other', state: '2' })
    expect(third.rev).toBeGreaterThan(second.rev)
  })

  flowing('one that is there is not made again, and one that is not there is not changed', async (home) => {
    expect(await home.write({ id: 'flow', rev: 7, state: '1', jobs: [job()] })).toEqual(unwritten)
    expect(await home.find()).toBeUndefined()
    const made = await home.make()
    const again = { id: 'flow', rev: 0, definition: 'other', state: '2', next: START, jobs: [job()] }
    expect(await home.write(again)).toEqual(unwritten)
    expect(await home.read()).toEqual(made)
    expect(await home.due()).toEqual([])
    expect(await home.harness.store.counts('home')).toMatchObject({ waiting: 0 })
  })

  flowing('of two writers that have read the same, one writes, and its jobs are queued', async (home) => {
    const { id, rev } = await home.make()
    const texts = ['"ada"', '"bob"']
    const write = (state: string) =>
      home.write({ id, rev, state, next: home.now + 5, jobs: [job({ payload: state })] })
    const answers = await Promise.all(texts.map(write))
    const first = answers.findIndex(({ isWritten }) => isWritten)
    expect(answers[first]).toEqual(wrote('queued'))
    expect(answers[1 - first]).toEqual(unwritten)
    expect(await home.read()).toMatchObject({ state: texts[first] })
    const { jobs } = await home.harness.store.list('home', { state: 'waiting' })
    expect(jobs.map(({ payload }) => payload)).toEqual([texts[first]])
  })

  flowing('a write that is sent again changes nothing', async (home) => {
    const { id, rev } = await home.make()
    await home.apply(node(0), node(1))
    const write = { id, rev, state: '1', heard: 1, jobs: [job()], crowd: { reserved: 5 } }
    expect(await home.write(write)).toEqual(wrote('queued'))
    const after = await home.read()
    expect(after).toMatchObject({ state: '1', news: [kept(node(1))], crowd: { reserved: 5 } })
    expect(await home.write(write)).toEqual(unwritten)
    expect(await home.read()).toEqual(after)
  })

  flowing('an apply does not change the number, nor the texts', async (home) => {
    const made = await home.make('flow', { crowd: { reserved: 5 } })
    await home.apply(node(0), end(0))
    const { rev, definition, state } = await home.read()
    expect({ rev, definition, state }).toEqual({
      rev: made.rev,
      definition: made.definition,
      state: made.state,
    })
  })

  flowing('a removed flow is gone, with all that is kept of it', async (home, harness) => {
    const { store } = home
    const { rev } = await home.make('flow', { next: START + 100, crowd: { reserved: 3_000, alarm: 1 } })
    await home.apply(node(0, { result: '7' }), end(0), end(2_500), end(1, failed))
    expect(await home.write({ id: 'flow', rev: rev + 1, remove: true })).toEqual(unwritten)
    expect(await home.next()).toBe(0)
    expect(await home.write({ id: 'flow', rev, remove: true })).toEqual(gone)
    async function expectNothing(): Promise<void> {
      expect(await home.find()).toBeUndefined()
      expect(await home.next()).toBeUndefined()
      expect(await home.apply(node(0), end(0))).toEqual(['unknown', 'unknown'])
      expect(await store.ends('home', 'flow', [1, NODES])).toEqual([])
      expect(await store.missing('home', 'flow', -1, 9)).toEqual([])
      expect(await store.failed('home', 'flow', -1, 9)).toEqual([])
      expect(await store.reopen('home', 'flow', [1])).toBe(0)
      expect(await store.list('home', 9)).toEqual([])
    }
    await expectNothing()
    harness.clock.now += 100
    expect(await home.due()).toEqual([])
    expect(await home.write({ id: 'flow', rev, remove: true })).toEqual(unwritten)
    expect(await home.write({ id: 'flow', rev: 0, remove: true })).toEqual(gone)
    const again = await home.make('flow', { crowd: { reserved: 3 } })
    expect(again).toMatchObject({ news: [], crowd: { reserved: 3, completed: 0, failed: 0 } })
    expect(await home.write({ id: 'flow', rev: 0, remove: true })).toEqual(unwritten)
    expect(await store.missing('home', 'flow', -1, 9)).toEqual([0, 1, 2])
    expect(await store.ends('home', 'flow', [1, NODES])).toEqual([])
    expect(await home.apply(node(0), end(0), end(1, failed))).toEqual(['counted', 'counted', 'counted'])
  })

  flowing('who has read a flow that was removed does not write the next one', async (home, harness) => {
    const { id, rev } = await home.make()
    harness.clock.now += 1
    await home.write({ id, rev, remove: true })
    const next = await home.make()
    expect(await home.write({ id, rev, state: 'stale', jobs: [job()] })).toEqual(unwritten)
    expect(await home.read()).toEqual(next)
  })

  flowing('a partition with a flow and no job is a partition', async (home, harness) => {
    await home.write({ id: 'flow', rev: 7, state: '{}' })
    await home.apply(end(0))
    expect(await harness.store.partitions()).toEqual([])
    await home.make()
    expect(await harness.store.partitions()).toEqual(['home'])
  })

  flowing('jobs are queued with the write, like others', async (home, harness) => {
    const { store } = harness
    const large = JSON.stringify('x'.repeat(50_000))
    const lock = { name: 'one', until: 'done' } as const
    const list = [job({ payload: large, priority: 3, options: { tries: 2 } }), job({ delay: 500, lock })]
    expect(await home.write({ id: 'flow', rev: 0, definition: 'd', state: '{}', jobs: list })).toEqual(
      wrote('queued', 'queued'),
    )
    expect(await store.counts('home')).toMatchObject({ waiting: 1, delayed: 1 })
    expect(await store.get('home', list[0]!.id)).toMatchObject({
      payload: large,
      priority: 3,
      options: { tries: 2 },
      queuedAt: START,
    })
    const { rev } = await home.read()
    const other = job({ lock })
    expect(await home.write({ id: 'flow', rev, state: '1', jobs: [other, job()] })).toEqual(
      wrote({ kind: 'rejected', reason: 'unique', by: list[1]!.id }, 'queued'),
    )
    expect(await home.read()).toMatchObject({ state: '1' })
  })

  flowing('a job that is there already counts as queued, whatever became of it', async (home, harness) => {
    const caller = harness.caller('ada', 'home')
    const [waiting, over] = [job(), job()]
    await caller.run(over, { kind: 'completed' })
    await caller.enqueue(waiting)
    const again = [waiting, over].map((each) => ({ ...each, payload: '"other"' }))
    const { nextTick, ...answer } = await home.store.write(
      'home',
      { id: 'flow', rev: 0, definition: 'd', state: '1', jobs: again },
      { max: 1, full: 'reject' },
    )
    expect(answer).toEqual(wrote('queued', 'queued'))
    expect(await harness.store.get('home', waiting.id)).toMatchObject({ payload: waiting.payload })
    expect(await harness.store.counts('home')).toMatchObject({ waiting: 1, completed: 1 })
  })

  flowing(
    'a full queue rejects the jobs, or drops its first, and the flow is written',
    async (home, harness) => {
      const held = job()
      await harness.caller('ada', 'home').enqueue(held)
      const write = async (full: 'reject' | 'drop-oldest', rev: number) => {
        const change = { id: 'flow', rev, definition: 'd', state: full, jobs: [job()] }
        return home.store.write('home', change, { max: 1, full })
      }
      const first = await write('reject', 0)
      expect(first).toEqual(wrote({ kind: 'rejected', reason: 'full' }))
      expect(await write('drop-oldest', first.rev)).toEqual(wrote('queued'))
      expect(await harness.store.get('home', held.id)).toMatchObject({
        state: 'cancelled',
        reason: 'dropped',
      })
      expect(await home.read()).toMatchObject({ state: 'drop-oldest' })
    },
  )

  flowing(`a write with ${MAX_ITEMS} jobs`, async (home, harness) => {
    const jobs = range(0, MAX_ITEMS).map(() => job())
    const { jobs: answers } = await home.write({ id: 'flow', rev: 0, definition: 'd', state: '1', jobs })
    expect(answers).toEqual(jobs.map(() => 'queued'))
    expect(await harness.store.counts('home')).toMatchObject({ waiting: MAX_ITEMS })
  })

  flowing('jobs of a write ring as many workers as there are jobs', async (home, harness) => {
    const { id, rev } = await home.make()
    const callers = ['ada', 'bob', 'cyd'].map((name) => harness.caller(name, 'home'))
    for (const caller of callers) expect(await caller.claim()).toEqual([])
    await home.write({ id, rev, state: '1', jobs: [job(), job()] })
    const waits = callers.map(async (caller) => (await harness.store.wait(caller.id, MOMENT)).length)
    expect((await Promise.all(waits)).filter((count) => count > 0)).toHaveLength(2)
  })

  // due

  flowing(
    'those that are due for longest are handed out first, and once in a lease',
    async (home, harness) => {
      const { store } = harness
      for (const [id, next] of Object.entries({ c: 30, a: 20, b: 10, later: 1_000 }))
        await home.make(id, { next: START + next })
      await home.make('never')
      expect(await store.schedules.due('home', 9, 500)).toEqual({
        at: START,
        due: [],
        flows: [],
        nextTick: 10,
      })
      harness.clock.now += 30
      const a = await home.read('a')
      const { at, due, flows, nextTick } = await store.schedules.due('home', 2, 500)
      expect([at, due, ids(flows), nextTick]).toEqual([home.now, [], ['b', 'a', 'c'], 500])
      expect(flows[1]).toEqual(a)
      expect(await store.schedules.due('home', 2, 500)).toEqual({
        at: home.now,
        due: [],
        flows: [],
        nextTick: 500,
      })
      harness.clock.now += 499
      expect(await home.due()).toEqual([])
      harness.clock.now += 1
      expect(ids(await home.due()).sort()).toEqual(['a', 'b', 'c'])
      expect(await home.next()).toBe(470)
    },
  )

  flowing('flows and schedules of a partition are handed out together', async (home, harness) => {
    const book = new Book(harness, 'home')
    expect(await harness.store.schedules.due('home', 9, 500)).toEqual({ at: START, due: [], flows: [] })
    for (const [n, id] of ['a', 'b', 'c'].entries()) await book.make(id, n)
    for (const [n, id] of ['x', 'y', 'z'].entries()) await home.make(id, { next: START + n })
    expect(await home.next()).toBe(0)
    harness.clock.now += 9
    const { due, flows, nextTick } = await harness.store.schedules.due('home', 2, 500)
    expect([ids(due), ids(flows), nextTick]).toEqual([['a', 'b'], ['x', 'y', 'z'], 0])
    const rest = await harness.store.schedules.due('home', 2, 100)
    expect([ids(rest.due), ids(rest.flows), rest.nextTick]).toEqual([['c'], [], 100])
  })

  flowing('whoever takes no schedules is told when a flow is due', async (home, harness) => {
    const book = new Book(harness, 'home')
    const take = () => harness.store.schedules.due('home', 0, 500)
    await book.make('nightly', 0)
    expect(await take()).toEqual({ at: START, due: [], flows: [] })
    await home.make('flow', { next: START + 50 })
    expect(await take()).toEqual({ at: START, due: [], flows: [], nextTick: 50 })
    harness.clock.now += 50
    const { due, flows, nextTick } = await take()
    expect([due, ids(flows), nextTick]).toEqual([[], ['flow'], 500])
    expect(await book.due()).toEqual(['nightly'])
  })

  flowing('when the next flow or schedule is due, whichever is written', async (home, harness) => {
    const book = new Book(harness, 'home')
    expect(await home.next()).toBeUndefined()
    const first = await home.make('one', { next: START + 5_000 })
    expect(await home.next()).toBe(5_000)
    const nightly = await book.make('nightly', 3_000)
    expect(await home.next()).toBe(3_000)
    await home.make('two', { next: START + 1_000 })
    expect(await home.next()).toBe(1_000)
    await home.change('two', { next: START + 7_000 })
    expect(await home.next()).toBe(3_000)
    await book.write({ id: 'nightly', rev: nightly.rev, remove: true })
    expect(await home.next()).toBe(5_000)
    await home.write({ id: 'one', rev: first.rev, remove: true })
    expect(await home.next()).toBe(7_000)
    await home.change('two')
    expect(await home.next()).toBeUndefined()
  })

  flowing('the write and the apply that change it say when the next is due', async (home) => {
    const { nextTick, rev } = await home.store.write('home', {
      id: 'flow',
      rev: 0,
      definition: 'd',
      state: '1',
      next: START + 400,
    })
    expect(nextTick).toBe(400)
    expect(await home.store.apply('home', [node(0)])).toEqual({ verdicts: ['counted'], nextTick: 0 })
    const removed = await home.store.write('home', { id: 'flow', rev, remove: true })
    expect(removed).toEqual(gone)
    expect(await home.store.apply('home', [node(0)])).toEqual({ verdicts: ['unknown'] })
  })

  flowing(
    'one that was written while it was handed out is due when the write says so',
    async (home, harness) => {
      for (const id of ['one', 'two', 'three']) await home.make(id, { next: START })
      expect(ids(await home.due()).sort()).toEqual(['one', 'three', 'two'])
      await home.change('one', { next: home.now + 50 })
      await home.change('two')
      await home.change('three', { next: home.now + LEASE + 50 })
      expect(await home.next()).toBe(50)
      harness.clock.now += 50
      expect(ids(await home.due())).toEqual(['one'])
      harness.clock.now += LEASE
      expect(ids(await home.due()).sort()).toEqual(['one', 'three'])
    },
  )

  flowing('hands out no more bytes than fit into an answer, or one', async (home, harness) => {
    const definition = 'x'.repeat(MAX_BYTES * 0.4)
    for (const [n, times] of [1, 1, 3, 1].entries())
      await home.make(`f${n}`, { definition: definition.repeat(times), next: START - 10 + n })
    expect(ids(await home.due())).toEqual(['f0', 'f1'])
    const found = await home.due()
    expect(ids(found)).toEqual(['f2'])
    expect(found[0]!.definition).toHaveLength(definition.length * 3)
    expect(ids(await home.due())).toEqual(['f3'])
    harness.clock.now += LEASE
    await new Book(harness, 'home').write({ id: 's', rev: 0, definition, state: '{}', next: START })
    const seen = { schedules: [] as string[], flows: [] as string[] }
    for (let call = 0; call < 5 && seen.schedules.length + seen.flows.length < 5; call++) {
      const { due, flows } = await harness.store.schedules.due('home', 9, LEASE)
      const bytes = [...due, ...flows].reduce((sum, each) => sum + each.definition.length, 0)
      expect(bytes <= MAX_BYTES || due.length + flows.length === 1).toBe(true)
      seen.schedules.push(...ids(due))
      seen.flows.push(...ids(flows))
    }
    expect(seen.schedules).toEqual(['s'])
    expect(seen.flows.sort()).toEqual(['f0', 'f1', 'f2', 'f3'])
  })

  flowing('500 flows of a partition are handed out by page', async (home, harness) => {
    const names = range(0, 500).map((n) => `f${n}`)
    for (const [n, id] of names.entries()) await home.make(id, { next: START + 1 + n })
    harness.clock.now += names.length
    for (let page = 0; page < names.length / MAX_DUE; page++)
      expect(ids(await home.due())).toEqual(names.slice(page * MAX_DUE, (page + 1) * MAX_DUE))
    expect(await home.due()).toEqual([])
  })

  flowing('a flow that is due sooner than all others rings a waiting worker', async (home, harness) => {
    const { store } = harness
    const idle = async () => expect(await harness.caller('ada', 'home').claim()).toEqual([])
    const rings = async (ms: number) => (await store.wait('ada', ms)).length > 0
    await idle()
    await home.make('one', { next: START + 5_000 })
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    await home.make('two', { next: START + 5_001 })
    await home.make('flow')
    await new Book(harness, 'home').make('nightly', 6_000)
    expect(await rings(MOMENT)).toBe(false)
    await home.apply(node(0))
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    await home.apply(node(1))
    expect(await rings(MOMENT)).toBe(false)
    const [due] = await home.due(100)
    await home.write({ id: 'flow', rev: due!.rev, state: '1', heard: 1, next: START + 9_000 })
    // News was left, so it is due at once.
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    await home.change('flow', { heard: 1, next: START + 9_000 })
    expect(await rings(MOMENT)).toBe(false)
    expect(await home.next()).toBe(5_000)
  })

  // nodes

  flowing('the end of a node is news once, in the order of arrival, and makes the flow due', async (home) => {
    await home.make('flow', { next: START + 5_000 })
    await home.make('other')
    const ends = [
      node(3, { result: '{"n":3}', at: START + 1 }),
      node(1, { state: 'failed', reason: 'skipped', error: 'no', at: START + 2 }),
      node(2, { state: 'cancelled', reason: 'user' }),
    ]
    expect(
      await home.apply(...ends, node(1, failed), node(3, { flow: 'other' }), node(0, { flow: 'none' })),
    ).toEqual(['counted', 'counted', 'counted', 'repeated', 'counted', 'unknown'])
    expect(await home.apply(node(10_000 + 3), node(3), ends[1]!)).toEqual(['counted', 'repeated', 'repeated'])
    const news = [...ends, node(10_000 + 3)].map(kept)
    expect((await home.read()).news).toEqual(news)
    expect((await home.read('other')).news).toEqual([kept(node(3))])
    expect(await home.next()).toBe(0)
    const due = await home.due()
    expect(due.find(({ id }) => id === 'flow')!.news).toEqual(news)
    expect(ids(due).sort()).toEqual(['flow', 'other'])
  })

  flowing('news that was heard is not handed out again, and stays counted', async (home) => {
    await home.make()
    await home.apply(node(0), node(1), node(2))
    const [first] = await home.due()
    await home.apply(node(3), node(1))
    expect(
      await home.write({ id: 'flow', rev: first!.rev, state: '1', heard: first!.news.length }),
    ).toMatchObject({ isWritten: true })
    const [second] = await home.due()
    expect(second).toMatchObject({ state: '1', news: [kept(node(3))] })
    await home.write({ id: 'flow', rev: second!.rev, state: '2', heard: 1 })
    expect(await home.due()).toEqual([])
    expect(await home.next()).toBeUndefined()
    expect(await home.apply(node(0), node(1), node(2), node(3))).toEqual(Array(4).fill('repeated'))
    expect((await home.read()).news).toEqual([])
    expect(await home.due()).toEqual([])
  })

  flowing('a write that has heard nothing leaves the news, and the flow is due at once', async (home) => {
    const { id, rev } = await home.make()
    await home.apply(node(0))
    expect(await home.due()).toHaveLength(1)
    await home.write({ id, rev, state: '1', next: START + 9_000 })
    expect((await home.due())[0]).toMatchObject({ state: '1', news: [kept(node(0))] })
  })

  flowing(
    'news does not make a flow due that is handed out, until its lease is over',
    async (home, harness) => {
      const { id, rev } = await home.make('flow', { next: START })
      expect(await home.due(500)).toHaveLength(1)
      await home.apply(node(0))
      expect(await home.due(500)).toEqual([])
      expect(await home.next()).toBe(500)
      harness.clock.now += 500
      expect((await home.due(500))[0]!.news).toEqual([kept(node(0))])
      await home.apply(node(1))
      expect(await home.next()).toBe(500)
      await home.write({ id, rev, state: '1', heard: 1, next: home.now + 9_000 })
      expect(await home.next()).toBe(0)
      expect((await home.due(500))[0]!.news).toEqual([kept(node(1))])
      await home.change('flow', { heard: 1, next: home.now + 9_000 })
      expect(await home.next()).toBe(9_000)
      // It is not handed out any more.
      await home.apply(node(2))
      expect(await home.next()).toBe(0)
    },
  )

  flowing(
    'a flow is handed out with a limited number of news, and is due again for the others',
    async (home) => {
      await home.make()
      const total = 2 * MAX_NEWS + 300
      for (let from = 0; from < total; from += MAX_ITEMS)
        await home.apply(...range(from, Math.min(from + MAX_ITEMS, total)).map((n) => node(n)))
      const heard: number[] = []
      for (const count of [MAX_NEWS, MAX_NEWS, 300]) {
        const [due] = await home.due()
        expect(due!.news).toHaveLength(count)
        heard.push(...due!.news.map(({ index }) => index - NODES))
        await home.write({ id: 'flow', rev: due!.rev, state: '1', heard: count })
      }
      expect(heard).toEqual(range(0, total))
      expect(await home.due()).toEqual([])
    },
  )

  flowing('how nodes ended is kept with their results, in the order asked', async (home) => {
    await home.make()
    const error = 'é'.repeat(MAX_ERROR + 50)
    const ends = [
      node(0, { result: '{"url":"é€😀\\u0000|;,"}', at: START + 7 }),
      node(10_001, { state: 'failed', error }),
      node(2, { state: 'cancelled', reason: 'user: so|it,is;' }),
      node(3, { result: 'null' }),
    ]
    await home.apply(...ends)
    await home.change('flow', { heard: 9 })
    const asked = [10_001, 0, 5, 3, 2].map((n) => NODES + n)
    const { flow, ...first } = ends[0]!
    expect(await home.store.ends('home', 'flow', asked)).toEqual([
      { ...kept(ends[1]!), error: error.slice(0, MAX_ERROR) },
      first,
      { ...kept(ends[3]!), result: 'null' },
      kept(ends[2]!),
    ])
    expect(await home.store.ends('home', 'flow', [])).toEqual([])
    expect(await home.store.ends('home', 'other', asked)).toEqual([])
    expect(await home.store.ends('elsewhere', 'flow', asked)).toEqual([])
  })

  flowing(
    'the results of a flow are kept while they have room together, and of others it is kept that they were not',
    async (home, harness) => {
      const { store } = home
      await home.make()
      await home.make('other')
      // Of jobs that end at home, and of others.
      const id = (number: number) => memberId({ flow: 'flow', home: 'home', index: NODES + number })
      const caller = harness.caller('ada', 'home')
      await caller.run(job({ id: id(0) }), { kind: 'completed', result: '"at home"' })
      const sixteenth = `"${'é'.repeat(MAX_RESULTS / 32 - 1)}"`
      for (const n of range(1, 16)) await home.apply(node(n, { result: sixteenth }))
      await home.apply(node(1, { result: sixteenth }))
      const left = MAX_RESULTS / 16 - Buffer.byteLength('"at home"')
      await home.apply(
        node(16, { result: `"${'x'.repeat(left - 1)}"` }),
        node(17, { result: `"${'x'.repeat(left - 2)}"` }),
      )
      await caller.run(job({ id: id(18) }), { kind: 'completed', result: '""' })
      await home.apply(node(19), node(20, { flow: 'other', result: '""' }))
      const resultOf = async (n: number, flow = 'flow') =>
        (await store.ends('home', flow, [NODES + n]))[0]?.result
      expect(await resultOf(0)).toBe('"at home"')
      expect(await resultOf(15)).toBe(sixteenth)
      expect(await resultOf(16)).toBe(RESULT_NOT_KEPT)
      expect(await resultOf(17)).toHaveLength(left)
      expect(await resultOf(18)).toBe(RESULT_NOT_KEPT)
      expect(await resultOf(19)).toBeUndefined()
      expect(await resultOf(20, 'other')).toBe('""')
    },
  )

  flowing(
    'a node that had failed and completes is news again, and else its first end holds',
    async (home) => {
      await home.make()
      const [first, second] = [node(0, { ...failed, at: 1 }), node(0, { result: '7', at: 2 })]
      await home.apply(first, node(1, { result: '1' }))
      const [due] = await home.due()
      expect(await home.apply(second, node(0, failed), second)).toEqual(['counted', 'repeated', 'repeated'])
      expect(await home.apply(node(1, failed), node(1, { result: '2' }))).toEqual(['repeated', 'repeated'])
      expect(await home.store.ends('home', 'flow', [NODES, NODES + 1])).toEqual([
        { ...kept(second), result: '7' },
        { ...kept(node(1)), result: '1' },
      ])
      // This writer has read of the failure only.
      await home.write({ id: 'flow', rev: due!.rev, state: '1', heard: due!.news.length })
      const [next] = await home.due()
      expect(next!.news).toEqual([kept(second)])
      await home.change('flow', { heard: 1 })
      expect(await home.apply(first, second)).toEqual(['repeated', 'repeated'])
      expect(await home.due()).toEqual([])
    },
  )

  flowing(
    'results that have no room in an answer are left out, and come when asked for again',
    async (home) => {
      await home.make()
      const large = JSON.stringify('x'.repeat(MAX_BYTES * 0.4))
      const sizes = [large, large, large, `"${'y'.repeat(MAX_BYTES * 2)}"`, '1']
      for (const [n, result] of sizes.entries()) await home.apply(node(n, { result }))
      let asked = range(0, sizes.length).map((n) => NODES + n)
      const answers: number[] = []
      while (asked.length > 0) {
        const found = await home.store.ends('home', 'flow', asked)
        expect(found.length).toBeGreaterThan(0)
        for (const { index, result } of found) expect(result === sizes[index - NODES]).toBe(true)
        expect(found.map(({ index }) => index)).toEqual(asked.slice(0, found.length))
        answers.push(found.length)
        asked = asked.slice(found.length)
      }
      expect(answers).toEqual([2, 1, 1, 1])
      const due = await home.due()
      expect(due[0]!.news).toEqual(sizes.map((_, n) => kept(node(n))))
    },
  )

  // ends at home

  for (const [name, { state, reason, kinds, by }] of Object.entries(ends)) {
    test.each([
      ['kept', {}],
      ['forgotten at once', forgetful],
    ])(
      `${name}: an end at home counts at once, and there is no effect of it (jobs are %s)`,
      async (_, options) => {
        await using harness = await make(options)
        const { store, clock } = harness
        const home = new Home(harness, 'emails')
        await home.make('flow', { crowd: { reserved: 1, size: 1 } })
        for (const index of [0, NODES + 7]) {
          const caller = harness.caller()
          const id = memberId({ flow: 'flow', home: 'emails', index })
          await caller.enqueue(job({ id, hooked: true }))
          await by(harness, caller, id)
          const error = state === 'failed' ? { error: expect.any(String) } : {}
          const ended = { index, state, ...(reason && { reason }), ...error, at: clock.now }
          const isNode = index >= NODES
          const [due] = await home.due()
          expect(due).toMatchObject({
            news: isNode ? [ended] : [],
            crowd: state === 'completed' ? { completed: 1, failed: 0 } : { completed: 0, failed: 1 },
          })
          const isKept = isNode || state !== 'completed'
          const result = isNode && name === 'completed with a result' ? { result: '{"n":1}' } : {}
          const found = await home.store.ends('emails', 'flow', [index])
          expect(found).toEqual(isKept ? [{ ...ended, ...result }] : [])
          const effects = await take(store)
          expect(effects.map(({ kind }) => kind)).toEqual(kinds.filter((kind) => kind !== 'member'))
          expect(await take(store, effects)).toEqual([])
          await endRest(harness, caller)
          const { rev } = due!
          await home.write({ id: 'flow', rev, state: '1', heard: due!.news.length })
          expect(await home.next()).toBeUndefined()
        }
        expect(await store.recover('emails')).not.toHaveProperty('nextEffect')
      },
    )
  }

  test('ends of one claim: of two flows at home, of another home, of no flow, with results and failures', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    const size = 1_100
    for (const id of ['flow', 'other']) await home.make(id, { crowd: { reserved: size } })
    const idsOf = (flow: string, indices: number[], at = 'emails') =>
      indices.map((index) => memberId({ flow, home: at, index }))
    const given = [
      ...idsOf('flow', [0, 7, 1_023, 1_024, NODES + 1]),
      ...idsOf('other', [0, 1_099, NODES + 1]),
      ...idsOf('flow', [1, NODES + 2], 'home'),
      ...ids(jobs(3)),
    ]
    const caller = harness.caller()
    await caller.enqueue(...given.map((id) => job({ id })))
    const result = { kind: 'completed', result: '7' } as const
    const settled = (await caller.claim(given.length)).map((held, i) =>
      settlement(held, i === 1 ? failedRun : i === 4 || i === 5 ? result : completed),
    )
    const want = { limit: 9, lease: LEASE, effects: { lease: LEASE } }
    const { verdicts, effects = [], nextTick } = await caller.exchange(settled, want)
    expect(new Set(verdicts)).toEqual(new Set(['settled']))
    expect(nextTick).toBe(0)
    expect(effects.map(({ job }) => job.id).sort()).toEqual(idsOf('flow', [1, NODES + 2], 'home'))
    const at = START
    expect(await home.read()).toMatchObject({
      news: [{ index: NODES + 1, state: 'completed', at }],
      crowd: { completed: 3, failed: 1 },
    })
    expect(await home.store.ends('emails', 'flow', [0, 7, NODES + 1])).toEqual([
      { index: 7, state: 'failed', error: 'mailbox full', at },
      { index: NODES + 1, state: 'completed', result: '7', at },
    ])
    expect(await home.store.failed('emails', 'flow', -1, 9)).toEqual([7])
    expect(await home.store.missing('emails', 'flow', 1_022, 2)).toEqual([1_025, 1_026])
    expect(await home.read('other')).toMatchObject({
      news: [{ index: NODES + 1, state: 'completed', at }],
      crowd: { completed: 2, failed: 0 },
    })
    // The call is sent again.
    await caller.store.exchange('emails', caller.last(), settled, want)
    expect(await home.read()).toMatchObject({ news: [{}], crowd: { completed: 3, failed: 1 } })
    expect(await home.due()).toHaveLength(2)
  })

  test('an exchange that makes a flow due says so, also if it got all jobs that it wanted', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make('flow', { next: START + 5_000, crowd: { reserved: 3, size: 2 } })
    const caller = harness.caller()
    const members = [0, 1, 2].map((index) => memberId({ flow: 'flow', home: 'emails', index }))
    await caller.enqueue(...members.map((id) => job({ id })), job())
    const next = async (limit: number) => {
      const held = await caller.claimOne()
      const { jobs, nextTick } = await caller.exchange([settlement(held, completed)], { limit, lease: LEASE })
      return [jobs.length, nextTick]
    }
    expect(await next(1)).toEqual([1, undefined])
    expect(await next(1)).toEqual([1, 0])
  })

  test('whoever makes a flow due learns it, and rings nobody; unless it wants no jobs', async () => {
    await using harness = await make()
    const { store } = harness
    const home = new Home(harness, 'emails')
    // `next` of a home asks as this caller too, so that nobody else waits.
    const [ada, bob] = [harness.caller('ada'), harness.caller('asker')]
    await home.make()
    const next = async (number: number, limit: number) => {
      const index = NODES + number
      await ada.enqueue(job({ id: memberId({ flow: 'flow', home: 'emails', index }) }))
      const settled = [settlement(await ada.claimOne(), completed)]
      expect(await bob.claim()).toEqual([])
      const { nextTick } = await ada.exchange(settled, { limit, lease: LEASE })
      return nextTick
    }
    expect(await next(0, 1)).toBe(0)
    expect(await store.wait('asker', MOMENT)).toEqual([])
    expect(await home.due(500)).toMatchObject([{ news: [{ index: NODES }] }])
    // It is handed out: whoever has it hears of this when it writes.
    expect(await next(1, 1)).toBe(500)
    await home.change('flow', { heard: 1 })
    expect(await home.next()).toBe(0)
    await home.change('flow', { heard: 1 })
    expect(await home.next()).toBeUndefined()
    expect(await next(2, 0)).toBe(0)
    expect(await store.wait('asker', PATIENCE)).toEqual(['emails'])
  })

  const ringing: Record<string, (harness: Harness, id: string) => Promise<unknown>> = {
    'a job that is cancelled': ({ store }, id) => store.alter('emails', [id], cancel),
    'a job that is removed': ({ store }, id) => store.alter('emails', [id], { kind: 'remove' }),
    'jobs that are cleared': ({ store }) => store.clear('emails', 'delayed'),
    'a job that is dropped': ({ store }) =>
      store.enqueue('emails', { caller: 'web', number: 99, bound: { max: 0, full: 'drop-oldest' } }, [
        job({ delay: 9_000 }),
      ]),
  }
  test.each(Object.entries(ringing))('%s makes a flow at home due, and rings a worker', async (_, by) => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make()
    const id = memberId({ flow: 'flow', home: 'emails', index: NODES })
    await harness.caller('web').enqueue(job({ id, delay: 1_000 }))
    expect(await harness.caller('ada').claim()).toEqual([])
    await by(harness, id)
    expect(await home.next()).toBe(0)
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('a recovery that ends a job makes a flow at home due, and rings a worker', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make()
    const id = memberId({ flow: 'flow', home: 'emails', index: NODES })
    const bob = harness.caller('bob')
    await bob.enqueue(job({ id }))
    await bob.claimOne()
    await harness.store.alter('emails', [id], cancel)
    harness.clock.now += LEASE
    expect(await harness.caller('ada').claim()).toEqual([])
    await harness.store.recover('emails')
    expect(await home.next()).toBe(0)
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('a write drops a job of the same flow to make room: the flow hears of it, and is due at once', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    const { id, rev } = await home.make()
    const first = job({ id: memberId({ flow: 'flow', home: 'emails', index: NODES }), delay: 1_000 })
    await harness.caller().enqueue(first)
    const write = { id, rev, state: '1', next: START + 9_000, jobs: [job({ delay: 2_000 })] }
    const { nextTick, ...answer } = await home.store.write('emails', write, { max: 1, full: 'drop-oldest' })
    expect(answer).toEqual(wrote('queued'))
    expect(nextTick).toBe(0)
    expect(await home.read()).toMatchObject({
      state: '1',
      news: [{ index: NODES, state: 'cancelled', reason: 'dropped' }],
    })
  })

  test('a member at home that failed is retried by hand and completes: it counts as completed', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make('flow', { crowd: { reserved: 3 } })
    const caller = harness.caller()
    const members = [1, NODES].map((index) => memberId({ flow: 'flow', home: 'emails', index }))
    for (const id of members) await caller.run(job({ id }), failedRun)
    expect(await home.crowd()).toEqual({ reserved: 3, completed: 0, failed: 1 })
    const failure = { index: NODES, state: 'failed', error: 'mailbox full', at: START }
    expect(await home.read()).toMatchObject({ news: [failure] })
    await home.change('flow', { heard: 1 })
    for (const id of members) {
      expect(await harness.store.alter('emails', [id], { kind: 'retry' })).toEqual(['done'])
      await caller.settle(await caller.claimOne(), completed)
    }
    expect(await home.crowd()).toEqual({ reserved: 3, completed: 1, failed: 0 })
    expect((await home.due())[0]!.news).toEqual([{ index: NODES, state: 'completed', at: START }])
    expect(await take(harness.store)).toEqual([])
  })

  test('an end at home of a flow that is not there, or has no such member, is not kept', async () => {
    await using harness = await make()
    const home = new Home(harness, 'emails')
    await home.make('flow', { crowd: { reserved: 1, size: 1 } })
    const caller = harness.caller()
    const given = [
      memberId({ flow: 'none', home: 'emails', index: 0 }),
      memberId({ flow: 'none', home: 'emails', index: NODES }),
      memberId({ flow: 'flow', home: 'emails', index: 1 }),
    ]
    for (const id of given) await caller.run(job({ id }), completed)
    expect(await take(harness.store)).toEqual([])
    expect(await harness.store.recover('emails')).not.toHaveProperty('nextEffect')
    expect(await home.next()).toBeUndefined()
    expect(await home.crowd()).toMatchObject({ completed: 0, failed: 0 })
    expect(await home.make('none', { crowd: { reserved: 1 } })).toMatchObject({
      news: [],
      crowd: { completed: 0 },
    })
    expect(await home.store.fates('emails', given)).toMatchObject(given.map((id) => ({ job: { id } })))
  })

  // members

  flowing('a member counts once, whatever comes how often', async (home) => {
    const size = 2_500
    await home.make('flow', { crowd: { reserved: size } })
    await home.make('other', { crowd: { reserved: 1, size: 1 } })
    expect(
      await home.apply(
        end(0),
        end(0),
        end(1, failed),
        end(1, { state: 'cancelled', reason: 'user' }),
        end(2_499, { state: 'cancelled', reason: 'user' }),
        end(0, failed),
        end(size),
        end(0, { flow: 'other' }),
        end(0, { flow: 'none' }),
      ),
    ).toEqual([
      'counted',
      'repeated',
      'counted',
      'repeated',
      'counted',
      'repeated',
      'unknown',
      'counted',
      'unknown',
    ])
    expect(await home.crowd()).toEqual({ reserved: size, completed: 1, failed: 2 })
    expect(await home.crowd('other')).toEqual({ reserved: 1, size: 1, completed: 1, failed: 0 })
    const others = range(0, size).filter((index) => index !== 1_777)
    for (let from = 0; from < others.length; from += MAX_ITEMS)
      await home.apply(...each(others.slice(from, from + MAX_ITEMS)))
    expect(await home.crowd()).toEqual({ reserved: size, completed: size - 1, failed: 0 })
    expect(await home.store.missing('home', 'flow', -1, 9)).toEqual([1_777])
    expect(await home.store.apply('elsewhere', [end(0)])).toEqual({ verdicts: ['unknown'] })
  })

  flowing(
    'a member that had failed and completes counts as completed, and makes the flow due',
    async (home) => {
      await home.make('flow', { crowd: { reserved: 3, size: 3 } })
      await home.apply(end(0, failed), end(1, failed))
      expect(await home.due()).toEqual([])
      expect(await home.store.ends('home', 'flow', [0, 1, 2])).toEqual([
        kept(end(0, failed)),
        kept(end(1, failed)),
      ])
      expect(await home.apply(end(0), end(0))).toEqual(['counted', 'repeated'])
      expect(await home.crowd()).toMatchObject({ completed: 1, failed: 1 })
      expect(await home.store.failed('home', 'flow', -1, 9)).toEqual([1])
      expect(await home.store.ends('home', 'flow', [0, 1, 2])).toEqual([kept(end(1, failed))])
      expect(ids(await home.due())).toEqual(['flow'])
      await home.change()
      // What had completed does not fail.
      expect(await home.apply(end(0, failed))).toEqual(['repeated'])
      expect(await home.crowd()).toMatchObject({ completed: 1, failed: 1 })
      expect(await home.due()).toEqual([])
    },
  )

  flowing('members are no news, and their results are not kept', async (home) => {
    await home.make('flow', { crowd: { reserved: 3, size: 2 } })
    await home.apply(end(0, { result: '7' }), end(1, { ...failed, result: '8' }))
    const [due] = await home.due()
    expect(due!.news).toEqual([])
    expect(await home.store.ends('home', 'flow', [0, 1])).toEqual([kept(end(1, failed))])
  })

  flowing('an index that is not reserved is unknown, until it is', async (home) => {
    await home.make()
    expect(await home.apply(end(0))).toEqual(['unknown'])
    await home.change('flow', { crowd: { reserved: 1_500 } })
    expect(await home.apply(end(0), end(1_499), end(1_500))).toEqual(['counted', 'counted', 'unknown'])
    await home.change('flow', { crowd: { reserved: 1_501 } })
    expect(await home.apply(end(1_500))).toEqual(['counted'])
    await home.change('flow')
    expect(await home.crowd()).toEqual({ reserved: 1_501, completed: 3, failed: 0 })
  })

  flowing('what a write does not say of the crowd stays', async (home) => {
    await home.make('flow', { crowd: { reserved: 9, alarm: 2 } })
    await home.apply(end(0), end(1, failed))
    await home.change('flow', { crowd: { size: 9, alarm: undefined } })
    expect(await home.crowd()).toEqual({ reserved: 9, size: 9, completed: 1, failed: 1 })
    await home.change('flow', { crowd: { size: 8 } })
    expect(await home.crowd()).toEqual({ reserved: 9, size: 8, completed: 1, failed: 1 })
    expect(await home.due()).toEqual([])
    await home.apply(end(2, failed))
    expect(await home.due()).toHaveLength(1)
  })

  flowing('a flow is due when as many members have ended as there are, and not before', async (home) => {
    await home.make('flow', { next: START + 9_000, crowd: { reserved: 5, size: 5 } })
    await home.apply(...each([0, 1]), end(2, failed))
    await home.apply(end(3))
    expect(await home.next()).toBe(9_000)
    expect(await home.store.apply('home', [end(4, failed)])).toEqual({ verdicts: ['counted'], nextTick: 0 })
    const [due] = await home.due()
    expect(due!.crowd).toEqual({ reserved: 5, size: 5, completed: 3, failed: 2 })
    await home.change('flow', { next: START + 7_000 })
    expect(await home.apply(...each(range(0, 4)))).toEqual(['repeated', 'repeated', 'counted', 'repeated'])
    expect(await home.due()).toHaveLength(1)
    await home.change('flow', { next: START + 7_000 })
    await home.apply(...each(range(0, 4)))
    expect(await home.next()).toBe(7_000)
  })

  flowing('a flow is due when as many members have failed as its alarm says, once', async (home) => {
    await home.make('flow', { crowd: { reserved: 9, alarm: 3 } })
    await home.apply(...each([0, 1], failed), ...each([2, 3]))
    expect(await home.due()).toEqual([])
    await home.apply(...each([4, 5], { state: 'cancelled', reason: 'user' }))
    expect(await home.due()).toHaveLength(1)
    await home.change('flow')
    await home.apply(end(6, failed))
    expect(await home.due()).toEqual([])
    expect(await home.crowd()).toEqual({ reserved: 9, completed: 2, failed: 5 })
  })

  flowing(
    'what members reach while their flow is handed out makes it due after the write',
    async (home, harness) => {
      await home.make('flow', { next: START, crowd: { reserved: 4, size: 4, alarm: 1 } })
      const step = async (...ends: MemberEnd[]) => {
        const [due] = await home.due(500)
        await home.apply(...ends)
        expect(await home.next()).toBe(500)
        expect(await home.due()).toEqual([])
        const heard = (await home.read()).news.length
        await home.write({ id: 'flow', rev: due!.rev, state: '1', heard, next: home.now + 9_000 })
        expect((await home.read()).news).toEqual([])
      }
      await step(end(0))
      expect(await home.next()).toBe(9_000)
      await home.change('flow', { next: START })
      for (const reached of [end(1, failed), end(1), end(2)]) {
        await step(reached, node(reached.index), ...(reached.index === 2 ? [end(3)] : []))
        expect(await home.next()).toBe(0)
      }
      await step()
      expect(await home.next()).toBe(9_000)
      // And if nobody writes: when the lease is over.
      await home.change('flow', { next: START })
      await home.due(500)
      expect(await home.store.reopen('home', 'flow', [1])).toBe(0)
      harness.clock.now += 500
      expect(await home.due()).toHaveLength(1)
    },
  )

  flowing('what members reached before a write that knows nothing of it makes the flow due', async (home) => {
    const { id, rev } = await home.make('flow', { crowd: { reserved: 2, size: 2 } })
    await home.apply(...each([0, 1]))
    // This writer has read the flow before, and not with `due`.
    await home.write({ id, rev, state: '1', next: START + 9_000 })
    expect(await home.next()).toBe(0)
    expect(await home.due()).toHaveLength(1)
    await home.change('flow', { next: START + 9_000 })
    expect(await home.next()).toBe(9_000)
  })

  flowing(
    'who has read a flow before its members reached something does not write after the hand-out',
    async (home) => {
      const { id, rev } = await home.make('flow', { crowd: { reserved: 2, size: 2 } })
      await home.apply(...each([0, 1]))
      const [due] = await home.due()
      expect(due!.rev).toBeGreaterThan(rev)
      expect(await home.write({ id, rev, state: 'stale', next: START + 9_000 })).toEqual(unwritten)
      expect(await home.write({ id, rev: due!.rev, state: '1' })).toMatchObject({ isWritten: true })
    },
  )

  flowing('a write makes the flow due if as many have ended or failed as it says', async (home) => {
    await home.make('flow', { crowd: { reserved: 9 } })
    await home.apply(...each([0, 1]), ...each([2, 3], failed))
    const later = START + 9_000
    const isDue = async (crowd: Change['crowd'] = {}) => {
      await home.change('flow', { next: later, crowd })
      return (await home.due()).length > 0
    }
    expect(await isDue({ size: 5 })).toBe(false)
    expect(await isDue({ size: 4 })).toBe(true)
    expect(await isDue({ size: 4 })).toBe(false)
    expect(await isDue()).toBe(false)
    expect(await isDue({ alarm: 3 })).toBe(false)
    expect(await isDue({ alarm: 2 })).toBe(true)
    expect(await isDue({ alarm: 2 })).toBe(false)
  })

  flowing('a flow with no member is due when it is written with a size of 0', async (home) => {
    await home.make('flow', { next: START + 9_000, crowd: { reserved: 0, size: 0 } })
    expect(await home.due()).toHaveLength(1)
    expect(await home.crowd()).toEqual({ reserved: 0, size: 0, completed: 0, failed: 0 })
  })

  flowing('the members that are missing and those that failed, by page', async (home) => {
    const { store } = home
    const size = 2_100
    await home.make('flow', { crowd: { reserved: size } })
    expect(await store.missing('home', 'flow', -1, 3)).toEqual([0, 1, 2])
    expect(await store.failed('home', 'flow', -1, 3)).toEqual([])
    const all = range(0, size)
    const [bad, good] = [all.filter((n) => n % 7 === 3), all.filter((n) => n % 7 < 2)]
    const missing = all.filter((n) => n % 7 !== 3 && n % 7 >= 2)
    await home.apply(...each(bad, failed))
    await home.apply(...each(good))
    expect(await home.crowd()).toMatchObject({ completed: good.length, failed: bad.length })
    const pages = async (
      page: (after: number) => Promise<number[]>,
      found: number[] = [],
    ): Promise<number[]> => {
      for (;;) {
        const next = await page(found.at(-1) ?? -1)
        if (next.length === 0) return found
        found.push(...next)
      }
    }
    expect(await pages((after) => store.missing('home', 'flow', after, 250))).toEqual(missing)
    expect(await pages((after) => store.missing('home', 'flow', after, 5_000))).toEqual(missing)
    expect(await store.missing('home', 'flow', -1, 5_000)).toHaveLength(MAX_ITEMS)
    expect(await pages((after) => store.failed('home', 'flow', after, 33))).toEqual(bad)
    expect(await store.failed('home', 'flow', bad.at(-2)!, 33)).toEqual([bad.at(-1)])
    expect(await store.missing('home', 'flow', size, 9)).toEqual([])
    for (const where of ['home', 'elsewhere']) {
      expect(await store.missing(where, 'other', -1, 9)).toEqual([])
      expect(await store.failed(where, 'other', -1, 9)).toEqual([])
    }
  })

  flowing('members that failed are missing again, and others stay', async (home) => {
    const { store } = home
    await home.make('flow', { next: START + 9_000, crowd: { reserved: 2_000, size: 4, alarm: 2 } })
    await home.apply(end(0), end(1, failed), end(1_999, failed))
    await home.due()
    await home.change('flow', { next: START + 9_000 })
    expect(await store.reopen('home', 'flow', [0, 1, 1, 5, 1_999, 2_000])).toBe(2)
    expect(await store.reopen('home', 'flow', [1, 1_999])).toBe(0)
    expect(await home.crowd()).toEqual({ reserved: 2_000, size: 4, completed: 1, failed: 0 })
    expect(await store.failed('home', 'flow', -1, 9)).toEqual([])
    expect(await store.missing('home', 'flow', -1, 3)).toEqual([1, 2, 3])
    expect(await store.ends('home', 'flow', [1, 1_999])).toEqual([])
    expect(await home.next()).toBe(9_000)
    // They count again, in either way, and the alarm holds again.
    expect(await home.apply(end(1, { ...failed, error: 'again' }))).toEqual(['counted'])
    expect(await store.ends('home', 'flow', [1])).toEqual([kept(end(1, { ...failed, error: 'again' }))])
    expect(await home.next()).toBe(9_000)
    await home.apply(end(1_999, failed))
    expect(await home.next()).toBe(0)
    expect(await store.reopen('home', 'other', [1])).toBe(0)
    expect(await store.reopen('elsewhere', 'flow', [1])).toBe(0)
  })

  flowing(
    `of the first ${MAX_FAILURES} members that did not complete it is kept how they ended`,
    async (home) => {
      const total = MAX_FAILURES + 300
      await home.make('flow', { crowd: { reserved: total } })
      for (let from = 0; from < total; from += 650)
        await home.apply(...each(range(from, from + 650), { ...failed, reason: 'x' }))
      expect(await home.crowd()).toMatchObject({ failed: total })
      const ends = (from: number) => home.store.ends('home', 'flow', range(from, from + MAX_ITEMS))
      const found = await ends(0)
      expect(found.map(({ index }) => index)).toEqual(range(0, MAX_FAILURES))
      expect(found[0]).toEqual(kept(end(0, { ...failed, reason: 'x' })))
      expect((await ends(MAX_FAILURES)).length).toBe(0)
    },
  )

  // lists, ids

  flowing('the flows of a partition by page, the newest first', async (home, harness) => {
    expect(await home.store.list('home', 9)).toEqual([])
    const names = range(0, 25).map((n) => `f${(n * 7) % 25}`)
    for (const [n, id] of names.entries()) {
      harness.clock.now += 1
      await home.make(id, { crowd: { reserved: n } })
    }
    await home.apply(node(0, { flow: 'f0' }), end(0, { flow: 'f7' }))
    await home.change('f7', { state: 'changed' })
    const found: Omit<StoredFlow, 'news'>[] = []
    for (;;) {
      const page = await home.store.list('home', 10, found.at(-1)?.id)
      if (page.length === 0) break
      expect(page.length).toBeLessThanOrEqual(10)
      found.push(...page)
    }
    expect(ids(found)).toEqual([...names].reverse())
    const { news, ...seventh } = await home.read('f7')
    expect(found.find(({ id }) => id === 'f7')).toEqual(seventh)
    expect(await home.store.list('elsewhere', 9)).toEqual([])
  })

  flowing('a page has no more bytes than fit into an answer, or one flow', async (home) => {
    const definition = 'x'.repeat(MAX_BYTES * 0.4)
    for (const [n, times] of [1, 3, 1, 1].entries())
      await home.make(`f${n}`, { definition: definition.repeat(times) })
    const list = async (before?: string) => ids(await home.store.list('home', 9, before))
    expect(await list()).toEqual(['f3', 'f2'])
    expect(await list('f2')).toEqual(['f1'])
    expect(await list('f1')).toEqual(['f0'])
    expect(await list('f0')).toEqual([])
    expect(await list('gone')).toEqual([])
  })

  flowing('an unusual id is one like others', async (home) => {
    const names = ['a-b_c', '-', '_', '0', '__proto__', 'constructor', 'hasOwnProperty', 'size', 'rev']
    for (const id of [...names, 'x'.repeat(MAX_FLOW_ID)]) {
      const text = `${id}\n|,;!é€😀"'\\`
      await home.make(id, { definition: text, state: text, next: START, crowd: { reserved: 2 } })
      const [due] = await home.due()
      expect(due).toMatchObject({ id, definition: text, state: text })
      const of = (given: MemberEnd) => ({ ...given, flow: id })
      expect(
        await home.apply(of(node(0, { result: text, error: text })), of(end(1, failed)), of(end(2))),
      ).toEqual(['counted', 'counted', 'unknown'])
      expect(await home.store.ends('home', id, [NODES])).toMatchObject([{ result: text, error: text }])
      expect(await home.store.missing('home', id, -1, 9)).toEqual([0])
      await home.write({ id, rev: due!.rev, state: text, heard: 1 })
      expect(await home.due()).toEqual([])
    }
  })
}

/** Two processes that count and advance, at the same time. */
export function flowsByTwo(make: Make): void {
  test('of news that two handles compete for, each is heard once', async () => {
    await using harness = await make()
    const home = new Home(harness)
    const stores = [harness.store, await harness.another()]
    const names = ['a', 'b', 'c']
    for (const id of names) await home.make(id, { state: '', crowd: { reserved: 200, size: 200 } })
    let left = 2 * 20
    async function deliver(store: (typeof stores)[number]): Promise<void> {
      for (let n = 0; n < 20; n++) {
        const ends = names.flatMap((flow) => [
          ...range(0, 10).map((i) => node(n * 10 + i, { flow })),
          ...range(0, 10).map((i) => end(n * 10 + i, { flow })),
        ])
        await store.flows.apply('home', ends)
        left -= 1
      }
    }
    async function advance(store: (typeof stores)[number]): Promise<void> {
      for (;;) {
        const isLast = left === 0
        // No lease: so both are handed the same, and the number alone decides.
        const { flows } = await store.schedules.due('home', 2, 0)
        if (flows.length === 0 && isLast) return
        for (const { id, rev, state, news } of flows) {
          const heard = news.map(({ index }) => index - NODES)
          const text = [state, ...heard].filter(String).join(' ')
          const jobs = heard.map((n) => job({ id: `${id}-${n}` }))
          await store.flows.write('home', { id, rev, state: text, heard: heard.length, jobs })
        }
      }
    }
    await Promise.all(stores.flatMap((store) => [deliver(store), advance(store)]))
    for (const id of names) {
      const { state, news, crowd } = await home.read(id)
      expect(news).toEqual([])
      expect(
        state
          .split(' ')
          .map(Number)
          .sort((one, other) => one - other),
      ).toEqual(range(0, 200))
      expect(crowd).toEqual({ reserved: 200, size: 200, completed: 200, failed: 0 })
    }
    expect(await harness.store.counts('home')).toMatchObject({ waiting: 600 })
  })
}
