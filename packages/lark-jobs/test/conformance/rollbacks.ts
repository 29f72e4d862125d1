/**
 * Rollbacks: in a failover, a server may lose its last changes of jobs or of their flow. Whatever the server
 * loses, the flow must end and count each member once.
 */
import { expect, test } from 'vitest'
import { type EffectName, memberId, nameOf } from '../../src/model/effect.ts'
import {
  endOf,
  MAX_ITEMS,
  MEMBER_LEASE_MS,
  type MemberEnd,
  RESEND_MEMORY,
} from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { cancel, DEATHS, endsOf, forgetful, members, openFlow } from './effects.ts'
import { end, Home, node } from './flow-home.ts'
import type { Harness, Make } from './harness.ts'
import { completed, job } from './jobs.ts'
import { Random } from './random.ts'
import { Book, tick, wrote } from './schedules.ts'

/**
 * Two servers: one has the members, and the other has their flow (the home of the flow). Each server may lose
 * its last changes.
 */
class Sides {
  readonly work: Harness
  readonly home: Harness
  readonly size: number

  constructor(work: Harness, home: Harness, size: number) {
    this.work = work
    this.home = home
    this.size = size
  }

  /** Delivers effects once. The process that delivers them may die before the end. */
  async deliver(dies: (typeof DEATHS)[number] = 'none', done: EffectName[] = []): Promise<EffectName[]> {
    const { effects: found = [] } = await this.work.store.recover('emails', {
      effects: { leaseMs: LEASE, done },
    })
    if (dies === 'before') return []
    await this.home.store.flows.apply('home', endsOf(found))
    return dies === 'between' ? [] : found.map(nameOf)
  }

  /** How many members the flow has counted. */
  async counted(): Promise<number> {
    const { completed, failed } = await new Home(this.home).crowd()
    return completed + failed
  }

  /**
   * Makes the check of members that an open flow makes if it has had no news for some time. @returns how many
   * members are lost
   */
  async reconcile(): Promise<number> {
    let lost = 0
    const missing = await this.home.store.flows.missing('home', 'flow', -1, MAX_ITEMS)
    const asked = missing.map((index) => memberId({ flow: 'flow', home: 'home', index }))
    const fates = await this.work.store.flows.fates('emails', asked)
    const ends = fates.flatMap((fate, i): MemberEnd[] => {
      if (fate.kind === 'ended') return [endOf(fate.job)]
      if (fate.kind !== 'unknown') return []
      lost += 1
      return [end(missing[i]!, { state: 'cancelled', reason: 'lost' })]
    })
    await this.home.store.flows.apply('home', ends)
    return lost
  }

  get isOver(): Promise<boolean> {
    return this.home.store.flows.missing('home', 'flow', -1, 1).then(({ length }) => length === 0)
  }
}

