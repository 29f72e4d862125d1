/**
 * How many jobs a worker claims. A simulated clock measures the time: each job and each call takes a given
 * time.
 */
import { setMaxListeners } from 'node:events'
import { afterEach, expect, test, vi } from 'vitest'
import type { ClaimedJob } from '../../src/model/record.ts'
import { paces } from '../../src/options/preset.ts'
import type { Call, Exchange, Settlement, Store, Want } from '../../src/store/contract/store.ts'
import { Claimer } from '../../src/worker/fetch/claimer.ts'
import { FairOrder } from '../../src/worker/fetch/fair-order.ts'
import { Intake } from '../../src/worker/fetch/intake.ts'
import { Prefetch } from '../../src/worker/fetch/prefetch.ts'
import { type HeldJob, Ledger, type LedgerPage, PREFETCHED, RETURNED } from '../../src/worker/lease/ledger.ts'
import type { Suspects } from '../../src/worker/maintenance/suspects.ts'
import type { Slots } from '../../src/worker/slots.ts'
import { LEASE } from '../conformance/caller.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

/** A simulated clock. All timers, the turns of the event loop and `performance.now()` use it. */
class Clock {
  now = 0
  readonly #later: { at: number; run: () => void }[] = []

  constructor() {
    vi.stubGlobal('performance', { now: () => this.now })
    vi.stubGlobal('setTimeout', (run: () => void, ms: number) => this.after(ms, run))
    vi.stubGlobal('clearTimeout', (event: { run: () => void } | undefined) => {
      if (event !== undefined) event.run = () => {}
    })
    vi.stubGlobal('setImmediate', (run: () => void) => this.after(0, run))
  }

  after(ms: number, run: () => void): { at: number; run: () => void } {
    const event = { at: this.now + ms, run }
    const next = this.#later.findIndex(({ at }) => at > event.at)
    this.#later.splice(next < 0 ? this.#later.length : next, 0, event)
    return event
  }

  /** Lets time pass until a condition is true. */
  async until(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await new Promise(turn)
      const event = this.#later.shift()
      if (event === undefined) throw new Error('nothing happens any more')
      this.now = Math.max(this.now, event.at)
      event.run()
    }
  }
}

/** The `setImmediate` of Node, which runs all microtasks first. */
const turn = setImmediate

/** What takes how long, in milliseconds. */
interface Costs {
  /** The time that a job takes in this process. Its handler does nothing. */
  job: number
  /** The time that a call takes, in this process or at a server. */
  call: number
  /** The time to a server and back. */
  way?: number
}

/** Runs a worker of many queues with this many jobs each. @returns the calls to the store */
async function drain(queues: number, each: number, concurrency: number, costs: Costs) {
  return work(Array<Queue>(queues).fill({ jobs: each }), concurrency, costs, (ran) => ran === queues * each)
}

interface Queue {
  jobs: number
  /** Milliseconds for which a job keeps its slot while this process is idle. Default 0. */
  takes?: number
}

/**
 * Runs a worker until it has run enough jobs, or for long enough.
 *
 * @returns the runs and the calls to the store; `hasty`: for each call that was made while claimed jobs could
 *   start, its number of outcomes
 */
