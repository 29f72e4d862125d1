import { expect, test } from 'vitest'
import { type GroupOptions, group, Job, limiter, type UniqueOptions, unique } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

interface Payload {
  shop: string
  n: number
}

/** Makes a class whose runs wait for the test, and lists the runs that began. */
function syncShop(options: GroupOptions = {}) {
  const begun: Payload[] = []
  let running = 0
  let most = 0
  class SyncShopJob extends Job {
    override readonly key = 'sync-shop'
    override tries = 2
    override backoff = 20
    override group = group((payload: Payload) => payload.shop, options)
    async handle(payload: Payload): Promise<unknown> {
      begun.push(payload)
      running++
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return undefined
    }
  }
  return { SyncShopJob, begun, most: () => most }
}

/** Tests groups from `dispatch` to the end of the runs. */
export function grouping(connect: Connect): void {
  test('a group with many jobs does not keep another waiting', async () => {
    await using bench = await Bench.make(connect)
    const { SyncShopJob, begun } = syncShop()
    const many = Array.from({ length: 300 }, (_, n) => ({ shop: 'big', n }))
    await bench.jobs.dispatchMany(new SyncShopJob(), many)
    await bench.jobs.dispatch(new SyncShopJob(), { shop: 'small', n: 0 })
    await (await bench.work([SyncShopJob], { stopWhenEmpty: true, concurrency: 4 })).done
    expect(begun).toHaveLength(301)
    expect(begun.findIndex(({ shop }) => shop === 'small')).toBeLessThanOrEqual(4)
  })

  test('two workers together keep the limit of a group, and other groups go on', async () => {
    await using bench = await Bench.make(connect)
    const { SyncShopJob, begun, most } = syncShop({ concurrency: 1 })
    for (const shop of ['a', 'b', 'c'])
      await bench.jobs.dispatchMany(
        new SyncShopJob(),
        Array.from({ length: 20 }, (_, n) => ({ shop, n })),
      )
    const client = bench.client()
    const workers = await Promise.all([
      bench.work([SyncShopJob], { stopWhenEmpty: true }),
      bench.work([SyncShopJob], { stopWhenEmpty: true }, client),
    ])
    await Promise.all(workers.map((worker) => worker.done))
    expect(begun).toHaveLength(60)
    expect(most()).toBeLessThanOrEqual(3)
    for (const shop of ['a', 'b', 'c'])
      expect(begun.filter((payload) => payload.shop === shop).map(({ n }) => n)).toEqual(
        Array.from({ length: 20 }, (_, n) => n),
      )
  })

  test('in a strict group, a job waits for the end of the job before it and of its retry', async () => {
    await using bench = await Bench.make(connect)
    const story: string[] = []
    class TransferJob extends Job {
      override readonly key = 'transfer'
      override tries = 2
      override backoff = 30
      override group = group((payload: Payload) => payload.shop, { strict: true })
      async handle({ n }: Payload) {
        story.push(`${n}.${this.attempt}`)
        if (n === 1 && this.attempt === 1) throw new Error('try again')
        if (n === 2 && story.filter((each) => each === '2.1').length === 1) this.release(20)
      }
    }
    const payloads = [1, 2, 3].map((n) => ({ shop: 'a', n }))
    await bench.jobs.dispatchMany(new TransferJob(), payloads)
    await (await bench.work([TransferJob], { stopWhenEmpty: true })).done
    expect(story).toEqual(['1.1', '1.2', '2.1', '2.1', '3.1'])
  })

  test('pauseGroup() releases the job, and no job of the group begins during the pause', async () => {
    await using bench = await Bench.make(connect)
    const begun: string[] = []
    class CallJob extends Job {
      override readonly key = 'call'
      override group = group((payload: Payload) => payload.shop)
      async handle({ shop, n }: Payload) {
        begun.push(`${shop}${n}`)
        if (shop === 'a' && n === 1 && begun.length === 1) this.pauseGroup(300)
      }
    }
    const report = new Record()
    await bench.jobs.dispatchMany(new CallJob(), [
      { shop: 'a', n: 1 },
      { shop: 'a', n: 2 },
      { shop: 'b', n: 1 },
      { shop: 'b', n: 2 },
    ])
    const worker = await bench.work([CallJob], { stopWhenEmpty: true, concurrency: 1, report })
    await worker.done
    expect(begun.slice(0, 3)).toEqual(['a1', 'b1', 'b2'])
    expect(begun.slice(3).sort()).toEqual(['a1', 'a2'])
    expect(report.endings.filter(({ outcome }) => outcome.kind === 'released')).toHaveLength(1)
  })

  test('waiting jobs of a paused group in a paused queue run when both are resumed', async () => {
    await using bench = await Bench.make(connect)
    const { SyncShopJob, begun } = syncShop()
    await bench.jobs.pause({ queue: 'default', group: 'a' })
    const report = new Record()
    await using _worker = await bench.work([SyncShopJob], { report })
    await bench.jobs.dispatch(new SyncShopJob(), { shop: 'a', n: 1 })
    await bench.jobs.dispatch(new SyncShopJob(), { shop: 'b', n: 1 })
    await report.ends(1)
    expect(begun).toEqual([{ shop: 'b', n: 1 }])
    await bench.jobs.pause({ queue: 'default' })
    await bench.jobs.resume({ queue: 'default', group: 'a' })
    await bench.jobs.resume({ queue: 'default' })
    await report.ends(2)
    expect(begun).toHaveLength(2)
    const wrong = bench.jobs.pause({ queue: 'default', group: 'a', because: 'no' })
    await expect(wrong).rejects.toMatchObject({ code: 'PAUSE_INVALID' })
    const unknown = bench.jobs.pause({ queue: 'nowhere' })
    await expect(unknown).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  })

  test('in a queue with several partitions, all dispatchers put the jobs of a group into one partition', async () => {
    await using bench = await Bench.make(connect)
    const queues = { default: { partitions: 3 } }
    const clients = [bench.client({ queues }), bench.client({ queues })]
    const { SyncShopJob, begun, most } = syncShop({ concurrency: 1 })
    const shops = ['a', 'b', 'c', 'd', 'e', 'f']
    const places = new Map<string, Set<string>>(shops.map((shop) => [shop, new Set()]))
    for (const client of clients)
      for (const shop of shops) {
        const job = new SyncShopJob()
        await client.dispatchMany(
          job,
          [1, 2, 3].map((n) => ({ shop, n })),
        )
        for (const id of job.ids) places.get(shop)!.add((await client.find(id))!.partition)
      }
    expect([...places.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1, 1, 1])
    expect(new Set([...places.values()].flatMap((each) => [...each])).size).toBeGreaterThan(1)
    await (await bench.work([SyncShopJob], { stopWhenEmpty: true, concurrency: 20 }, clients[0])).done
    expect(begun).toHaveLength(36)
    expect(most()).toBeLessThanOrEqual(6)
  })

  test('the record of a job names the group', async () => {
    await using bench = await Bench.make(connect)
    const { SyncShopJob } = syncShop()
    const job = new SyncShopJob()
    await bench.jobs.dispatch(job, { shop: 'x/y |1', n: 1 })
    expect(await bench.jobs.find(job.id!)).toMatchObject({ group: 'x/y |1', state: 'waiting' })
  })

  test.each([
    [{ concurrency: 0 }, 'group.concurrency is 0; it must be a whole number from 1'],
    [{ rate: { limit: -1 } }, 'group.rate.limit is -1; it must be a whole number from 1'],
    [{ strict: true, concurrency: 2 }, 'group.concurrency is 2; it must be absent'],
    [{ strict: 'yes' }, "group.strict is 'yes'; it must be true or false"],
    [{ weight: 2 }, 'group.weight is not an option'],
  ])('a class with this group is refused when it is registered: %j', async (options, message) => {
    await using bench = await Bench.make(connect)
    const { SyncShopJob } = syncShop(options as GroupOptions)
    await expect(bench.jobs.dispatch(new SyncShopJob(), { shop: 'a', n: 1 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: expect.stringContaining(`SyncShopJob: ${message}`),
    })
  })

  test('with a limiter of the class, both the order of each group and the limiter apply', async () => {
    await using bench = await Bench.make(connect)
    const [running, order] = [new Map<string, number>(), new Map<string, number[]>()]
    const most = { group: 0, all: 0 }
    class CallShopJob extends Job {
      override group = group(({ shop }: { shop: string; n: number }) => shop, { strict: true })
      override limiter = limiter({ concurrency: 2 })
      async handle({ shop, n }: { shop: string; n: number }) {
        running.set(shop, (running.get(shop) ?? 0) + 1)
        order.set(shop, [...(order.get(shop) ?? []), n])
        most.group = Math.max(most.group, running.get(shop)!)
        most.all = Math.max(
          most.all,
          [...running.values()].reduce((sum, count) => sum + count, 0),
        )
        await new Promise((resolve) => setTimeout(resolve, 3))
        running.set(shop, running.get(shop)! - 1)
        if (n === 2 && this.attempt === 1) throw new Error('busy')
      }
      override backoff = 20
    }
    const numbers = [1, 2, 3, 4, 5]
    const shops = ['a', 'b', 'c']
    await bench.jobs.dispatchMany(
      new CallShopJob(),
      shops.flatMap((shop) => numbers.map((n) => ({ shop, n }))),
    )
    const clients = [bench.jobs, bench.client()]
    const workers = clients.map((client) => bench.work([CallShopJob], { stopWhenEmpty: true }, client))
    for (const worker of await Promise.all(workers)) await worker.done
    expect(most).toEqual({ group: 1, all: 2 })
    for (const shop of shops) expect(order.get(shop)).toEqual([1, 2, 2, 3, 4, 5])
  })

  test.each([
    ['limits', { concurrency: 2 }],
    ['a strict order', { strict: true }],
  ] as const)('%s of a group accept a number as weight, and refuse a function', async (_, options) => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ limiters: { stripe: { concurrency: 4 } } })
    const { SyncShopJob } = syncShop(options)
    class WeighedJob extends SyncShopJob {
      override limiter = limiter('stripe', { weight: ({ n }: Payload) => n })
    }
    await expect(client.dispatch(new WeighedJob(), { shop: 'a', n: 1 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: expect.stringContaining(
        'limiter.weight is a function; it must be a number, because all jobs of a group must need the same number of permits',
      ),
    })
  })

  test.each([
    [
      '\ud800',
      'SyncShopJob: group gave a text with half of a surrogate pair; it must give a text or a number',
    ],
    [undefined, 'SyncShopJob: group gave undefined; it must give a text or a number'],
    ['', 'SyncShopJob: group gave an empty text; it must give a text or a number'],
  ])('a job of a group with this name is refused when it is dispatched: %j', async (shop, message) => {
    await using bench = await Bench.make(connect)
    const { SyncShopJob } = syncShop()
    const dispatched = bench.jobs.dispatch(new SyncShopJob(), { shop: shop as string, n: 1 })
    await expect(dispatched).rejects.toMatchObject({ code: 'JOB_INVALID', message })
  })

  test('with keepLast, the last job that was dispatched during a run runs next, even after a failure', async () => {
    await using bench = await Bench.make(connect)
    const { IndexJob, ran, started, gate } = indexJob({ keepLast: true })
    const report = new Record()
    await using _worker = await bench.work([IndexJob], { report })
    expect(await bench.jobs.dispatch(new IndexJob(), { shop: 'a', n: 1 })).toBe(true)
    await started.promise
    const later = await Promise.all(
      [2, 3, 4].map((n) => bench.jobs.dispatch(new IndexJob(), { shop: 'a', n })),
    )
    expect(later).toEqual([true, true, true])
    expect(await bench.jobs.dispatch(new IndexJob(), { shop: 'b', n: 1 })).toBe(true)
    await report.ends(1)
    expect(ran).toEqual(['a1', 'b1'])
    gate.resolve()
    // The first job fails once and is retried. The last job waits for the retry too.
    await report.ends(4)
    expect(ran).toEqual(['a1', 'b1', 'a1', 'a4'])
  })

  test('keepLast is refused if the class has a group, or together with until done', async () => {
    await using bench = await Bench.make(connect)
    const { IndexJob } = indexJob({ keepLast: true })
    class GroupedJob extends IndexJob {
      override group = group((payload: Payload) => payload.shop)
    }
    const payload = { shop: 'a', n: 1 }
    await expect(bench.jobs.dispatch(new GroupedJob(), payload)).rejects.toMatchObject({
      message: expect.stringContaining('it must be absent: keepLast has groups of its own'),
    })
    const { IndexJob: DoneJob } = indexJob({ keepLast: true, until: 'done' })
    await expect(bench.jobs.dispatch(new DoneJob(), payload)).rejects.toMatchObject({
      message: "IndexJob: unique.until is 'done'; it must be absent, because keepLast means 'start'",
    })
  })
}

/** A class whose first run for shop `a` waits for `gate` and then fails. */
function indexJob(options: UniqueOptions) {
  const ran: string[] = []
  const started = signal()
  const gate = signal()
  class IndexJob extends Job {
    override readonly key = 'index'
    override tries = 2
    override backoff = 20
    override unique = unique((payload: Payload) => payload.shop, options)
    async handle({ shop, n }: Payload) {
      ran.push(`${shop}${n}`)
      if (shop !== 'a' || n !== 1 || this.attempt > 1) return
      started.resolve()
      await gate.promise
      throw new Error('once more')
    }
  }
  return { IndexJob, ran, started, gate }
}
