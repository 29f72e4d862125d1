/**
 * Silences: times in which no worker reached the store. A lease that ends during a silence is extended once
 * by its length, and jobs that are taken back after that count no crash. Also late outcomes: the outcome of a
 * job that was taken back still counts until the job is claimed again.
 */
import { expect, test } from 'vitest'
import { MAX_CRASHES_UNSURE, silenceOf } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { limited } from './grouped.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement, unstarted } from './jobs.ts'
import { Model } from './model.ts'

/** Another worker asks for work, as each worker does after every third of a lease. */
const survey = ({ store }: Harness) => store.survey('bob', [{ partition: 'emails' }], undefined, LEASE)

/** Lets time pass while another worker asks as usual. */
async function work(harness: Harness, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= LEASE / 3) {
    harness.clock.advance(Math.min(left, LEASE / 3))
    await survey(harness)
  }
}

const recover = ({ store }: Harness) => store.recover('emails', { leaseMs: LEASE })

export function silences(make: Make): void {
  test('while workers ask for work as usual, the jobs of a dead worker are taken back at the end of their lease, and count a crash', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(job())
    const held = await ada.claimOne()
    await work(harness, LEASE)
    expect(await recover(harness)).toEqual({ recovered: [held.id], failed: [], crashed: [held.id] })
    expect(await harness.store.doubts('emails')).toEqual([])
  })

  test('after a silence, leases are extended once by their length, whichever call notices the silence first, and their jobs count no crash', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller('ada')
    const [due, later] = jobs(2, { options: { maxCrashes: 1 } })
    await ada.enqueue(due!, later!)
    const first = await ada.claimOne()
    await work(harness, LEASE / 3)
    const second = await ada.claimOne()
    // The first lease has ended meanwhile, and the second has not.
    clock.advance(LEASE - 2_000)
    await survey(harness)
    expect(await recover(harness)).toEqual({ recovered: [], failed: [], nextLeaseEnd: 2_000 })
    await work(harness, 2_000)
    expect(await recover(harness)).toEqual({ recovered: [], failed: [], nextLeaseEnd: LEASE - 2_000 })
    await work(harness, LEASE - 2_000)
    const { recovered, doubted, ...rest } = await recover(harness)
    expect([[...recovered].sort(), [...doubted!].sort(), rest]).toEqual([
      ids([first, second]),
      ids([first, second]),
      { failed: [] },
    ])
    expect(await store.get('emails', first.id)).toMatchObject({ state: 'waiting', runs: 1, crashes: 0 })
    const doubts = await store.doubts('emails')
    expect(doubts.map(({ id }) => id).sort()).toEqual(ids([first, second]))
    expect(doubts[0]!.at).toBe(clock.now)
  })

  test('a recovery notices a silence by itself, even after a claim', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(2))
    const held = await ada.claimOne()
    harness.clock.advance(2 * LEASE)
    const other = await harness.caller('bob').claimOne()
    expect(await recover(harness)).toEqual({ recovered: [], failed: [], nextLeaseEnd: LEASE })
    // The holders have time to renew their leases and to settle.
    expect(await ada.extend([held])).toMatchObject({ lost: [] })
    expect(await ada.settle(held, completed)).toBe('settled')
    expect(await harness.caller('bob').settle(other, completed)).toBe('settled')
  })

  test('a short pause between calls is no silence, and extends no lease', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(job())
    const held = await ada.claimOne()
    await work(harness, LEASE / 3)
    harness.clock.advance(silenceOf(LEASE))
    await survey(harness)
    await work(harness, LEASE)
    expect(await recover(harness)).toMatchObject({ recovered: [held.id], crashed: [held.id] })
  })

  test('a lease that was renewed after the silence, or began after the silence, is not extended', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(2))
    const renewed = await ada.claimOne()
    harness.clock.advance(LEASE)
    await survey(harness)
    harness.clock.advance(1_000)
    await ada.extend([renewed])
    const begun = await ada.claimOne()
    await work(harness, LEASE)
    const { recovered, crashed } = await recover(harness)
    expect([[...recovered].sort(), [...crashed!].sort()]).toEqual([
      ids([renewed, begun]),
      ids([renewed, begun]),
    ])
  })

  test('even if every survey is late, a lease is extended only once until it is renewed', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(2))
    const [lost, held] = [await ada.claimOne(), await ada.claimOne()]
    clock.advance(LEASE)
    expect(await recover(harness)).toMatchObject({ recovered: [], nextLeaseEnd: LEASE })
    expect((await store.stand('emails', lost.id))?.lease?.until).toBe(clock.now + LEASE)
    for (const _ of ['first', 'second']) {
      await ada.extend([held])
      clock.advance(LEASE / 2)
      await survey(harness)
    }
    const { recovered, doubted, crashed, nextLeaseEnd } = await recover(harness)
    expect({ recovered, doubted, crashed }).toEqual({ recovered: [lost.id], doubted: [lost.id] })
    // The other lease was renewed half a lease ago, so the next silence extends it again.
    expect(nextLeaseEnd).toBe(LEASE / 2)
    clock.advance(LEASE)
    expect(await recover(harness)).toMatchObject({ recovered: [], nextLeaseEnd: LEASE })
    clock.advance(LEASE)
    expect(await recover(harness)).toMatchObject({ recovered: [held.id], doubted: [held.id] })
  })

  test('the second of two silences extends no lease that was not renewed in between, whatever leases the other workers have', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const model = new Model({ count: 9, age: LEASE }, () => clock.now, 'emails')
    const ada = harness.caller('ada')
    const given = job()
    await ada.enqueue(given)
    model.enqueue([given])
    const held = await ada.claimOne()
    model.claim([held], { limit: 1, leaseMs: LEASE }, held.token)
    for (const leaseMs of [LEASE, 2 * LEASE]) {
      clock.advance(3 * LEASE)
      const { doubted = [], ...recovery } = await store.recover('emails', { leaseMs })
      const { crashed: _, ...expected } = model.recover({ leaseMs })
      expect({ ...recovery, doubted }).toEqual(expected)
      expect(recovery.recovered).toEqual(leaseMs === LEASE ? [] : [held.id])
    }
  })

  test('a job that kills the only worker fails in the end, because only its first crash in a silence is forgiven', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(job())
    const states: unknown[] = []
    for (let death = 0; death <= MAX_CRASHES_UNSURE; death += 1) {
      const [held] = await ada.claimAlone()
      // No worker asks for work while the only worker is dead. After that, it starts again.
      harness.clock.advance(LEASE)
      await recover(harness)
      await work(harness, LEASE)
      await recover(harness)
      const record = await harness.store.get('emails', held!.id)
      states.push([record!.state, record!.crashes])
    }
    const counted = Array.from({ length: MAX_CRASHES_UNSURE }, (_, crashes) => ['waiting', crashes])
    expect(states).toEqual([...counted, ['failed', MAX_CRASHES_UNSURE]])
  })

  test('the jobs of a holder that is known to be dead are taken back at once, even in a silence', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(job())
    const held = await ada.claimOne()
    harness.clock.advance(2 * LEASE)
    const dead = await harness.store.recover('emails', { holder: 'ada', leaseMs: LEASE })
    expect(dead).toMatchObject({ recovered: [held.id], crashed: [held.id] })
  })

  test('a job that has not begun is taken back and does not count as a doubt', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(job())
    const [held] = await ada.claimAhead(0, 1)
    harness.clock.advance(LEASE)
    await recover(harness)
    await work(harness, LEASE)
    expect(await recover(harness)).toEqual({ recovered: [held!.id], failed: [] })
  })

  test('a job that may crash only once survives a stop and a silence, and fails when its worker dies', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller('ada')
    const once = { options: { maxCrashes: 1 } }
    await ada.enqueue(job(once))
    const stopped = await ada.claimOne()
    await ada.settle(stopped, { kind: 'released', in: 0 })
    expect(await store.get('emails', stopped.id)).toMatchObject({ state: 'waiting', crashes: 0 })
    await ada.claimOne()
    clock.advance(LEASE)
    await recover(harness)
    await work(harness, LEASE)
    await recover(harness)
    expect(await store.get('emails', stopped.id)).toMatchObject({ state: 'waiting', crashes: 0, runs: 2 })
    await ada.claimOne()
    await work(harness, LEASE)
    expect(await recover(harness)).toEqual({ recovered: [], failed: [stopped.id], crashed: [stopped.id] })
  })

  test('a late outcome of any kind counts while the job waits, and its run counts once', async () => {
    for (const [outcome, then] of [
      [completed, { state: 'completed', runs: 1 }],
      [{ kind: 'completed', result: '1' } as const, { state: 'completed', runs: 1, result: '1' }],
      [failed, { state: 'failed', runs: 1, failures: 1 }],
      [retried(5_000), { state: 'delayed', runs: 1, failures: 1 }],
    ] as const) {
      await using harness = await make()
      const ada = harness.caller('ada')
      await ada.enqueue(...jobs(2))
      const held = await ada.claimOne()
      await harness.takeBack()
      expect(await ada.settle(held, outcome)).toBe('settled')
      expect(await harness.store.get('emails', held.id)).toMatchObject(then)
      expect(await ada.settle(held, outcome)).toBe('lost')
      expect(await harness.store.counts('emails')).toMatchObject({ active: 0 })
      expect(await recover(harness)).toEqual({ recovered: [], failed: [] })
      const left = await ada.claim(2)
      expect(ids(left)).not.toContain(held.id)
    }
  })

  test('a job that failed before no longer waits for another try if a late outcome counts', async () => {
    for (const outcome of [completed, failed]) {
      await using harness = await make()
      const { store, clock } = harness
      const ada = harness.caller('ada')
      await ada.enqueue(...[job(), job(limited('a', 1))])
      for (const each of await ada.claim(2)) await ada.settle(each, retried(0))
      const held = await ada.claim(2)
      await harness.takeBack()
      clock.advance(1)
      expect((await store.standings(['emails']))[0]!.retrying).toBe(2)
      for (const each of held) expect(await ada.settle(each, outcome)).toBe('settled')
      expect((await store.standings(['emails']))[0]!.retrying).toBe(0)
    }
  })

  test('after a late outcome that counts, or after a purge, no doubt about the job is left', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(3))
    const [finished, purged, other] = await ada.claim(3)
    clock.advance(LEASE)
    await recover(harness)
    await work(harness, LEASE)
    await recover(harness)
    expect(await store.doubts('emails')).toHaveLength(3)
    expect(await ada.settle(finished!, completed)).toBe('settled')
    await store.alter('emails', [purged!.id], { kind: 'purge' })
    expect((await store.doubts('emails')).map(({ id }) => id)).toEqual([other!.id])
  })

  test('late outcomes count in a call that also has other outcomes and refused outcomes', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(4))
    const held = await ada.claim(3)
    await harness.takeBack()
    const [again] = await harness.caller('bob').claim(1)
    const own = await ada.claimOne()
    const late = held.filter(({ id }) => id !== again!.id && id !== own.id)
    const settlements = [again!, own]
      .map(({ id }) => held.find((each) => each.id === id))
      .flatMap((each) => each ?? [])
    const { verdicts } = await ada.exchange(
      [...late, ...settlements, own].map((each) => settlement(each, completed)),
      { limit: 0, leaseMs: LEASE },
    )
    expect(verdicts).toEqual([...late.map(() => 'settled'), ...settlements.map(() => 'lost'), 'settled'])
  })

  test('a late outcome of a job of a group counts, and the next job of the group may begin', async () => {
    await using harness = await make()
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(2, limited('a', 1)))
    const held = await ada.claimOne()
    await harness.takeBack()
    expect(await ada.settle(held, completed)).toBe('settled')
    expect(await ada.claim(2)).toHaveLength(1)
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 1, active: 1, waiting: 0 })
  })

  test('a late outcome is refused if it has another token, or if the job was claimed, cancelled, rescheduled, edited or retried meanwhile', async () => {
    type Do = (harness: Harness, id: string) => Promise<unknown>
    const changes: Do[] = [
      async ({ store }, id) => await store.alter('emails', [id], { kind: 'cancel', reason: 'user' }),
      async ({ store }, id) => await store.alter('emails', [id], { kind: 'reschedule', in: 5_000 }),
      async ({ store }, id) => await store.alter('emails', [id], { kind: 'edit', payload: '"other"' }),
      async ({ store }, id) =>
        await store.alter('emails', [id], { kind: 'edit', payload: '"other"', whileActive: true }),
      async ({ store }, id) => {
        await store.alter('emails', [id], { kind: 'cancel', reason: 'user' })
        await store.alter('emails', [id], { kind: 'retry' })
      },
      async (harness) => {
        const bob = harness.caller('bob')
        await bob.settle(await bob.claimOne(), unstarted)
      },
      async (harness) => {
        const bob = harness.caller('bob')
        await bob.settle(await bob.claimOne(), retried(0))
      },
    ]
    for (const change of changes) {
      await using harness = await make()
      const ada = harness.caller('ada')
      await ada.enqueue(job({ options: { maxCrashes: 1 } }))
      const held = await ada.claimOne()
      await harness.takeBack({ forgiving: true })
      expect(await ada.settle({ id: held.id, token: 'ada.99' }, completed)).toBe('lost')
      await change(harness, held.id)
      const before = await harness.store.get('emails', held.id)
      expect(await ada.settle(held, completed)).toBe('lost')
      expect(await harness.store.get('emails', held.id)).toEqual(before)
    }
  })
}