async function work(
  queues: readonly Queue[],
  concurrency: number,
  { job, call, way }: Costs,
  isOver: (ran: number, now: number) => boolean,
) {
  const clock = new Clock()
  const left = queues.map(({ jobs }) => jobs)
  const seen = { calls: 0, claimed: 0, started: queues.map(() => 0), hasty: [] as number[] }

  function exchange(rank: number, settled: readonly Settlement[], want: Want, token: string): Exchange {
    left[rank]! += settled.filter(({ outcome }) => outcome.kind === 'unstarted').length
    const count = Math.min(want.limit + (want.prefetch ?? 0), left[rank]!)
    left[rank]! -= count
    const held = seen.claimed - seen.started.reduce((sum, each) => sum + each)
    if (held > 0 && slots.free > 0) seen.hasty.push(settled.length)
    seen.calls++
    seen.claimed += count
    const jobs = Array.from({ length: count }, (_, n) => ({ id: `${rank}-${n}`, token, crashes: 0, runs: 1 }))
    return {
      verdicts: settled.map(() => 'settled'),
      jobs: jobs as unknown as ClaimedJob[],
      ...(left[rank]! > 0 && { nextDue: 0 }),
    } as Exchange
  }
  let serverIsFree = 0
  const store = {
    isRemote: way !== undefined,
    async exchange(partition: string, { number }: Call, settled: readonly Settlement[], want: Want) {
      const answer = () => exchange(Number(partition), settled, want, `ada.${number}`)
      if (way === undefined) {
        clock.now += call
        return answer()
      }
      serverIsFree = Math.max(serverIsFree, clock.now + way / 2) + call
      const ms = serverIsFree + way / 2 - clock.now
      return new Promise<Exchange>((resolve) => void clock.after(ms, () => resolve(answer())))
    },
  } as unknown as Store

  let running = 0
  let ran = 0
  const ledger = new Ledger()
  const slots = {
    concurrency,
    get free() {
      return concurrency - running
    },
    begin(held: HeldJob, claimer: Claimer) {
      ledger.begin(held, Number.POSITIVE_INFINITY, -1)
      running++
      seen.started[claimer.rank]!++
      clock.now += job
      const { takes = 0 } = queues[claimer.rank]!
      const end = () => {
        running--
        ran++
        ledger.end(held)
        claimer.prefetch.ended(job + takes)
        claimer.settle(held.job.id, held.job.token, { kind: 'completed' }, clock.now, held)
        intake.freed(job + takes)
      }
      if (takes === 0) queueMicrotask(end)
      else clock.after(takes, end)
      return true
    },
    lost() {},
  } as unknown as Slots
  const { signal } = new AbortController()
  setMaxListeners(0, signal)
  const order = new FairOrder(false, slots)
  const suspects = { count: 0, giveBack() {} } as unknown as Suspects
  const intake: Intake = new Intake({
    ...{ order, slots, suspects, pace: paces.balanced, maxJobs: Number.POSITIVE_INFINITY, leaseMs: LEASE },
    ...{ stoodStill: () => 0, signal, isHere: way === undefined },
    ...{ answered() {}, holds() {}, turned() {} },
  })
  for (const rank of queues.keys()) {
    const claimer = new Claimer({
      ...{ store, partition: String(rank), rank, caller: 'ada', leaseMs: LEASE },
      prefetch: new Prefetch(ledger, rank),
      changed: (each) => intake.changed(each),
    })
    intake.changed(claimer)
  }
  void intake.start()
  await clock.until(() => isOver(ran, clock.now))
  void intake.stop()
  return seen
}

const embedded: Costs = { job: 0.01, call: 0.3 }
const near: Costs = { job: 0.01, call: 0.1, way: 0.3 }
const far: Costs = { job: 0.005, call: 0.1, way: 2 }

// When only the speed of each queue counted, the worker claimed a quarter to a half more jobs than it started
// from a store in this process.
test.each<[string, Costs, number, number, number, number]>([
  ['in this process', embedded, 200, 40, 10, 1_800],
  ['in this process, 50 at a time', embedded, 200, 40, 50, 2_200],
  ['in this process, some queues', embedded, 30, 400, 10, 2_000],
  ['at a server', near, 200, 40, 10, 1_600],
  ['at a server, some queues', near, 30, 400, 10, 900],
  ['at a server far away', far, 1_000, 10, 10, 3_600],
])('a store %s: a worker claims hardly more than it starts, and not one by one', async (...given) => {
  const [, costs, queues, each, concurrency, calls] = given
  const seen = await drain(queues, each, concurrency, costs)
  expect(seen.claimed / (queues * each)).toBeLessThan(1.05)
  expect(seen.calls).toBeLessThan(calls)
})

test('the jobs of one queue are claimed in calls of a hundred jobs', async () => {
  const { claimed, calls } = await drain(1, 40_000, 50, { job: 0.003, call: 0.3, way: 0.3 })
  expect(claimed).toBe(40_000)
  expect(calls).toBeLessThan(200)
})

test('before a call to a store in this process, claimed jobs start, unless enough outcomes wait', async () => {
  const { claimed, hasty } = await drain(1, 2_000, 100, { job: 0.001, call: 0.3 })
  expect(claimed).toBe(2_000)
  expect(hasty.filter((settled) => settled < paces.balanced.company.count)).toEqual([])
})

