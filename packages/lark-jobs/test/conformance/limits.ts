/** The largest calls and payloads, and texts that the store must return unchanged. */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import { MAX_BYTES, MAX_ITEMS } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, jobs, settlement } from './jobs.ts'

/** Texts that could be changed by separators, escapes, guessed types or encodings. */
const weird = [
  '',
  ' ',
  '0',
  '007',
  '1e3',
  'null',
  'a|b|c',
  'a\nb\r\n',
  'tab\there',
  `quote's "both" \\ %s $1 ?`,
  '{emails}:x',
  'ünïcödé',
  '👩‍👩‍👧',
  '\u2028\u2029\ufeff',
  '\u0001\u001f',
]

export function limits(make: Make): void {
  test(`one call may have ${MAX_ITEMS} jobs, claims, settlements, notes or changes`, async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = jobs(MAX_ITEMS)
    expect(new Set(await caller.enqueue(...list))).toEqual(new Set(['queued']))
    expect(new Set(await store.alter('emails', ids(list), { kind: 'edit', payload: '1' }))).toEqual(
      new Set(['done']),
    )
    const held = await caller.claim(MAX_ITEMS)
    expect(ids(held)).toEqual(ids(list))
    expect(await store.extend('emails', 'ada', held, LEASE)).toEqual({ lost: [], notices: [] })
    const { verdicts } = await caller.exchange(
      held.map((claimed) => settlement(claimed, completed)),
      { limit: MAX_ITEMS, leaseMs: LEASE },
    )
    expect(verdicts).toHaveLength(MAX_ITEMS)
    expect(new Set(verdicts)).toEqual(new Set(['settled']))
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, active: 0, completed: MAX_ITEMS })
  })

  test(`a claim hands out at most ${MAX_ITEMS} jobs, however many it asks for`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(MAX_ITEMS))
    await caller.enqueue(...jobs(50))
    const first = await caller.exchange([], { limit: 5_000, leaseMs: LEASE })
    expect(first.jobs).toHaveLength(MAX_ITEMS)
    expect(first.nextDue).toBe(0)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 50, active: MAX_ITEMS })
    expect(await caller.claim(5_000)).toHaveLength(50)
  })

  test('a claim hands out at most 1 MiB, and the other jobs keep their places', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const large = (fields: Partial<NewJob> = {}) => job({ ...fields, payload: 'x'.repeat(400_000) })
    const low = [large({ priority: -1 }), large({ priority: -1 })]
    const normal = [large(), large(), job(), large()]
    const high = [large({ priority: 1 })]
    const due = [large({ delay: 10 }), large({ delay: 10 })]
    for (const given of [...low, ...normal, ...high, ...due]) await caller.enqueue(given)
    harness.clock.advance(10)
    const expected = ids([...high, ...normal, ...due, ...low])
    const claimed: string[] = []
    while (claimed.length < expected.length) {
      const { jobs: held, nextDue } = await caller.exchange([], { limit: 5, leaseMs: LEASE })
      expect(held.length).toBeGreaterThan(0)
      const bytes = held.reduce((sum, { payload }) => sum + payload.length, 0)
      expect(bytes).toBeLessThanOrEqual(MAX_BYTES)
      claimed.push(...ids(held))
      expect(nextDue).toBe(claimed.length < expected.length ? 0 : undefined)
      const { waiting, active } = await harness.store.counts('emails')
      expect([waiting, active]).toEqual([expected.length - claimed.length, claimed.length])
    }
    expect(claimed).toEqual(expected)
  })

  test('five jobs of 400 KB need three claims', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(2, { payload: 'x'.repeat(400_000) }))
    await caller.enqueue(...jobs(2, { payload: 'x'.repeat(400_000) }))
    await caller.enqueue(job({ payload: 'x'.repeat(400_000) }))
    const sizes: number[] = []
    for (let claim = 0; claim < 4; claim += 1) sizes.push((await caller.claim(5)).length)
    expect(sizes).toEqual([2, 2, 1, 0])
  })

  test('if more jobs wait than fit in a claim, the answer says that more wait, and the caller gets no notification', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    for (let n = 0; n < 3; n += 1) await ada.enqueue(job({ payload: 'x'.repeat(600_000) }))
    expect(await ada.exchange([], { limit: 3, leaseMs: LEASE })).toMatchObject({ jobs: [{}], nextDue: 0 })
    await harness.caller('web').enqueue(job())
    expect(await harness.store.wait('ada', 60)).toEqual([])
  })

  test('a job that is larger than the limit of a claim is handed out alone', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const huge = job({ payload: 'x'.repeat(MAX_BYTES + 1) })
    const [before, after] = [job(), job()]
    for (const given of [before, huge, after]) await caller.enqueue(given)
    expect(ids(await caller.claim(5))).toEqual([before.id])
    expect(ids(await caller.claim(5))).toEqual([huge.id])
    expect(ids(await caller.claim(5))).toEqual([after.id])
  })

  test('a payload of 512 KiB is returned unchanged', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const payload = JSON.stringify({ text: 'é|"\n'.repeat(80_000).slice(0, 260_000) })
    expect(Buffer.byteLength(payload)).toBeGreaterThan(512 * 1024 - 200_000)
    await caller.enqueue(job({ payload }))
    const held = await caller.claimOne()
    expect(held.payload === payload).toBe(true)
    await caller.settle(held, { kind: 'completed', result: payload })
    expect((await harness.store.get('emails', held.id))?.result === payload).toBe(true)
  })

  test('keys and payloads may be any texts, and are returned unchanged', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = weird.map((text) => job({ key: text, payload: text }))
    await caller.enqueue(...list)
    const held = await caller.claim(weird.length)
    expect(held.map(({ key }) => key)).toEqual(weird)
    expect(held.map(({ payload }) => payload)).toEqual(weird)
    await caller.exchange(
      held.map((claimed) => settlement(claimed, { kind: 'completed', result: claimed.payload })),
      { limit: 0, leaseMs: LEASE },
    )
    for (const { id, key } of list) {
      expect(await harness.store.get('emails', id)).toMatchObject({ key, payload: key, result: key })
    }
  })

  test('an id that looks like a number is returned unchanged', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = ['0000000000012', '12', '1e3'].map((id) => job({ id }))
    await caller.enqueue(...list)
    expect(ids(await caller.claim(3))).toEqual(ids(list))
  })

  test('jobs may have the highest and the lowest priority', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = [-100, 100, -99, 99].map((priority) => job({ priority }))
    await caller.enqueue(...list)
    expect((await caller.claim(4)).map(({ priority }) => priority)).toEqual([100, 99, -99, -100])
  })
}
