/**
 * Large payloads are stored apart from the data that a change of state reads or rewrites. A claim hands out
 * as many large jobs as fit in one answer, in the usual order, and does not change the other jobs.
 */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import { type Filter, MAX_BYTES, MAX_ITEMS, MAX_SMALL, type Store } from '../../src/store/contract/store.ts'
import { signal } from '../working/bench.ts'
import { type Caller, LEASE } from './caller.ts'
import { takeHooks } from './effects.ts'
import { of } from './grouped.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement, unstarted } from './jobs.ts'

/** Makes a job with a large payload that no other job has. */
function large(fields: Partial<NewJob> = {}, bytes = 400_000): NewJob {
  const given = job(fields)
  return { ...given, payload: given.id + 'x'.repeat(bytes - given.id.length) }
}

/** Queues each job with its own call, because one call may contain no more bytes than a claim. */
async function enqueue(caller: Caller, list: readonly NewJob[]): Promise<void> {
  for (const given of list) await caller.enqueue(given)
}

/** The ids of every page of a state. */
async function pagesOf(store: Store, filter: Filter, partition = 'emails'): Promise<string[][]> {
  const pages: string[][] = []
  let cursor: string | undefined
  do {
    const page = await store.list(partition, { ...filter, ...(cursor !== undefined && { cursor }) })
    const bytes = page.jobs.reduce((sum, { payload, result = '' }) => sum + payload.length + result.length, 0)
    if (page.jobs.length > 1) expect(bytes).toBeLessThanOrEqual(MAX_BYTES)
    // If the last page is full, an empty one follows.
    if (page.jobs.length > 0 || page.cursor !== undefined) pages.push(ids(page.jobs))
    cursor = page.cursor
  } while (cursor !== undefined)
  return pages
}

/**
 * Like `pagesOf`, with `heads` instead of `list`. `heads` returns only ids and keys, and for active jobs also
 * their workers and claim times.
 */
