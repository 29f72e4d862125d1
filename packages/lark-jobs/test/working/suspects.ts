import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import type { WorkOptions } from '../../src/api/work.ts'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { MAX_CRASHES, MAX_CRASHES_UNSURE } from '../../src/store/contract/store.ts'
import { Bench, type Connect, signal } from './bench.ts'

/** Milliseconds. The times for which suspects wait are multiples of a lease. */
const LEASE = 300
/** Milliseconds. Every test needs less. */
const LONG = 15_000
/** The number of crashes after which a job is a suspect. */
const SUSPECT = MAX_CRASHES - 1

/**
 * Makes classes whose jobs record which jobs run at the same time, and end when the test ends them. The jobs
 * of `emails` become suspects.
 */
function classes() {
  const running = new Set<string>()
  const beside = new Map<string, Set<string>>()
  const begins = new Map<string, ReturnType<typeof signal<void>>>()
  const ends = new Map<string, ReturnType<typeof signal<void>>>()
  const at = (map: typeof ends, name: string) => map.get(name) ?? map.set(name, signal()).get(name)!
  class PlainJob extends Job {
    async handle({ name }: { name: string }) {
      running.add(name)
      for (const each of running) {
        const seen = beside.get(each) ?? beside.set(each, new Set()).get(each)!
        for (const other of running) if (other !== each) seen.add(other)
      }
      at(begins, name).resolve()
      const stopped = new Promise((resolve) => this.signal.addEventListener('abort', resolve))
      await Promise.race([at(ends, name).promise, stopped])
      running.delete(name)
    }
  }
  class SuspectJob extends PlainJob {
    override queueName = 'emails'
  }
  class FragileJob extends SuspectJob {
    override maxCrashes = 2
  }
  class LimitedJob extends SuspectJob {
    override limiter = 'stripe'
  }
  class StrictJob extends SuspectJob {
    override group = { by: () => 'ada', strict: true }
  }
  return {
    PlainJob,
    SuspectJob,
    FragileJob,
    LimitedJob,
    StrictJob,
    /** Lists the jobs that ran at the same time as the job with this name. */
    beside: (name: string) => [...(beside.get(name) ?? [])].sort(),
    began: (name: string) => at(begins, name).promise,
    hasBegun: (name: string) => beside.has(name),
    end: (...names: string[]) => {
      for (const name of names) at(ends, name).resolve()
    },
  }
}

/**
 * A suspect is a job whose next crash would reach the limit of crashes. A worker runs each suspect alone, so
 * that only the suspect can have caused a further crash.
 */
