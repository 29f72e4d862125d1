/** Schedules that tick. Several workers handle the schedules of one store, whose clock the test moves. */
import { expect, test } from 'vitest'
import { FlowBook } from '../../src/flow/flow-book.ts'
import { type Tick, tickOf } from '../../src/model/tick.ts'
import { runScheduleNow } from '../../src/operate/schedules/schedule-changes.ts'
import { infoOf } from '../../src/operate/schedules/schedule-info.ts'
import type { Registry } from '../../src/options/registry.ts'
import { ScheduleBook } from '../../src/schedule/book.ts'
import type { Definition } from '../../src/schedule/definition.ts'
import { clockChanges } from '../../src/schedule/explained-clock-changes.ts'
import { LEAD, offsetOf } from '../../src/schedule/plan.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { Deferred } from '../../src/waiting/deferred.ts'
import { Ticks } from '../../src/worker/maintenance/ticks.ts'
import { end, expected, localTimes, MINUTE, plans, start, YEAR, zones } from '../schedule/second-source.ts'
import type { Harness, Make } from './harness.ts'
import { completed } from './jobs.ts'
import { Random } from './random.ts'

const partition = 'emails'
const SECOND = 1_000
const DAY = 1_440 * MINUTE

function definition(changes: Partial<Definition> = {}): Definition {
  return {
    timing: { kind: 'every', ms: 10 * MINUTE },
    ...{ missed: 'skip', grace: MINUTE, overlap: 'allow', jitter: 0, pauseAfterFailures: 0, limit: 0 },
    queue: partition,
    job: { key: 'report', payload: '{}' },
    ...changes,
  }
}

/** A worker that handles schedules, and what it has reported. */
interface Firing {
  ticks: Ticks
  book: ScheduleBook
  warnings: string[]
  /** The reported times until jobs are due, in milliseconds. */
  foreseen: number[]
}

/** Makes a worker that knows the given keys. Default: the key of the job class. */
function firing(store: Store, keys = ['report']): Firing {
  const warnings: string[] = []
  const foreseen: number[] = []
  const book = new ScheduleBook(store)
  const registry = { keys } as unknown as Registry
  const report = { warn: (text: string) => void warnings.push(text) } as never
  const met = (error: unknown) => void warnings.push(String(error))
  const flows = new FlowBook({ store })
  const common = { store, book, flows, registry, bounds: new Map(), report, met }
  const ticks = new Ticks({ ...common, foreseen: (_, ms) => foreseen.push(ms) > 0 })
  return { ticks, book, warnings, foreseen }
}

/**
 * Runs the jobs of ticks. A job that was written before the instant of its tick runs at this instant.
 * @returns the ticks of the jobs
 */
async function run(harness: Harness, outcome = completed): Promise<Tick[]> {
  const ticks: Tick[] = []
  for (;;) {
    const { jobs: held, nextDue } = await harness
      .caller('ada', partition)
      .exchange([], { limit: 100, leaseMs: 1_000 })
    if (held.length === 0) {
      if (nextDue === undefined || nextDue > LEAD) return ticks
      harness.clock.advance(nextDue)
    }
    ticks.push(...held.map(({ id }) => tickOf(id)!))
    const settlements = held.map(({ id, token }) => ({ id, token, outcome }))
    await harness.caller('ada', partition).exchange(settlements, { limit: 0, leaseMs: 1_000 })
  }
}

/** Moves the clock to the time at which the next schedule is due. @returns whether there is one */
async function toNext(harness: Harness, until = Number.POSITIVE_INFINITY): Promise<boolean> {
  const { nextTick } = await harness.store.schedules.write(partition, [])
  if (nextTick === undefined || harness.clock.now + nextTick > until) return false
  harness.clock.advance(nextTick)
  return true
}

