/**
 * Schedules: only one of several writers succeeds, a tick and its job are written in one atomic step, and a
 * due schedule is handed out once. The tests also cover the recorded runs, and the partitions in which
 * schedules live (their homes). (`rollbacks.ts` tests servers that lose acknowledged writes.)
 */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import { tickId } from '../../src/model/tick.ts'
import {
  type Enqueued,
  MAX_BYTES,
  MAX_DUE,
  MAX_ITEMS,
  MAX_LINES,
  MAX_RUNS,
  type Schedules,
  type ScheduleWrite,
  type ScheduleWritten,
  type StoredSchedule,
} from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import { cancel, ends, forgetful } from './effects.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement } from './jobs.ts'

/**
 * Milliseconds of the real clock. A notification of the store arrives within this time. A wait for which no
 * notification should come ends after this time.
 */
const PATIENCE = 10_000
const MOMENT = 60
const MINUTE = 60_000
/** The time that the clock of a new harness shows first. */
const START = Date.UTC(2026, 0, 1)

/** The schedules of one partition. */
export class Book {
  readonly harness: Harness
  readonly partition: string

  constructor(harness: Harness, partition = 'emails') {
    this.harness = harness
    this.partition = partition
  }

  get store(): Schedules {
    return this.harness.store.schedules
  }

  get now(): number {
    return this.harness.clock.now
  }

  async write(...writes: ScheduleWrite[]): Promise<ScheduleWritten[]> {
    return (await this.store.write(this.partition, writes)).written
  }

  /** Makes a schedule. @param next when it is due, in milliseconds from now; undefined if it is not due */
  async make(id = 'nightly', next?: number): Promise<StoredSchedule> {
    const due = next === undefined ? {} : { next: this.now + next }
    expect(await this.write({ id, rev: 0, definition: `definition of ${id}`, state: '{}', ...due })).toEqual([
      written,
    ])
    return (await this.read(id))!
  }

  async read(id = 'nightly'): Promise<StoredSchedule | undefined> {
    return (await this.store.get(this.partition, [id])).found[0]
  }

  /** The ids of the schedules that are due. */
  async due(limit = MAX_DUE, leaseMs = LEASE): Promise<string[]> {
    return ids((await this.store.due(this.partition, limit, leaseMs)).due)
  }

  /**
   * Returns the milliseconds until a schedule is due. The test fails if the verbs that return this time
   * return different times.
   */
  async next(): Promise<number | undefined> {
    const { store } = this.harness
    const { nextTick } = await this.store.write(this.partition, [])
    const { findings } = await store.survey('surveyor', [{ partition: this.partition }])
    expect(findings[0]?.nextTick).toBe(nextTick)
    const asked = await this.harness
      .caller('asker', this.partition)
      .exchange([], { limit: MAX_ITEMS, leaseMs: LEASE })
    expect(asked.nextTick).toBe(nextTick)
    return nextTick
  }
}

/** Makes the job of a tick. */
export function tick(at: number, schedule = 'nightly', fields: Partial<NewJob> = {}): NewJob {
  return job({ id: tickId({ schedule, at }), ...fields })
}

const written = wrote()
const removed = { ...written, rev: 0 }
const unwritten = { isWritten: false, rev: 0, jobs: [] }

const unique = (by: string) => ({ kind: 'rejected' as const, reason: 'unique' as const, by })

/** Makes the answer to a write, with the answers for its jobs. */
export function wrote(...jobs: Enqueued[]): ScheduleWritten {
  return { isWritten: true, rev: expect.any(Number), jobs }
}