export function suspects(connect: Connect): void {
  async function make() {
    const bench = await Bench.make(connect)
    const client = bench.client({ limiters: { stripe: { concurrency: 1 } } })
    const { store } = await insideOf(client).open()
    const all = classes()
    const { PlainJob, SuspectJob, FragileJob, LimitedJob, StrictJob } = all
    let dead = 0

    async function put(make: new () => InstanceType<typeof PlainJob>, ...names: string[]): Promise<string[]> {
      const ids: string[] = []
      for (const name of names) {
        const job = new make()
        await client.dispatch(job, { name })
        ids.push(job.id!)
      }
      return ids
    }

    /** Queues jobs, and lets their workers die until the jobs are suspects. */
    async function suspect(make: typeof SuspectJob, ...names: string[]): Promise<string[]> {
      const ids = await put(make, ...names)
      for (let n = 0; n < (new make().maxCrashes ?? MAX_CRASHES) - 1; n++) {
        const { limiter } = (await client.find(ids[0]!))!
        const permits = limiter === undefined ? {} : { [limiter]: ids.length }
        const caller = `dead-${++dead}`
        const want = { limit: ids.length, leaseMs: 60_000, permits }
        const { jobs } = await store.exchange('emails', { caller, number: 1 }, [], want)
        expect(jobs.map(({ id }) => id).sort()).toEqual(ids)
        await store.recover('emails', { holder: caller })
      }
      return ids
    }

    return {
      ...all,
      bench,
      client,
      store,
      put,
      suspect,
      find: async (id: string | undefined) => (await client.find(id!))!,
      work: (options: WorkOptions = {}) =>
        bench.work(
          [PlainJob, SuspectJob, FragileJob, LimitedJob, StrictJob],
          { lease: LEASE, ...options },
          client,
        ),
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    }
  }

  test('a suspect starts when no other job runs, and no other job starts before its end', async () => {
    await using app = await make()
    const { PlainJob, SuspectJob, store } = app
    const [id] = await app.suspect(SuspectJob, 'suspect')
    await store.configure('emails', { paused: true })
    await app.put(PlainJob, 'long')
    const worker = await app.work({ lease: 15_000 })
    await app.began('long')
    await store.configure('emails', { paused: false })
    await vi.waitFor(async () => expect((await app.find(id)).state).toBe('active'), LONG)
    await app.put(PlainJob, 'next')
    expect([app.hasBegun('suspect'), app.hasBegun('next')]).toEqual([false, false])
    app.end('long')
    await app.began('suspect')
    expect(app.hasBegun('next')).toBe(false)
    app.end('suspect')
    await app.began('next')
    app.end('next')
    await worker.stop()
    expect(worker.summary).toMatchObject({ completed: 3, released: 0 })
    expect(['long', 'suspect', 'next'].map(app.beside)).toEqual([[], [], []])
    expect(await app.find(id)).toMatchObject({ state: 'completed', crashes: SUSPECT, runs: SUSPECT + 1 })
  })

  test('only a suspect that runs alone is the cause of the next crash', async () => {
    await using app = await make()
    const ids = await app.suspect(app.SuspectJob, 'a', 'b', 'c')
    const worker = await app.work({ lease: 15_000 })
    await app.began('a')
    await app.store.recover('emails', { holder: worker.id, fromWithin: true })
    expect(await app.find(ids[0])).toMatchObject({ state: 'failed', crashes: SUSPECT + 1 })
    for (const id of ids.slice(1)) expect(await app.find(id)).toMatchObject({ crashes: SUSPECT })
    app.end('a', 'b', 'c')
  })

  test('a job with two allowed crashes runs alone after the first crash, and fails with the second', async () => {
    await using app = await make()
    const [id, other] = await app.suspect(app.FragileJob, 'fragile', 'other')
    const worker = await app.work({ lease: 15_000 })
    await app.began('fragile')
    expect(app.hasBegun('other')).toBe(false)
    await app.store.recover('emails', { holder: worker.id })
    expect(await app.find(id)).toMatchObject({ state: 'failed', crashes: 2 })
    expect(await app.find(other)).toMatchObject({ crashes: 1 })
    app.end('fragile', 'other')
  })

  test('many suspects run alone, one after the other, while other jobs arrive', async () => {
    await using app = await make()
    const names = ['a', 'b', 'c', 'd', 'e']
    const ids = await app.suspect(app.SuspectJob, ...names)
    await app.put(app.PlainJob, 'x', 'y', 'z')
    app.end(...names, 'x', 'y', 'z')
    const worker = await app.work({ lease: 15_000, stopWhenEmpty: true, concurrency: 4 })
    expect(await worker.done).toMatchObject({ completed: 8, lost: 0 })
    for (const name of names) expect(app.beside(name)).toEqual([])
    for (const id of ids) expect(await app.find(id)).toMatchObject({ state: 'completed', crashes: SUSPECT })
  })

  test('two workers of one process never run a suspect beside a job of the other worker', async () => {
    await using app = await make()
    const [id] = await app.suspect(app.SuspectJob, 'suspect')
    const options = { lease: 15_000, queues: 'default' }
    const plain = await app.work(options)
    await app.put(app.PlainJob, 'long')
    await app.began('long')
    const other = await app.work({ ...options, queues: 'emails' })
    await vi.waitFor(async () => expect((await app.find(id)).state).toBe('active'), LONG)
    await app.put(app.PlainJob, 'next')
    app.end('long')
    await app.began('suspect')
    app.end('suspect')
    await app.began('next')
    app.end('next')
    await Promise.all([plain.stop(), other.stop()])
    expect(app.beside('suspect')).toEqual([])
  })

  test('while an endless job runs, a suspect is given back several times, other jobs go on, and the suspect runs at last', async () => {
    await using app = await make()
    const [id] = await app.suspect(app.SuspectJob, 'suspect')
    await app.store.configure('emails', { paused: true })
    await app.put(app.PlainJob, 'endless')
    const worker = await app.work()
    await app.began('endless')
    await app.store.configure('emails', { paused: false })
    await vi.waitFor(async () => expect((await app.find(id)).state).toBe('delayed'), LONG)
    await app.put(app.PlainJob, 'next')
    await app.began('next')
    await app.began('suspect')
    expect(app.beside('suspect')).toContain('endless')
    // The store knows that the suspect does not run alone, so the crash counts but does not fail the job.
    await app.store.recover('emails', { holder: worker.id })
    const { state, crashes } = await app.find(id)
    expect(state).not.toBe('failed')
    expect(crashes).toBe(SUSPECT + 1)
    app.end('endless', 'next', 'suspect')
  })

  test('after a suspect has run alone for long, other jobs start, and a later crash does not fail the suspect', async () => {
    await using app = await make()
    const [id] = await app.suspect(app.SuspectJob, 'suspect')
    const worker = await app.work()
    await app.began('suspect')
    await app.put(app.PlainJob, 'next')
    await app.began('next')
    expect(app.beside('suspect')).toEqual(['next'])
    await app.store.recover('emails', { holder: worker.id })
    const { state, crashes } = await app.find(id)
    expect(state).not.toBe('failed')
    expect(crashes).toBe(SUSPECT + 1)
    app.end('suspect', 'next')
  })

  test('a suspect that has crashed many times makes other jobs wait no longer than a minute', async () => {
    await using app = await make()
    const { store } = app
    const [id] = await app.suspect(app.SuspectJob, 'suspect')
    for (let crashes = SUSPECT + 1; crashes < MAX_CRASHES_UNSURE; crashes++) {
      const caller = `beside-${crashes}`
      const { jobs } = await store.exchange('emails', { caller, number: 1 }, [], {
        limit: 1,
        leaseMs: 60_000,
      })
      await store.extend('emails', caller, [{ id: id!, token: jobs[0]!.token, alone: false }], 60_000)
      await store.recover('emails', { holder: caller })
      expect(await app.find(id)).toMatchObject({ crashes })
    }
    await app.work()
    await app.began('suspect')
    await app.put(app.PlainJob, 'next')
    // If the wait grew fourfold after each crash without a limit, it would be more than an hour.
    await app.began('next')
    app.end('suspect', 'next')
  })

  test('why, the list of workers and the doctor say that a worker starts no other job beside a suspect', async () => {
    await using app = await make()
    const { client, put, PlainJob, SuspectJob } = app
    const [id] = await app.suspect(SuspectJob, 'suspect')
    const people = operate(client)
    const isFound = async () =>
      (await people.doctor()).find(({ code }) => code === 'worker-alone')?.level === 'warning'
    const worker = await app.work({ lease: 90_000 })
    await app.began('suspect')
    const [next] = await put(PlainJob, 'next')
    const alone = { job: id, until: expect.any(Number) }
    await vi.waitFor(async () => expect(await people.workers.list()).toMatchObject([{ alone }]), LONG)
    const { reasons } = (await people.why(next!))!
    // A server may have handed over the job with a notification.
    expect(reasons[0]).toEqual({
      kind: expect.stringMatching(/^(busy-workers|prefetched)$/),
      text: expect.stringMatching(
        `^Worker ${worker.id} .*starts no other job beside ${id}, which may have killed its process before: for up to \\d`,
      ),
      ...{ until: expect.any(Number), jobs: [id], workers: [worker.id], remedy: { do: 'see-why', job: id } },
    })
    expect(await isFound()).toBe(true)
    app.end('suspect', 'next')
    await vi.waitFor(async () => expect((await people.workers.list())[0]).not.toHaveProperty('alone'), LONG)
    expect(await isFound()).toBe(false)
  })

  test('if two suspects run for long, the second does not wait for the end of the first', async () => {
    await using app = await make()
    await app.suspect(app.SuspectJob, 'a', 'b')
    const worker = await app.work()
    await Promise.all([app.began('a'), app.began('b')])
    expect([app.beside('a'), app.beside('b')]).toEqual([['b'], ['a']])
    app.end('a', 'b')
    await worker.stop()
    expect(worker.summary).toMatchObject({ completed: 2, lost: 0 })
  })

  test('a worker keeps a slot free for a suspect that starts while other jobs run', async () => {
    await using app = await make()
    const { store } = app
    await app.suspect(app.SuspectJob, 'suspect')
    await store.configure('emails', { paused: true })
    await app.put(app.PlainJob, 'endless')
    const worker = await app.work({ lease: 2 * LEASE, concurrency: 2 })
    await app.began('endless')
    const extend = store.extend.bind(store)
    vi.spyOn(store, 'extend').mockImplementation(async (...args) => {
      const [, , notes] = args
      if (notes.some(({ alone }) => alone === false)) {
        await app.put(app.PlainJob, 'next')
        await Promise.race([app.began('next'), pause(100)])
      }
      return extend(...args)
    })
    await store.configure('emails', { paused: false })
    await app.began('suspect')
    expect(app.beside('suspect')).toEqual(['endless'])
    expect(app.hasBegun('next')).toBe(false)
    app.end('suspect', 'next')
    await app.began('next')
    app.end('endless')
    await worker.stop()
  })

  test.each(['stop', 'cancel'] as const)(
    'a waiting suspect is given back at once after a %s',
    async (what) => {
      await using app = await make()
      const [id] = await app.suspect(app.SuspectJob, 'suspect')
      await app.store.configure('emails', { paused: true })
      await app.put(app.PlainJob, 'long')
      const worker = await app.work({ lease: 30_000 })
      await app.began('long')
      await app.store.configure('emails', { paused: false })
      await vi.waitFor(async () => expect((await app.find(id)).state).toBe('active'), LONG)
      if (what === 'cancel') await app.store.alter('emails', [id!], { kind: 'cancel', reason: 'user' })
      else worker.quiet()
      const state = what === 'cancel' ? 'cancelled' : 'waiting'
      await vi.waitFor(async () => expect(await app.find(id)).toMatchObject({ state, runs: SUSPECT }), LONG)
      app.end('long', 'suspect')
      await worker.stop()
      expect(app.hasBegun('suspect')).toBe(false)
    },
  )

  test('a suspect of a strict group keeps its place, and a suspect of a limiter gives its permit back', async () => {
    await using app = await make()
    await app.suspect(app.LimitedJob, 'limited', 'limited too')
    await app.suspect(app.StrictJob, 'first')
    await app.put(app.StrictJob, 'second')
    app.end('first', 'second', 'limited', 'limited too')
    const worker = await app.work({ stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 4, lost: 0 })
    for (const name of ['first', 'limited', 'limited too']) expect(app.beside(name)).toEqual([])
  })

  test('a worker with maxJobs runs this number of jobs, without counting jobs that it gave back', async () => {
    await using app = await make()
    await app.suspect(app.SuspectJob, 'a', 'b', 'c')
    app.end('a', 'b', 'c')
    const worker = await app.work({ maxJobs: 2 })
    expect(await worker.done).toMatchObject({ completed: 2 })
    expect(await app.store.counts('emails')).toMatchObject({ completed: 2, waiting: 1, active: 0 })
  })
}
