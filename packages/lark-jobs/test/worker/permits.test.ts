import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { JobsError } from '../../src/model/errors.ts'
import type { Limits } from '../../src/model/limits.ts'
import type { Taken } from '../../src/run/middleware/permits.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { RESEND } from '../../src/worker/fetch/claimer.ts'
import { ClaimPermits } from '../../src/worker/permits/claim-permits.ts'
import { PermitPools } from '../../src/worker/permits/permit-pools.ts'
import { retention } from '../redis/stores.ts'

const LEASE = 15_000

/** A store whose clock the test moves, and workers that share its limiters. */
class Shop implements AsyncDisposable {
  now = 1_000_000
  readonly store = new SqliteStore(':memory:', { retention, clock: () => this.now })
  readonly end = new AbortController()
  /** The limiters that workers hold, one entry for each worker. */
  readonly held: string[] = []
  readonly met: unknown[] = []
  isAfterOutage = false
  readonly permit = vi.spyOn(this.store.limiters, 'permit')
  readonly renew = vi.spyOn(this.store.limiters, 'renew')

  worker(holder: string, limiters: Record<string, Limits> = {}, leaseMs = LEASE): PermitPools {
    return new PermitPools({
      store: this.store,
      holder,
      leaseMs,
      limiters: new Map(Object.entries(limiters)),
      holds: (name, isHeld) => {
        if (isHeld) this.held.push(name)
        else this.held.splice(this.held.indexOf(name), 1)
      },
      trouble: (error) => this.met.push(error),
      isAfterOutage: () => this.isAfterOutage,
      signal: this.end.signal,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end.abort()
    await this.store.close()
  }
}

async function open(): Promise<Shop> {
  const shop = new Shop()
  await shop.store.open()
  return shop
}

afterEach(() => {
  vi.restoreAllMocks()
})

const forever = new AbortController().signal
const take = (worker: PermitPools, name: string, weight = 1, signal = forever) =>
  worker.take(name, weight, signal)
const many = (worker: PermitPools, name: string, count: number, weight = 1) =>
  Promise.all(Array.from({ length: count }, () => take(worker, name, weight)))
const granted = (list: Taken[]) => list.filter(({ kind }) => kind === 'granted').length
function giveBack(taken: Taken): void {
  if (taken.kind !== 'granted') throw new Error('expected a permit')
  taken.giveBack()
}
function refund(taken: Taken): void {
  if (taken.kind !== 'granted') throw new Error('expected a permit')
  taken.refund()
}

test('requests and returned permits of one tick are sent in one call, and a worker without permits makes no call', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: { concurrency: 4 } }))
  const first = await many(ada!, 'stripe', 3)
  expect(shop.permit).toHaveBeenCalledTimes(1)
  expect(granted(await many(bob!, 'stripe', 3))).toBe(1)
  for (const taken of first) giveBack(taken)
  const next = await many(ada!, 'stripe', 4)
  expect(granted(next)).toBe(3)
  expect(shop.permit).toHaveBeenCalledTimes(3)
  for (const taken of next) if (taken.kind === 'granted') giveBack(taken)
  // To give back a permit a second time does nothing.
  for (const taken of next) if (taken.kind === 'granted') giveBack(taken)
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalledTimes(4))
  expect(granted(await many(bob!, 'stripe', 9))).toBe(3)
  await ada!.renew()
  expect(shop.renew).not.toHaveBeenCalled()
})

test('permits are renewed as long as jobs hold them, and the store is told again about permits that it has lost', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: { concurrency: 1 } }))
  const taken = await take(ada!, 'stripe')
  expect(shop.held).toEqual(['stripe'])
  for (let round = 0; round < 5; round++) {
    shop.now += LEASE / 3
    expect(await ada!.renew()).toBe(true)
  }
  expect((await take(bob!, 'stripe')).kind).toBe('refused')
  shop.now += LEASE
  giveBack(await take(bob!, 'stripe'))
  await ada!.renew()
  await vi.waitFor(async () => expect((await take(bob!, 'stripe')).kind).toBe('refused'))
  giveBack(taken)
  await vi.waitFor(() => expect(shop.held).toEqual([]))
  giveBack(await take(bob!, 'stripe'))
})

