import { expect, test } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import {
  createJobs,
  group,
  Job,
  type JobPage,
  type ListFilter,
  type ListOptions,
  tags,
} from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { State } from '../../src/model/record.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { Bench, type Connect } from './bench.ts'

interface Sale {
  shop: number
  card?: { type: string; last?: number[] }
  text?: string
}

class SaleJob extends Job {
  override readonly key: string = 'sale'
  override tries = 1
  handle(_payload: Sale): void {}
}
class RefundJob extends SaleJob {
  override readonly key = 'refund'
  override queueName = 'emails'
}
class ShopJob extends SaleJob {
  override readonly key = 'shop'
  override group = group((payload: Sale) => payload.shop)
}

class TaggedJob extends SaleJob {
  override readonly key = 'tagged'
  override tags = ['billing', 'late']
}
class BilledJob extends SaleJob {
  override readonly key = 'billed'
  override tags = tags(({ shop }: Sale) => {
    if (shop === -2) throw new Error('no shop')
    return shop === 0 ? [] : shop === -1 ? (undefined as never) : ['billing', `shop-${shop}`]
  })
}

const LEASE = 30_000

/** Reads all pages of a list one after the other, and calls `between` after each page. */
async function pagesOf(
  jobs: Jobs,
  filter: ListFilter,
  options: ListOptions = {},
  between: () => Promise<unknown> = async () => {},
): Promise<JobPage<SaleJob>[]> {
  const pages: JobPage<SaleJob>[] = []
  let cursor: string | undefined
  do {
    const page = await jobs.list<SaleJob>(filter, { ...options, ...(cursor !== undefined && { cursor }) })
    expect(page.jobs.length).toBeLessThanOrEqual(options.limit ?? 100)
    expect(page.position === undefined).toBe(page.cursor === undefined)
    pages.push(page)
    cursor = page.cursor
    if (cursor !== undefined) await between()
  } while (cursor !== undefined)
  return pages
}

async function idsOf(...args: Parameters<typeof pagesOf>): Promise<string[]> {
  return (await pagesOf(...args)).flatMap(({ jobs }) => jobs.map(({ id }) => id))
}

async function dispatched(jobs: Jobs, job: Job, payloads: readonly Sale[]): Promise<string[]> {
  await jobs.dispatchMany(job as SaleJob, payloads as [Sale])
  return [...job.ids]
}

const sales = (count: number, more: Partial<Sale> = {}) =>
  Array.from({ length: count }, (_, shop) => ({ shop, ...more }))

/** Claims jobs, and ends them or leaves them active, for a test. */
class Hand {
  readonly #store: Store
  readonly #partition: string
  #number = 0

  private constructor(store: Store, partition: string) {
    this.#store = store
    this.#partition = partition
  }

  static async on(jobs: Jobs, partition = 'default'): Promise<Hand> {
    return new Hand((await insideOf(jobs).open()).store, partition)
  }