export function ticking(make: Make): void {
  // The test of a whole year takes long, because each of 120,000 ticks needs about ten calls. The test of a
  // year runs only with `LARK_YEAR=1`.
  const year = { day: 'a year', from: start, to: end, changing: zones }
  const windows = process.env.LARK_YEAR === '1' ? [year] : changesOf(zones)
  test.each(windows)(
    'the runs of $day are the same as those of an independent calculation',
    { timeout: 600_000 },
    async (window) => {
      await using harness = await make()
      const { from, to, changing } = window
      harness.clock.now = from
      const workers = [
        firing(harness.store),
        firing(await harness.another()),
        firing(await harness.another()),
      ]
      const wanted = new Map<string, number[]>()
      for (const timezone of changing) {
        const times = localTimes(timezone, from, to + MINUTE)
        for (const [n, plan] of plans.entries()) {
          const id = `${timezone.replace('/', '.')}-${n}`
          const timing = { kind: 'cron', expression: plan.expression, timezone } as const
          await workers[0]!.book.set(id, definition({ timing }), partition)
          const instants = expected(plan, times).filter((at) => at > from && at <= to)
          wanted.set(id, instants)
        }
      }
      const ran = new Map<string, number[]>([...wanted.keys()].map((id) => [id, []]))
      while (await toNext(harness, to)) {
        await Promise.all(workers.map(({ ticks }) => ticks.fire(partition)))
        for (const { schedule, at } of await run(harness)) ran.get(schedule)!.push(at)
      }
      const iso = (all: number[]) => all.map((at) => new Date(at).toISOString())
      for (const [id, instants] of wanted)
        expect({ [id]: iso(ran.get(id)!) }).toEqual({ [id]: iso(instants) })
      expect(workers.flatMap(({ warnings }) => warnings)).toEqual([])
      for (const { ticks } of workers) await ticks.stop()
    },
  )

  test('two hundred workers that handle ticks at the same instant make one job of each tick', async () => {
    await using harness = await make()
    const stores = [harness.store, await harness.another(), await harness.another(), await harness.another()]
    const workers = Array.from({ length: 200 }, (_, n) => firing(stores[n % stores.length]!))
    const ids = Array.from({ length: 30 }, (_, n) => `report-${n}`)
    for (const id of ids) await workers[0]!.book.set(id, definition(), partition)
    for (let round = 0; round < 3; round++) {
      await toNext(harness)
      await Promise.all(workers.map(({ ticks }) => ticks.fire(partition)))
      const ran = await run(harness)
      expect(ran.map(({ schedule }) => schedule).sort()).toEqual([...ids].sort())
      expect(new Set(ran.map(({ at }) => at))).toEqual(new Set([harness.clock.now]))
    }
    for (const { ticks } of workers) await ticks.stop()
  })

  test('a tick is handled before its instant, and its job is due exactly at the instant', async () => {
    await using harness = await make()
    for (const [n, transit] of [0, 1, 100, LEAD - 1, LEAD, 2 * LEAD].entries()) {
      const id = `report-${n}`
      const gate = gateAt(1, harness.store)
      const { ticks, book } = firing(gate.store)
      await new ScheduleBook(harness.store).set(id, definition({ limit: 1 }), partition)
      await toNext(harness)
      const instant = harness.clock.now + LEAD
      expect(instant % (10 * MINUTE)).toBe(0)
      const firingSlowly = ticks.fire(partition)
      await gate.reached
      harness.clock.advance(transit)
      gate.open()
      await firingSlowly
      const caller = harness.caller('ada', partition)
      const left = instant - harness.clock.now
      if (left > 0) {
        const { jobs, nextDue } = await caller.exchange([], { limit: 1, leaseMs: SECOND })
        expect([jobs, nextDue]).toEqual([[], left])
        harness.clock.advance(left - 1)
        expect(await caller.claim()).toEqual([])
        harness.clock.advance(1)
      }
      expect(await run(harness)).toEqual([{ schedule: id, at: instant }])
      await book.remove(id)
      await ticks.stop()
    }
  })

  test('every worker gets the due time of a job that another worker has written before the instant of its tick', async () => {
    await using harness = await make()
    const workers = [firing(harness.store), firing(await harness.another())]
    await workers[0]!.book.set('report', definition(), partition)
    await workers[0]!.book.set('sync', definition({ overlap: 'skip', limit: 1 }), partition)
    await toNext(harness)
    for (const { ticks } of workers) await ticks.fire(partition)
    for (const { foreseen } of workers) {
      expect(foreseen.length).toBeGreaterThan(0)
      for (const ms of foreseen) expect(ms).toBeLessThanOrEqual(LEAD)
    }
    // At the instant, the job of the other schedule is queued without a delay.
    const [first] = workers
    first!.foreseen.length = 0
    harness.clock.advance(LEAD)
    await first!.ticks.fire(partition)
    expect(first!.foreseen).toEqual([])
    expect(await run(harness)).toHaveLength(2)
    for (const { ticks } of workers) await ticks.stop()
  })

  test('a tick that depends on other jobs, or that has jitter, is handled only at its instant', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    const locked = { key: 'report', payload: '{}', lock: { name: 'one', until: 'done' as const } }
    const late = {
      skip: { overlap: 'skip' },
      cancel: { overlap: 'cancel' },
      lock: { job: locked },
      jitter: { jitter: 1 },
    }
    for (const [id, changes] of Object.entries(late))
      await book.set(id, definition(changes as Partial<Definition>), partition)
    const instant = harness.clock.now + 10 * MINUTE
    await toNext(harness)
    expect(harness.clock.now).toBe(instant)
    harness.clock.advance(1)
    await ticks.fire(partition)
    const ran = await run(harness)
    expect(ran.map(({ schedule }) => schedule).sort()).toEqual(['cancel', 'jitter', 'lock', 'skip'])
    await ticks.stop()
  })

  test('a pause, a removal or a new definition has no effect on a job that was already written, and no tick has two jobs', async () => {
    const hourly = { timing: { kind: 'every', ms: 60 * MINUTE } as const }
    const others = {
      pause: (book: ScheduleBook) =>
        book.change('report', ({ state, at }) => ({ state: { ...state, paused: { at } } })),
      remove: (book: ScheduleBook) => book.remove('report'),
      replace: (book: ScheduleBook) => book.set('report', definition(hourly), partition),
      'remove and set': async (book: ScheduleBook) => {
        await book.remove('report')
        await book.set('report', definition(), partition)
      },
    }
    for (const act of Object.values(others)) {
      await using harness = await make()
      const { ticks, book } = firing(harness.store)
      await book.set('report', definition(), partition)
      await toNext(harness)
      const instant = harness.clock.now + LEAD
      await ticks.fire(partition)
      harness.clock.advance(LEAD / 2)
      await act(book)
      await ticks.fire(partition)
      expect(await run(harness)).toEqual([{ schedule: 'report', at: instant }])
      await ticks.fire(partition)
      expect(await run(harness)).toEqual([])
      await ticks.stop()
    }
  })

  test('if a person runs a schedule shortly before a tick, the run is a separate job and starts at once', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    await book.set('report', definition({ overlap: 'queue' }), partition)
    await toNext(harness)
    const instant = harness.clock.now + LEAD
    await ticks.fire(partition)
    const open = { store: harness.store, settings: { bounds: new Map() } } as never
    const asked = await runScheduleNow(open, 'report')
    const byHand = await harness.caller('ada', partition).claim(9)
    expect(byHand.map(({ id }) => id)).toEqual([asked.id])
    harness.clock.advance(LEAD)
    expect((await run(harness)).map(({ at }) => at)).toEqual([instant])
    await ticks.stop()
  })

  test.each(['skip', 'once', 'all'] as const)(
    'three ticks that no worker handled in time are made up as the schedule says: missed %s',
    async (missed) => {
      await using harness = await make()
      const { ticks, book, warnings } = firing(harness.store)
      await book.set('report', definition({ missed }), partition)
      await toNext(harness)
      harness.clock.advance(25 * MINUTE + LEAD)
      await ticks.fire(partition)
      const ran = (await run(harness)).map(({ at }) => (harness.clock.now - at) / MINUTE)
      expect(ran).toEqual({ skip: [], once: [5], all: [25, 15, 5] }[missed])
      const { state, runs } = (await book.get('report'))!
      expect(state.skipped.map(({ count }) => count)).toEqual({ skip: [3], once: [2], all: [] }[missed])
      expect(runs.map((each) => each.state)).toEqual(ran.map(() => 'completed'))
      expect(warnings).toHaveLength(missed === 'all' ? 0 : 1)
      await ticks.stop()
    },
  )

  test.each(['allow', 'skip'] as const)(
    'if a worker dies at any point of a tick (overlap: %s), another worker makes one job for the tick',
    async (overlap) => {
      // Each time, the worker dies at another call to the store: before the call, or after the store has
      // carried it out.
      for (let call = 0; call < 6; call++) {
        for (const isDone of [false, true]) {
          await using harness = await make()
          const { ticks, book } = firing(harness.store)
          await book.set('report', definition({ overlap }), partition)
          await toNext(harness)
          const { store, died } = dyingAt(call, isDone, harness.store)
          const dead = firing(store)
          await Promise.race([dead.ticks.fire(partition), died])
          await dead.ticks.stop()
          harness.clock.advance(2 * SECOND)
          await ticks.fire(partition)
          expect(await run(harness)).toHaveLength(1)
          await toNext(harness)
          await ticks.fire(partition)
          expect(await run(harness)).toHaveLength(1)
          await ticks.stop()
        }
      }
    },
  )

  test('if a definition is replaced while ticks are due, the ticks of the old definition come before those of the new one', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    await book.set('report', definition({ missed: 'all' }), partition)
    await toNext(harness)
    harness.clock.advance(10 * MINUTE + LEAD)
    const hourly = definition({
      timing: { kind: 'every', ms: 60 * MINUTE },
      job: { key: 'report', payload: '2' },
    })
    await book.set('report', hourly, partition)
    const held = await harness.caller('ada', partition).claim(9)
    expect(held.map(({ payload }) => payload)).toEqual(['{}', '{}'])
    await toNext(harness)
    harness.clock.advance(LEAD)
    expect(harness.clock.now % (60 * MINUTE)).toBe(0)
    await ticks.fire(partition)
    expect((await harness.caller('ada', partition).claim(9)).map(({ payload }) => payload)).toEqual(['2'])
    await ticks.stop()
  })

  test('if many processes set the same schedule, it is made once and not changed after that', async () => {
    await using harness = await make()
    const books = [harness.store, await harness.another()].map((store) => new ScheduleBook(store))
    const set = () =>
      Promise.all(Array.from({ length: 20 }, (_, n) => books[n % 2]!.set('report', definition(), partition)))
    const first = await set()
    expect(new Set(first.map(({ rev }) => rev)).size).toBe(1)
    harness.clock.advance(9 * MINUTE)
    const again = await set()
    expect(again[0]).toMatchObject({ rev: first[0]!.rev, state: first[0]!.state })
  })

  test('if processes set different definitions at the same time, one of these definitions counts', async () => {
    await using harness = await make()
    const books = [harness.store, await harness.another()].map((store) => new ScheduleBook(store))
    const random = new Random(3)
    const all = Array.from({ length: 20 }, (_, n) =>
      definition({ job: { key: 'report', payload: String(n) } }),
    )
    const places = [partition, 'reports', 'emails/1']
    await Promise.all(
      all.map((each, n) => books[n % 2]!.set('report', each, places[random.below(places.length)]!)),
    )
    const found = await books[0]!.get('report')
    const everywhere = await Promise.all(places.map((each) => harness.store.schedules.get(each, ['report'])))
    expect(everywhere.flatMap(({ found }) => found.filter((each) => each !== undefined))).toHaveLength(1)
    expect(all.map(({ job }) => job.payload)).toContain(found!.definition.job.payload)
  })

  test('if the queue of a schedule changes, the schedule moves to another partition with its whole state, whichever process dies meanwhile', async () => {
    for (let call = 0; call < 9; call++) {
      for (const isDone of [false, true]) {
        await using harness = await make()
        const { ticks, book } = firing(harness.store)
        const limited = definition({ limit: 9 })
        await book.set('report', limited, partition)
        await toNext(harness)
        await ticks.fire(partition)
        await run(harness)
        const { store, died } = dyingAt(call, isDone, harness.store)
        await Promise.race([new ScheduleBook(store).set('report', limited, 'reports'), died])
        // Any worker can complete the move.
        harness.clock.advance(2 * SECOND)
        await ticks.fire(partition)
        const moved = await book.set('report', limited, 'reports')
        expect(moved).toMatchObject({ partition: 'reports', state: { ticks: 1 } })
        const left = await harness.store.schedules.get(partition, ['report'])
        expect(left.found).toEqual([undefined])
        harness.clock.advance(10 * MINUTE)
        await ticks.fire(partition)
        await ticks.fire('reports')
        expect(await harness.caller('ada', partition).claim(9)).toEqual([])
        expect(await harness.caller('ada', 'reports').claim(9)).toHaveLength(1)
        await ticks.stop()
      }
    }
  })

  test('if a schedule is removed while other processes set it, it exists in one partition or not at all', async () => {
    await using harness = await make()
    const books = [harness.store, await harness.another()].map((store) => new ScheduleBook(store))
    for (let round = 0; round < 10; round++) {
      await books[0]!.set('report', definition(), partition)
      await Promise.all([
        books[0]!.remove('report'),
        books[1]!.set('report', definition(), round % 2 === 0 ? partition : 'reports'),
        books[1]!.remove('report'),
        books[0]!.set('report', definition(), partition),
      ])
      const found = await books[0]!.get('report')
      const homes = await harness.store.schedules.homes()
      const all = await Promise.all(
        [partition, 'reports'].map((each) => harness.store.schedules.get(each, ['report'])),
      )
      const there = all.flatMap(({ found }) => found.filter((each) => each !== undefined))
      expect([homes.length, there.length]).toEqual(found === undefined ? [0, 0] : [1, 1])
    }
  })

  test('if a process is slow at any point of a change while other processes change the schedule, the schedule ticks in one partition only', async () => {
    const [here, there, yonder] = [partition, 'reports', 'others']
    type Act = (book: ScheduleBook) => Promise<unknown>
    const setIn =
      (place: string): Act =>
      (book) =>
        book.set('report', definition(), place)
    const remove: Act = (book) => book.remove('report')
    const pause: Act = (book) =>
      book.change('report', ({ state, at }) => ({ state: { ...state, paused: { at } } }))
    const leave: Act = async (book) => {
      const found = await book.get('report')
      if (found?.partition === here) await book.leaveFor(found, there)
    }
    const slow = { remove, leave, here: setIn(here), there: setIn(there), pause }
    const meanwhile = {
      'remove and set': [remove, setIn(here)],
      'move away and back': [setIn(there), setIn(here)],
      'move on': [setIn(there), setIn(yonder)],
      'remove, set elsewhere': [remove, setIn(there)],
      'move and remove': [setIn(there), remove],
      remove: [remove],
    }
    const wrong: string[] = []
    for (const [name, act] of Object.entries(slow)) {
      for (const [others, acts] of Object.entries(meanwhile)) {
        for (let call = 0; call < 12; call++) {
          await using harness = await make()
          const { ticks, book } = firing(harness.store)
          await book.set('report', definition(), here)
          const gate = gateAt(call, harness.store)
          const acting = act(new ScheduleBook(gate.store))
          const isReached = await Promise.race([gate.reached.then(() => true), acting.then(() => false)])
          if (!isReached) break
          for (const each of acts) await each(book)
          gate.open()
          await acting
          harness.clock.advance(2 * SECOND)
          const all = []
          for (const each of [here, there, yonder]) {
            await ticks.fire(each)
            all.push(
              ...(await harness.store.schedules.get(each, ['report'])).found.map((found) => found && each),
            )
          }
          await ticks.stop()
          const kept = await book.get('report')
          const homes = await harness.store.schedules.homes()
          const places = all.filter((each) => each !== undefined)
          if (places.join() !== (kept?.partition ?? '') || (kept !== undefined && homes.length !== 1))
            wrong.push(
              `${name}, stopped at call ${call}; others ${others}: in ${places.join(' and ')}, home in ${kept?.partition}`,
            )
        }
      }
    }
    expect(wrong).toEqual([])
  })

  test('no tick is lost if a definition is replaced while a tick waits for its jitter, or during a pause', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    const other = { key: 'report', payload: '2' }
    const jittered = { jitter: 5 * MINUTE }
    const offset = offsetOf('report', jittered.jitter)
    expect(offset).toBeGreaterThan(SECOND)
    await book.set('report', definition(jittered), partition)
    const half = Math.floor(offset / 2)
    harness.clock.advance(10 * MINUTE + half)
    const instant = harness.clock.now - half
    await ticks.fire(partition)
    await book.set('report', definition({ ...jittered, job: other }), partition)
    await toNext(harness)
    await ticks.fire(partition)
    expect(await run(harness)).toEqual([{ schedule: 'report', at: instant }])
    await book.set('report', definition(jittered), partition)
    await toNext(harness)
    await ticks.fire(partition)
    expect(await run(harness)).toEqual([{ schedule: 'report', at: instant + 10 * MINUTE }])

    const paused = { at: harness.clock.now }
    await book.change('report', ({ state }) => ({ state: { ...state, paused } }))
    harness.clock.advance(20 * MINUTE)
    const { state } = await book.set('report', definition({ ...jittered, job: other }), partition)
    expect(state).toMatchObject({ paused, skipped: [{ count: 2, why: 'paused' }] })
    await ticks.stop()
  })

  test('if a person runs a schedule at the instant of a tick, the run is a separate job', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    await book.set('report', definition(), partition)
    await toNext(harness)
    harness.clock.advance(LEAD)
    const asked = await runScheduleNow(
      { store: harness.store, settings: { bounds: new Map() } } as never,
      'report',
    )
    await ticks.fire(partition)
    const ran = await run(harness)
    expect(ran.map(({ at }) => at).sort()).toEqual([harness.clock.now, harness.clock.now + 1])
    expect(asked.queued).toBe(true)
    await ticks.stop()
  })

  test('if the record of where a schedule lives is lost or out of date, the next tick corrects it', async () => {
    await using harness = await make()
    const { schedules } = harness.store
    for (const old of [undefined, 'reports 1']) {
      const { ticks, book } = firing(harness.store)
      await book.set('report', definition(), partition)
      await schedules.move('report', await schedules.home('report'), old)
      expect(await book.get('report')).toBeUndefined()
      await toNext(harness)
      await ticks.fire(partition)
      expect(await book.get('report')).toMatchObject({ partition })
      expect(await book.remove('report')).toBe(true)
      await ticks.stop()
    }
  })

  test('if two partitions have the same schedule because a process died, only one schedule is left after the next tick', async () => {
    for (let call = 0; call < 6; call++) {
      await using harness = await make()
      const { ticks, book } = firing(harness.store)
      const gate = gateAt(call, harness.store)
      const { store, died } = dyingAt(call + 1, false, gate.store)
      const made = new ScheduleBook(store).set('report', definition(), partition)
      await Promise.race([gate.reached, made])
      await book.set('report', definition(), 'reports')
      gate.open()
      await Promise.race([made, died])
      harness.clock.advance(10 * MINUTE)
      for (const each of [partition, 'reports']) await ticks.fire(each)
      const there = await Promise.all(
        [partition, 'reports'].map((each) => harness.store.schedules.get(each, ['report'])),
      )
      expect(there.flatMap(({ found }) => found.filter((each) => each !== undefined))).toHaveLength(1)
      expect(await book.get('report')).toMatchObject({ state: { ticks: 1 } })
      await ticks.stop()
    }
  })

  test('overlap: no job begins beside the previous job', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    await book.set('report', definition({ overlap: 'skip' }), partition)
    const caller = harness.caller('ada', partition)
    await toNext(harness)
    await ticks.fire(partition)
    const held = await caller.claimOne(60 * MINUTE)
    await toNext(harness)
    await ticks.fire(partition)
    expect(await caller.claim()).toEqual([])
    await caller.settle(held, completed)
    await toNext(harness)
    await ticks.fire(partition)
    expect(await caller.claim()).toHaveLength(1)
    expect((await book.get('report'))!.state.skipped).toMatchObject([{ count: 1, why: 'overlap' }])
    await ticks.stop()
  })

  test('overlap: a run that a person starts does not count instead of the previous job', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    const caller = harness.caller('ada', partition)
    const runNow = () =>
      runScheduleNow({ store: harness.store, settings: { bounds: new Map() } } as never, 'report')
    await book.set('report', definition({ overlap: 'skip' }), partition)
    await toNext(harness)
    await ticks.fire(partition)
    const held = await caller.claimOne(600 * MINUTE)
    await runNow()
    await caller.settle(await caller.claimOne(), completed)
    await toNext(harness)
    await ticks.fire(partition)
    expect(await caller.claim()).toEqual([])
    await book.change('report', ({ state, at }) => ({ state: { ...state, paused: { at } } }))
    await toNext(harness)
    harness.clock.advance(10 * MINUTE)
    expect(await book.resume('report', 'all')).toMatchObject({ ticks: [], skipped: 1 })
    await caller.settle(held, completed)
    await runNow()
    await toNext(harness)
    await ticks.fire(partition)
    // The claimed job is the run that a person has started.
    expect(await caller.claim(9)).toHaveLength(1)
    await ticks.stop()
  })

  test('overlap: the next tick cancels the previous job', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    await book.set('report', definition({ overlap: 'cancel' }), partition)
    const caller = harness.caller('ada', partition)
    await toNext(harness)
    await ticks.fire(partition)
    const held = await caller.claimOne(60 * MINUTE)
    await toNext(harness)
    await ticks.fire(partition)
    const [note] = (await harness.store.extend(partition, 'ada', [held], 60 * MINUTE)).notices
    expect(note).toMatchObject({ kind: 'cancel', id: held.id, because: 'the next run of report is due' })
    expect(await caller.claim()).toHaveLength(1)
    await ticks.stop()
  })

  test('several failures in a row pause the schedule until a person resumes it', async () => {
    await using harness = await make()
    const { ticks, book, warnings } = firing(harness.store)
    await book.set('report', definition({ pauseAfterFailures: 2 }), partition)
    const error = { name: 'Error', message: 'no', run: 1 }
    for (let n = 0; n < 2; n++) {
      await toNext(harness)
      await ticks.fire(partition)
      await run(harness, { kind: 'failed', error })
    }
    await toNext(harness)
    await ticks.fire(partition)
    expect(await run(harness)).toEqual([])
    expect((await book.get('report'))!.state.paused).toMatchObject({ because: '2 runs failed in a row' })
    expect(warnings).toEqual([expect.stringContaining("Paused the schedule 'report'")])
    harness.clock.advance(10 * MINUTE + LEAD)
    expect(await book.resume('report', 'once')).toMatchObject({ ticks: [expect.any(Number)], skipped: 1 })
    expect(await run(harness)).toHaveLength(1)
    await toNext(harness)
    await ticks.fire(partition)
    expect(await run(harness)).toHaveLength(1)
    await ticks.stop()
  })

  test('while no living worker knows the job class, no job is queued, and the missed ticks are queued later', async () => {
    await using harness = await make()
    const other = firing(harness.store, ['other'])
    await other.book.set('report', definition({ missed: 'once' }), partition)
    await toNext(harness)
    await other.ticks.fire(partition)
    harness.clock.advance(30 * MINUTE)
    await other.ticks.fire(partition)
    expect(await run(harness)).toEqual([])
    const { ticks } = firing(harness.store)
    harness.clock.advance(10 * SECOND)
    await ticks.fire(partition)
    expect(await run(harness)).toHaveLength(2)
    for (const each of [ticks, other.ticks]) await each.stop()
  })

  test('a schedule that has ended is removed a month later', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    await book.set('report', definition({ limit: 1 }), partition)
    await toNext(harness)
    await ticks.fire(partition)
    expect((await book.get('report'))!.state.ended).toMatchObject({ why: 'limit' })
    await toNext(harness)
    await ticks.fire(partition)
    expect(await book.get('report')).toBeUndefined()
    expect(await harness.store.schedules.homes()).toEqual([])
    await ticks.stop()
  })

  test('an ended schedule that is set again is not removed by a slow worker', async () => {
    await using harness = await make()
    const { ticks, book } = firing(harness.store)
    await book.set('report', definition({ limit: 1 }), partition)
    await toNext(harness)
    await ticks.fire(partition)
    await toNext(harness)
    const gate = gateAt(1, harness.store)
    const slow = firing(gate.store)
    const firingSlowly = slow.ticks.fire(partition)
    await gate.reached
    await book.set('report', definition({ limit: 2 }), partition)
    gate.open()
    await firingSlowly
    expect((await book.get('report'))?.definition.limit).toBe(2)
    for (const each of [ticks, slow.ticks]) await each.stop()
  })

  test('a schedule in a time zone that a worker does not know does not stop other schedules', async () => {
    await using harness = await make()
    const { ticks, book, warnings } = firing(harness.store)
    const timing = { kind: 'cron', expression: '0 * * * *', timezone: 'Elsewhere/Newtown' } as const
    const next = harness.clock.now
    const state = { next, ahead: [], ticks: 0, since: next, skipped: [] }
    await harness.store.schedules.write(partition, [
      {
        id: 'unknown',
        rev: 0,
        definition: JSON.stringify(definition({ timing })),
        state: JSON.stringify(state),
        next,
      },
    ])
    await harness.store.schedules.move('unknown', undefined, `${partition} a`)
    await book.set('report', definition(), partition)
    harness.clock.advance(10 * MINUTE)
    await ticks.fire(partition)
    expect((await run(harness)).map(({ schedule }) => schedule)).toEqual(['report'])
    expect(warnings).toEqual([
      expect.stringContaining(
        "'unknown' could not tick: This process does not know the time zone 'Elsewhere/Newtown'",
      ),
    ])
    const unknown = (await book.get('unknown'))!
    expect(() => infoOf(unknown, 5)).toThrow(expect.objectContaining({ code: 'SCHEDULE_INVALID' }))
    await ticks.stop()
  })

  test('an unreadable schedule, and a schedule whose job is refused, do not stop other schedules', async () => {
    await using harness = await make()
    const { ticks, book, warnings } = firing(harness.store)
    const next = harness.clock.now
    await harness.store.schedules.write(partition, [
      { id: 'damaged', rev: 0, definition: 'not JSON', state: '{', next },
    ])
    await book.set('full', definition({ job: { key: 'report', payload: '{}', priority: 3 } }), partition)
    await book.set('report', definition(), partition)
    harness.clock.advance(10 * MINUTE)
    await ticks.fire(partition)
    expect((await run(harness)).map(({ schedule }) => schedule).sort()).toEqual(['full', 'report'])
    expect(warnings).toEqual([expect.stringContaining("has a schedule 'damaged' that Lark did not write")])
    await ticks.stop()
  })
}

