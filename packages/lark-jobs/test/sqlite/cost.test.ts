/**
 * The cost of a verb must not grow with the number of stored jobs. The query planner of SQLite shows this:
 * every statement finds its rows by an index, and no statement sorts.
 */
import { statSync } from 'node:fs'
import { afterEach, expect, test, vi } from 'vitest'
import { memberId, nameOf } from '../../src/model/effect.ts'
import { NODES } from '../../src/model/flow.ts'
import { type ClaimedJob, type Outcome, states } from '../../src/model/record.ts'
import { MAX_DUE, RESEND_MEMORY } from '../../src/store/contract/store.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import type { Driver } from '../../src/store/sqlite/driver.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { endsOf, openFlow } from '../conformance/effects.ts'
import { end, node } from '../conformance/flow-home.ts'
import {
  completed,
  failed,
  ids,
  job,
  jobs,
  line,
  retried,
  settlement,
  unstarted,
} from '../conformance/jobs.ts'
import { tick } from '../conformance/schedules.ts'
import { Folder, options } from './folder.ts'
import { open as openRaw } from './raw.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Returns a set that collects every statement that runs from now on. */
function collect(): Set<string> {
  const statements = new Set<string>()
  for (const name of ['run', 'get', 'all'] as const) {
    const original = SqliteDatabase.prototype[name]
    vi.spyOn(SqliteDatabase.prototype, name).mockImplementation(function (
      this: SqliteDatabase,
      sql,
      ...values
    ) {
      statements.add(sql)
      return original.call(this, sql, ...values) as never
    })
  }
  return statements
}

/** Makes every event happen once that can happen to a job. */
async function live(store: SqliteStore, clock: { now: number }): Promise<void> {
  const ada = new Caller(store, 'ada', 'emails')
  await ada.claim()
  const list = jobs(8)
  await ada.enqueue(...list, job({ delay: 50 }), job({ delay: 5_000, priority: 3 }))
  await store.wait('ada', 0)
  await store.wake('emails', 'bob')
  clock.now += 100
  const outcomes = [completed, failed, retried(10), unstarted, { ...completed, log: [line('x')] }]
  for (const outcome of outcomes) await ada.settle(await ada.claimOne(), outcome)
  const held = await ada.claimOne()
  await store.exchange('emails', ada.last(), [], { limit: 1, leaseMs: LEASE })
  await store.extend('emails', 'ada', [{ ...held, log: [line('x')] }], 1)
  clock.now += 10
  await store.recover('emails')
  const together = await ada.claimAhead(1, 3)
  await store.list('emails', { state: 'active', limit: 1 })
  await ada.extend(together)
  const half = together.slice(1).map((claimed) => settlement(claimed, completed))
  await ada.exchange(half, { limit: 0, leaseMs: LEASE })
  await store.recover('emails', { holder: 'ada' })
  clock.now += 120_000
  await store.minutes('emails')
  for (const kind of ['retry', 'remove', 'run-now'] as const) await store.alter('emails', ids(list), { kind })
  await store.moves.where('emails', ids(list))
  await store.moves.meets(
    'mails',
    ids(list).map((id) => ({ id, lock: 'x' })),
  )
  const moving = await store.moves.take(
    'emails',
    ids(list),
    list.map(() => 'mails'),
  )
  await store.moves.due('emails')
  await store.moves.put('mails', moving.jobs)
  await store.moves.settle('emails', moving.jobs)
  const back = await store.moves.take(
    'mails',
    ids(list),
    list.map(() => 'emails'),
  )
  await store.moves.put('emails', back.jobs)
  await store.moves.settle('mails', back.jobs)
  await store.alter('emails', ids(list), { kind: 'reschedule', in: 9 })
  await store.alter('emails', ids(list), { kind: 'edit', payload: '1' })
  await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
  await ada.enqueue(...jobs(5), ...jobs(5, { delay: 500 }))
  await store.get('emails', held.id)
  await store.log('emails', held.id)
  await store.counts('emails')
  for (const state of states) {
    const { cursor } = await store.list('emails', { state, limit: 1 })
    if (cursor !== undefined) await store.list('emails', { state, limit: 1, cursor })
    if (state !== 'active') await store.clear('emails', state)
  }
  await store.prune('emails')
  await liveKept(store, ada, clock)
  await liveInFlow(store, ada, clock)
  await liveRecorded(store, ada, clock)
  await liveScheduled(store, ada, clock)
  const { position } = await store.listen('emails', 'web', 1_000)
  await ada.enqueue(...jobs(2))
  await ada.settle(await ada.claimOne(), completed)
  await store.listen('emails', 'web', 1_000, position)
  clock.now += 1_000
  await store.survey('ada', [{ partition: 'emails', prunes: true }])
  await store.prune('emails')
  const watched = jobs(3)
  await ada.enqueue(...watched)
  await store.watch('emails', 'web', ids(watched), 1_000)
  const [one, other] = await ada.claim(2)
  await ada.settle(one!, completed)
  await ada.settle(other!, failed)
  await store.watch('emails', 'web', ids(watched), 1_000)
  await store.alter('emails', ids(watched), { kind: 'remove' })
  await store.retire('ada')
}