  async claim(limit: number): Promise<{ id: string; token: string }[]> {
    const call = { caller: 'hand', number: ++this.#number }
    return (await this.#store.exchange(this.#partition, call, [], { limit, leaseMs: LEASE })).jobs
  }

  /** Ends each job with a separate call in a separate millisecond. */
  async end(held: { id: string; token: string }[], state: 'completed' | 'failed'): Promise<void> {
    for (const { id, token } of held) {
      const before = await this.#store.now()
      while ((await this.#store.now()) === before);
      const call = { caller: 'hand', number: ++this.#number }
      const error = { name: 'Error', message: 'no', run: 1 }
      const outcome = state === 'completed' ? { kind: state } : { kind: state, error }
      await this.#store.exchange(this.#partition, call, [{ id, token, outcome }], {
        limit: 0,
        leaseMs: LEASE,
      })
    }
  }

  async renew(held: readonly { id: string; token: string }[]): Promise<void> {
    await this.#store.extend(this.#partition, 'hand', held, 2 * LEASE)
  }
}

export function listing(connect: Connect): void {
  test('a list has each job of all queues, partitions and states once, ordered by state', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { default: { partitions: 3 }, emails: {}, low: {} } })
    const all = await dispatched(jobs, new SaleJob(), sales(40))
    all.push(...(await dispatched(jobs, Object.assign(new SaleJob(), { delay: '1h' }), sales(7))))
    all.push(...(await dispatched(jobs, Object.assign(new RefundJob(), { priority: 4 }), sales(5))))
    for (const partition of ['default', 'default/1', 'emails']) {
      const hand = await Hand.on(jobs, partition)
      await hand.end(await hand.claim(2), 'completed')
      await hand.end(await hand.claim(1), 'failed')
      await hand.claim(1)
    }
    await jobs.cancel([all[51]!, all[41]!])
    for (const limit of [3, 7, 100, 1_000]) {
      const pages = await pagesOf(jobs, {}, { limit })
      const found = pages.flatMap((page) => page.jobs)
      expect(found.map(({ id }) => id).sort()).toEqual(all.toSorted())
      expect(pages.reduce((sum, { scanned }) => sum + scanned, 0)).toBe(52)
      const places = found.map(({ partition, state }) => `${partition} ${states.indexOf(state)}`)
      expect(places).toEqual(places.toSorted())
    }
    const [emails] = await pagesOf(jobs, { queue: 'emails', state: ['failed', 'completed', 'waiting'] })
    expect(emails!.jobs.map(({ state }) => state)).toEqual(['failed', 'completed', 'completed'])
    expect(emails!.jobs[0]).toEqual(await withoutLog(jobs, emails!.jobs[0]!.id))
    expect(await idsOf(jobs, { queue: ['emails', 'default'] })).toHaveLength(52)
    expect(await idsOf(jobs, { queue: 'low' })).toEqual([])
    await expect(jobs.list({ queue: ['emails', 'emial'] })).rejects.toMatchObject({
      code: 'UNKNOWN_QUEUE',
      message: "There is no queue 'emial'",
    })
  })