/** Returns the days on which clocks change, each with the time zones that change. */
function changesOf(timezones: readonly string[]) {
  const days = new Map<number, string[]>()
  for (const zone of timezones)
    for (const { at } of clockChanges(zone, YEAR)) {
      const day = Math.floor(at / DAY) * DAY
      days.set(day, [...(days.get(day) ?? []), zone])
    }
  return [...days].map(([day, changing]) => ({
    ...{ day: new Date(day).toISOString().slice(0, 10), changing },
    ...{ from: day - DAY / 4, to: day + DAY },
  }))
}

/**
 * Makes a handle for a process that dies: from the nth call on, calls get no answer. `died` resolves at that
 * call.
 *
 * @param isDone whether the nth call still reaches the store
 */
function dyingAt(call: number, isDone: boolean, store: Store): { store: Store; died: Promise<void> } {
  let count = 0
  const { promise: died, resolve: die } = new Deferred<void>()
  const dead = () => {
    die()
    return new Promise<never>(() => {})
  }
  const mortal = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, name) {
        const value = Reflect.get(of, name) as unknown
        if (name === 'schedules') return mortal(value as object)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          const n = count++
          if (n > call || (n === call && !isDone)) return dead()
          const answer = await (value as (...args: unknown[]) => Promise<unknown>).apply(of, args)
          return n === call ? dead() : answer
        }
      },
    })
  return { store: mortal(store), died }
}

/**
 * Makes a handle for a process that waits before its nth call of a schedule verb until the test opens the
 * gate.
 */
function gateAt(call: number, store: Store): { store: Store; reached: Promise<void>; open: () => void } {
  let [reach, open] = [() => {}, () => {}]
  const reached = new Promise<void>((resolve) => (reach = resolve))
  const opened = new Promise<void>((resolve) => (open = resolve))
  let count = 0
  const gated = new Proxy(store.schedules, {
    get(of, name) {
      const value = Reflect.get(of, name) as (...args: unknown[]) => Promise<unknown>
      return async (...args: unknown[]) => {
        if (count++ === call) {
          reach()
          await opened
        }
        return value.apply(of, args)
      }
    },
  })
  const slow = new Proxy(store, {
    get: (of, name) => {
      if (name === 'schedules') return gated
      const value = Reflect.get(of, name) as unknown
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
  return { store: slow, reached, open }
}