test('of the requests that a rate has refused, only as many are repeated at a time as the rate allows', async () => {
  await using shop = await open()
  const rate = { limit: 2, per: 1_000, kind: 'sliding', burst: 2 } as const
  const ada = shop.worker('ada', { stripe: { rate } })
  const list = await many(ada, 'stripe', 7)
  expect(list.map((taken) => (taken.kind === 'granted' ? 0 : taken.wait))).toEqual([
    0, 0, 1_000, 1_000, 2_000, 2_000, 3_000,
  ])
  // Permits of a rate are not held.
  for (const taken of list) if (taken.kind === 'granted') taken.giveBack()
  expect(shop.held).toEqual([])
  await ada.stop()
  expect(shop.permit).toHaveBeenCalledTimes(1)
})

const hourly = (limit: number): Limits => ({ rate: { limit, per: 3_600_000, kind: 'window', burst: limit } })

test('permits of a rate that no job has used are given back in one call, and only once', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: hourly(4) }))
  const [first, ...others] = await many(ada!, 'stripe', 4)
  giveBack(first!)
  for (const taken of others) refund(taken)
  for (const taken of [first!, ...others]) refund(taken)
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalledTimes(2))
  expect(shop.permit.mock.calls[1]).toMatchObject([
    'stripe',
    { wanted: 0, after: 1, unused: [{ number: 1, count: 3 }] },
  ])
  const next = await many(bob!, 'stripe', 9)
  expect(granted(next)).toBe(3)
  // One call gives the unused permit back and asks for another.
  refund(next[0]!)
  expect((await take(bob!, 'stripe')).kind).toBe('granted')
  expect(shop.permit).toHaveBeenCalledTimes(4)
})

test('if a request is refused while permits of the rate are given back, the request is made again', async () => {
  await using shop = await open()
  const ada = shop.worker('ada', { stripe: hourly(1) })
  const first = await take(ada, 'stripe')
  const second = take(ada, 'stripe')
  await Promise.resolve()
  expect(shop.permit).toHaveBeenCalledTimes(2)
  refund(first)
  expect((await second).kind).toBe('granted')
  expect(shop.permit).toHaveBeenCalledTimes(3)
})

test('a claimer that waits for a rate of an hour asks again after a second, and then more and more rarely', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  try {
    await using shop = await open()
    const limits: Limits = { rate: { kind: 'bucket', limit: 1, per: 3_600_000, burst: 1 } }
    const other = await take(shop.worker('ada', { slow: limits }), 'slow')
    const permits = shop.worker('bob')
    const waits = new ClaimPermits({ permits, limiters: () => limits, warn: () => {}, signal: forever })
    void waits.start()
    const brought: (object | undefined)[] = []
    const claimer = {
      ring: () =>
        void waits.prepare(claimer, 1).then((some) => {
          brought.push(some)
          waits.answered(claimer, [], some === undefined ? { 'slow*1': 1 } : {})
        }),
    }
    shop.permit.mockClear()
    waits.answered(claimer, [], { 'slow*1': 1 })
    await vi.advanceTimersByTimeAsync(0)
    expect(shop.permit).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1_300)
    expect(shop.permit).toHaveBeenCalledTimes(2)
    // The waits double: 1, 2, 4, … 512 s.
    await vi.advanceTimersByTimeAsync(1_500_000)
    expect(shop.permit.mock.calls.length).toBeLessThan(13)
    expect(brought.every((some) => some === undefined)).toBe(true)
    refund(other)
    await vi.advanceTimersByTimeAsync(1_500_000)
    expect(brought).toContainEqual({ 'slow*1': 1 })
    await waits.stop()
    await permits.stop()
  } finally {
    vi.useRealTimers()
  }
})

