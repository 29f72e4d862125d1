import { expect, test } from 'vitest'
import { Job, type JobConstructor, type UniqueOptions, unique } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

interface Payload {
  user: number
  n?: number
}

/** Makes a class whose handler waits for `gate`, and lists its runs. */
function syncJob(options: UniqueOptions = {}) {
  const ran: Payload[] = []
  const started = signal()
  const gate = signal()
  class SyncJob extends Job {
    override readonly key = 'sync'
    override tries = 1
    override unique = unique((payload: Payload) => payload.user, options)
    async handle(payload: Payload) {
      ran.push(payload)
      started.resolve()
      await gate.promise
    }
  }
  return { SyncJob, ran, started, gate }
}

/** Tests unique jobs from `dispatch` to the end of their runs. */
export function uniqueness(connect: Connect): void {
  test('a dispatch of a duplicate resolves to false with the rejection, and a job with another name is queued', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob } = syncJob()
    const first = new SyncJob()
    expect(await bench.jobs.dispatch(first, { user: 1 })).toBe(true)
    expect(first.rejection).toBeUndefined()
    const second = new SyncJob()
    expect(await bench.jobs.dispatch(second, { user: 1, n: 2 })).toBe(false)
    expect(second.rejection).toEqual({ reason: 'unique', by: first.id })
    expect(second.id).toBeUndefined()
    expect(await bench.jobs.dispatch(second, { user: 2 })).toBe(true)
    expect(second.rejection).toBeUndefined()
    expect(second.id).not.toBe(first.id)
  })

  test('one of many duplicates in one tick is queued', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob, ran, gate } = syncJob()
    const dispatched = await Promise.all(
      Array.from({ length: 200 }, (_, n) => bench.jobs.dispatch(new SyncJob(), { user: n % 2, n })),
    )
    expect(dispatched.filter(Boolean)).toHaveLength(2)
    gate.resolve()
    await (await bench.work([SyncJob], { stopWhenEmpty: true })).done
    expect(ran).toEqual([
      { user: 0, n: 0 },
      { user: 1, n: 1 },
    ])
  })

  test('dispatchMany queues jobs without a duplicate, and returns the rejection of the first duplicate', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob } = syncJob()
    const job = new SyncJob()
    expect(await bench.jobs.dispatchMany(job, [{ user: 1 }, { user: 2 }, { user: 1 }, { user: 3 }])).toBe(
      false,
    )
    expect(job.ids).toHaveLength(3)
    expect(job.rejection).toEqual({ reason: 'unique', by: job.ids[0] })
  })

  test('with until done, no second job is queued while the first runs, and the next one is queued after its end', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob, ran, started, gate } = syncJob()
    await bench.jobs.dispatch(new SyncJob(), { user: 1, n: 1 })
    const report = new Record()
    await bench.work([SyncJob], { report })
    await started.promise
    expect(await bench.jobs.dispatch(new SyncJob(), { user: 1, n: 2 })).toBe(false)
    const ended = report.ends(1)
    gate.resolve()
    await ended
    // The worker reports the run before it settles the job in the store.
    while (!(await bench.jobs.dispatch(new SyncJob(), { user: 1, n: 3 })));
    await report.ends(2)
    expect(ran).toEqual([
      { user: 1, n: 1 },
      { user: 1, n: 3 },
    ])
  })

  test('with until start, one job may wait while another runs', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob, started, gate } = syncJob({ until: 'start' })
    await bench.jobs.dispatch(new SyncJob(), { user: 1 })
    await bench.work([SyncJob], { concurrency: 1 })
    await started.promise
    expect(await bench.jobs.dispatch(new SyncJob(), { user: 1 })).toBe(true)
    expect(await bench.jobs.dispatch(new SyncJob(), { user: 1 })).toBe(false)
    gate.resolve()
  })

  test('replace resolves to true with the id of the waiting job, which runs with the last payload', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob, ran, gate } = syncJob({ replace: true })
    const [first, second] = [new SyncJob(), new SyncJob()]
    await bench.jobs.dispatch(first, { user: 1, n: 1 })
    expect(await bench.jobs.dispatch(second, { user: 1, n: 2 })).toBe(true)
    expect(second.id).toBe(first.id)
    gate.resolve()
    await (await bench.work([SyncJob], { stopWhenEmpty: true })).done
    expect(ran).toEqual([{ user: 1, n: 2 }])
  })

  test('with debounce, only the last of many dispatches runs, once, after the wait', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob, ran, gate } = syncJob({ debounce: 300 })
    gate.resolve()
    const report = new Record()
    await bench.work([SyncJob], { report })
    const ended = report.ends(1)
    for (let n = 0; n < 10; n++) expect(await bench.jobs.dispatch(new SyncJob(), { user: 1, n })).toBe(true)
    expect(ran).toEqual([])
    await ended
    expect(ran).toEqual([{ user: 1, n: 9 }])
  })

  test('with throttle, no second job is queued within the time, even if the first is done', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob, gate } = syncJob({ throttle: '1h' })
    gate.resolve()
    const first = new SyncJob()
    await bench.jobs.dispatch(first, { user: 1 })
    await (await bench.work([SyncJob], { stopWhenEmpty: true })).done
    const second = new SyncJob()
    expect(await bench.jobs.dispatch(second, { user: 1 })).toBe(false)
    expect(second.rejection).toEqual({ reason: 'throttled', by: first.id })
  })

  test('a failed job can be retried by hand only while no other job with its name exists', async () => {
    await using bench = await Bench.make(connect)
    class FailJob extends Job {
      override tries = 1
      override unique = unique()
      handle() {
        throw new Error('no')
      }
    }
    const first = new FailJob()
    await bench.jobs.dispatch(first)
    await (await bench.work([FailJob], { stopWhenEmpty: true })).done
    const second = new FailJob()
    await bench.jobs.dispatch(second)
    await expect(bench.jobs.retry([first.id!])).rejects.toMatchObject({
      code: 'JOB_NOT_RETRIABLE',
      message: `${first.id} is unique, and another job of its kind exists: ${second.id}`,
    })
    expect(await bench.jobs.retry('failed')).toBe(0)
    await (await bench.work([FailJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.retry([first.id!])).toBe(1)
  })

  test('in a queue with several partitions, all processes together queue one job', async () => {
    await using bench = await Bench.make(connect)
    const { SyncJob } = syncJob()
    const queues = { default: { partitions: 5 } }
    const clients = [bench.client({ queues }), bench.client({ queues }), bench.client({ queues })]
    const dispatched = await Promise.all(
      Array.from({ length: 60 }, (_, n) => clients[n % 3]!.dispatch(new SyncJob(), { user: n % 20 })),
    )
    expect(dispatched.filter(Boolean)).toHaveLength(20)
    const many = new SyncJob()
    const payloads = Array.from({ length: 40 }, (_, user) => ({ user }))
    expect(await clients[0]!.dispatchMany(many, payloads)).toBe(false)
    expect(many.ids).toHaveLength(20)
    const counts = await Promise.all(many.ids.map((id) => bench.client({ queues }).find(id)))
    expect(counts.map((job) => (job!.payload as Payload).user)).toEqual(
      payloads.slice(20).map(({ user }) => user),
    )
    expect(new Set(counts.map((job) => job!.partition)).size).toBeGreaterThan(1)
  })

  test('a function that returns an invalid name is refused, and no job is queued', async () => {
    await using bench = await Bench.make(connect)
    class BadJob extends Job {
      override unique = unique(
        (payload: Payload) => (payload.n === 0 ? JSON.parse('{') : payload.n) as number,
      )
      handle(_payload: Payload) {}
    }
    await expect(bench.jobs.dispatch(new BadJob(), { user: 1 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: 'BadJob: unique gave undefined; it must give a text or a number',
    })
    class ObjectJob extends Job {
      override unique = unique((payload: Payload) => payload as never)
      handle(_payload: Payload) {}
    }
    await expect(bench.jobs.dispatch(new ObjectJob(), { user: 1 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: 'ObjectJob: unique gave object; it must give a text or a number',
    })
    await expect(bench.jobs.dispatch(new BadJob(), { user: 1, n: 0 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: expect.stringMatching(/^BadJob: unique threw: /),
    })
    expect((await bench.jobs.status()).queues.every(({ counts }) => counts.waiting === 0)).toBe(true)
  })

  const wrong: [unknown, string][] = [
    ['user', "unique is 'user'; it must be unique(), or unique((payload) => payload.id)"],
    [unique({ until: 'end' as 'done' }), "unique.until is 'end'; it must be 'start', 'done' or 'queued'"],
    [unique({ debounce: 'soon' }), "unique.debounce is 'soon'; it must be milliseconds"],
    [unique({ throttle: 0 }), 'unique.throttle is 0; it must be milliseconds'],
    [unique({ maxWait: '1m' }), "unique.maxWait is '1m'; it must be absent, because debounce is not set"],
    [unique({ debounce: 1, throttle: 1 }), 'unique.throttle is 1; it must be absent'],
    [unique({ untl: 'done' } as UniqueOptions), 'unique.untl is not an option'],
  ]
  test.each(wrong)('a wrong unique option is refused: %j', async (option, message) => {
    await using bench = await Bench.make(connect)
    class WrongJob extends Job {
      override unique = option as never
      handle() {}
    }
    const refused = { code: 'JOB_INVALID', message: expect.stringContaining('WrongJob: unique') }
    await expect(bench.work([WrongJob as unknown as JobConstructor & (new () => Job)])).rejects.toMatchObject(
      refused,
    )
    const error: Error = await bench.jobs.dispatch(new WrongJob()).catch((thrown) => thrown)
    expect(error.message).toContain(message)
  })
}