/** Makes every event happen that can happen to jobs with a retention of their class. */
async function liveKept(store: SqliteStore, ada: Caller, clock: { now: number }): Promise<void> {
  const keeps = [{ completed: 50, log: 10 }, { least: 40 }, { completed: 0 }, { completed: 9_000 }]
  const list = keeps.map((keep) => job({ keep }))
  await ada.enqueue(...list)
  for (const held of await ada.claim(9)) await ada.settle(held, { ...completed, log: [line('x')] })
  const { cursor } = await store.list('emails', { state: 'completed', limit: 1 })
  await store.list('emails', { state: 'completed', limit: 1, cursor: cursor! })
  await store.survey('ada', [{ partition: 'emails', prunes: true }])
  clock.now += 100
  await store.prune('emails')
  for (const kind of ['retry', 'purge'] as const) await store.alter('emails', ids(list), { kind })
  await store.clear('emails', 'hidden')
}

/** Makes every event happen that can happen to the journal of a job. */
async function liveRecorded({ journals }: SqliteStore, ada: Caller, clock: { now: number }): Promise<void> {
  const signal = { name: 'approved', text: '1', key: 'once' }
  await journals.signal('emails', 'order', { ...signal, mayBeEarly: true })
  await ada.enqueue(job({ id: 'order' }))
  const { id, token } = await ada.claimOne()
  const recorded = (at: number) => ({ id, token, steps: { at, entries: ['a', 'b'] }, heard: 0 })
  for (const at of [0, 1, 9]) await journals.record('emails', [recorded(at)])
  await journals.signal('emails', id, signal)
  await journals.read('emails', id, 0)
  const suspended = { kind: 'suspended', in: 50, waits: ['approved'], heard: 1, rests: true } as const
  await ada.settle({ id, token }, suspended)
  clock.now += 50
  await ada.settle(await ada.claimOne(), completed)
}

/** Makes every event happen that can happen to a schedule and the job of a tick. */
async function liveScheduled(store: SqliteStore, ada: Caller, clock: { now: number }): Promise<void> {
  const { schedules } = store
  const at = clock.now
  const [one, other] = ['one', 'other'].map((id) => ({ id, rev: 0, definition: '{}', state: '{}', next: at }))
  await schedules.write('emails', [one!, other!])
  const { due } = await schedules.due('emails', 9, 10)
  const ticks = due.map(({ id, rev }) => ({ id, rev, state: '{}', next: at + 50, jobs: [tick(at, id)] }))
  await schedules.write('emails', ticks)
  await ada.settle(await ada.claimOne(), { ...completed, took: 5 })
  await store.clear('emails', 'waiting')
  const { found } = await schedules.get('emails', ['one', 'other', 'unknown'])
  await schedules.write('emails', [{ id: 'one', rev: found[0]!.rev, remove: true }])
  await schedules.write('emails', [{ id: 'unknown', rev: 0, remove: true }])
  await store.survey('ada', [{ partition: 'emails' }])
}

/** Makes every event happen that can happen to a member of a flow whose class has a hook. */
async function liveInFlow(store: SqliteStore, ada: Caller, clock: { now: number }): Promise<void> {
  const members = [0, 1, 2, 3, 4].map((index) => ({ flow: 'flow', home: 'home', index }))
  await openFlow(store, 5)
  await ada.enqueue(...members.map((member) => job({ id: memberId(member), hooked: true })))
  const [first, ...rest] = await ada.claim(3)
  await ada.exchange(
    rest.map((held) => settlement(held, completed)),
    { limit: 0, leaseMs: LEASE },
  )
  await ada.settle(first!, { ...failed, untold: true } as Outcome)
  await store.alter('emails', [memberId(members[3]!)], { kind: 'cancel', reason: 'user' })
  await store.alter('emails', [memberId(members[3]!)], { kind: 'retry' })
  await store.clear('emails', 'waiting')
  const { effects = [] } = await store.recover('emails', { effects: { leaseMs: LEASE } })
  await store.flows.apply('home', endsOf(effects))
  await store.flows.missing('home', 'flow', -1, 1)
  await store.flows.fates('emails', members.map(memberId))
  await store.recover('emails', { effects: { leaseMs: LEASE, done: effects.map(nameOf) } })
  await store.survey('ada', [{ partition: 'emails', prunes: true }])
  clock.now += RESEND_MEMORY
  await store.prune('emails')
  await liveFlow(store, clock)
}