/** Tests for stores that can be set back to an earlier state. */
export function rollbacks(make: Make): void {
  async function sides(size: number): Promise<Sides & AsyncDisposable> {
    const [work, home] = [await make(forgetful), await make()]
    const both = new Sides(work, home, size)
    await openFlow(home.store, size)
    await work.caller('web').enqueue(...members(size).map((id) => job({ id, hooked: true })))
    return Object.assign(both, {
      [Symbol.asyncDispose]: async () => {
        await work[Symbol.asyncDispose]()
        await home[Symbol.asyncDispose]()
      },
    })
  }

  async function runAll({ work, size }: Sides): Promise<void> {
    const caller = work.caller()
    for (const held of await caller.claim(size)) await caller.settle(held, completed)
  }

  test('if the server of a flow loses counted ends and the members are still known, their ends count again', async () => {
    await using both = await sides(5)
    const back = await both.home.save()
    await runAll(both)
    await both.deliver('none', await both.deliver())
    expect(await both.counted()).toBe(5)
    await back()
    expect(await both.isOver).toBe(false)
    both.work.clock.now += RESEND_MEMORY - 1
    await both.work.store.prune('emails')
    expect(await both.reconcile()).toBe(0)
    expect(await both.isOver).toBe(true)
  })

  test('if the server of a flow loses counted ends and the members are no longer known, they count as lost, and the flow ends', async () => {
    await using both = await sides(5)
    const back = await both.home.save()
    await runAll(both)
    await both.deliver('none', await both.deliver())
    both.work.clock.now += RESEND_MEMORY
    await both.work.store.prune('emails')
    await back()
    expect(await both.reconcile()).toBe(5)
    expect(await both.isOver).toBe(true)
  })

  test('if the server of the members loses their ends, the members run again and count once', async () => {
    await using both = await sides(5)
    const back = await both.work.save()
    await runAll(both)
    await both.deliver('none', await both.deliver())
    await back()
    expect(await both.work.store.counts('emails')).toMatchObject({ waiting: 5 })
    expect(await both.reconcile()).toBe(0)
    expect(await both.counted()).toBe(5)
    await runAll(both)
    await both.deliver('none', await both.deliver())
    expect(await both.counted()).toBe(5)
    expect(await both.work.store.recover('emails')).not.toHaveProperty('nextEffect')
  })

  test('if the server of the members loses acknowledgements, the ends are handed out again and count once', async () => {
    await using both = await sides(5)
    await runAll(both)
    const done = await both.deliver()
    const back = await both.work.save()
    await both.deliver('none', done)
    await back()
    both.work.clock.now += MEMBER_LEASE_MS
    const again = await both.deliver()
    expect(again).toHaveLength(5)
    await both.deliver('none', again)
    expect(await both.counted()).toBe(5)
  })

  test('if the server of a flow loses the whole flow, the effects of its members are not delivered for ever', async () => {
    await using both = await sides(2)
    const { rev } = await new Home(both.home).read()
    await both.home.store.flows.write('home', { id: 'flow', rev, remove: true })
    await runAll(both)
    await both.deliver('none', await both.deliver())
    expect(await both.work.store.recover('emails')).not.toHaveProperty('nextEffect')
  })

  test.each([1, 2, 3, 4, 5, 6])(
    'whatever one of the two servers loses, the flow ends: seed %i',
    async (seed) => {
      const random = new Random(seed)
      await using both = await sides(12)
      const { work, home, size } = both
      const saved = new Map<Harness, () => Promise<void>>()
      let done: EffectName[] = []
      const steps = [
        () => work.caller().claim(1 + random.below(3)),
        async () => {
          const held = (await work.store.list('emails', { state: 'active' })).jobs
          const caller = work.caller()
          for (const { id, holder } of random.some(held)) {
            const token = tokens.get(id)
            if (holder !== undefined && token !== undefined) await caller.settle({ id, token }, completed)
          }
        },
        async () => {
          done = await both.deliver(random.pick(DEATHS), done)
        },
        async () => {
          const side = random.pick([work, home])!
          saved.set(side, await side.save())
        },
        async () => {
          const [side, back] = random.pick([...saved]) ?? []
          await back?.()
          if (side !== undefined) saved.delete(side)
        },
        async () => {
          work.clock.now += random.pick([100, MEMBER_LEASE_MS, LEASE])!
          await work.store.recover('emails')
        },
        async () => {
          const ended = random.pick(members(size))!
          await work.store.alter('emails', [ended], random.chance(2) ? cancel : { kind: 'remove' })
        },
        () => both.reconcile(),
      ]
      const tokens = new Map<string, string>()
      for (let step = 0; step < 60; step++) {
        const jobs = await random.pick(steps)!()
        if (Array.isArray(jobs)) for (const { id, token } of jobs) tokens.set(id, token)
      }
      for (let round = 0; !(await both.isOver); round++) {
        expect(round).toBeLessThan(20)
        await runAll(both)
        done = await both.deliver('none', done)
        await both.reconcile()
        work.clock.now += LEASE
        await work.store.recover('emails')
      }
      expect(await both.counted()).toBe(size)
    },
  )

  test('if the server loses a tick, the schedule is due again, and the job of the tick is queued again', async () => {
    await using harness = await make()
    const book = new Book(harness)
    const { id, rev } = await book.make('nightly', 0)
    const back = await harness.save()
    const at = book.now
    const change = { id, rev, state: '1', next: at + 1_000, jobs: [tick(at)] }
    expect(await book.due()).toEqual([id])
    expect(await book.write(change)).toEqual([wrote('queued')])
    const lost = (await book.read())!
    await back()
    harness.clock.now += 1_000
    const [due] = (await book.store.due('emails', 9, LEASE)).due
    expect(due).toEqual({ id, rev, definition: 'definition of nightly', state: '{}', runs: [] })
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 0 })
    expect(await book.write(change)).toEqual([wrote('queued')])
    // A writer that has read the lost state has another revision number.
    expect(await book.write({ ...change, rev: lost.rev })).toEqual([{ isWritten: false, rev: 0, jobs: [] }])
    const caller = harness.caller()
    await caller.settle(await caller.claimOne(), completed)
    expect((await book.read())!.runs).toMatchObject([{ tick: at, state: 'completed' }])
  })

  test('if the server loses an advance of a flow, the flow is due again, and its job is queued again', async () => {
    await using harness = await make()
    const home = new Home(harness)
    await home.make('flow', { next: home.now })
    await home.apply(node(0))
    const back = await harness.save()
    const step = async () => {
      const [due] = await home.due()
      expect(due).toMatchObject({ state: '{}', news: [{ index: node(0).index }] })
      const change = { id: 'flow', rev: due!.rev, state: '1', heard: 1, next: home.now + LEASE }
      expect(await home.write({ ...change, jobs: [job()] })).toEqual(wrote('queued'))
    }
    await step()
    const lost = await home.read()
    await back()
    expect(await harness.store.counts('home')).toMatchObject({ waiting: 0 })
    harness.clock.now += LEASE
    await step()
    // A writer that has read the lost state has another revision number.
    const stale = { id: 'flow', rev: lost.rev, state: 'stale' }
    expect(await home.write(stale)).toEqual({ isWritten: false, rev: 0, jobs: [] })
    expect(await harness.store.counts('home')).toMatchObject({ waiting: 1 })
  })

  test('if the server of a flow loses the end of a node, the end is missing, and counts again', async () => {
    await using harness = await make()
    const home = new Home(harness)
    await home.make()
    const back = await harness.save()
    expect(await home.apply(node(0, { result: '7' }))).toEqual(['counted'])
    await back()
    expect(await home.store.ends('home', 'flow', [node(0).index])).toEqual([])
    expect(await home.due()).toEqual([])
    expect(await home.apply(node(0, { result: '7' }))).toEqual(['counted'])
    expect(await home.due()).toMatchObject([{ news: [{ index: node(0).index }] }])
  })

  test('if members and flow are on one server, a rollback affects both: the members run again, and count once', async () => {
    await using harness = await make(forgetful)
    const home = new Home(harness, 'emails')
    await openFlow(harness.store, 3, 'flow', 'emails')
    const caller = harness.caller()
    const run = async () => {
      for (const held of await caller.claim(3)) await caller.settle(held, completed)
      expect(await home.crowd()).toMatchObject({ completed: 3, failed: 0 })
    }
    const given = [0, 1, 2].map((index) => memberId({ flow: 'flow', home: 'emails', index }))
    await caller.enqueue(...given.map((id) => job({ id })))
    const back = await harness.save()
    await run()
    await back()
    expect(await home.crowd()).toMatchObject({ completed: 0, failed: 0 })
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 3 })
    await run()
    expect(await home.due()).toHaveLength(1)
  })

  test('a listener is told that the server has lost changes, even if as many changes have happened since then', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const { position } = await harness.store.listen('emails', 'web', LEASE)
    const kept = job()
    await caller.enqueue(kept)
    const restore = await harness.save()
    await caller.enqueue(job())
    const before = await harness.store.listen('emails', 'web', LEASE, position)
    expect(before.entries).toHaveLength(2)
    await restore()
    await harness.caller().enqueue(job())
    const after = await harness.store.listen('emails', 'web', LEASE, before.position)
    expect(after).toMatchObject({ isGap: true, entries: [] })
    await harness.caller().enqueue(job())
    const on = await harness.store.listen('emails', 'web', LEASE, after.position)
    expect(on.entries).toHaveLength(1)
    expect(on).not.toHaveProperty('isGap')
  })

  test('events that a listener has not got yet may be lost without a gap', async () => {
    await using harness = await make()
    const { position } = await harness.store.listen('emails', 'web', LEASE)
    const restore = await harness.save()
    await harness.caller().enqueue(job())
    await restore()
    const other = job()
    await harness.caller().enqueue(other)
    const heard = await harness.store.listen('emails', 'web', LEASE, position)
    expect(heard).not.toHaveProperty('isGap')
    expect(heard.entries).toMatchObject([{ kind: 'queued', ids: [other.id] }])
  })
}