export function schedules(make: Make): void {
  function scheduled(
    name: string,
    work: (book: Book, harness: Harness) => Promise<void>,
    options?: Parameters<Make>[0],
  ): void {
    test(name, async () => {
      await using harness = await make(options)
      await work(new Book(harness), harness)
    })
  }

  scheduled('a schedule is kept as it was written, with a number', async (book) => {
    const { store } = book
    expect(await store.get('emails', ['nightly'])).toEqual({ at: START, found: [undefined] })
    const made = await book.make()
    expect(made).toEqual({
      id: 'nightly',
      rev: expect.any(Number),
      definition: 'definition of nightly',
      state: '{}',
      runs: [],
    })
    expect(made.rev).toBeGreaterThan(0)
    const other = await book.make('weekly')
    const read = await store.get('emails', ['weekly', 'unknown', 'nightly'])
    expect(read).toEqual({ at: START, found: [other, undefined, made] })
  })

  scheduled('without a definition it stays, and with one both change; the number rises', async (book) => {
    const { id, rev } = await book.make()
    const [answer] = await book.write({ id, rev, state: '1' })
    const second = (await book.read())!
    expect(second).toMatchObject({
      rev: answer!.rev,
      definition: 'definition of nightly',
      state: '1',
    })
    expect(second.rev).toBeGreaterThan(rev)
    await book.write({ id, rev: second.rev, definition: 'other', state: '2' })
    const third = (await book.read())!
    expect(third).toMatchObject({ definition: 'other', state: '2' })
    expect(third.rev).toBeGreaterThan(second.rev)
  })

  scheduled('of two writers that have read the same, one writes', async (book) => {
    const { id, rev } = await book.make()
    const write = (state: string) =>
      book.write({ id, rev, state, next: book.now + 5, jobs: [tick(book.now), job({ payload: state })] })
    const answers = await Promise.all(['"ada"', '"bob"'].map(write))
    const first = answers.findIndex(([answer]) => answer!.isWritten)
    expect(answers[first]).toEqual([wrote('queued', 'queued')])
    expect(answers[1 - first]).toEqual([unwritten])
    const state = ['"ada"', '"bob"'][first]
    expect(await book.read()).toMatchObject({ state })
    const { jobs: queued } = await book.harness.store.list('emails', { state: 'waiting' })
    expect(queued.map(({ payload }) => payload).sort()).toEqual([state, '{"to":"ada"}'])
  })

  scheduled('in a call, those that have changed are left, and the others are written', async (book) => {
    const [one, two, three] = [await book.make('one'), await book.make('two'), await book.make('three')]
    await book.write({ id: 'two', rev: two.rev, state: 'changed' })
    const write = ({ id, rev }: StoredSchedule) => ({ id, rev, state: 'new', jobs: [tick(book.now, id)] })
    const queued = wrote('queued')
    expect(await book.write(write(one), write(two), write(three))).toEqual([queued, unwritten, queued])
    const { found } = await book.store.get('emails', ['one', 'two', 'three'])
    expect(found.map((each) => each!.state)).toEqual(['new', 'changed', 'new'])
    expect(await book.harness.store.counts('emails')).toMatchObject({ waiting: 2 })
  })

  scheduled('a write that is sent again changes nothing', async (book) => {
    const { id, rev } = await book.make()
    const writes: ScheduleWrite[] = [
      { id, rev, state: '1', jobs: [tick(book.now), job()] },
      { id: 'new', rev: 0, definition: 'd', state: 's' },
    ]
    expect(await book.write(...writes)).toEqual([wrote('queued', 'queued'), written])
    const after = await book.store.get('emails', [id, 'new'])
    expect(await book.write(...writes)).toEqual([unwritten, unwritten])
    expect(await book.store.get('emails', [id, 'new'])).toEqual(after)
    expect(await book.harness.store.counts('emails')).toMatchObject({ waiting: 2 })
  })

  scheduled('of two writes of one schedule in a call, the first holds', async (book) => {
    const { id, rev } = await book.make()
    const made = { id: 'new', rev: 0, definition: 'd' }
    const answers = await book.write(
      { id, rev, state: '1' },
      { id, rev, state: '2' },
      { ...made, state: '1' },
      { ...made, state: '2' },
    )
    expect(answers).toEqual([written, unwritten, written, unwritten])
    const { found } = await book.store.get('emails', [id, 'new'])
    expect(found.map((each) => each!.state)).toEqual(['1', '1'])
  })

  scheduled(
    'a removed schedule is gone, with its runs, its instant and what is due',
    async (book, harness) => {
      const { id } = await book.make('nightly', 100)
      await harness.caller().run(tick(START), completed)
      const { rev, runs } = (await book.read())!
      expect(runs).toHaveLength(1)
      expect(await book.write({ id, rev: rev + 1, remove: true })).toEqual([unwritten])
      expect(await book.next()).toBe(100)
      expect(await book.write({ id, rev, remove: true })).toEqual([written])
      expect(await book.read()).toBeUndefined()
      expect(await book.next()).toBeUndefined()
      harness.clock.now += 100
      expect(await book.due()).toEqual([])
      expect(await book.write({ id, rev, remove: true })).toEqual([unwritten])
      expect(await book.write({ id, rev: 0, remove: true })).toEqual([removed])
      expect(await book.make()).toMatchObject({ runs: [] })
      expect(await book.write({ id, rev: 0, remove: true })).toEqual([unwritten])
    },
  )

  scheduled('who has read a schedule that was removed does not write the next one', async (book, harness) => {
    const { id, rev } = await book.make()
    harness.clock.now += 1
    await book.write({ id, rev, remove: true })
    const next = await book.make()
    expect(await book.write({ id, rev, state: 'stale', jobs: [tick(START)] })).toEqual([unwritten])
    expect(await book.read()).toEqual(next)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 0 })
  })

  scheduled('a partition with a schedule and no job is a partition', async (book, harness) => {
    await book.write({ id: 'unknown', rev: 7, state: '{}' })
    expect(await harness.store.partitions()).toEqual([])
    await book.make()
    expect(await harness.store.partitions()).toEqual(['emails'])
    expect(await new Book(harness, 'reports').read()).toBeUndefined()
  })

  scheduled('the jobs of a tick are queued like others', async (book, harness) => {
    const { store } = harness
    const { id, rev } = await book.make()
    const large = JSON.stringify('x'.repeat(50_000))
    const list = [
      tick(START, id, { payload: large, priority: 3, options: { tries: 2, tags: ['a'] } }),
      tick(START + 1, id, { delay: 500, hooked: true, lock: { name: 'one', until: 'done' } }),
      ...[2, 3].map((n) =>
        tick(START + n, id, { group: { name: 'acme', limits: { concurrency: 1 }, strict: true } }),
      ),
    ]
    const [answer] = await book.write({ id, rev, state: '{}', jobs: list })
    expect(answer).toEqual(wrote('queued', 'queued', 'queued', 'queued'))
    expect(await store.counts('emails')).toMatchObject({ waiting: 3, delayed: 1 })
    expect(await store.get('emails', list[0]!.id)).toMatchObject({
      payload: large,
      priority: 3,
      options: { tries: 2, tags: ['a'] },
      queuedAt: START,
    })
    expect(await store.get('emails', list[1]!.id)).toMatchObject({ state: 'delayed', dueAt: START + 500 })
    // The second job of the strict group waits for the first.
    expect(ids(await harness.caller().claim(9)).sort()).toEqual([list[2]!.id, list[0]!.id])
    expect(await harness.caller().enqueue(job({ lock: { name: 'one', until: 'done' } }))).toEqual([
      unique(list[1]!.id),
    ])
  })

  scheduled(
    'delays count from the time that the write names, however late it comes',
    async (book, harness) => {
      const { store, clock } = harness
      const { id, rev } = await book.make()
      const group = { name: 'acme', limits: { concurrency: 1 }, strict: true }
      const kinds: Partial<NewJob>[] = [
        {},
        { priority: 3 },
        { group },
        { lock: { name: 'one', until: 'done' } },
      ]
      const list = kinds.flatMap((fields, n) => [
        tick(START + 10 * n, id, { ...fields, delay: 250 }),
        tick(START + 10 * n + 1, id, {
          ...fields,
          delay: 30,
          ...(fields.lock && { lock: { ...fields.lock, name: 'two' } }),
        }),
      ])
      clock.now += 40
      const now = tick(START - 1)
      expect(
        await book.write({ id, rev, state: '{}', jobs: [...list, now], delays: { from: START } }),
      ).toEqual([wrote(...[...list, now].map(() => 'queued' as const))])
      for (const [n, each] of list.entries())
        expect(await store.get('emails', each.id)).toMatchObject(
          n % 2 === 0 ? { state: 'delayed', dueAt: START + 250 } : { state: 'waiting', queuedAt: START + 40 },
        )
      expect(await store.counts('emails')).toMatchObject({ delayed: 4, waiting: 5 })
      const caller = harness.caller()
      const early = await caller.claim(9)
      expect(early).toHaveLength(5)
      for (const held of early) await caller.settle(held, completed)
      clock.now = START + 249
      expect(await caller.claim(9)).toEqual([])
      clock.now += 1
      expect(await caller.claim(9)).toHaveLength(4)
    },
  )

  scheduled(
    'a waiting caller is rung for a job that will be due, unless the writer expects it',
    async (book, harness) => {
      const { store } = harness
      const caller = harness.caller('ada')
      const write = async (
        id: string,
        delay: number,
        delays?: ScheduleWrite['delays'],
        more: NewJob[] = [],
      ) => {
        const { rev } = await book.make(id)
        const jobs = [tick(START + delay, id, { delay }), ...more]
        await book.write({ id, rev, state: '{}', jobs, ...(delays && { delays }) })
      }
      const asks = async () =>
        expect(await caller.exchange([], { limit: 1, leaseMs: LEASE })).toMatchObject({ jobs: [] })
      await asks()
      await write('one', 250, { from: START })
      expect(await store.wait('ada', PATIENCE)).toHaveLength(1)
      await asks()
      await write('two', 200, { from: START, isExpected: true })
      expect(await store.wait('ada', MOMENT)).toEqual([])
      expect(await caller.exchange([], { limit: 1, leaseMs: LEASE })).toMatchObject({
        jobs: [],
        nextDue: 200,
      })
      // If the job is due at once, a caller is notified all the same.
      await write('three', 150, { from: START, isExpected: true }, [job()])
      expect(await store.wait('ada', PATIENCE)).toHaveLength(1)
    },
  )

  scheduled('a job that is there already counts as queued, whatever became of it', async (book, harness) => {
    const { id, rev } = await book.make()
    const [waiting, over] = [tick(START), tick(START + 1)]
    await harness.caller().run(over, completed)
    await harness.caller().enqueue(waiting)
    const lock = { name: 'taken', until: 'done' } as const
    await harness.caller().enqueue(job({ lock }))
    const again = { payload: '"other"', lock }
    const own = { ...again, ownId: 'new' } as const
    const list = [again, own].flatMap((fields) => [waiting, over].map((each) => ({ ...each, ...fields })))
    const { written: answers } = await book.store.write('emails', [{ id, rev, state: '1', jobs: list }], {
      max: 1,
      full: 'reject',
    })
    expect(answers).toEqual([wrote('queued', 'queued', 'queued', 'queued')])
    expect(await harness.store.get('emails', waiting.id)).toMatchObject({ payload: waiting.payload })
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 2, completed: 1 })
    expect((await book.read())!.runs).toMatchObject([{ state: 'completed' }])
  })

  scheduled('a job that its lock rejects is noted, and the schedule goes on', async (book, harness) => {
    const { id, rev } = await book.make()
    const lock = { name: 'ada', until: 'done' } as const
    const holder = job({ lock, delay: 1_000 })
    await harness.caller().enqueue(holder)
    const replace = { ...lock, replace: true }
    const list = [tick(START, id, { lock }), tick(START + 1, id, { lock: replace, payload: '"new"' })]
    expect(await book.write({ id, rev, state: '1', next: START + 5, jobs: list })).toEqual([
      wrote(unique(holder.id), { kind: 'replaced', by: holder.id }),
    ])
    expect(await book.read()).toMatchObject({
      state: '1',
      runs: [
        { tick: START, state: 'rejected', at: START },
        { tick: START + 1, state: 'rejected', at: START },
      ],
    })
    expect(await harness.store.get('emails', holder.id)).toMatchObject({ payload: '"new"' })
    expect(await book.next()).toBe(5)
  })

  scheduled('a full queue rejects the job, or drops its first', async (book, harness) => {
    const { id } = await book.make()
    const held = job()
    await harness.caller().enqueue(held)
    const write = async (full: 'reject' | 'drop-oldest', at: number) => {
      const { rev } = (await book.read())!
      const change = { id, rev, state: '1', jobs: [tick(at)] }
      return (await book.store.write('emails', [change], { max: 1, full })).written[0]
    }
    expect(await write('reject', START)).toEqual(wrote({ kind: 'rejected', reason: 'full' }))
    expect(await write('drop-oldest', START + 1)).toEqual(wrote('queued'))
    expect(await harness.store.get('emails', held.id)).toMatchObject({
      state: 'cancelled',
      reason: 'dropped',
    })
    expect(await write('drop-oldest', START + 2)).toEqual(wrote('queued'))
    expect((await book.read())!.runs).toEqual([
      { tick: START, state: 'rejected', at: START },
      { tick: START + 1, state: 'cancelled', at: START },
    ])
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1, cancelled: 2 })
  })

  scheduled('a job with a priority too many is noted as rejected', async (book, harness) => {
    const { id, rev } = await book.make()
    const crowd = Array.from({ length: MAX_LINES }, (_, n) => job({ priority: 4 * (n - 100) }))
    await harness.caller().enqueue(...crowd)
    expect(await book.write({ id, rev, state: '1', jobs: [tick(START, id, { priority: 1 })] })).toEqual([
      wrote({ kind: 'refused', reason: 'priorities' }),
    ])
    expect((await book.read())!.runs).toEqual([{ tick: START, state: 'rejected', at: START }])
  })

  scheduled(
    'those that are due for longest are handed out first, and once in a lease',
    async (book, harness) => {
      for (const [id, next] of Object.entries({ c: 30, a: 20, b: 10, later: 1_000 }))
        await book.make(id, next)
      await book.make('never')
      expect(await book.store.due('emails', 9, 500)).toEqual({ at: START, due: [], flows: [], nextTick: 10 })
      harness.clock.now += 30
      const { at, due, nextTick } = await book.store.due('emails', 2, 500)
      expect([at, ids(due), nextTick]).toEqual([book.now, ['b', 'a'], 0])
      expect(due[1]).toEqual(await book.read('a'))
      expect(await book.due(2, 500)).toEqual(['c'])
      expect(await book.store.due('emails', 2, 500)).toEqual({
        at: book.now,
        due: [],
        flows: [],
        nextTick: 500,
      })
      harness.clock.now += 499
      expect(await book.due()).toEqual([])
      harness.clock.now += 1
      expect((await book.due()).sort()).toEqual(['a', 'b', 'c'])
      expect(await book.next()).toBe(470)
    },
  )

  scheduled(
    'one that was written while it was handed out is due when the write says so',
    async (book, harness) => {
      const list = [await book.make('one', 0), await book.make('two', 0), await book.make('three', 0)]
      expect((await book.due()).sort()).toEqual(['one', 'three', 'two'])
      const [one, two, three] = list.map(({ id, rev }) => ({ id, rev, state: '1' }))
      await book.write({ ...one!, next: book.now + 50 }, two!, { ...three!, next: book.now + LEASE + 50 })
      expect(await book.next()).toBe(50)
      harness.clock.now += 50
      expect(await book.due()).toEqual(['one'])
      harness.clock.now += LEASE
      expect((await book.due()).sort()).toEqual(['one', 'three'])
    },
  )

  scheduled(
    'a run that ends does not change when a schedule is due, nor its number',
    async (book, harness) => {
      await book.make('nightly', 0)
      const caller = harness.caller()
      await caller.enqueue(tick(START))
      const [due] = (await book.store.due('emails', 9, LEASE)).due
      await caller.settle(await caller.claimOne(), completed)
      expect(await book.due()).toEqual([])
      expect(await book.write({ id: 'nightly', rev: due!.rev, state: '1' })).toEqual([written])
    },
  )

  scheduled('hands out no more bytes than fit into an answer, or one', async (book) => {
    const definition = 'x'.repeat(MAX_BYTES * 0.4)
    for (const [n, times] of [1, 1, 3, 1].entries())
      await book.write({
        id: `s${n}`,
        rev: 0,
        definition: definition.repeat(times),
        state: '{}',
        next: START - 10 + n,
      })
    expect(await book.due()).toEqual(['s0', 's1'])
    const { due } = await book.store.due('emails', 9, LEASE)
    expect(ids(due)).toEqual(['s2'])
    expect(due[0]!.definition).toHaveLength(definition.length * 3)
    expect(await book.due()).toEqual(['s3'])
  })

  scheduled('1,000 schedules of a partition in one call', async (book, harness) => {
    const names = Array.from({ length: MAX_ITEMS }, (_, n) => `s${n}`)
    await book.write(
      ...names.map((id, n) => ({ id, rev: 0, definition: 'd', state: '{}', next: START + 1 + n })),
    )
    harness.clock.now += MAX_ITEMS
    for (let page = 0; page < MAX_ITEMS / MAX_DUE; page++)
      expect(await book.due(MAX_ITEMS)).toEqual(names.slice(page * MAX_DUE, (page + 1) * MAX_DUE))
    expect(await book.due()).toEqual([])
    const { found } = await book.store.get('emails', names)
    const half = found.slice(0, MAX_ITEMS / 2).map((each) => each!)
    const answers = await book.write(
      ...half.map(({ id, rev }) => ({ id, rev, state: '1', next: START + 90_000, jobs: [tick(START, id)] })),
    )
    expect(answers).toEqual(half.map(() => wrote('queued')))
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: MAX_ITEMS / 2 })
  })

  scheduled(
    'the next instant is said by each verb, and by an exchange with too few jobs only',
    async (book, harness) => {
      const caller = harness.caller()
      expect(await book.next()).toBeUndefined()
      expect(await caller.exchange([], { limit: 1, leaseMs: LEASE })).not.toHaveProperty('nextTick')
      await book.make('nightly', 5_000)
      await book.make('weekly', 7_000)
      expect(await book.next()).toBe(5_000)
      await caller.enqueue(...jobs(3))
      const full = await caller.exchange([], { limit: 2, leaseMs: LEASE })
      expect(full.jobs).toHaveLength(2)
      expect(full).not.toHaveProperty('nextTick')
      const alone = await caller.exchange(
        full.jobs.map((held) => settlement(held, completed)),
        { limit: 0, leaseMs: LEASE },
      )
      expect(alone).not.toHaveProperty('nextTick')
      expect(await caller.exchange([], { limit: 2, leaseMs: LEASE })).toMatchObject({ nextTick: 5_000 })
      harness.clock.now += 6_000
      expect(await book.next()).toBe(0)
      await harness.store.configure('emails', { paused: true })
      expect(await book.next()).toBe(0)
      const { id, rev } = (await book.read())!
      await book.write({ id, rev, state: '1' })
      expect(await book.next()).toBe(1_000)
    },
  )

  scheduled('a schedule that is due sooner than all others rings a waiting worker', async (book, harness) => {
    const { store } = harness
    const idle = async () => expect(await harness.caller().claim()).toEqual([])
    const rings = async (ms: number) => (await store.wait('ada', ms)).length > 0
    await idle()
    await book.make('nightly', 5_000)
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    await book.make('weekly', 5_001)
    await book.make('never')
    expect(await rings(MOMENT)).toBe(false)
    await book.make('hourly', 4_999)
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    harness.clock.now += 4_999
    const [due] = (await book.store.due('emails', 1, 10)).due
    await book.write({ id: due!.id, rev: due!.rev, state: '1', next: book.now + MINUTE })
    expect(await rings(MOMENT)).toBe(false)
    await store.configure('emails', { paused: true })
    await idle()
    await book.make('soon', 0)
    expect(await rings(PATIENCE)).toBe(true)
  })

  scheduled('a tick rings as many workers as it brings jobs', async (book, harness) => {
    const { id, rev } = await book.make()
    const callers = ['ada', 'bob', 'cyd'].map((name) => harness.caller(name))
    for (const caller of callers) expect(await caller.claim()).toEqual([])
    await book.write({ id, rev, state: '1', jobs: [tick(START), tick(START + 1)] })
    const waits = callers.map(async (caller) => (await harness.store.wait(caller.id, MOMENT)).length)
    expect((await Promise.all(waits)).filter((count) => count > 0)).toHaveLength(2)
  })

  for (const [kept, options] of [
    ['kept', {}],
    ['not kept', forgetful],
  ] as const)
    for (const [name, { state, by }] of Object.entries(ends))
      scheduled(
        `the run of a job that ended is noted: ${name}; the job is ${kept}`,
        async (book, harness) => {
          const { id, rev } = await book.make()
          const caller = harness.caller()
          const given = tick(START - MINUTE, id, { hooked: true })
          await book.write({ id, rev, state: '1', jobs: [given] })
          harness.clock.now += 5
          await by(harness, caller, given.id)
          expect((await book.read())!.runs).toEqual([{ tick: START - MINUTE, state, at: book.now }])
        },
        options,
      )

  scheduled('a job that was purged before it began is noted', async (book, harness) => {
    await book.make()
    const given = tick(START)
    await harness.caller().enqueue(given)
    await harness.store.alter('emails', [given.id], { kind: 'purge' })
    expect((await book.read())!.runs).toEqual([{ tick: START, state: 'cancelled', at: START }])
  })

  scheduled('of a run that completed, it is noted how long it took', async (book, harness) => {
    await book.make()
    const caller = harness.caller()
    const outcomes = [
      { ...completed, took: 12 },
      { kind: 'completed', result: '"ok"', took: 34 },
      { ...failed, took: 56 },
    ] as const
    for (const [n, outcome] of outcomes.entries()) await caller.run(tick(START + n), outcome)
    expect((await book.read())!.runs).toEqual([
      { tick: START, state: 'completed', at: START, took: 12 },
      { tick: START + 1, state: 'completed', at: START, took: 34 },
      { tick: START + 2, state: 'failed', at: START },
    ])
    await caller.enqueue(tick(START + 3), job(), tick(START + 4, 'weekly'), tick(START + 5))
    const held = await caller.claim(9)
    const settled = held.map((each, n) => settlement(each, { ...completed, took: 100 + n }))
    await caller.exchange(settled, { limit: 0, leaseMs: LEASE })
    const more = (await book.read())!.runs.slice(3)
    expect(more.map(({ tick, took }) => [tick, took])).toEqual([
      [START + 3, 100],
      [START + 5, 103],
    ])
  })

  scheduled(
    'a run is not noted before the job has ended, and again if it ends again',
    async (book, harness) => {
      await book.make()
      const caller = harness.caller()
      const given = tick(START)
      await caller.run(given, retried(10))
      expect((await book.read())!.runs).toEqual([])
      harness.clock.now += 10
      await caller.settle(await caller.claimOne(), failed)
      await harness.store.alter('emails', [given.id], { kind: 'retry' })
      await caller.settle(await caller.claimOne(), completed)
      expect((await book.read())!.runs.map(({ state }) => state)).toEqual(['failed', 'completed'])
      // The removal of an ended job is not recorded as a run.
      await harness.store.alter('emails', [given.id], { kind: 'remove' })
      expect((await book.read())!.runs).toHaveLength(2)
    },
  )

  scheduled('the last runs are kept', async (book, harness) => {
    await book.make()
    const caller = harness.caller()
    for (let n = 0; n < MAX_RUNS + 5; n++) await caller.run(tick(START + n), n % 2 ? failed : completed)
    const { runs } = (await book.read())!
    expect(runs.map((run) => run.tick)).toEqual(Array.from({ length: MAX_RUNS }, (_, n) => START + 5 + n))
    expect(runs[0]).toMatchObject({ state: 'failed' })
  })

  scheduled('a job that is moved is among the last runs, once', async (book, harness) => {
    await book.make()
    const caller = harness.caller()
    const given = tick(START)
    await caller.enqueue(given)
    const { moves } = harness.store
    const { jobs } = await moves.take('emails', [given.id], ['mails'])
    await moves.take('emails', [given.id], ['mails'])
    const moved = [{ tick: START, state: 'moved', at: book.now }]
    expect((await book.read())!.runs).toEqual(moved)
    await moves.put('mails', jobs)
    await moves.settle('emails', jobs)
    const elsewhere = harness.caller('bob', 'mails')
    await elsewhere.settle(await elsewhere.claimOne(), completed)
    expect((await book.read())!.runs).toEqual(moved)
  })

  scheduled('jobs of no schedule of the partition are noted nowhere', async (book, harness) => {
    const made = await book.make()
    const caller: Caller = harness.caller()
    await new Book(harness, 'reports').make('weekly')
    const list = [tick(START, 'weekly'), job(), job({ id: 'nightly@tomorrow', ownId: 'new' })]
    await caller.enqueue(...list)
    for (const held of await caller.claim(9)) await caller.settle(held, completed)
    await harness.store.alter('emails', ids(list), cancel)
    expect(await book.read()).toEqual(made)
    expect((await new Book(harness, 'reports').read('weekly'))!.runs).toEqual([])
  })

  scheduled('an unusual id is one like others', async (book, harness) => {
    const names = [
      'a b',
      'report/daily',
      'x@y',
      'é€😀',
      "o'clock",
      '"',
      '\\',
      '%s',
      '{a}',
      '[1]',
      ',',
      '|',
      ';',
    ]
    for (const name of [...names, '!', '*', '?', '-', '0', '__proto__', 'constructor', 'x'.repeat(75)]) {
      const { rev } = await book.make(name, 0)
      expect(await book.due()).toEqual([name])
      const text = `${name}\n|,;!${name}`
      await book.write({ id: name, rev, definition: text, state: text, jobs: [tick(START, name)] })
      await harness.caller().settle(await harness.caller().claimOne(), completed)
      expect(await book.read(name)).toMatchObject({
        id: name,
        definition: text,
        state: text,
        runs: [{ tick: START, state: 'completed' }],
      })
      expect(await book.store.move(name, undefined, name)).toBe(name)
      expect(await book.store.home(name)).toBe(name)
    }
  })

  scheduled('a home is changed by who knows the present one', async ({ store }) => {
    expect(await store.home('nightly')).toBeUndefined()
    expect(await store.move('nightly', 'emails', 'reports')).toBeUndefined()
    expect(await store.move('nightly', undefined, undefined)).toBeUndefined()
    expect(await store.move('nightly', undefined, 'emails')).toBe('emails')
    expect(await store.move('nightly', undefined, 'reports')).toBe('emails')
    expect(await store.move('nightly', 'other', 'reports')).toBe('emails')
    expect(await store.move('nightly', 'other', undefined)).toBe('emails')
    expect(await store.move('nightly', 'emails', 'reports 1|x')).toBe('reports 1|x')
    expect(await store.home('nightly')).toBe('reports 1|x')
    expect(await store.move('nightly', 'reports 1|x', undefined)).toBeUndefined()
    expect(await store.home('nightly')).toBeUndefined()
    expect(await store.homes()).toEqual([])
  })

  scheduled('all homes are listed in the order of their ids, or those of job classes', async ({ store }) => {
    const names = Array.from({ length: 250 }, (_, n) => `s${(n * 7) % 250}`)
    for (const id of names) await store.move(id, undefined, `home of ${id}`, id.endsWith('3'))
    const all = [...names].sort().map((id) => ({ id, home: `home of ${id}`, ofClass: id.endsWith('3') }))
    expect(await store.homes()).toEqual(all)
    expect(await store.homes(true)).toEqual(all.filter(({ ofClass }) => ofClass))
    await store.move('s3', 'home of s3', 'here', false)
    expect(await store.homes(true)).not.toContainEqual(expect.objectContaining({ id: 's3' }))
    expect((await store.homes()).find(({ id }) => id === 's3')).toEqual({
      id: 's3',
      home: 'here',
      ofClass: false,
    })
  })
}

