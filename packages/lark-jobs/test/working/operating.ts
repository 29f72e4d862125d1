import { expect, test } from 'vitest'
import { circuitBreaker, createJobs, group, Job, limiter, rateLimited } from '../../src/index.ts'
import { cancellable, operate, retention } from '../../src/operate.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class FailJob extends Job {
  override readonly key: string = 'fail'
  override tries = 1
  handle(payload: { n: number }): void {
    throw new Error(`no ${payload.n}`)
  }
}
class OtherJob extends FailJob {
  override readonly key = 'other'
}

export function operating(connect: Connect): void {
  test('another process operates an instance of Jobs through the store alone', async () => {
    await using bench = await Bench.make(connect)
    const operating = operate(bench.client())
    const job = new FailJob()
    await bench.jobs.dispatch(job, { n: 1 })
    expect((await operating.find(job.id!))?.state).toBe('waiting')
    const report = new Record()
    const worker = await bench.work([FailJob, OtherJob], { report })
    expect(await operating.workers.list()).toMatchObject([
      { id: worker.id, keys: ['fail', 'other', 'lark:command'] },
    ])
    await report.ends(1)
    await worker.stop()
    const [failed] = await operating.failed<FailJob>()
    expect(failed).toMatchObject({ id: job.id, payload: { n: 1 }, state: 'failed' })
    expect(await operating.retry('failed', 'default')).toBe(1)
    expect(await operating.pause({ queue: 'default' })).toEqual({ wasPaused: false })
    expect((await operating.status()).queues[0]).toMatchObject({ queue: 'default', paused: true })
    expect(await operating.resume({ queue: 'default' })).toEqual({ wasPaused: true })
    expect(await operating.cancel({ key: 'fail' }, { dryRun: true })).toEqual({ cancelled: 1, asked: 0 })
    expect(await operating.cancel(job.id!)).toEqual({ cancelled: 1, asked: 0 })
    expect(await operating.keys()).toEqual(['fail', 'lark:command', 'other'])
  })

  test('ping returns the duration of one call', async () => {
    await using bench = await Bench.make(connect)
    const began = performance.now()
    expect(await operate(bench.jobs).name()).toBe((await bench.jobs.status()).store)
    const ping = await operate(bench.jobs).ping()
    expect(ping).toBeGreaterThan(0)
    expect(ping).toBeLessThan(performance.now() - began)
  })

  test('a message names a condition as the caller named it', async () => {
    await using bench = await Bench.make(connect)
    const operating = operate(bench.jobs, { names: { key: '--job', limit: 'The number of jobs' } })
    await expect(operating.cancel({ key: '' })).rejects.toMatchObject({
      code: 'FILTER_INVALID',
      message: "--job is ''; it must be the key of a job class",
    })
    await expect(operating.failed({ limit: 0 })).rejects.toThrow('The number of jobs is 0; it must be')
    await expect(operating.failed({ queue: '' })).rejects.toThrow("queue is ''; it must be")
  })

  test('the address of a store is known without opening it, and erase removes all of this store and nothing else', async () => {
    await using bench = await Bench.make(connect)
    const place = await operate(bench.jobs).place()
    expect(place).toMatchObject({ durability: 'normal' })
    const { connection, prefix } = place
    const beside =
      typeof connection === 'string' && connection.startsWith('sqlite:')
        ? { connection: connection.replace('.db', '-beside.db'), prefix }
        : { connection, prefix: `${prefix}-beside` }
    await using other = createJobs(beside)
    await other.dispatch(new FailJob(), { n: 1 })
    await bench.jobs.dispatch(new FailJob(), { n: 2 })
    await expect(operate(other).erase({} as { all: true })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await other.close()
    await operate(other).erase({ all: true })
    const waiting = async (jobs: typeof other) => (await jobs.status()).queues[0]?.counts.waiting
    expect(await waiting(bench.jobs)).toBe(1)
    expect(await waiting(other)).toBe(0)
    await other.close()
    await operate(other).erase({ all: true })
  })

  test('the package also exports the constants that commands and dashboards need', () => {
    expect(cancellable).toEqual(['waiting', 'delayed', 'blocked', 'active'])
    expect(retention.failed).toMatchObject({ count: 100_000, age: 30 * 86_400_000, bytes: 256 * 2 ** 20 })
  })

  test('pages list the running jobs of each worker', async () => {
    await using bench = await Bench.make(connect)
    const [begun, go] = [signal(), signal()]
    let running = 0
    class SlowJob extends Job {
      override key = 'slow'
      async handle() {
        if (++running === 3) begun.resolve()
        await go.promise
      }
    }
    const operating = operate(bench.client())
    expect(await operating.runs()).toEqual({ runs: [] })
    const worker = await bench.work([SlowJob], { concurrency: 3 })
    const drafts = ['default', 'emails', 'emails', 'low'].map((queue) => new SlowJob().with().onQueue(queue))
    const handles = await bench.jobs.dispatch(drafts)
    await begun.promise
    const { runs, cursor } = await operating.runs()
    expect(cursor).toBeUndefined()
    const taken = runs.map(({ id }) => id)
    expect(taken.length).toBeGreaterThanOrEqual(3)
    for (const run of runs) {
      expect(run).toMatchObject({
        key: 'slow',
        worker: worker.id,
        partition: run.queue,
        since: expect.any(Number),
      })
      expect(handles.find(({ id }) => id === run.id)?.queue).toBe(run.queue)
    }
    const paged: string[] = []
    let next: string | undefined
    do {
      const page = await operating.runs({ worker: worker.id }, { limit: 1, ...(next && { cursor: next }) })
      paged.push(...page.runs.map(({ id }) => id))
      next = page.cursor
    } while (next !== undefined)
    expect(new Set(paged)).toEqual(new Set(taken))
    expect(await operating.runs({ worker: 'nobody' })).toEqual({ runs: [] })
    expect((await operating.runs({ queue: 'emails' })).runs.every(({ queue }) => queue === 'emails')).toBe(
      true,
    )
    await expect(operating.runs({ queue: 'none' })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    await expect(operating.runs({}, { cursor: 'x' })).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
    await expect(operating.runs({ que: 'x' } as object)).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    go.resolve()
  })

  test('pages list the groups of a queue in each state', async () => {
    await using bench = await Bench.make(connect)
    const [begun, go] = [signal(), signal()]
    class ShopJob extends Job {
      override key = 'shop'
      override group = group((payload: { shop: string }) => payload.shop, { concurrency: 1 })
      async handle({ shop }: { shop: string }) {
        if (shop === 'full') begun.resolve()
        await go.promise
      }
    }
    const operating = operate(bench.client())
    const long = 'x'.repeat(80)
    const drafts = ['full', 'full', 'held', '~odd', long].map((shop) => new ShopJob().with({ shop }))
    for (const group of ['held', '~odd', long]) await bench.jobs.pause({ queue: 'default', group })
    await bench.jobs.dispatch(drafts)
    await bench.work([ShopJob])
    await begun.promise
    const queue = 'default'
    const { groups, cursor } = await operating.groups({ queue })
    expect(cursor).toBeUndefined()
    const where = { queue, partition: queue }
    const full = { ...where, group: 'full', state: 'full', pending: 1, active: 1 }
    const held = { ...where, state: 'paused', pending: 1, active: 0 }
    expect(groups.at(-1)).toEqual(full)
    expect(groups.slice(0, -1)).toHaveLength(3)
    expect(groups).toContainEqual({ ...held, group: 'held' })
    expect(groups).toContainEqual({ ...held, group: '~odd' })
    expect(groups).toContainEqual({ ...held, groupHash: expect.stringMatching(/^#/) })
    expect(await operating.groups({ queue, state: 'full' })).toEqual({ groups: [full] })
    expect(await operating.groups({ queue, state: 'running' })).toEqual({ groups: [] })
    expect(await operating.groups({ queue, name: 'HEL' })).toMatchObject({ groups: [{ group: 'held' }] })
    expect(await operating.groups({ queue, name: 'xxx' })).toEqual({ groups: [] })
    expect(await operating.groups({ queue, name: 'l', state: 'full' })).toEqual({ groups: [full] })
    const first = await operating.groups({ queue }, { limit: 2 })
    const rest = await operating.groups({ queue }, { limit: 2, cursor: first.cursor! })
    expect([...first.groups, ...rest.groups]).toEqual(groups)
    await expect(operating.groups({} as { queue: string })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await expect(operating.groups({ queue }, { cursor: 'x' })).rejects.toMatchObject({
      code: 'CURSOR_INVALID',
    })
    go.resolve()
  })

  test('operate() lists limiters with their holders and waiting jobs, and open circuits', async () => {
    await using bench = await Bench.make(connect)
    const [begun, go] = [signal(), signal()]
    class HoldJob extends Job {
      override key = 'hold'
      override limiter = limiter('stripe', { weight: 2 })
      async handle() {
        begun.resolve()
        await go.promise
      }
    }
    class BreakJob extends Job {
      override key = 'break'
      override tries = 1
      override middleware() {
        return [circuitBreaker({ failures: 1, pause: '1h', name: 'mail' }), rateLimited('spare')]
      }
      handle() {
        throw new Error('503')
      }
    }
    const limiters = { stripe: { concurrency: 3 }, spare: { rate: { limit: 9, per: '1m' } } }
    const client = bench.client({ limiters })
    const operating = operate(client)
    expect((await operating.limiters()).map(({ limiter, held }) => [limiter, held])).toEqual([
      ['spare', 0],
      ['stripe', 0],
    ])
    const report = new Record()
    const worker = await bench.work([HoldJob, BreakJob], { report }, client)
    await client.dispatch([new HoldJob().with(), new BreakJob().with()])
    await Promise.all([begun.promise, report.ends(1)])
    expect((await operating.limiters()).at(-1)).toEqual({
      limiter: 'stripe',
      limits: { concurrency: 3 },
      held: 2,
      holders: [{ worker: worker.id, permits: 2, until: expect.any(Number) }],
      waits: [],
    })
    // The worker announces its circuits at the latest when it becomes quiet.
    worker.quiet()
    await expect
      .poll(() => operating.circuits())
      .toEqual([{ circuit: 'mail', state: 'open', openedAt: expect.any(Number), until: expect.any(Number) }])
    go.resolve()
  })
}
