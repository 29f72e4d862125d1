import { expect, test } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { group, Job, type ListFilter } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { search } from '../../src/operate/look/search.ts'
import { operate, REDACTED, type SearchOptions, type SearchStep } from '../../src/operate.ts'
import { Bench, type Connect } from './bench.ts'

interface Order {
  order: { id: string; amount?: number }
  note?: unknown
}

class OrderJob extends Job {
  override readonly key: string = 'order'
  override tries = 1
  handle({ order }: Order): void {
    if (order.amount === -1) throw new Error('no stock')
  }
}
class PaidJob extends OrderJob {
  override readonly key = 'paid'
  override queueName = 'payments'
  static override readonly redact = ['order.id']
}

const orders = (count: number, from = 0): Order[] =>
  Array.from({ length: count }, (_, i) => ({ order: { id: `A-${from + i}` } }))

/** Returns all steps of a search. @param between called after each step */
async function stepsOf(
  jobs: Jobs,
  filter: ListFilter,
  options: SearchOptions = {},
  between: () => unknown = () => {},
): Promise<SearchStep<OrderJob>[]> {
  const steps: SearchStep<OrderJob>[] = []
  for await (const step of operate(jobs).search<OrderJob>(filter, options)) {
    steps.push(step)
    await between()
  }
  return steps
}

const found = (steps: readonly SearchStep<OrderJob>[]) => steps.flatMap(({ jobs }) => jobs)

export function searching(connect: Connect): void {
  test('a search looks at every job, and finds the one with a value in its payload', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { default: { partitions: 2 }, payments: {} } })
    await jobs.dispatchMany(new OrderJob(), orders(3_000) as [Order])
    await jobs.dispatchMany(
      Object.assign(new OrderJob(), { queueName: 'payments', delay: '1h' }),
      orders(500, 3_000) as [Order],
    )
    for (const n of [0, 2_999, 3_499]) {
      const steps = await stepsOf(jobs, { where: { 'order.id': `A-${n}` } })
      expect(found(steps).map(({ payload }) => payload)).toEqual([{ order: { id: `A-${n}` } }])
      expect(steps.at(-1)).toMatchObject({ looked: 3_500, of: 3_500 })
      expect(steps.at(-1)!.cursor).toBeUndefined()
      for (const { looked, of } of steps) expect(looked).toBeLessThanOrEqual(of)
    }
    expect(found(await stepsOf(jobs, { where: { 'order.id': 'A-3500' } }))).toEqual([])
    expect((await stepsOf(jobs, { queue: 'payments', key: 'paid' })).at(-1)).toMatchObject({ of: 500 })
    await expect(stepsOf(jobs, { queue: 'paymnts' })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    await expect(stepsOf(jobs, { where: {} })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await expect(stepsOf(jobs, {}, { limit: 0 })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
  })

  test('a search and a list find the jobs of a group, whatever its name is', async () => {
    class TenantJob extends OrderJob {
      override readonly key = 'tenant'
      override group = group(({ note }: Order) => note as string)
    }
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const names = ['acme', 'tenant:42', 'joe@x.com', 'a b', 'x,y', 'Ünï/1', '100%', 'a^b', 'tenant:421']
    for (const note of names) await jobs.dispatch(new TenantJob(), { order: { id: note }, note })
    for (const name of names) {
      const listed = (await jobs.list({ group: name })).jobs
      for (const all of [listed, found(await stepsOf(jobs, { group: name }))])
        expect(all.map(({ payload }) => (payload as Order).note)).toEqual([name])
    }
  })

  test('a search goes on although the calls before its first page take longer than a step', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatchMany(new OrderJob(), orders(300) as [Order])
    const { store, settings } = await insideOf(jobs).open()
    const slow = new Proxy(store, {
      get(of, name) {
        const value = Reflect.get(of, name, of)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          if (name === 'standings') await new Promise((resolve) => setTimeout(resolve, 120))
          return value.apply(of, args)
        }
      },
    })
    let [looked, steps] = [0, 0]
    for await (const step of search({ store: slow, queues: settings.partitions }, { key: 'order' }, {})) {
      looked = step.looked
      if (++steps > 20) break
    }
    expect(looked).toBe(300)
  })

  test('a search ends when it has found enough, and goes on after its cursor', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatchMany(new OrderJob(), orders(2_500) as [Order])
    const ids: string[] = []
    let cursor: string | undefined
    let searches = 0
    do {
      const options = { limit: 700, ...(cursor !== undefined && { cursor }) }
      const steps = await stepsOf(jobs, { key: 'order' }, options)
      expect(found(steps).length).toBeLessThanOrEqual(700)
      ids.push(...found(steps).map(({ id }) => id))
      cursor = steps.at(-1)!.cursor
      searches++
    } while (cursor !== undefined)
    expect(searches).toBe(4)
    expect(new Set(ids).size).toBe(2_500)
    expect(ids).toHaveLength(2_500)
  })

  test('an aborted search returns its position, and another search can continue there', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatchMany(new OrderJob(), orders(2_000) as [Order])
    const abort = new AbortController()
    abort.abort()
    const filter = { where: { 'order.id': 'A-1999' } }
    const [first, ...none] = await stepsOf(jobs, filter, { signal: abort.signal })
    expect(none).toEqual([])
    expect(first).toMatchObject({ jobs: [], of: 2_000, cursor: expect.any(String) })
    expect(first!.looked).toBeLessThan(2_000)
    const rest = await stepsOf(jobs, filter, { cursor: first!.cursor! })
    expect(found(rest)).toHaveLength(1)
    expect(first!.looked + rest.at(-1)!.looked).toBe(2_000)
    await expect(stepsOf(jobs, { key: 'order' }, { cursor: first!.cursor! })).rejects.toMatchObject({
      code: 'CURSOR_INVALID',
    })
  })

  test('a search does not find a redacted value, and its answer is the same as for a value that does not exist', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { default: {}, payments: {} } })
    const [paid] = await jobs.dispatch([new PaidJob().with({ order: { id: 'secret-7', amount: 4 } })])
    await jobs.dispatch([new OrderJob().with({ order: { id: 'open-7', amount: 4 } })])
    const looked = async (where: Record<string, unknown>) => {
      const steps = await stepsOf(jobs, { where })
      return [found(steps).map(({ id }) => id), steps.at(-1)!.looked, steps.length]
    }
    expect(await looked({ 'order.id': 'secret-7' })).toEqual(await looked({ 'order.id': 'nobody-7' }))
    expect(await looked({ order: { id: 'secret-7', amount: 4 } })).toEqual([[], 2, 1])
    expect(await looked({ 'order.id': REDACTED })).toEqual([[paid!.id], 2, 1])
    expect(await looked({ order: { id: REDACTED, amount: 4 } })).toEqual([[paid!.id], 2, 1])
    expect((await looked({ 'order.amount': 4 }))[0]).toHaveLength(2)
  })

  test('a search finds a value in whatever way JSON writes it', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const notes: unknown[] = [
      'é"\\/<b>&\u2028\u001e|',
      '',
      -7,
      0.000_000_1,
      1e21,
      true,
      null,
      ['a', { b: 'c\n' }],
      { 'ü.x': [] },
      'x'.repeat(70_000),
    ]
    for (const [i, note] of notes.entries())
      await jobs.dispatch([new OrderJob().with({ order: { id: `A-${i}` }, note })])
    for (const [i, note] of notes.entries())
      expect(found(await stepsOf(jobs, { where: { note } })).map(({ payload }) => payload?.order.id)).toEqual(
        [`A-${i}`],
      )
  })
}
