/**
 * Changes at a pace. Several workers continue a change on one store, whose clock the test moves. The pace is
 * kept, each job is changed once although workers die, and a change stops by itself if its jobs fail again.
 */
import { expect, test, vi } from 'vitest'
import type { Settings } from '../../src/config/config.ts'
import { JobsError } from '../../src/model/errors.ts'
import { queueOf } from '../../src/model/partition.ts'
import type { Outcome } from '../../src/model/record.ts'
import type { OpenChange } from '../../src/operate/change/row.ts'
import { ChangeBook } from '../../src/operate/pace/change-book.ts'
import { lotSize, type PacedKind, restAfter } from '../../src/operate/pace/kept-change.ts'
import { continueChanges } from '../../src/operate/pace/lots.ts'
import {
  begin,
  checkBegin,
  listChanges,
  type PacedChange,
  pauseChange,
  resumeChange,
  stopChange,
} from '../../src/operate/pace/paced-changes.ts'
import { CHANGES, type Store } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, jobs, settlement } from './jobs.ts'

const FROM = 'emails'
/** This many failures are too few to stop a change. */
const FEW = 40
const ada = { who: 'ada', host: 'web-1', from: 'code' } as const
const settings = {
  partitions: new Map([
    [FROM, 1],
    ['bulk', 1],
  ]),
  schedules: { enabled: true },
  audit: { count: 100, age: 3_600_000 },
} as unknown as Settings

function openOn(store: Store): OpenChange {
  return { store, settings, queues: settings.partitions }
}

/**
 * Runs all jobs that are due. @param others how the jobs after the first `FEW` jobs end @returns the ids of
 * the jobs
 */
async function run(harness: Harness, outcome: Outcome = completed, others = outcome): Promise<string[]> {
  const ran: string[] = []
  for (;;) {
    const caller = harness.caller()
    const { jobs: held } = await caller.exchange([], { limit: 100, leaseMs: LEASE })
    if (held.length === 0) return ran
    const before = ran.length
    ran.push(...ids(held))
    await caller.exchange(
      held.map((each, n) => settlement(each, before + n < FEW ? outcome : others)),
      { limit: 0, leaseMs: LEASE },
    )
  }
}

/** Makes failed jobs. Returns their ids in the order in which the jobs failed. */
async function failedJobs(harness: Harness, count: number): Promise<string[]> {
  for (const job of jobs(count)) {
    await harness.caller().enqueue(job)
    await run(harness, failed)
    harness.clock.advance(1)
  }
  harness.clock.advance(1_000)
  const { jobs: kept } = await harness.store.list(FROM, {
    state: 'failed',
    limit: 1_000,
    isOldestFirst: true,
  })
  expect(kept).toHaveLength(count)
  return ids(kept)
}

async function start(harness: Harness, kind: PacedKind, filter: object, options: object) {
  const begun = await begin(openOn(harness.store), checkBegin(kind, filter, options), ada)
  // The change goes on in the next millisecond.
  harness.clock.advance(1)
  return begun
}

async function only(store: Store): Promise<PacedChange> {
  const all = await listChanges(openOn(store))
  expect(all).toHaveLength(1)
  return all[0]!
}

/**
 * Makes a handle on which the calls of one verb throw from the nth call on, as if the process had died during
 * this call.
 */