  test('a list of ended jobs begins with the latest or the earliest end, and may have a first instant', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await dispatched(jobs, new SaleJob(), sales(9))
    const hand = await Hand.on(jobs)
    const held = await hand.claim(9)
    await hand.end(held, 'failed')
    const ended = held.map(({ id }) => id)
    for (const limit of [2, 100]) {
      expect(await idsOf(jobs, { state: 'failed' }, { limit })).toEqual(ended.toReversed())
      expect(await idsOf(jobs, { state: 'failed' }, { limit, order: 'oldest' })).toEqual(ended)
    }
    const since = new Date((await jobs.find(ended[6]!))!.finishedAt!)
    for (const limit of [1, 100]) {
      const found = await pagesOf(jobs, { state: 'failed', since }, { limit })
      expect(found.flatMap((page) => page.jobs.map(({ id }) => id))).toEqual(ended.slice(6).toReversed())
      // The list stops at the first job that ended before the instant.
      if (limit === 100) expect(found.map(({ scanned }) => scanned)).toEqual([3])
      expect(await idsOf(jobs, { state: 'failed', since }, { limit, order: 'oldest' })).toEqual(
        ended.slice(6),
      )
    }
    expect(await idsOf(jobs, { since: '1h' })).toHaveLength(9)
    const [late] = await dispatched(jobs, new SaleJob(), sales(1))
    const { queuedAt } = (await jobs.find(late!))!
    expect(await idsOf(jobs, { state: ['waiting'], since: new Date(queuedAt) })).toEqual([late])
    expect(await idsOf(jobs, { state: ['waiting'], since: new Date(queuedAt + 1) })).toEqual([])
  })

  test('a page reads no more than a thousand jobs, and reports how many it has read', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await dispatched(jobs, new SaleJob(), sales(1_500))
    const few = await dispatched(jobs, Object.assign(new RefundJob(), { queueName: 'default' }), sales(3))
    await dispatched(jobs, new SaleJob(), sales(700))
    for (const filter of [{ key: 'refund' }, { key: 'refund', where: { shop: 1 } }, { where: { shop: 1 } }]) {
      const pages = await pagesOf(jobs, filter)
      const found = pages.flatMap((page) => page.jobs)
      if (filter.where === undefined) expect(found.map(({ id }) => id)).toEqual(few)
      else if (filter.key !== undefined) expect(found.map(({ id }) => id)).toEqual([few[1]])
      else expect(found.map(({ key }) => key)).toEqual(['sale', 'refund', 'sale'])
      for (const { scanned } of pages) expect(scanned).toBeLessThanOrEqual(1_000)
      expect(pages.reduce((sum, { scanned }) => sum + scanned, 0)).toBe(2_203)
      expect(pages[0]!.position).toEqual({ queue: 'default', partition: 'default', state: 'waiting' })
    }
    const [first] = await pagesOf(jobs, { key: 'refund' })
    expect(first).toMatchObject({ jobs: [], scanned: 1_000, cursor: expect.any(String) })
  })

  test('a page reads a few megabytes, however rare the jobs are', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    for (let i = 0; i < 9; i++) await dispatched(jobs, new SaleJob(), sales(1, { text: 'x'.repeat(400_000) }))
    const last = await dispatched(jobs, new SaleJob(), [{ shop: 7 }])
    for (let i = 0; i < 9; i++) await dispatched(jobs, new SaleJob(), sales(1, { text: 'x'.repeat(400_000) }))
    const pages = await pagesOf(jobs, { where: { shop: 7 } })
    expect(pages.flatMap((page) => page.jobs).map(({ id }) => id)).toEqual(last)
    for (const { scanned } of pages) expect(scanned).toBeLessThan(15)
  })

  test('where compares JSON values by path, and group compares names of groups', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const cards = [{ type: 'visa', last: [4, 2] }, { type: 'amex' }, undefined]
    const [visa, amex, none] = await dispatched(
      jobs,
      new SaleJob(),
      cards.map((card, shop) => (card === undefined ? { shop } : { shop, card })),
    )
    const [long] = await dispatched(jobs, new ShopJob(), [{ shop: 7 }, { shop: 8 }])
    const listed = (filter: ListFilter) => idsOf(jobs, filter)
    expect(await listed({ where: { 'card.type': 'visa' } })).toEqual([visa])
    expect(await listed({ where: { card: { last: [4, 2], type: 'visa' } } })).toEqual([visa])
    expect(await listed({ where: { card: { type: 'visa' } } })).toEqual([])
    expect(await listed({ where: { 'card.last.1': 2, shop: 0 } })).toEqual([visa])
    expect(await listed({ where: { 'card.type': 'amex', shop: 0 } })).toEqual([])
    expect(await listed({ where: { 'card.type.length': 4 } })).toEqual([])
    expect(await listed({ where: { 'card.constructor.name': 'Object' } })).toEqual([])
    expect(await listed({ where: { 'card.last.length': 2 } })).toEqual([visa])
    expect(await listed({ where: { shop: '1' } })).toEqual([])
    expect(await listed({ where: { shop: 1 } })).toEqual([amex])
    expect(await listed({ where: { shop: 2 }, key: 'sale' })).toEqual([none])
    expect(await listed({ idPrefix: visa!.slice(0, 12), key: 'sale' })).toContain(visa)
    expect(await listed({ idPrefix: visa! })).toEqual([visa])
    expect(await listed({ idPrefix: `${visa}0` })).toEqual([])
    expect(await listed({ group: 7 })).toEqual([long])
    expect(await listed({ group: '7', key: 'sale' })).toEqual([])
  })

  test('a class, a payload and a draft give tags to jobs', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const { id: listed } = await jobs
      .dispatch([new TaggedJob().with({ shop: 1 })])
      .then(([handle]) => handle!)
    const [vip, plain] = await jobs.dispatch([
      new BilledJob().with({ shop: 7 }).tagged('vip').tagged('shop-7', 'a|b,c'),
      new BilledJob().with({ shop: 0 }),
    ])
    const own = Object.assign(new TaggedJob(), { tags: ['other'] })
    await jobs.dispatch(own, { shop: 2 })
    const tagsOf = async (id: string) => (await jobs.find(id))!.options?.tags
    expect(await tagsOf(listed)).toEqual(['billing', 'late'])
    expect(await tagsOf(vip.id)).toEqual(['billing', 'shop-7', 'vip', 'a|b,c'])
    expect((await jobs.find(plain.id))!.options).toBeUndefined()
    expect(await tagsOf(own.id!)).toEqual(['other'])
    expect(await idsOf(jobs, { tag: 'billing' })).toEqual([listed, vip.id])
    expect(await idsOf(jobs, { tag: 'a|b,c', key: 'billed' })).toEqual([vip.id])
    expect(await idsOf(jobs, { tag: 'a' })).toEqual([])
    const [{ id: unread }] = await jobs.dispatch([new SaleJob().with({ shop: 1 }).tagged('x'.repeat(64))])
    expect(await idsOf(jobs, { tag: 'x'.repeat(64) })).toEqual([unread])
    const wrong: [unknown[], string][] = [
      [['x'.repeat(65)], 'tags are ['],
      [[''], "tags are [ '' ]"],
      [[7], 'tags are [ 7 ]'],
      [['a\nb'], "tags are [ 'a\\nb' ]"],
      [['\ud83d'], 'tags are'],
      [Array.from({ length: 11 }, (_, i) => `${i}`), 'tags are ['],
    ]
    for (const [tags, message] of wrong)
      await expect(
        jobs.dispatch([new SaleJob().with({ shop: 1 }).tagged(...(tags as string[]))]),
      ).rejects.toMatchObject({
        code: 'JOB_INVALID',
        message: expect.stringContaining(`SaleJob: ${message}`),
      })
    await expect(jobs.dispatch(new BilledJob(), { shop: -1 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message:
        'BilledJob: tags are undefined; they must be a list of up to 10 texts of up to 64 characters, without control characters',
    })
    await expect(jobs.dispatch(new BilledJob(), { shop: -2 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: 'BilledJob: tags threw: no shop',
    })
    await expect(
      jobs.dispatch(Object.assign(new SaleJob(), { tags: 'vip' }), { shop: 1 }),
    ).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: expect.stringContaining("SaleJob: tags is 'vip'; it must be a list of up to 10 texts"),
    })
  })

  test('a cursor works in another process, and only for the same list', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const all = await dispatched(jobs, new SaleJob(), sales(8))
    const filter = { state: 'waiting', key: 'sale' } as const
    const { cursor } = await jobs.list(filter, { limit: 3 })
    await jobs.close()
    const other = bench.client()
    const { jobs: rest } = await other.list({ key: 'sale', state: 'waiting' }, { cursor: cursor! })
    expect(rest.map(({ id }) => id)).toEqual(all.slice(3))
    const foreign: [ListFilter, ListOptions & { cursor: string }][] = [
      [{ ...filter, key: 'refund' }, { cursor: cursor! }],
      [{ state: 'waiting' }, { cursor: cursor! }],
      [filter, { cursor: cursor!, order: 'oldest' }],
      [filter, { cursor: `${cursor}A` }],
      [filter, { cursor: cursor!.slice(1) }],
      [filter, { cursor: 'next' }],
    ]
    for (const [given, options] of foreign) {
      await expect(other.list(given, options)).rejects.toMatchObject({
        code: 'CURSOR_INVALID',
        message: expect.stringContaining('Jobs.list(): cursor is'),
      })
    }
    await using elsewhere = createJobs({ connection: 'sqlite::memory:' })
    await elsewhere.dispatch(new SaleJob(), { shop: 1 })
    const isEmbedded = (await other.status()).store.startsWith('sqlite')
    if (!isEmbedded)
      await expect(elsewhere.list(filter, { cursor: cursor! })).rejects.toMatchObject({
        code: 'CURSOR_INVALID',
      })
  })

  test('if jobs begin and end between two pages, the list neither misses nor repeats other jobs', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const all = await dispatched(jobs, new SaleJob(), sales(60))
    const hand = await Hand.on(jobs)
    const begun: string[] = []
    const between = async () => {
      const held = await hand.claim(3)
      begun.push(...held.map(({ id }) => id))
      await hand.end(held, 'completed')
    }
    const found = await idsOf(jobs, { state: 'waiting' }, { limit: 5 }, between)
    expect(new Set(found).size).toBe(found.length)
    const seen = new Set([...found, ...begun])
    expect(all.filter((id) => !seen.has(id))).toEqual([])
  })

  test('a list has each active job once although its lease is renewed between pages', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const all = await dispatched(jobs, new SaleJob(), sales(25))
    const hand = await Hand.on(jobs)
    const claims = [await hand.claim(9), await hand.claim(9), await hand.claim(7)]
    let turn = 0
    const between = () => hand.renew(claims[turn++ % 3]!.slice(0, 1))
    expect(await idsOf(jobs, { state: 'active' }, { limit: 4 }, between)).toEqual(all)
    expect(await idsOf(jobs, { state: 'active', key: 'refund' })).toEqual([])
  })
}

const states: State[] = ['waiting', 'delayed', 'blocked', 'active', 'completed', 'failed', 'cancelled']

async function withoutLog(jobs: Jobs, id: string): Promise<unknown> {
  const { log: _, ...job } = (await jobs.find(id))!
  return job
}