test('if the call that gives unused permits back fails, they are not given back again, because the store may have got the call', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: hourly(2) }))
  const [taken] = await many(ada!, 'stripe', 2)
  shop.permit.mockImplementationOnce(async (...args) => {
    await shop.store.limiters.permit(...args)
    throw new JobsError('STORE_DAMAGED', 'no answer')
  })
  refund(taken!)
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalledTimes(3))
  expect(granted(await many(ada!, 'stripe', 2))).toBe(1)
  expect(granted(await many(bob!, 'stripe', 2))).toBe(0)
})

test.each<[string, Limits]>([
  ['concurrency', { concurrency: 1 }],
  ['rate', hourly(1)],
])('permits that go back just before the worker stops are free: %s', async (_, limits) => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: limits }))
  refund(await take(ada!, 'stripe'))
  await ada!.stop()
  expect((await take(bob!, 'stripe')).kind).toBe('granted')
})

test('permits of a rate that arrive after the worker has stopped are given back', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: hourly(1) }))
  let answer = () => {}
  shop.permit.mockImplementationOnce(async (...args) => {
    const permitted = await shop.store.limiters.permit(...args)
    await new Promise<void>((resolve) => {
      answer = resolve
    })
    return permitted
  })
  const asked = take(ada!, 'stripe')
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalledTimes(2))
  const stopped = ada!.stop()
  answer()
  await stopped
  expect((await asked).kind).toBe('refused')
  expect((await take(bob!, 'stripe')).kind).toBe('granted')
})

test('requests are grouped by weight, and each job gets all its permits or none', async () => {
  await using shop = await open()
  const ada = shop.worker('ada', { stripe: { concurrency: 7 } })
  const list = await Promise.all([3, 1, 3, 3, 1].map((weight) => take(ada, 'stripe', weight)))
  expect(list.map(({ kind }) => kind)).toEqual(['granted', 'granted', 'granted', 'refused', 'refused'])
})

test.each<[string, Limits]>([
  ['concurrency', { concurrency: 1 }],
  ['rate', hourly(1)],
])('a request whose signal is aborted waits no more, and its permits go back: %s', async (_, limits) => {
  await using shop = await open()
  const ada = shop.worker('ada', { stripe: limits })
  const [late, aborted] = [new AbortController(), AbortSignal.abort(new Error('too late'))]
  await expect(take(ada, 'stripe', 1, aborted)).rejects.toThrow('too late')
  let answer = () => {}
  shop.permit.mockImplementationOnce(async (...args) => {
    await new Promise<void>((resolve) => {
      answer = resolve
    })
    return shop.store.limiters.permit(...args)
  })
  const waiting = take(ada, 'stripe', 1, late.signal)
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalled())
  late.abort(new Error('timed out'))
  await expect(waiting).rejects.toThrow('timed out')
  answer()
  await vi.waitFor(async () => giveBack(await take(ada, 'stripe')))
})

test('a call to a store that cannot be reached is sent again under the same number, and the outage is reported', async () => {
  await using shop = await open()
  const ada = shop.worker('ada', { stripe: { concurrency: 1 } })
  shop.permit.mockRejectedValueOnce(new JobsError('STORE_UNCERTAIN', 'no answer'))
  const asked = performance.now()
  expect((await take(ada, 'stripe')).kind).toBe('granted')
  // A timer may go off a little early.
  expect(performance.now() - asked).toBeGreaterThan(RESEND.from - 5)
  expect(shop.permit.mock.calls[1]).toEqual(shop.permit.mock.calls[0])
  expect(shop.met).toHaveLength(1)
  shop.renew.mockRejectedValueOnce(new JobsError('STORE_UNREACHABLE', 'away'))
  expect(await ada.renew()).toBe(false)
  expect(await ada.renew()).toBe(true)
})

