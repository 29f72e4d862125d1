import { expect, test, vi } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { JobsError } from '../../src/model/errors.ts'
import { Bench, type Connect } from './bench.ts'

class NoteJob extends Job {
  override readonly key = 'note'
  handle(_payload: { n: number; text?: string }) {}
}

/** Dispatches in every way, and expects each dispatch to fail. */
async function failing(jobs: Jobs, queue = 'default'): Promise<void> {
  const job = () => Object.assign(new NoteJob(), { queueName: queue })
  async function awaitsOne() {
    await jobs.dispatch(job(), { n: 1 })
  }
  async function awaitsMany() {
    await jobs.dispatchMany(job(), [{ n: 1 }, { n: 2 }])
  }
  async function awaitsBatch() {
    const batch = [1, 2, 3].map((n) => jobs.dispatch(job(), { n }))
    const results = await Promise.allSettled(batch)
    expect(new Set(results.map((result) => result.status === 'rejected' && result.reason)).size).toBe(3)
    await Promise.all(batch.slice(1))
  }
  for (const caller of [awaitsOne, awaitsMany, awaitsBatch]) {
    const error = await caller().catch((error) => error)
    expect(error.stack).toContain(`Error: ${error.message}\n    at `)
    expect(error.stack).toMatch(new RegExp(`\n    at (async )?${caller.name}.*dispatching\\.ts:\\d+`))
  }
}