/** Makes every event happen that can happen to a flow. */
async function liveFlow({ flows, schedules }: SqliteStore, clock: { now: number }): Promise<void> {
  const failed = { state: 'failed' } as const
  await flows.apply('home', [end(0, failed), end(1, failed), end(0), node(0), node(1, failed), node(1)])
  for (const indices of [[0, 1, 2], [NODES]]) await flows.ends('home', 'flow', indices)
  await flows.failed('home', 'flow', -1, 9)
  await flows.purge('home', 'flow', [0, NODES])
  await flows.reopen('home', 'flow', [1])
  const [due] = (await schedules.due('home', 9, LEASE)).flows
  await schedules.due('home', 0, LEASE)
  const next = clock.now + LEASE
  await flows.write('home', { id: 'flow', rev: due!.rev, definition: '1', state: '1', heard: 1, next })
  await flows.list('home', 9)
  await flows.list('home', 9, 'flow')
  const { found } = await flows.get('home', 'flow')
  await flows.write('home', { id: 'flow', rev: found!.rev, remove: true })
}

test('statements find jobs and leases by an index and never sort them', async () => {
  await using folder = await Folder.make()
  const clock = { now: 1_000 }
  const few = { count: 1, age: 5 }
  const retention = { completed: few, failed: few, cancelled: options.retention.cancelled }
  await using store = new SqliteStore(folder.file, { retention, clock: () => clock.now })
  await store.open()
  const statements = collect()
  await live(store, clock)
  const aboutJobs = [...statements].filter((sql) =>
    /\b(jobs|leases|effects|members|flows|definitions|ends|watches|events|listeners|schedules|journals|entries|signals)\b/.test(
      sql,
    ),
  )
  expect(aboutJobs.length).toBeGreaterThan(30)

  const planner = openRaw(folder.file)
  for (const sql of aboutJobs) {
    const steps = planner.prepare(`EXPLAIN QUERY PLAN ${sql}`).all([]) as { detail: string }[]
    const bad = steps
      .map((step) => step.detail)
      .filter((step) =>
        /SCAN (jobs|leases|effects|members|flows|definitions|ends|events|listeners|schedules|journals|entries|signals)|TEMP B-TREE/.test(
          step,
        ),
      )
    expect(bad, sql).toEqual([])
  }
  planner.close()
})

/** Counts the statements of calls, by name. */
class Figures {
  readonly counts: Record<string, number> = {}

  async count<T>(name: string, call: () => Promise<T>): Promise<T> {
    const spies = (['run', 'get', 'all'] as const).map((each) => vi.spyOn(SqliteDatabase.prototype, each))
    const answer = await call()
    this.counts[name] = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
    for (const spy of spies) spy.mockRestore()
    return answer
  }
}

test('plain jobs cost no statements for features that they do not use', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const ada = new Caller(store, 'ada', 'emails')
  const figures = new Figures()
  await ada.enqueue(job())
  await figures.count('queue 1', () => ada.enqueue(job()))
  await figures.count('queue 50', () => ada.enqueue(...jobs(50)))
  let held = await ada.claim(1)
  const turn = (limit: number) => async () => {
    const settled = held.map((each) => settlement(each, completed))
    held = (await ada.exchange(settled, { limit, leaseMs: LEASE })).jobs
  }
  await figures.count('complete 1, claim 1', turn(1))
  await figures.count('complete 1, claim 50', turn(50))
  await figures.count('complete 50', turn(1))
  await figures.count('claim nothing', turn(1))
  await figures.count('survey', () => store.survey('ada', [{ partition: 'emails', waits: true }]))
  expect(figures.counts).toEqual({
    'queue 1': 7,
    'queue 50': 56,
    'complete 1, claim 1': 13,
    'complete 1, claim 50': 13,
    // Two of the statements begin and end a savepoint, so that 50 rows need not be read.
    'complete 50': 10,
    'claim nothing': 6,
    survey: 2,
  })
})

/**
 * Counts what SQLite does for each row: the columns that it reads, the changes of indexes, and the triggers
 * that it enters. The work inside of triggers is not counted, because for plain jobs they do nothing.
 */