/** Two processes that handle due schedules at the same time. */
export function scheduledByTwo(make: Make): void {
  test('two handles that handle the same 200 ticks make one job for each tick', async () => {
    await using harness = await make()
    const book = new Book(harness)
    const stores = [harness.store, await harness.another()].map((store) => store.schedules)
    const names = Array.from({ length: 20 }, (_, n) => `s${n}`)
    await book.write(...names.map((id) => ({ id, rev: 0, definition: 'd', state: '0', next: START })))
    let wins = 0
    async function handle(store: Schedules): Promise<void> {
      for (;;) {
        // With a lease of 0, both handles get the same schedules, and only the revision number decides whose
        // write succeeds.
        const { due } = await store.due('emails', 7, 0)
        if (due.length === 0) return
        const writes = due.map(({ id, rev, state }): ScheduleWrite => {
          const done = Number(state) + 1
          const next = done < 10 ? { next: START } : {}
          return { id, rev, state: String(done), jobs: [tick(START + done, id), job()], ...next }
        })
        const { written } = await store.write('emails', writes)
        wins += written.filter(({ isWritten }) => isWritten).length
      }
    }
    await Promise.all(stores.map(handle))
    expect(wins).toBe(200)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 400 })
    const { found } = await book.store.get('emails', names)
    expect(found.map((each) => each!.state)).toEqual(names.map(() => '10'))
  })
}