async function headsOf(store: Store, filter: Filter, partition = 'emails'): Promise<string[]> {
  const found: string[] = []
  let cursor: string | undefined
  do {
    const page = await store.heads(partition, { ...filter, ...(cursor !== undefined && { cursor }) })
    const fields = filter.state === 'active' ? ['claimedAt', 'holder', 'id', 'key'] : ['id', 'key']
    for (const head of page.jobs) expect(Object.keys(head).sort()).toEqual(fields)
    found.push(...ids(page.jobs))
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

export function largeJobs(make: Make): void {
  test.each([MAX_SMALL - 1, MAX_SMALL, MAX_SMALL + 1, 4_000, 4_001, 500_000])(
    'a payload of %i bytes stays the same in every state of its job',
    async (bytes) => {
      await using harness = await make()
      const { store } = harness
      const caller = harness.caller()
      const given = large({ options: { tries: 9 }, hooked: true }, bytes)
      const payloadOf = async (id: string) => (await store.get('emails', id))?.payload === given.payload
      await caller.enqueue(given)
      expect(await payloadOf(given.id)).toBe(true)
      const first = await caller.claimOne()
      expect(first.payload === given.payload).toBe(true)
      const again = await store.exchange('emails', caller.last(), [], { limit: 1, leaseMs: LEASE })
      expect(again.jobs[0]?.payload === given.payload).toBe(true)
      expect(await payloadOf(given.id)).toBe(true)
      await caller.settle(first, retried(0))
      await caller.settle(await caller.claimOne(), { kind: 'released', in: 0 })
      await caller.settle(await caller.claimOne(), unstarted)
      expect(await harness.caller('bob').claim()).toHaveLength(1)
      await harness.takeBack()
      expect((await store.list('emails', { state: 'waiting' })).jobs[0]?.payload === given.payload).toBe(true)
      const last = await caller.claimOne()
      expect(last).toMatchObject({ options: { tries: 9 }, failures: 1, crashes: 1, releases: 1 })
      expect(last.payload === given.payload).toBe(true)
      await caller.settle(last, {
        kind: 'failed',
        error: { run: 1, name: 'Error', message: '' },
        untold: true,
      })
      expect((await takeHooks(store))[0]?.payload === given.payload).toBe(true)
      await store.alter('emails', [given.id], { kind: 'retry' })
      expect((await caller.claimOne()).payload === given.payload).toBe(true)
    },
  )

  test('a page without payloads has room for many jobs with large payloads', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = [...Array.from({ length: 4 }, () => large()), job({ options: { tags: ['vip'] } })]
    await enqueue(caller, list)
    const lean = { limit: 5, isLean: true }
    const waiting = await store.list('emails', { state: 'waiting', ...lean })
    expect(ids(waiting.jobs)).toEqual(ids(list))
    expect(waiting.jobs.map(({ payload }) => payload)).toEqual(['', '', '', '', ''])
    expect(waiting.jobs[4]).toMatchObject({ key: 'send-email', options: { tags: ['vip'] } })
    for (const _ of list) await caller.settle(await caller.claimOne(), failed)
    const { jobs: ended } = await store.list('emails', { state: 'failed', isMarked: true, ...lean })
    expect(ids(ended).sort()).toEqual(ids(list))
    expect(ended[0]).toMatchObject({ payload: '', errors: [{ message: 'mailbox full' }] })
    expect((await store.get('emails', list[0]!.id))!.payload).toBe(list[0]!.payload)
  })

  test('an edit, or a unique job that replaces the payload, can make a payload small or large', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const lock = { name: 'ada', until: 'done', replace: true } as const
    const first = job({ lock })
    await caller.enqueue(first)
    const texts = [large().payload, '1', large().payload, large().payload, '2']
    for (const [i, payload] of texts.entries()) {
      if (i % 2 === 0) await caller.enqueue(job({ lock, payload }))
      else await store.alter('emails', [first.id], { kind: 'edit', payload })
      expect((await store.get('emails', first.id))?.payload === payload).toBe(true)
    }
    expect((await caller.claimOne()).payload).toBe('2')
  })

  test('no payload of a refused job remains, whether its id exists, its lock is held, or the call is sent again', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const lock = { name: 'ada', until: 'done' } as const
    const first = large({ lock })
    await caller.enqueue(first)
    await store.enqueue('emails', caller.last(), [first])
    expect(await caller.enqueue(large({ id: first.id }))).toEqual(['exists'])
    expect(await caller.enqueue(large({ lock }))).toMatchObject([{ kind: 'rejected' }])
    expect((await caller.claimOne()).payload === first.payload).toBe(true)
  })

  test('a notified caller gets the jobs that fit into one answer, and claims the other jobs after that', async () => {
    await using harness = await make()
    const web = harness.caller('web')
    for (const bytes of [2_000, 40_000, 80_000]) {
      const given = large({}, bytes)
      const handed = signal<string>()
      const ada = harness.caller(`ada-${bytes}`)
      await ada.exchange([], {
        limit: 3,
        leaseMs: LEASE,
        hand: ({ jobs: [one] }) => handed.resolve(one!.payload),
      })
      const wait = harness.store.wait(ada.id, 5_000)
      await web.enqueue(given)
      const got = await Promise.race([handed.promise, wait.then(async () => (await ada.claimOne()).payload)])
      expect(got === given.payload).toBe(true)
      await harness.store.retire(ada.id)
    }
  })

  test('claims of large and small jobs keep the order, also with delayed, cancelled and retried jobs among them', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const list = [large(), job(), large(), large(), job(), large(), job(), large(), large()]
    const due = [large({ delay: 10 }), job({ delay: 10 })]
    const high = [large({ priority: 1 }), large({ priority: 1 }), large({ priority: 1 })]
    await enqueue(caller, [...list, ...due, ...high])
    await store.alter('emails', [list[2]!.id], { kind: 'cancel', reason: 'user' })
    clock.advance(10)
    const back = (await caller.claim(1))[0]!
    await caller.settle(back, unstarted)
    const expected = ids([...high, ...list.filter((_, i) => i !== 2), ...due])
    const claims: number[] = []
    const claimed: string[] = []
    while (claimed.length < expected.length) {
      const held = await caller.claim(100)
      claims.push(held.filter(({ payload }) => payload.length > MAX_SMALL).length)
      claimed.push(...ids(held))
    }
    expect(claimed).toEqual(expected)
    expect(claims).toEqual([2, 2, 2, 2, 1])
  })

  test('if a claim is cut short because of its size, a rate counts each job only once', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const rate = { limit: 6, per: 60_000, kind: 'window', burst: 6 } as const
    await enqueue(
      caller,
      Array.from({ length: 8 }, () => large(of('a', { limits: { rate } }))),
    )
    const sizes: number[] = []
    for (let claim = 0; claim < 4; claim += 1) sizes.push((await caller.claim(10)).length)
    expect(sizes).toEqual([2, 2, 2, 0])
    const other = harness.caller('ada', 'others')
    await enqueue(
      other,
      Array.from({ length: 8 }, () => large()),
    )
    const within = { limit: 10, leaseMs: LEASE, limits: { rate } }
    const counts: number[] = []
    for (let claim = 0; claim < 4; claim += 1) counts.push((await other.exchange([], within)).jobs.length)
    expect(counts).toEqual([2, 2, 2, 0])
  })

  test('large jobs of groups take turns, and a group whose job did not fit is the first in the next claim', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = ['a', 'b', 'c'].map((name) => [large(of(name)), large(of(name)), large(of(name))])
    for (let i = 0; i < 3; i += 1)
      await enqueue(
        caller,
        list.map((group) => group[i]!),
      )
    const claims: string[][] = []
    for (let claim = 0; claim < 5; claim += 1) claims.push(ids(await caller.claim(50)))
    const [a, b, c] = list as [NewJob[], NewJob[], NewJob[]]
    expect(claims).toEqual([
      ids([a[0]!, b[0]!]),
      ids([c[0]!, a[1]!]),
      ids([b[1]!, c[1]!]),
      ids([a[2]!, b[2]!]),
      ids([c[2]!]),
    ])
  })

  test('small jobs of a group begin together with large jobs of another group and of no group', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await enqueue(caller, [
      ...Array.from({ length: 4 }, () => large(of('a'))),
      ...jobs(6, of('b')),
      ...jobs(6),
    ])
    const held = await caller.claim(50)
    expect(held.map(({ group = '-' }) => group).sort()).toEqual([...'------', 'a', 'a', ...'bbbbbb'])
    expect((await caller.claim(50)).map(({ group }) => group)).toEqual(['a', 'a'])
  })

  test('large jobs of a strict group begin one after the other, in their order', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const strict = of('a', { strict: true, limits: { concurrency: 1 } })
    const list = [large(strict), large(strict), large(strict)]
    await enqueue(caller, [...list, large(), large(), large()])
    const begun: string[] = []
    let outcome = retried(0)
    for (let claim = 0; claim < 9; claim += 1) {
      const held = await caller.claim(50)
      for (const one of held) {
        await caller.settle(one, one.group === 'a' ? outcome : completed)
        if (one.group !== 'a') continue
        begun.push(one.id)
        outcome = completed
      }
    }
    expect(begun).toEqual(ids([list[0]!, ...list]))
  })

  test('in a queue with aging, large jobs begin in the order of their aged places', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const old = [large(), large()]
    await enqueue(caller, old)
    harness.clock.advance(5_000)
    const young = [large({ priority: 1 }), large({ priority: 9 })]
    await enqueue(caller, young)
    const want = { limit: 9, leaseMs: LEASE, aging: 1_000 }
    expect(ids((await caller.exchange([], want)).jobs)).toEqual(ids([young[1]!, old[0]!]))
    expect(ids((await caller.exchange([], want)).jobs)).toEqual(ids([old[1]!, young[0]!]))
  })

  test('a page of any state ends at 1 MiB, and the next page continues there', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const list = [large(), job(), large(), large(), large({}, MAX_BYTES + 1), job(), large(), job(), large()]
    const expected = [[0, 1, 2], [3], [4], [5, 6, 7, 8]].map((page) => page.map((i) => list[i]!.id))
    await enqueue(caller, list)
    expect(await pagesOf(store, { state: 'waiting' })).toEqual(expected)
    expect(await pagesOf(store, { state: 'waiting', limit: 2 })).toEqual(
      [[0, 1], [2, 3], [4], [5, 6], [7, 8]].map((page) => page.map((i) => list[i]!.id)),
    )
    expect(await headsOf(store, { state: 'waiting', limit: 2 })).toEqual(ids(list))
    for (const { id } of list) await store.alter('emails', [id], { kind: 'reschedule', in: 5_000 })
    expect(await pagesOf(store, { state: 'delayed' })).toEqual(expected)
    expect(await headsOf(store, { state: 'delayed', limit: 4 })).toEqual(ids(list))
    clock.advance(5_000)
    const held = []
    while (held.length < list.length) held.push(...(await caller.claim(9)))
    expect((await pagesOf(store, { state: 'active' })).flat()).toEqual(ids(list))
    expect(await headsOf(store, { state: 'active', limit: 2 })).toEqual(ids(list))
    // All jobs end at the same instant.
    await caller.exchange(
      held.map((one) => settlement(one, failed)),
      { limit: 0, leaseMs: LEASE },
    )
    const newestFirst = ids(list).reverse()
    expect((await pagesOf(store, { state: 'failed' })).flat()).toEqual(newestFirst)
    expect(await headsOf(store, { state: 'failed', limit: 4 })).toEqual(newestFirst)
  })

  test('results and errors count towards the bytes of a page, and pages of ids do not', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const result = JSON.stringify('r'.repeat(400_000))
    for (let n = 0; n < 4; n += 1) await caller.run(job(), { kind: 'completed', result })
    expect((await pagesOf(store, { state: 'completed' })).map((page) => page.length)).toEqual([2, 2])
    expect((await store.heads('emails', { state: 'completed' })).jobs).toHaveLength(4)
    const error = { run: 1, name: 'Error', message: 'e'.repeat(300_000) }
    for (let n = 0; n < 4; n += 1) await caller.run(job(), { kind: 'failed', error })
    expect((await pagesOf(store, { state: 'failed' })).map((page) => page.length)).toEqual([3, 1])
  })

  test('pages of jobs with groups have each job once, also with cancelled jobs among them', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = Array.from({ length: 12 }, (_, i) => large(i % 3 === 0 ? of('a') : { priority: i % 3 }))
    await enqueue(caller, list)
    const gone = [list[1]!, list[2]!, list[3]!, list[5]!]
    await store.alter('emails', ids(gone), { kind: 'cancel', reason: 'user' })
    const left = list.filter((each) => !gone.includes(each))
    const found = await pagesOf(store, { state: 'waiting' })
    expect(found.flat().sort()).toEqual(ids(left).sort())
    expect(await headsOf(store, { state: 'waiting', limit: 3 })).toEqual(found.flat())
    for (const page of found) expect(page.length).toBeLessThan(3)
  })

  test('`heads` has the same jobs as `list`, and keys may have any characters', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = ['a', '', 'a|b%7C', '\u001d\u001e', 'é'].map((key) => job({ key }))
    await caller.enqueue(...list, ...jobs(150))
    const first = await store.heads('emails', { state: 'waiting' })
    expect(first.jobs).toHaveLength(100)
    expect(first.jobs.slice(0, 5)).toEqual(list.map(({ id, key }) => ({ id, key })))
    const { jobs: rest, cursor } = await store.list('emails', { state: 'waiting', cursor: first.cursor! })
    expect([rest.length, cursor]).toEqual([55, undefined])
    expect(await store.heads('emails', { state: 'blocked' })).toEqual({ jobs: [] })
    expect(await store.heads('nobody', { state: 'failed' })).toEqual({ jobs: [] })
  })

  test('clear and prune remove large jobs too, in as many calls as necessary', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const list = Array.from({ length: 60 }, () => large({}, 300_000))
    await enqueue(caller, list)
    expect(await store.clear('emails', 'waiting')).toBe(60)
    await caller.run(job(), completed)
    await enqueue(caller, list)
    await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
    clock.advance(3_600_001)
    expect(await store.prune('emails')).toBe(61)
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, completed: 0, cancelled: 0 })
  })

  test('one answer with hooks has at most as many bytes as a claim', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = Array.from({ length: 5 }, () => large({ hooked: true }))
    await enqueue(caller, list)
    await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
    const found: string[] = []
    for (let call = 0; call < 3; call += 1) {
      const ended = await takeHooks(store)
      expect(ended.length).toBeLessThanOrEqual(2)
      found.push(...ids(ended))
    }
    expect(found.sort()).toEqual(ids(list))
  })

  test(`${MAX_ITEMS} small jobs fit in one claim, and in one page`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    const payload = 'x'.repeat(1_000)
    await caller.enqueue(...jobs(MAX_ITEMS, { payload }))
    const { jobs: listed } = await harness.store.list('emails', { state: 'waiting', limit: MAX_ITEMS })
    expect(listed.every((each) => each.payload === payload)).toBe(true)
    expect(listed).toHaveLength(MAX_ITEMS)
    expect(await caller.claim(MAX_ITEMS)).toHaveLength(MAX_ITEMS)
  })
}