test('after an outage, workers first report the permits that they hold before they ask for more; permits are given back at once', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: { concurrency: 2 } }))
  const [first] = await many(ada!, 'stripe', 2)
  shop.now += LEASE
  shop.isAfterOutage = true
  const asking = take(bob!, 'stripe')
  const more = take(ada!, 'stripe')
  await ada!.renew()
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalledTimes(2))
  expect(shop.permit.mock.calls[1]).toMatchObject(['stripe', { holder: 'ada', held: 2, wanted: 0 }])
  giveBack(first!)
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalledTimes(3))
  shop.isAfterOutage = false
  expect(granted(await Promise.all([asking, more]))).toBe(1)
  expect((await take(bob!, 'stripe')).kind).toBe('refused')
})

test('permits of a late answer are not used, because another worker may have them by then', async () => {
  await using shop = await open()
  const ada = shop.worker('ada', { stripe: { concurrency: 1 } }, 200)
  shop.permit.mockImplementationOnce(async (...args) => {
    await pause(600)
    return shop.store.limiters.permit(...args)
  })
  expect((await take(ada, 'stripe')).kind).toBe('granted')
  // The calls are: the late call, a call during that call, the return of its permits, and a new request.
  expect(shop.permit.mock.calls.map(([, { held, wanted }]) => [held, wanted])).toEqual([
    [0, 1],
    [0, 1],
    [0, 0],
    [0, 1],
  ])
})

test('a store whose answers are all late grants permits after a while', async () => {
  await using shop = await open()
  const ada = shop.worker('ada', { stripe: { concurrency: 1 } }, 2_000)
  let grants = 0
  const isLate = () => {
    shop.permit.mockImplementationOnce(async (...args) => {
      const answer = await shop.store.limiters.permit(...args)
      grants += answer.granted
      isLate()
      await pause(600)
      return answer
    })
  }
  isLate()
  giveBack(await take(ada, 'stripe'))
  expect(grants).toBeGreaterThan(1)
})

test('a call during an outage is not sent again after the outage, and the permits that it may have got are given back', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: { concurrency: 1 } }))
  // The store has carried out the call, and its answer is lost.
  shop.permit.mockImplementationOnce(async (...args) => {
    await shop.store.limiters.permit(...args)
    shop.isAfterOutage = true
    throw new JobsError('STORE_UNCERTAIN', 'no answer')
  })
  const asking = take(ada!, 'stripe')
  await vi.waitFor(() => expect(shop.permit).toHaveBeenCalledTimes(3))
  expect(shop.permit.mock.calls[2]).toMatchObject(['stripe', { held: 0, wanted: 0 }])
  const other = take(bob!, 'stripe')
  shop.isAfterOutage = false
  expect(granted(await Promise.all([asking, other]))).toBe(1)
})

test('a worker that stops gives all permits back, and jobs that still run give nothing back twice', async () => {
  await using shop = await open()
  const [ada, bob] = ['ada', 'bob'].map((id) => shop.worker(id, { stripe: { concurrency: 2 } }))
  const list = await many(ada!, 'stripe', 2)
  const overlap = await ada!.take('overlap:a', 1, forever, { concurrency: 1 })
  await ada!.stop()
  expect(granted(await many(bob!, 'stripe', 3))).toBe(2)
  for (const taken of [...list, overlap]) giveBack(taken)
  expect(granted(await many(bob!, 'stripe', 1))).toBe(0)
  expect(shop.held).toEqual(['stripe'])
})

test('an unknown limiter is refused, and the error names the nearest known one', async () => {
  await using shop = await open()
  const ada = shop.worker('ada', { stripe: { concurrency: 2 } })
  await expect(take(ada, 'strype')).rejects.toMatchObject({
    code: 'UNKNOWN_LIMITER',
    message: "'strype' is not a configured limiter",
    hint: 'Did you mean stripe?',
  })
})