// When the speed of all queues decided how long the turn of each is, the fast queue started 0.7 to 1.6 times
// as many jobs as the slow one.
test.each<[string, Costs, number]>([
  ['in this process, 3 ms', embedded, 3],
  ['in this process, 20 ms', embedded, 20],
  ['at a server, 3 ms', near, 3],
  ['at a server, 20 ms', near, 20],
])('a store %s: beside a slow queue, a fast one has several jobs in each turn', async (...given) => {
  const [, costs, takes] = given
  const queues = [{ jobs: 100_000, takes }, { jobs: 100_000 }]
  const { started } = await work(queues, 1, costs, (_, now) => now >= 1_000)
  const [slow, fast] = started as [number, number]
  expect(fast).toBeGreaterThan(4 * slow)
  expect(slow * takes).toBeGreaterThan(900)
})

// On a busy machine, the jobs 69 and 70 ran before 64 to 68 in a worker with one slot (2026-12-03).
test('no job starts before an earlier job that the lease thread has given back', async () => {
  const clock = new Clock()
  const waiting = Array.from({ length: 200 }, (_, n) => n)
  const putBack = (ids: readonly string[]) => {
    waiting.push(...ids.map(Number))
    waiting.sort((one, other) => one - other)
  }
  const store = {
    isRemote: true,
    exchange: async (_: string, { number }: Call, settled: readonly Settlement[], want: Want) => {
      await new Promise<void>((resolve) => void clock.after(0.4, resolve))
      putBack(settled.flatMap(({ id, outcome }) => (outcome.kind === 'unstarted' ? [id] : [])))
      const ids = waiting.splice(0, want.limit + (want.prefetch ?? 0))
      const jobs = ids.map((id) => ({ id: String(id), token: `ada.${number}`, crashes: 0, runs: 1 }))
      const verdicts = settled.map(() => 'settled')
      return { verdicts, jobs, ...(waiting.length > 0 && { nextDue: 0 }) } as unknown as Exchange
    },
  } as unknown as Store
  const pages: LedgerPage[] = []
  const ledger = new Ledger((page) => pages.push(page))
  let returned: string[] = []
  /** Gives back the prefetched jobs of the oldest of several claims, as the lease thread does. */
  const giveBackOldest = () => {
    const held = pages.filter((page) => page.inUse && page.states.includes(PREFETCHED))
    const [oldest, later] = held.sort((one, other) => one.claim[0]! - other.claim[0]!)
    if (returned.length > 0 || later === undefined) return
    returned = oldest!.ids.filter((_, index) => oldest!.states[index] === PREFETCHED)
    oldest!.states.set(oldest!.states.map((state) => (state === PREFETCHED ? RETURNED : state)))
    putBack(returned)
  }
  const started: number[] = []
  let running = 0
  const slots = {
    concurrency: 1,
    get free() {
      return 1 - running
    },
    begin(held: HeldJob, claimer: Claimer) {
      if (!ledger.begin(held, Number.POSITIVE_INFINITY, -1)) return false
      running++
      started.push(Number(held.job.id))
      clock.after(1, () => {
        running--
        ledger.end(held)
        claimer.prefetch.ended(1)
        claimer.settle(held.job.id, held.job.token, { kind: 'completed' }, clock.now, held)
        giveBackOldest()
        intake.freed(1)
      })
      return true
    },
    lost() {},
  } as unknown as Slots
  const { signal } = new AbortController()
  const order = new FairOrder(false, slots)
  const intake: Intake = new Intake({
    ...{ order, slots, suspects: { count: 0, giveBack() {} } as unknown as Suspects, pace: paces.balanced },
    ...{ maxJobs: Number.POSITIVE_INFINITY, leaseMs: LEASE, stoodStill: () => 0, signal, isHere: false },
    ...{ answered() {}, holds() {}, turned() {} },
  })
  const claimer = new Claimer({
    ...{ store, partition: '0', rank: 0, caller: 'ada', leaseMs: LEASE, prefetch: new Prefetch(ledger, 0) },
    changed: (each) => intake.changed(each),
  })
  intake.changed(claimer)
  void intake.start()
  await clock.until(() => started.length >= 200)
  void intake.stop()
  expect(returned.length).toBeGreaterThan(0)
  expect(started).toEqual(Array.from({ length: 200 }, (_, n) => n))
})