function rowOf(database: Driver, sql: string): string {
  const all = database.prepare(`EXPLAIN ${sql}`).all([]) as { addr: number; opcode: string }[]
  const triggers = all.findIndex(({ addr }, index) => addr === 0 && index > 0)
  const own = triggers < 0 ? all : all.slice(0, triggers)
  const count = (pattern: RegExp) => own.filter(({ opcode }) => pattern.test(opcode)).length
  const counts = [count(/^Column$/), count(/^Idx(Insert|Delete)$/), count(/^Program$/)]
  return `${/\w+/.exec(sql)} ${counts.join(' ')}`
}

test('if priorities age, a claim costs the same in a group with three priorities and in one with three hundred', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const figures = new Figures()
  for (const count of [3, 300]) {
    const ada = new Caller(store, 'ada', `emails-${count}`)
    const queued = Array.from({ length: count }, (_, i) => job({ group: { name: 'acme' }, priority: -i }))
    await ada.enqueue(...queued)
    const claim = () => ada.exchange([], { limit: 1, leaseMs: LEASE, aging: 60_000 })
    expect(ids((await figures.count(`${count}`, claim)).jobs)).toEqual(ids(queued.slice(0, 1)))
  }
  expect(figures.counts['300']).toBe(figures.counts['3'])
})

test('plain jobs cost no columns, indexes or triggers for features that they do not use', async () => {
  await using folder = await Folder.make()
  const retention = { ...options.retention, completed: { count: 1, age: 3_600_000 } }
  await using store = new SqliteStore(folder.file, { retention })
  await store.open()
  const ada = new Caller(store, 'ada', 'emails')
  await ada.enqueue(...jobs(20))
  const held = await ada.claim(10)
  const statements = collect()
  await ada.enqueue(job())
  const settled = held.map((each) => settlement(each, completed))
  await ada.exchange(settled, { limit: 10, leaseMs: LEASE })
  const planner = openRaw(folder.file)
  const aboutJobs = [...statements].filter((sql) => /\bjobs\b/.test(sql))
  const rows = aboutJobs.map((sql) => rowOf(planner, sql))
  planner.close()
  expect(rows).toEqual([
    'INSERT 0 6 0',
    'UPDATE 53 9 0', // completes them
    'SELECT 1 0 0', // the next priority
    'SELECT 20 0 0', // the next jobs
    'UPDATE 51 9 0', // claims them
    'DELETE 34 7 1', // removes the jobs that are not kept
  ])
})

test('each step costs two statements and one page, and each call with steps costs two more statements', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const ada = new Caller(store, 'ada', 'emails')
  const figures = new Figures()
  await ada.enqueue(...jobs(50))
  const held = await ada.claim(50)
  const record = (some: readonly ClaimedJob[], at: number) => () =>
    store.journals.record(
      'emails',
      some.map(({ id, token }) => ({ id, token, steps: { at, entries: ['rname\n1'] } })),
    )
  await record(held, 0)()
  await figures.count('record 50', record(held, 1))
  const pages = () => Math.round(statSync(`${folder.file}-wal`).size / 4_120)
  const before = pages()
  await figures.count('record 1', record(held.slice(0, 1), 2))
  expect(figures.counts).toEqual({ 'record 50': 102, 'record 1': 4 })
  expect(pages() - before).toBe(1)
})

test('each tick costs two statements, its run costs one more, and many ticks share a few statements', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const ada = new Caller(store, 'ada', 'emails')
  const figures = new Figures()
  const names = Array.from({ length: MAX_DUE }, (_, n) => `s${n}`)
  const at = Date.UTC(2026, 0, 1)
  const made = names.map((id) => ({ id, rev: 0, definition: '{}', state: '{}', next: at }))
  await store.schedules.write('emails', made)
  const { due } = await figures.count('hand out 100', () => store.schedules.due('emails', MAX_DUE, LEASE))
  await figures.count('hand out nothing', () => store.schedules.due('emails', MAX_DUE, LEASE))
  const ticks = due.map(({ id, rev }) => ({
    id,
    rev,
    state: '{}',
    next: Date.now() + LEASE,
    jobs: [tick(at, id)],
  }))
  await figures.count('write 100', () => store.schedules.write('emails', ticks))
  const held = await ada.claim(MAX_DUE)
  const settled = held.map((each) => settlement(each, completed))
  await figures.count('complete 100', () => ada.exchange(settled, { limit: 0, leaseMs: LEASE }))
  expect(figures.counts).toEqual({
    'hand out 100': 11,
    'hand out nothing': 2,
    'write 100': 206,
    'complete 100': 109,
  })
})