/** Dispatches bring jobs into the store. */
export function dispatching(connect: Connect): void {
  test('dispatch resolves to true, the job has an id, and waits', async () => {
    await using bench = await Bench.make(connect)
    const job = new NoteJob()
    job.priority = 7
    expect(job.id).toBeUndefined()
    expect(await bench.jobs.dispatch(job, { n: 1, text: 'ünï |\n' })).toBe(true)
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      id: job.id,
      key: 'note',
      state: 'waiting',
      partition: 'default',
      priority: 7,
      payload: { n: 1, text: 'ünï |\n' },
      runs: 0,
      errors: [],
      log: [],
    })
  })

  test('a job with one priority too many is refused with an error, and the other jobs of the call are queued', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const one = (priority: number) => new NoteJob().with({ n: priority }).prioritized(priority)
    await jobs.dispatch(
      Array.from({ length: 256 }, (_, n) => one(n - 500))
        .concat(one(0))
        .slice(1),
    )
    const job = Object.assign(new NoteJob(), { priority: 7 })
    const code = 'TOO_MANY_PRIORITIES'
    const message = 'note: the priority 7 is refused, because the jobs that wait in default have 256 others'
    await expect(jobs.dispatch(job, { n: 1 })).rejects.toMatchObject({ code, message })
    await expect(jobs.dispatchMany(job, [{ n: 1 }, { n: 2 }])).rejects.toMatchObject({ code, message })
    const error = await jobs.dispatch([one(0), one(7), one(-400)]).catch((error) => error)
    expect(error).toMatchObject({ code, queued: [expect.any(String), expect.any(String)] })
    expect(await jobs.find(error.ids[0])).toBeUndefined()
    for (const id of error.queued) expect(await jobs.find(id)).toMatchObject({ state: 'waiting' })
  })

  test('a delayed job waits for its time', async () => {
    await using bench = await Bench.make(connect)
    const job = new NoteJob()
    job.delay = '1m'
    await bench.jobs.dispatch(job, { n: 1 })
    const found = await bench.jobs.find(job.id!)
    expect(found?.state).toBe('delayed')
    expect(found!.dueAt! - found!.queuedAt).toBe(60_000)
  })

  test('the store keeps with a job only options that differ from its class', async () => {
    await using bench = await Bench.make(connect)
    const plain = new NoteJob()
    const other = new NoteJob()
    other.tries = 9
    other.backoff = ['1s', '5s']
    await bench.jobs.dispatch(plain, { n: 1 })
    await bench.jobs.dispatch(other, { n: 2 })
    expect((await bench.jobs.find(plain.id!))?.options).toBeUndefined()
    expect((await bench.jobs.find(other.id!))?.options).toEqual({ tries: 9, backoff: [1_000, 5_000] })
  })

  test('jobs dispatched in one tick travel in one round trip, and each promise gets its own outcome', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const enqueue = store.enqueue.bind(store)
    const sizes: number[] = []
    let answered = 0
    vi.spyOn(store, 'enqueue').mockImplementation(async (partition, call, jobs) => {
      // All jobs are sent before the first answer arrives. On Redis, the first job is sent before the tick
      // ends.
      expect(answered).toBe(0)
      sizes.push(jobs.length)
      const results = await enqueue(partition, call, jobs)
      answered++
      return results
    })
    const bad = new NoteJob()
    bad.queueName = 'nowhere'
    const results = await Promise.allSettled([
      ...Array.from({ length: 100 }, (_, n) => bench.jobs.dispatch(new NoteJob(), { n })),
      bench.jobs.dispatch(bad, { n: 0 }),
      bench.jobs.dispatch(new NoteJob(), { n: Number.NaN }),
    ])
    expect(sizes).toEqual(store.isRemote ? [50, 50] : [100])
    expect(results.filter((result) => result.status === 'fulfilled' && result.value)).toHaveLength(100)
    expect(results.slice(100).map((result) => result.status === 'rejected' && result.reason.code)).toEqual([
      'UNKNOWN_QUEUE',
      'PAYLOAD_NOT_JSON',
    ])
    expect((await store.counts('default')).waiting).toBe(100)
  })

  test('the first dispatches of a process also travel together', async () => {
    await using bench = await Bench.make(connect)
    await Promise.all(Array.from({ length: 50 }, (_, n) => bench.jobs.dispatch(new NoteJob(), { n })))
    const { store } = await insideOf(bench.jobs).open()
    expect((await store.counts('default')).waiting).toBe(50)
  })

  test('dispatchMany sends chunks, keeps the order, and returns the ids', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const enqueue = vi.spyOn(store, 'enqueue')
    const job = new NoteJob()
    expect(
      await bench.jobs.dispatchMany(
        job,
        Array.from({ length: 2_500 }, (_, n) => ({ n })),
      ),
    ).toBe(true)
    expect(enqueue.mock.calls.map(([, , jobs]) => jobs.length)).toEqual([1_000, 1_000, 500])
    expect(new Set(job.ids).size).toBe(2_500)
    const { jobs } = await store.list('default', { state: 'waiting', limit: 3 })
    expect(jobs.map(({ payload }) => payload)).toEqual(['{"n":0}', '{"n":1}', '{"n":2}'])
    expect(await bench.jobs.dispatchMany(job, [])).toBe(true)
  })

  test('dispatchMany sends nothing when one payload is wrong', async () => {
    await using bench = await Bench.make(connect)
    const payloads = Array.from({ length: 1_500 }, (_, n) => ({
      n: n === 1_499 ? Number.POSITIVE_INFINITY : n,
    }))
    await expect(bench.jobs.dispatchMany(new NoteJob(), payloads)).rejects.toMatchObject({
      code: 'PAYLOAD_NOT_JSON',
    })
    const { store } = await insideOf(bench.jobs).open()
    expect((await store.counts('default')).waiting).toBe(0)
  })

  test('when a later chunk fails, the error lists the queued ids', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const enqueue = store.enqueue.bind(store)
    let calls = 0
    // The failure is simulated, to choose its moment. Real failures are in the tests of the stores.
    vi.spyOn(store, 'enqueue').mockImplementation(async (...args) => {
      if (++calls === 2) await store.close()
      return enqueue(...args)
    })
    const job = new NoteJob()
    const error = await bench.jobs
      .dispatchMany(
        job,
        Array.from({ length: 1_500 }, (_, n) => ({ n })),
      )
      .catch((e) => e)
    expect(error.message).toMatch(/^1000 of 1500 jobs are queued; then: /)
    expect(error.queued).toHaveLength(1_000)
  })

  test('the error for a queue that is not configured names the known queues', async () => {
    await using bench = await Bench.make(connect)
    const job = new NoteJob()
    job.queueName = 'emials'
    await expect(bench.jobs.dispatch(job, { n: 1 })).rejects.toMatchObject({
      code: 'UNKNOWN_QUEUE',
      message: "NoteJob: 'emials' is not a configured queue",
      hint: expect.stringContaining('default, emails, low'),
    })
  })

  test('the stack of a failed dispatch contains the line that awaits it, and each dispatch has its own error', async () => {
    await using bench = await Bench.make(connect)
    await failing(bench.client({ connection: 'mysql://nowhere' }))
    const { jobs } = bench
    await failing(jobs, 'nowhere')
    const { store } = await insideOf(jobs).open()
    await failing(jobs, 'nowhere')
    await store.close()
    await failing(jobs)
  })

  test('a call is sent again under its number only if the store may have executed it', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const enqueue = vi.spyOn(store, 'enqueue')
    const dispatch = (code: 'STORE_UNREACHABLE' | 'STORE_UNCERTAIN') => {
      enqueue.mockClear().mockRejectedValueOnce(new JobsError(code, 'no answer'))
      return bench.jobs.dispatch(new NoteJob(), { n: 1 })
    }
    await expect(dispatch('STORE_UNREACHABLE')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    expect(enqueue).toHaveBeenCalledTimes(1)
    expect(await dispatch('STORE_UNCERTAIN')).toBe(true)
    const [first, second] = enqueue.mock.calls.map(([, { number }]) => number)
    expect(second).toBe(first)
  })

  test('flush waits for dispatches that are under way', async () => {
    await using bench = await Bench.make(connect)
    let queued = 0
    for (let n = 0; n < 20; n++) void bench.jobs.dispatch(new NoteJob(), { n }).then(() => queued++)
    await bench.jobs.flush()
    expect(queued).toBe(20)
  })

  test('a key that no worker ever knew causes one warning if workers know other keys', async () => {
    await using bench = await Bench.make(connect)
    class KnownJob extends Job {
      handle() {}
    }
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      await bench.work([KnownJob])
      await bench.jobs.dispatch(new KnownJob())
      for (let n = 0; n < 3; n++) await bench.jobs.dispatch(new NoteJob(), { n })
      await bench.jobs.flush()
      expect(warn.mock.calls.map(([text]) => text)).toEqual([
        expect.stringContaining("No worker has ever known the job key 'note': its jobs wait until one does."),
      ])
    } finally {
      warn.mockRestore()
    }
  })

  test('a dispatch into a full queue resolves to false, with the rejection', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: { max: 3 } } })
    const job = new NoteJob()
    expect(await client.dispatchMany(job, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])).toBe(false)
    expect(job.ids).toHaveLength(3)
    expect(job.rejection).toEqual({ reason: 'full' })
    const [queue] = (await client.status()).queues
    expect(queue?.counts.waiting).toBe(3)
  })

  test('a dispatch into a full queue that drops its oldest job resolves to true, and the oldest job ends as cancelled', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: { max: 2, full: 'drop-oldest' } } })
    const sent = [new NoteJob(), new NoteJob(), new NoteJob()]
    for (const [n, job] of sent.entries()) expect(await client.dispatch(job, { n })).toBe(true)
    expect(await client.find(sent[0]!.id!)).toMatchObject({ state: 'cancelled', reason: 'dropped' })
    const [queue] = (await client.status()).queues
    expect(queue?.counts).toMatchObject({ waiting: 2, cancelled: 1 })
  })
}