function dying(store: Store, verb: 'alter' | 'write', nth = 1): Store {
  let calls = 0
  const dies = <T extends object>(on: T, name: string) =>
    new Proxy(on, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown
        if (typeof value !== 'function') return value
        if (key !== name) return value.bind(target)
        return (...args: unknown[]) => {
          calls += 1
          if (calls >= nth) throw new Error('killed')
          return value.apply(target, args)
        }
      },
    })
  if (verb === 'alter') return dies(store, 'alter')
  const schedules = dies(store.schedules, 'write')
  return new Proxy(store, {
    get(target, key) {
      const value = key === 'schedules' ? schedules : (Reflect.get(target, key) as unknown)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

export function pacing(make: Make): void {
  test('a change keeps its pace in every period, and retries each job once, the oldest first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const all = await failedJobs(harness, 45)
    const begun = await start(harness, 'retry', { queue: FROM }, { limit: 20, per: '10s' })
    expect(begun).toMatchObject({
      state: 'running',
      total: 45,
      done: 0,
      left: 45,
      of: 'jobs of queue emails, state failed',
    })
    const retried: { id: string; at: number }[] = []
    for (let n = 0; n < 400 && (await only(store)).state === 'running'; n++) {
      await continueChanges(store, settings)
      for (const id of await run(harness, failed)) retried.push({ id, at: clock.now })
      clock.advance(250)
      if (n === 60) expect(await only(store)).toMatchObject({ done: 40, left: 5, ended: 30, failed: 30 })
    }
    expect(retried.map(({ id }) => id)).toEqual(all)
    for (const { at } of retried)
      expect(retried.filter((each) => each.at >= at && each.at < at + 10_000).length).toBeLessThanOrEqual(20)
    expect(await only(store)).toMatchObject({
      state: 'done',
      total: 45,
      done: 45,
      left: 0,
      ended: 45,
      failed: 45,
    })
    const { entries } = await store.audit.list(10)
    expect(entries.map(({ text }) => JSON.parse(text))).toMatchObject([
      { who: 'ada', what: 'retry', count: 45, outcome: 'done', on: 'jobs of queue emails, state failed' },
    ])
  })

  test('a change retries only the jobs that failed within its time, also when a worker goes on with it later', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const all = await failedJobs(harness, 12)
    const at = await Promise.all(all.map(async (id) => (await store.get(FROM, id))!.finishedAt!))
    const filter = { queue: FROM, since: new Date(at[3]!), until: new Date(at[8]!) }
    const begun = await start(harness, 'retry', filter, { limit: 2, per: '10s' })
    expect(begun).toMatchObject({ total: 5, left: 5 })
    expect(begun.of).toContain(`until ${new Date(at[8]!).toISOString()}`)
    const retried: string[] = []
    for (let n = 0; n < 200 && (await only(store)).state === 'running'; n++) {
      await continueChanges(store, settings)
      retried.push(...(await run(harness, completed)))
      clock.advance(1_000)
    }
    expect(retried).toEqual(all.slice(3, 8))
    expect(await only(store)).toMatchObject({ state: 'done', done: 5 })
  })

  test('a change stops by itself when half of the last hundred jobs, or the given share, have failed again', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 120)
    for (const [maxFailed, most] of [
      [undefined, 50],
      ['5%', 10],
    ] as const) {
      await start(harness, 'retry', { all: true }, { limit: 120, per: '1m', ...(maxFailed && { maxFailed }) })
      const current = async () => (await listChanges(openOn(store))).find(({ state }) => state === 'running')
      for (let n = 0; n < 40 && (await current()) !== undefined; n++) {
        await continueChanges(store, settings)
        await run(harness, failed)
        clock.advance(5_000)
      }
      const [stopped] = await listChanges(openOn(store))
      expect(stopped).toMatchObject({ state: 'failing', done: most, left: 120 - most })
      expect(stopped!.because).toMatch(/^\d+ of the last \d+ jobs failed again$/)
    }
  })

  test('a change keeps the payload values of its filter only until the change has ended', async () => {
    await using harness = await make()
    const { store } = harness
    await failedJobs(harness, 2)
    const { id, of } = await start(harness, 'retry', { where: { to: 'ada' } }, { limit: 1 })
    expect(of).toBe('jobs of state failed where to is …')
    const text = async () => JSON.stringify((await new ChangeBook(store).read())!.changes)
    expect(await text()).toContain('"to":"ada"')
    await stopChange(openOn(store), id, { because: 'enough' }, 'bob at web-2')
    expect(await text()).not.toContain('"to":"ada"')
    expect(await only(store)).toMatchObject({
      state: 'stopped',
      stoppedBy: 'bob at web-2',
      because: 'enough',
    })
  })

  test.each([
    ['before a lot is changed', 'alter', 1, 0],
    ['while a lot is changed', 'alter', 2, 250],
    ['after a lot is changed', 'write', 2, 280],
  ] as const)(
    'if a worker dies %s, another worker finishes the change, and no job is retried twice',
    async (_, verb, nth, changed) => {
      await using harness = await make()
      const { store, clock } = harness
      // A change makes two calls for a lot of up to 500 jobs.
      const all = await failedJobs(harness, 300)
      const change = await start(harness, 'retry', { queue: FROM }, { limit: 280, per: '5s' })
      await expect(continueChanges(dying(store, verb, nth), settings)).rejects.toThrow('killed')
      const first = await run(harness, failed, completed)
      clock.advance(5_000)
      expect(await continueChanges(store, settings)).toBeGreaterThan(0)
      expect(await only(store)).toMatchObject({ id: change.id, done: 0, left: 300 })
      clock.advance(10_000)
      await continueChanges(store, settings)
      expect(await only(store)).toMatchObject({ done: 280, left: 20 })
      const second = await run(harness, completed)
      clock.advance(10_000)
      await continueChanges(store, settings)
      const third = await run(harness, completed)
      expect([first.length, first.length + second.length, third.length]).toEqual([changed, 280, 20])
      expect([...first, ...second, ...third].sort()).toEqual([...all].sort())
    },
  )

  test('after a worker has taken over a lot, the next lot waits as long as after every other lot', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 40)
    await start(harness, 'retry', { queue: FROM }, { limit: 40, per: '20s' })
    await expect(continueChanges(dying(store, 'alter'), settings)).rejects.toThrow('killed')
    clock.advance(10_000)
    await continueChanges(store, settings)
    const first = await run(harness, failed)
    expect(first.length).toBeGreaterThan(0)
    await continueChanges(store, settings)
    expect(await run(harness, failed)).toEqual([])
    clock.advance(20_000)
    await continueChanges(store, settings)
    expect(await run(harness, failed)).toHaveLength(first.length)
  })

  test('if a worker hangs before it changes its lot and another worker takes the lot over, only that worker changes the jobs', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 20)
    await start(harness, 'retry', { queue: FROM }, { limit: 20, per: '5s' })
    const [writes, hangs] = [gate(), gate()]
    const schedules = new Proxy(store.schedules, {
      get: (target, key) =>
        key === 'write'
          ? async (...args: Parameters<typeof target.write>) => {
              const written = await target.write(...args)
              writes.open()
              await hangs.opened
              return written
            }
          : (Reflect.get(target, key) as () => unknown).bind(target),
    })
    const slow = new Proxy(store, {
      get(target, key) {
        const value = key === 'schedules' ? schedules : (Reflect.get(target, key) as unknown)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const hanging = continueChanges(slow, settings)
    await writes.opened
    clock.advance(10_000)
    await continueChanges(store, settings)
    expect(await run(harness, failed)).toHaveLength(20)
    const now = performance.now()
    const time = vi.spyOn(performance, 'now').mockReturnValue(now + 10_000)
    hangs.open()
    await hanging.finally(() => time.mockRestore())
    expect(await run(harness, failed)).toEqual([])
    expect(await only(store)).toMatchObject({ done: 20, left: 0 })
  })

  test('several workers that continue a change at the same time change each job once', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 48)
    await start(harness, 'retry', { queue: FROM }, { limit: 48, per: '30s' })
    const stores = [store, await harness.another(), await harness.another()]
    const ran: string[] = []
    for (let n = 0; n < 12; n++) {
      await Promise.all(stores.map((each) => continueChanges(each, settings)))
      ran.push(...(await run(harness, failed)))
      clock.advance(2_500)
    }
    expect(ran).toHaveLength(48)
    expect(new Set(ran).size).toBe(48)
  })

  test('a paused change changes no job until it is resumed, and a stopped change changes no further job', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 30)
    const { id } = await start(harness, 'retry', { all: true }, { limit: 10, per: '5s' })
    await continueChanges(store, settings)
    await pauseChange(openOn(store), id, { because: 'lunch' }, 'ada at web-1')
    clock.advance(60_000)
    expect(await continueChanges(store, settings)).toBeUndefined()
    const paused = await only(store)
    expect(paused).toMatchObject({
      state: 'paused',
      done: 10,
      left: 20,
      stoppedBy: 'ada at web-1',
      because: 'lunch',
    })
    expect(paused).not.toHaveProperty('next')
    await resumeChange(openOn(store), id)
    await continueChanges(store, settings)
    expect(await only(store)).toMatchObject({ state: 'running', done: 20 })
    await stopChange(openOn(store), id, {}, 'ada at web-1')
    clock.advance(60_000)
    expect(await continueChanges(store, settings)).toBeUndefined()
    expect(await only(store)).toMatchObject({ state: 'stopped', done: 20, left: 10 })
    await expect(pauseChange(openOn(store), 'nobody', {})).rejects.toThrow('There is no change at a pace')
  })

  test('a change that is stopped while a worker changes a lot counts this lot', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 30)
    const audited = async () => {
      const { entries } = await store.audit.list(10)
      return entries.map(({ text }) => JSON.parse(text))
    }
    const { id } = await start(harness, 'retry', { all: true }, { limit: 10, per: '5s' })
    const stopping = new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown
        if (typeof value !== 'function') return value
        if (key !== 'alter') return value.bind(target)
        return async (...args: Parameters<Store['alter']>) => {
          const verdicts = await target.alter(...args)
          await stopChange(openOn(store), id, {}, 'ada at web-1')
          expect(await audited()).toEqual([])
          return verdicts
        }
      },
    })
    await continueChanges(stopping, settings)
    expect(await only(store)).toMatchObject({ state: 'stopped', done: 10, left: 20 })
    expect(await audited()).toMatchObject([{ what: 'retry', count: 10, outcome: 'interrupted' }])
    clock.advance(60_000)
    expect(await continueChanges(store, settings)).toBeUndefined()
    expect(await audited()).toHaveLength(1)
    expect(await run(harness)).toHaveLength(10)
  })

  test('a change that is stopped after its worker died in a lot counts what the worker has changed', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 300)
    const { id } = await start(harness, 'retry', { all: true }, { limit: 280, per: '5s' })
    await expect(continueChanges(dying(store, 'alter', 2), settings)).rejects.toThrow('killed')
    await stopChange(openOn(store), id, {}, 'ada at web-1')
    // Nobody knows yet whether the worker is alive.
    expect(await continueChanges(store, settings)).toBeGreaterThan(0)
    expect(await only(store)).toMatchObject({ state: 'stopped', done: 0 })
    clock.advance(10_000)
    expect(await continueChanges(store, settings)).toBeUndefined()
    expect(await only(store)).toMatchObject({ state: 'stopped', done: 250, left: 50 })
    expect(await run(harness)).toHaveLength(250)
    const { entries } = await store.audit.list(10)
    expect(entries.map(({ text }) => JSON.parse(text))).toMatchObject([{ what: 'retry', count: 250 }])
  })

  test('a change that fails with an error says so and waits, and other changes go on', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 4)
    await harness.caller('ada', 'bulk').enqueue(...jobs(4, { delay: 600_000 }))
    clock.advance(1_000)
    await start(harness, 'retry', { queue: FROM }, { limit: 2, per: '5s' })
    await start(harness, 'run-now', { queue: 'bulk' }, { limit: 2, per: '5s' })
    const damaged = new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown
        if (typeof value !== 'function') return value
        if (key !== 'list') return value.bind(target)
        return (...args: Parameters<Store['list']>) => {
          if (args[0] === FROM)
            throw new JobsError('STORE_DAMAGED', 'emails has data that Lark did not write')
          return target.list(...args)
        }
      },
    })
    await continueChanges(damaged, settings)
    expect(await listChanges(openOn(store))).toMatchObject([
      { change: 'retry', state: 'running', done: 0, waits: 'emails has data that Lark did not write' },
      { change: 'run-now', state: 'running', done: 2 },
    ])
    clock.advance(5_000)
    await continueChanges(store, settings)
    const [retry, runNow] = await listChanges(openOn(store))
    expect(retry).toMatchObject({ state: 'running', done: 2 })
    expect(retry).not.toHaveProperty('waits')
    expect(runNow).toMatchObject({ done: 4 })
  })

  test('a fault in one change does not stop the others', async () => {
    await using harness = await make()
    const { store } = harness
    await failedJobs(harness, 4)
    await harness.caller('ada', 'bulk').enqueue(...jobs(4, { delay: 600_000 }))
    harness.clock.advance(1_000)
    await start(harness, 'retry', { queue: FROM }, { limit: 2, per: '5s' })
    await start(harness, 'run-now', { queue: 'bulk' }, { limit: 2, per: '5s' })
    const broken = new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown
        if (typeof value !== 'function') return value
        if (key !== 'list') return value.bind(target)
        return (...args: Parameters<Store['list']>) => {
          if (args[0] === FROM) throw new TypeError('a fault')
          return target.list(...args)
        }
      },
    })
    await expect(continueChanges(broken, settings)).rejects.toThrow('a fault')
    expect(await listChanges(openOn(store))).toMatchObject([
      { change: 'retry', done: 0 },
      { change: 'run-now', done: 2 },
    ])
  })

  test('jobs that are removed meanwhile are left, even all of a queue, and the change ends', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const all = await failedJobs(harness, 12)
    await start(harness, 'retry', { queue: FROM }, { limit: 4, per: '5s' })
    await continueChanges(store, settings)
    expect((await run(harness)).sort()).toEqual(all.slice(0, 4))
    // The jobs on both sides of the place where the next lot begins are gone.
    expect(await store.alter(FROM, all.slice(2, 6), { kind: 'remove' })).toHaveLength(4)
    clock.advance(5_000)
    await continueChanges(store, settings)
    expect((await run(harness)).sort()).toEqual(all.slice(6, 10))
    expect(await store.clear(FROM, 'failed')).toBe(2)
    for (let n = 0; n < 3; n++) {
      clock.advance(5_000)
      await continueChanges(store, settings)
    }
    expect(await only(store)).toMatchObject({ state: 'done', total: 12, done: 8, left: 0 })
  })

  test('two changes that select the same jobs retry each job once', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const all = await failedJobs(harness, 20)
    await start(harness, 'retry', { queue: FROM }, { limit: 4, per: '5s' })
    await start(harness, 'retry', { state: 'failed' }, { limit: 3, per: '5s' })
    const ran: string[] = []
    for (let n = 0; n < 8; n++) {
      await continueChanges(store, settings)
      ran.push(...(await run(harness, failed)))
      clock.advance(5_000)
    }
    expect(ran.sort()).toEqual(all)
    expect(await listChanges(openOn(store))).toMatchObject([{ state: 'done' }, { state: 'done' }])
  })

  test('while the queue of the jobs is paused, a change waits and says so', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await failedJobs(harness, 4)
    await start(harness, 'retry', { all: true }, { limit: 2, per: '5s' })
    await store.configure(FROM, { paused: true })
    await continueChanges(store, settings)
    expect(await only(store)).toMatchObject({ done: 0, waits: 'the queue emails is paused' })
    await store.configure(FROM, { paused: false })
    clock.advance(5_000)
    await continueChanges(store, settings)
    const now = await only(store)
    expect(now).toMatchObject({ done: 2 })
    expect(now).not.toHaveProperty('waits')
  })

  test('changes at a pace make jobs due, delay jobs and move jobs, each job once', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const later = jobs(6, { delay: 60_000 })
    await caller.enqueue(...later)
    const go = async (kind: PacedKind, options: object) => {
      clock.advance(1_000)
      const { id } = await start(harness, kind, { queue: FROM }, { limit: 2, per: '5s', ...options })
      for (let n = 0; n < 5; n++) {
        await continueChanges(store, settings)
        clock.advance(5_000)
      }
      return (await listChanges(openOn(store))).find((each) => each.id === id)!
    }
    expect(await go('reschedule', { delay: '1h' })).toMatchObject({
      change: 'reschedule',
      delay: 3_600_000,
      done: 6,
      left: 0,
    })
    const { jobs: delayed } = await store.list(FROM, { state: 'delayed' })
    const dues = delayed.map(({ dueAt }) => dueAt!)
    expect(dues).toEqual([...dues].sort())
    expect(dues[5]! - dues[0]!).toBe(10_000)
    expect(await go('move', { to: 'bulk' })).toMatchObject({ change: 'move', to: 'bulk', done: 6, left: 0 })
    expect(await store.counts('bulk')).toMatchObject({ delayed: 6 })
    await caller.enqueue(...jobs(6, { delay: 3_600_000 }))
    expect(await go('run-now', {})).toMatchObject({ change: 'run-now', done: 6, left: 0 })
    expect(await store.counts(FROM)).toMatchObject({ waiting: 6, delayed: 0 })
  })

  test('a change leaves out a job that a person has purged or retried meanwhile', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const all = await failedJobs(harness, 6)
    await start(harness, 'retry', { queue: FROM }, { limit: 2, per: '5s' })
    await continueChanges(store, settings)
    expect(await run(harness)).toEqual(all.slice(0, 2))
    expect(await store.alter(FROM, [all[2]!], { kind: 'purge' })).toEqual(['done'])
    expect(await store.alter(FROM, [all[3]!], { kind: 'retry' })).toEqual(['done'])
    expect(await run(harness, failed)).toEqual([all[3]])
    const later: string[] = []
    for (let n = 0; n < 5; n++) {
      clock.advance(5_000)
      await continueChanges(store, settings)
      later.push(...(await run(harness)))
    }
    expect(later).toEqual(all.slice(4))
    expect(await only(store)).toMatchObject({ state: 'done', total: 6, done: 4, left: 0 })
  })

  test('a change leaves out a job that was dispatched or has run since the change began', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(2, { delay: 60_000 }))
    clock.advance(1)
    await start(harness, 'run-now', { all: true }, { limit: 10 })
    clock.advance(1)
    await caller.enqueue(...jobs(3, { delay: 60_000 }))
    for (let n = 0; n < 3; n++) {
      await continueChanges(store, settings)
      clock.advance(6_000)
    }
    expect(await only(store)).toMatchObject({ total: 2, done: 2, left: 0 })
    expect(await store.counts(FROM)).toMatchObject({ waiting: 2, delayed: 3 })
  })

  test('the partition that keeps changes has no schedules, and nothing is due there when all changes have ended', async () => {
    await using harness = await make()
    const { store } = harness
    await failedJobs(harness, 1)
    const { id } = await start(harness, 'retry', { all: true }, { limit: 1 })
    const place = (await store.schedules.home(CHANGES))!.split(' ')[0]!
    expect(queueOf(place)).toBe(FROM)
    expect((await store.schedules.due(place, 10, 1)).due.map((each) => each.id)).toEqual([CHANGES])
    await stopChange(openOn(store), id, {})
    expect((await store.schedules.write(place, [])).nextTick).toBeUndefined()
  })

  test('the lots of a change keep its pace, and are neither too many nor too large', () => {
    for (const [limit, per] of [
      [500, 60_000],
      [1, 1_000],
      [7, 3_600_000],
      [100_000, 3_600_000],
      [500, 1_000],
      [5_000, 10_000],
    ] as const) {
      const size = lotSize({ limit, per })
      expect(size).toBeLessThanOrEqual(500)
      expect(restAfter(size, { limit, per }) / size).toBeGreaterThanOrEqual(per / limit)
      expect(restAfter(size, { limit, per })).toBeGreaterThanOrEqual(1_000)
    }
    expect(lotSize({ limit: 500, per: 60_000 })).toBe(42)
  })
}
