/**
 * Limiters: permits that workers share. A limiter limits how many jobs run at the same time, and how many
 * begin per period.
 */
import { expect, test } from 'vitest'
import { remarksOnAlarms } from '../../src/commands/look/queue-remarks.ts'
import type { Limits } from '../../src/model/limits.ts'
import { type Rate, type RateKind, rateKinds } from '../../src/model/rate.ts'
import { alarmsIn, storeErrors } from '../../src/operate/findings/alarms.ts'
import { limiterFindings } from '../../src/operate/findings/limiter-findings.ts'
import type { PermitCall, Permitted, Store, UnusedPermits } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { Random } from './random.ts'

/** A worker that holds permits of one limiter. The holder numbers its calls, and counts its permits. */
class Holder {
  held = 0
  readonly id: string
  store: Store
  /** The grant of a rate: the permits of the last call that got permits. */
  grant: UnusedPermits | undefined
  readonly #limits: Limits
  readonly #limiter: string
  #last: PermitCall | undefined

  constructor(store: Store, id: string, limits: Limits, limiter = 'stripe') {
    this.id = id
    this.store = store
    this.#limits = limits
    this.#limiter = limiter
  }

  async ask(wanted: number, fields: Partial<PermitCall> = {}): Promise<Omit<Permitted, 'mark'>> {
    const after = this.#last?.number
    const number = (after ?? 0) + 1
    const call = {
      ...(after !== undefined && { after }),
      holder: this.id,
      number,
      limits: this.#limits,
      held: this.held,
      wanted,
      leaseMs: LEASE,
    }
    this.#last = { ...call, ...fields }
    const { mark, ...answer } = await this.store.limiters.permit(this.#limiter, this.#last)
    this.held = this.#last.held + answer.granted
    if (mark !== undefined) this.grant = { number, mark, count: answer.granted }
    return answer
  }

  /** Asks for permits. @returns how many permits were granted */
  async take(wanted: number, fields: Partial<PermitCall> = {}): Promise<number> {
    return (await this.ask(wanted, fields)).granted
  }

  async giveBack(count: number): Promise<void> {
    this.held -= count
    await this.ask(0)
  }

  /** Reports that some permits of a grant (default: the last grant) were not used. */
  async refund(count: number, grant = this.grant!): Promise<void> {
    await this.ask(0, { unused: [{ ...grant, count }] })
  }

  /** Sends the last call of this holder again. */
  async again(): Promise<Omit<Permitted, 'mark'>> {
    const { mark, ...answer } = await this.store.limiters.permit(this.#limiter, this.#last!)
    if (answer.granted > 0) expect(mark).toBe(this.grant?.mark)
    return answer
  }

  keep(leaseMs = LEASE): Promise<boolean> {
    return this.store.limiters.renew(this.#limiter, this.id, leaseMs)
  }
}

const HOUR = 3_600_000

const rate = (fields: Partial<Rate> = {}): Limits => ({
  rate: { limit: 2, per: 1_000, kind: 'sliding', burst: 2, ...fields },
})

/**
 * New kind of rate: add how long a lot of four waits after two of five permits were granted, the grants at
 * each step if five permits are always requested, the wait after that, and how many permits may be used
 * between two instants.
 */
const expected: Record<
  RateKind,
  {
    lot: number
    given: number[]
    wait: number
    allowed(rate: Rate, from: number, to: number): number
  }
> = {
  sliding: {
    lot: 900,
    given: [3, 0, 0, 0, 3, 0, 0, 0, 3, 0],
    wait: 500,
    allowed: ({ limit, per }, from, to) => (to < from + per ? limit : Number.POSITIVE_INFINITY),
  },
  window: {
    lot: 900,
    given: [3, 0, 0, 0, 3, 0, 0, 0, 3, 0],
    wait: 500,
    allowed: ({ limit, per }, from, to) => (to - (to % per) <= from ? limit : Number.POSITIVE_INFINITY),
  },
  bucket: {
    lot: 100,
    given: [3, 0, 1, 1, 1, 0, 1, 1, 1, 0],
    wait: 167,
    allowed: ({ limit, per, burst }, from, to) => burst + ((to - from) * limit) / per + 1e-3,
  },
}

export function limiters(make: Make): void {
  test('concurrency: all holders together never have more permits than the limit, and returned permits are free', async () => {
    await using harness = await make()
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, { concurrency: 5 }))
    expect(await ada!.take(3)).toBe(3)
    expect(await bob!.ask(4)).toEqual({ granted: 2 })
    expect(await ada!.ask(1)).toEqual({ granted: 0 })
    await ada!.giveBack(2)
    expect(await bob!.take(9)).toBe(2)
    expect(await bob!.take(9)).toBe(0)
    expect([ada!.held, bob!.held]).toEqual([1, 4])
  })

  test('one call returns permits and takes others', async () => {
    await using harness = await make()
    const ada = new Holder(harness.store, 'ada', { concurrency: 3 })
    await ada.take(3)
    expect(await ada.take(2, { held: 1 })).toBe(2)
    expect(ada.held).toBe(3)
  })

  test('a limiter is independent of other limiters, and of a queue with the same name', async () => {
    await using harness = await make()
    const limits = { concurrency: 1 }
    for (const limiter of ['stripe', 'stripe2', 'a b:"c"{d}', '{'])
      expect(await new Holder(harness.store, 'ada', limits, limiter).take(2)).toBe(1)
    expect(await harness.store.partitions()).toEqual([])
    expect(await harness.store.counts('stripe')).toMatchObject({ active: 0 })
  })

  test('a holder whose lease has ended holds no permits, and each call of a holder renews its lease', async () => {
    await using harness = await make()
    const [ada, bob, eve] = ['ada', 'bob', 'eve'].map(
      (id) => new Holder(harness.store, id, { concurrency: 6 }),
    )
    for (const each of [ada!, bob!, eve!]) expect(await each.take(2)).toBe(2)
    harness.clock.advance(LEASE - 1)
    expect(await ada!.take(1)).toBe(0)
    expect(await bob!.keep()).toBe(true)
    harness.clock.advance(1)
    expect(await eve!.keep()).toBe(false)
    expect(await ada!.take(9)).toBe(2)
    harness.clock.advance(LEASE - 2)
    expect(await ada!.take(9)).toBe(0)
    harness.clock.advance(1)
    expect(await ada!.take(9)).toBe(2)
  })

  test('`keep` of an unknown holder does nothing', async () => {
    await using harness = await make()
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, { concurrency: 1 }))
    expect(await ada!.keep()).toBe(false)
    expect(await bob!.take(1)).toBe(1)
  })

  test('the permits of a holder that comes back late count, even beyond the limit, and no holder gets more', async () => {
    await using harness = await make()
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, { concurrency: 3 }))
    await ada!.take(2)
    harness.clock.advance(LEASE)
    expect(await bob!.take(2)).toBe(2)
    expect(await ada!.take(1)).toBe(0)
    await bob!.giveBack(1)
    expect(await bob!.take(1)).toBe(0)
    await ada!.giveBack(2)
    expect(await bob!.take(9)).toBe(2)
  })

  test('a call that is sent again is answered as before, and counts once', async () => {
    await using harness = await make()
    const limits = { concurrency: 5, ...rate({ limit: 4 }) }
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits))
    const answer = await ada!.ask(9)
    expect(answer).toEqual({ granted: 4, wait: 1_000 })
    expect(await ada!.again()).toEqual(answer)
    expect(await bob!.take(9)).toBe(0)
    harness.clock.advance(1_000)
    expect(await bob!.take(9)).toBe(1)
    await ada!.giveBack(4)
    await ada!.again()
    expect(await bob!.take(9)).toBe(3)
  })

  test('a late call that arrives after the next call of the same holder changes nothing', async () => {
    await using harness = await make()
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, { concurrency: 2 }))
    await ada!.take(1)
    await ada!.giveBack(1)
    await expect(ada!.ask(2, { number: 1 })).rejects.toThrow()
    expect(await bob!.take(9)).toBe(2)
  })

  test('a request for a lot (the permits of one job) is granted as a whole or not at all, also by a rate', async () => {
    await using harness = await make()
    const ada = new Holder(harness.store, 'ada', { concurrency: 7 })
    expect(await ada.take(9, { each: 3 })).toBe(6)
    expect(await ada.take(1)).toBe(1)
    expect(await ada.take(3, { each: 3 })).toBe(0)
    for (const kind of rateKinds) {
      const limits = rate({ kind, limit: 5, burst: 5 })
      const bob = new Holder(harness.store, 'bob', limits, kind)
      harness.clock.now = Math.ceil(harness.clock.now / 1_000) * 1_000
      expect(await bob.take(2)).toBe(2)
      harness.clock.advance(100)
      // The remaining permits (two and a half, or three) are not lost.
      const { granted, wait } = await bob.ask(4, { each: 4 })
      expect([granted, kind, wait]).toEqual([0, kind, expected[kind].lot])
      harness.clock.advance(wait!)
      expect(await bob.take(4, { each: 4 })).toBe(4)
    }
  })

  test('sliding: the answer says how long it takes until enough starts have expired for a lot', async () => {
    await using harness = await make()
    const ada = new Holder(harness.store, 'ada', rate({ limit: 4 }))
    for (const step of [0, 100, 100, 100]) {
      harness.clock.advance(step)
      expect(await ada.take(1)).toBe(1)
    }
    expect(await ada.ask(3, { each: 3 })).toEqual({ granted: 0, wait: 900 })
    harness.clock.advance(700)
    expect(await ada.ask(3, { each: 3 })).toEqual({ granted: 0, wait: 200 })
    // The other requests wait for their turn.
    harness.clock.advance(1)
    expect(await ada.ask(1)).toEqual({ granted: 0 })
    harness.clock.advance(199)
    expect(await ada.ask(3, { each: 3 })).toEqual({ granted: 3 })
    expect(await ada.ask(3, { each: 3 })).toEqual({ granted: 0, wait: 1_000 })
    harness.clock.advance(100)
    expect(await ada.ask(1)).toEqual({ granted: 1 })
    expect(await ada.ask(3, { each: 3 })).toEqual({ granted: 0, wait: 900 })
  })

  test('requests for large and small lots take turns, whichever holder asks', async () => {
    await using harness = await make()
    const [ada, bob, eve] = ['ada', 'bob', 'eve'].map(
      (id) => new Holder(harness.store, id, { concurrency: 8 }),
    ) as [Holder, Holder, Holder]
    expect(await ada.take(6)).toBe(6)
    expect(await bob.ask(8, { each: 8 })).toEqual({ granted: 0 })
    harness.clock.advance(1)
    // Free and returned permits are reserved for the large lot.
    expect(await eve.take(2)).toBe(0)
    await ada.giveBack(5)
    expect(await ada.take(5)).toBe(0)
    await ada.giveBack(1)
    // Another holder may take the lot of eight instead.
    expect(await eve.take(8, { each: 8 })).toBe(8)
    // Requests for small lots have waited since then.
    expect(await bob.take(8, { each: 8 })).toBe(0)
    await eve.giveBack(8)
    expect(await bob.take(8, { each: 8 })).toBe(0)
    expect(await ada.take(3)).toBe(3)
    harness.clock.advance(1)
    expect(await ada.take(3)).toBe(0)
    await ada.giveBack(3)
    expect(await bob.take(8, { each: 8 })).toBe(8)
  })

  test('lots of a rate take turns, too, and permits beyond a reserved lot are free', async () => {
    await using harness = await make()
    const limits = rate({ kind: 'bucket', limit: 1, per: 100, burst: 10 })
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits))
    expect(await ada!.take(8)).toBe(8)
    expect(await bob!.ask(4, { each: 4 })).toEqual({ granted: 0, wait: 200 })
    harness.clock.advance(1)
    expect(await ada!.ask(1)).toEqual({ granted: 0 })
    harness.clock.advance(499)
    expect(await ada!.take(1)).toBe(1)
    expect(await ada!.take(9)).toBe(2)
    expect(await bob!.take(4, { each: 4 })).toBe(4)
  })

  test('a request for a lot is remembered for one lease, and a lot that can never be granted reserves nothing', async () => {
    await using harness = await make()
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, { concurrency: 4 }))
    expect(await ada!.take(1)).toBe(1)
    expect(await bob!.take(5, { each: 5 })).toBe(0)
    expect(await ada!.take(1)).toBe(1)
    expect(await bob!.take(4, { each: 4 })).toBe(0)
    harness.clock.advance(LEASE - 1)
    expect(await ada!.take(1)).toBe(0)
    harness.clock.advance(1)
    expect(await ada!.take(1)).toBe(1)
  })

  test.each(rateKinds)(
    'rate, %s: granted permits count, and the answer says when there will be more permits',
    async (kind) => {
      await using harness = await make()
      const { given, wait } = expected[kind]
      const limits = rate({ kind, limit: 3, burst: 3 })
      const holders = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits))
      const counts: number[] = []
      for (let step = 0; step < 10; step++) {
        counts.push(await holders[step % 2]!.take(5, { held: 0 }))
        harness.clock.advance(250)
      }
      expect(counts).toEqual(given)
      expect((await holders[0]!.ask(5)).wait).toBe(wait)
    },
  )

  test('of a concurrency and a rate, the tighter limit counts, and the answer has a waiting time only because of the rate', async () => {
    await using harness = await make()
    const ada = new Holder(harness.store, 'ada', { concurrency: 2, ...rate({ limit: 3 }) })
    expect(await ada.ask(9)).toEqual({ granted: 2 })
    await ada.giveBack(2)
    expect(await ada.ask(9)).toEqual({ granted: 1, wait: 1_000 })
  })

  test.each(rateKinds)(
    'rate, %s: permits that no job has used are granted again, but only once',
    async (kind) => {
      await using harness = await make()
      const limits = rate({ kind, limit: 4, burst: 4, per: HOUR })
      const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits)) as [Holder, Holder]
      expect(await ada.take(4)).toBe(4)
      await ada.again()
      harness.clock.advance(1)
      expect(await bob.take(9)).toBe(0)
      await ada.refund(3)
      await ada.again()
      harness.clock.advance(1)
      expect(await bob.take(2)).toBe(2)
      expect(await bob.take(9)).toBe(1)
      expect(await bob.take(9)).toBe(0)
      // The call that gives permits back also takes them again.
      expect(await bob.take(9, { unused: [{ ...bob.grant!, count: 1 }] })).toBe(1)
      expect(await ada.take(9)).toBe(0)
    },
  )

  test.each(rateKinds)(
    'rate, %s: permits that come back late cannot be granted again if other holders have used them meanwhile',
    async (kind) => {
      await using harness = await make()
      const limits = rate({ kind, limit: 3, burst: 3 })
      const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits)) as [Holder, Holder]
      expect(await ada.take(3)).toBe(3)
      harness.clock.advance(1_000)
      expect(await bob.take(9)).toBe(3)
      await ada.refund(3)
      expect(await bob.take(9)).toBe(0)
      harness.clock.advance(1_000)
      expect(await bob.take(9)).toBe(3)
    },
  )

  test('bucket: returned permits do not fill the bucket above its size', async () => {
    await using harness = await make()
    const limits = rate({ kind: 'bucket', limit: 4, burst: 4 })
    const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits)) as [Holder, Holder]
    expect(await ada.take(2)).toBe(2)
    harness.clock.advance(250)
    expect(await bob.take(3)).toBe(3)
    await ada.refund(2)
    expect(await bob.take(9)).toBe(1)
  })

  test.each(rateKinds)(
    'rate, %s: a holder that the store has forgotten has nothing to refund',
    async (kind) => {
      await using harness = await make()
      const limits = rate({ kind, limit: 3, burst: 3, per: HOUR })
      const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits)) as [Holder, Holder]
      expect(await ada.take(3)).toBe(3)
      harness.clock.advance(LEASE)
      expect(await bob.take(9)).toBe(0)
      await ada.refund(3)
      expect(await bob.take(9)).toBe(0)
    },
  )

  test.each(rateKinds)(
    'rate, %s: with random calls and refunds, no more permits are used than the rate allows',
    async (kind) => {
      await using harness = await make()
      const random = new Random(20_261_127)
      const given: Rate = { kind, limit: 5, per: 1_000, burst: 5 }
      const holders = ['ada', 'bob', 'eve'].map((id) => new Holder(harness.store, id, rate(given)))
      /** The permits that were not given back, each with the time of its grant. */
      const used: { holder: Holder; grant: UnusedPermits; at: number }[] = []
      for (let step = 0; step < 80; step++) {
        const holder = random.pick(holders)!
        // The test also gives back permits that are a second old, although most jobs begin within that time.
        const own = used.filter((each) => each.holder === holder && each.at > harness.clock.now - 1_500)
        const back = random.some(own, 12)
        for (const each of back) used.splice(used.indexOf(each), 1)
        const unused = back.map(({ grant }) => ({ ...grant, count: 1 }))
        const granted = await holder.take(random.below(4), { held: 0, unused })
        for (let i = 0; i < granted; i++) used.push({ holder, grant: holder.grant!, at: harness.clock.now })
        if (random.chance(3)) await holder.again()
        harness.clock.advance(random.below(200))
      }
      expect(used.length).toBeGreaterThan(20)
      const tooMany = used.filter(({ at }, first) =>
        used.slice(first).some((last, more) => more + 1 > expected[kind].allowed(given, at, last.at)),
      )
      expect(tooMany).toEqual([])
    },
  )

  test('with random calls, the limiter never grants more than the limit, and loses no permit', async () => {
    await using harness = await make()
    const random = new Random(20_261_125)
    const limits = { concurrency: 7 }
    const holders = ['ada', 'bob', 'eve'].map((id) => new Holder(harness.store, id, limits))
    const waiting = new Set<number>()
    for (let step = 0; step < 200; step++) {
      const holder = random.pick(holders)!
      const each = 1 + random.below(3)
      const back = random.below(holder.held + 1)
      const others = holders.reduce((sum, { held }) => sum + held, 0) - back
      const wanted = each * random.below(4)
      const [first = each] = waiting
      const free = Math.min(wanted, limits.concurrency - others - (first === each ? 0 : first))
      const granted = Math.max(0, free - (free % each))
      expect(await holder.take(wanted, { held: holder.held - back, each })).toBe(granted)
      if (granted > 0) waiting.delete(each)
      else if (wanted > 0) waiting.add(each)
      if (random.chance(3)) await holder.again()
      harness.clock.advance(10)
    }
  })

  test('the state of a limiter has the holders, until when they hold permits, and the lots for which other holders wait', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [ada, bob, eve] = ['ada', 'bob', 'eve'].map((id) => new Holder(store, id, { concurrency: 3 }))
    expect(await store.limiters.look('stripe')).toEqual({ holders: [], waits: [] })
    await ada!.take(2)
    clock.advance(10)
    expect(await bob!.take(2, { each: 2 })).toBe(0)
    await eve!.ask(0)
    const waits = [{ permits: 2, since: clock.now, until: clock.now + LEASE }]
    const holders = [{ holder: 'ada', permits: 2, until: clock.now - 10 + LEASE }]
    for (let i = 0; i < 2; i++) expect(await store.limiters.look('stripe')).toEqual({ holders, waits })
    await ada!.giveBack(1)
    expect((await store.limiters.look('stripe')).holders).toMatchObject([{ holder: 'ada', permits: 1 }])
    expect(await bob!.take(2, { each: 2 })).toBe(2)
    expect((await store.limiters.look('stripe')).waits).toEqual([])
    clock.advance(LEASE)
    expect(await store.limiters.look('stripe')).toEqual({ holders: [], waits: [] })
  })

  test('the state of a limiter says how many permits are free for a lot, and when the rate will have enough', async () => {
    await using harness = await make()
    const { clock, store } = harness
    const rate: Rate = { limit: 4, per: 1_000, kind: 'sliding', burst: 4 }
    const limits = { concurrency: 3, rate }
    const free = async (each: number, limits: Limits) => {
      const { free, nextAt } = await store.limiters.look('stripe', { limits, each })
      return nextAt === undefined ? free : [free, nextAt]
    }
    expect(await free(1, limits)).toBe(3)
    const ada = new Holder(store, 'ada', limits)
    expect(await ada.take(2)).toBe(2)
    expect(await free(1, limits)).toBe(1)
    // The other permits are in use, and are returned when a job ends.
    expect(await free(2, limits)).toBe(1)
    expect(await free(1, { rate })).toBe(2)
    const nextAt = clock.now + 1_000
    for (let times = 0; times < 2; times++) expect(await free(3, { rate })).toEqual([2, nextAt])
    clock.advance(1_000)
    expect(await free(3, { rate })).toBe(4)
  })

  test('a limiter that has granted nothing for a minute is found with its holders, but not if it only waits for its rate', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const most = { concurrency: 1 }
    const configured = new Map<string, Limits>([
      ['stripe', most],
      ['slow', rate({ limit: 1, burst: 1, per: HOUR })],
    ])
    const worker = { host: 'h', pid: 1, queues: ['emails'], strict: false, concurrency: 1, running: 0 }
    const ada = { ...worker, id: 'ada', keys: [], startedAt: 0, state: 'running' as const }
    await store.announce({ ...ada, circuits: ['circuit:~mail'] }, HOUR)
    const found = async () => {
      const findings = await limiterFindings(store, configured, await store.workers(), clock.now)
      const wrong = findings.filter(({ level }) => level !== 'ok')
      expect(alarmsIn(findings)).toEqual(wrong)
      expect(storeErrors(findings).size).toBe(0)
      expect([...remarksOnAlarms(wrong)]).toHaveLength(wrong.length)
      return wrong.map(({ code, subject, text }) => `${code} ${subject} ${text}`)
    }
    for (const [limiter, limits] of configured)
      for (const id of ['ada', 'bob']) await new Holder(store, id, limits, limiter).take(1, { leaseMs: HOUR })
    clock.advance(60_000)
    expect(await found()).toEqual([])
    clock.advance(1)
    const stuck = 'limiter-stuck stripe has granted no permit for 1 min, though jobs wait: worker ada has 1'
    expect(await found()).toEqual([stuck])
    const rule = { failures: 1, per: 1_000, pause: 5_000 }
    await store.limiters.circuit('circuit:~mail', rule, { kind: 'failed', id: '1', opening: undefined })
    const open = 'circuit-open mail is an open circuit: its jobs are put back for 5 s more'
    expect(await found()).toEqual([stuck, open])
    clock.advance(5_000)
    await store.retire('ada')
    expect((await found()).join()).toMatch(/worker ada has 1, and is silent$/)
    const givenBack = { number: 9, limits: most, held: 0, wanted: 0, leaseMs: LEASE }
    await store.limiters.permit('stripe', { holder: 'ada', ...givenBack })
    expect(await new Holder(store, 'eve', most).take(1)).toBe(1)
    expect(await found()).toEqual([])
  })
}

/** Tests of limiters on a server that may lose its last changes in a failover. */
export function limitersThroughRollbacks(make: Make): void {
  test.each(rateKinds)(
    'rate, %s: unused permits of a grant that the server has lost are not given back',
    async (kind) => {
      await using harness = await make()
      const limits = rate({ kind, limit: 4, burst: 4, per: HOUR })
      const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits)) as [Holder, Holder]
      expect(await ada.take(1)).toBe(1)
      const first = ada.grant!
      const rollBack = await harness.save()
      harness.clock.advance(1)
      expect(await ada.take(2)).toBe(2)
      await rollBack()
      for (const holder of [ada, bob]) holder.store = harness.store
      expect(await bob.take(2)).toBe(2)
      await ada.refund(2)
      expect(await bob.take(9)).toBe(1)
      // Permits of an earlier grant are not given back either, because the store does not know which calls
      // were lost.
      await ada.refund(1, first)
      expect(await bob.take(9)).toBe(0)
    },
  )

  test.each(rateKinds)(
    'rate, %s: a later call does not give back permits of a lost grant either',
    async (kind) => {
      await using harness = await make()
      const limits = rate({ kind, limit: 4, burst: 4, per: HOUR })
      const [ada, bob] = ['ada', 'bob'].map((id) => new Holder(harness.store, id, limits)) as [Holder, Holder]
      await ada.ask(0)
      const rollBack = await harness.save()
      expect(await ada.take(1)).toBe(1)
      const lost = ada.grant!
      await rollBack()
      for (const holder of [ada, bob]) holder.store = harness.store
      expect(await bob.take(2)).toBe(2)
      // The limiter knows the later calls of the holder.
      expect(await ada.take(1)).toBe(1)
      await ada.refund(1, lost)
      expect(await bob.take(9)).toBe(1)
      await ada.refund(1)
      expect(await bob.take(9)).toBe(1)
    },
  )
}
