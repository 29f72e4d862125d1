/**
 * Suspects: jobs whose next crash would reach the limit of crashes. The tests show when a suspect counts as
 * started, and which crash fails it.
 */
import { expect, test } from 'vitest'
import { MAX_CRASHES, MAX_CRASHES_UNSURE } from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, ids, job, jobs } from './jobs.ts'

/** The number of crashes after which a job is a suspect. */
const SUSPECT = MAX_CRASHES - 1

/** Queues jobs, and lets their workers die until the jobs are suspects. */
async function suspects(harness: Harness, caller: Caller, count = 1): Promise<string[]> {
  const list = jobs(count)
  await caller.enqueue(...list)
  for (let crash = 0; crash < SUSPECT; crash += 1) {
    await caller.claim(count)
    await harness.takeBack()
  }
  return ids(list)
}

export function suspectJobs(make: Make): void {
  test('a suspect that was claimed and has not started counts no crash, wherever it was in the claim', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const all = await suspects(harness, caller, 3)
    for (let round = 0; round < MAX_CRASHES; round += 1) {
      expect(await caller.claim(3)).toMatchObject(
        all.map((id) => ({ id, crashes: SUSPECT, runs: SUSPECT + 1 })),
      )
      expect((await harness.takeBack()).sort()).toEqual(all)
    }
    for (const id of all)
      expect(await harness.store.get('emails', id)).toMatchObject({ crashes: SUSPECT, runs: SUSPECT })
  })

  test('a suspect that started alone fails if its process ends and was not killed from outside, and the other jobs of the claim do not fail', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [killer, ...others] = await suspects(harness, caller, 3)
    const held = await caller.claim(3)
    await caller.start(held.slice(0, 1), true)
    expect((await harness.takeBack({ fromWithin: true })).sort()).toEqual(others)
    expect(await harness.store.get('emails', killer!)).toMatchObject({
      state: 'failed',
      crashes: MAX_CRASHES,
    })
  })

  test('a suspect whose process may have been killed from outside fails only at its tenth crash', async () => {
    for (const endsFromWithinAt of [MAX_CRASHES_UNSURE + 1, 6]) {
      await using harness = await make()
      const caller = harness.caller()
      const [id] = await suspects(harness, caller)
      const last = Math.min(endsFromWithinAt, MAX_CRASHES_UNSURE)
      for (let crashes = SUSPECT + 1; crashes <= last; crashes += 1) {
        await caller.start(await caller.claim(), true)
        await harness.takeBack({ fromWithin: crashes === endsFromWithinAt })
        const state = crashes < last ? 'waiting' : 'failed'
        expect(await harness.store.get('emails', id!)).toMatchObject({ state, crashes })
      }
    }
  })

  test('a suspect that started while other jobs ran fails only at its tenth crash', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [id] = await suspects(harness, caller)
    for (let crashes = SUSPECT + 1; crashes <= MAX_CRASHES_UNSURE; crashes += 1) {
      const held = await caller.claim()
      // A renewal of the lease that does not say whether the job runs alone changes nothing.
      if (crashes % 2 === 0) await caller.start(held, false)
      else await caller.extend(held)
      await harness.takeBack({ fromWithin: crashes < MAX_CRASHES_UNSURE })
      const state = crashes < MAX_CRASHES_UNSURE ? 'waiting' : 'failed'
      expect(await harness.store.get('emails', id!)).toMatchObject({ state, crashes })
    }
  })

  test('a suspect that started alone counts as alone until an extend says the opposite', async () => {
    for (const isStillAlone of [true, false]) {
      await using harness = await make()
      const caller = harness.caller()
      const [id] = await suspects(harness, caller)
      const held = await caller.claim()
      await caller.start(held, true)
      await caller.extend(held)
      if (!isStillAlone) await caller.start(held, false)
      await caller.extend(held)
      await harness.takeBack({ fromWithin: true })
      const state = isStillAlone ? 'failed' : 'waiting'
      expect(await harness.store.get('emails', id!)).toMatchObject({ state, crashes: MAX_CRASHES })
    }
  })

  test('a job with maxCrashes runs alone one crash before this limit, and fails at the limit, whatever ended the process', async () => {
    for (const maxCrashes of [2, 5]) {
      await using harness = await make()
      const caller = harness.caller()
      const given = job({ options: { tags: ['"maxCrashes":9'], maxCrashes }, priority: 3 })
      const plain = job()
      await caller.enqueue(given, plain)
      for (let crashes = 1; crashes < maxCrashes; crashes += 1) {
        const [, other] = await caller.claim(2)
        await caller.settle(other!, { kind: 'unstarted' })
        expect(await harness.takeBack()).toEqual([given.id])
        expect(await harness.store.get('emails', given.id)).toMatchObject({ state: 'waiting', crashes })
      }
      // From now on, the job counts as started only when its worker reports the start.
      await caller.claim()
      await harness.takeBack()
      expect(await harness.store.get('emails', given.id)).toMatchObject({ crashes: maxCrashes - 1 })
      await caller.start(await caller.claim(), true)
      await harness.takeBack()
      expect(await harness.store.get('emails', given.id)).toMatchObject({
        state: 'failed',
        crashes: maxCrashes,
      })
    }
  })

  test('a job that may crash only once does not wait until it can run alone, and fails with its first crash', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [given, plain] = [job({ options: { maxCrashes: 1 } }), job()]
    await caller.enqueue(given, plain)
    await caller.claim(2)
    harness.clock.advance(LEASE)
    const { recovered, failed, crashed } = await harness.store.recover('emails')
    expect([recovered, failed]).toEqual([[plain.id], [given.id]])
    expect([...crashed!].sort()).toEqual([given.id, plain.id])
    await harness.store.alter('emails', [given.id], { kind: 'retry' })
    expect(await caller.claim(2)).toHaveLength(2)
    await harness.takeBack()
    expect(await harness.store.get('emails', given.id)).toMatchObject({ state: 'failed', crashes: 1 })
  })

  test('a job that may crash only once is not prefetched, not even after a retry', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [plain, given] = [job(), job({ options: { maxCrashes: 1 } })]
    await caller.enqueue(plain, given)
    for (const round of ['queued', 'retried']) {
      expect(ids(await caller.claimAhead(1, 3)), round).toEqual([plain.id])
      expect(ids(await caller.claimAhead(1, 3)), round).toEqual([given.id])
      harness.clock.advance(LEASE)
      expect(await harness.store.recover('emails')).toMatchObject({
        recovered: [plain.id],
        failed: [given.id],
      })
      await harness.store.alter('emails', [plain.id], { kind: 'remove' })
      await caller.enqueue(plain)
      await harness.store.alter('emails', [given.id], { kind: 'retry' })
    }
  })

  test('a delayed unique job that may crash only once is not prefetched', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const lock = { name: 'ada', until: 'done' } as const
    await caller.enqueue(job({ options: { maxCrashes: 1 }, lock, delay: 1_000 }))
    harness.clock.advance(1_000)
    expect(await caller.claimAhead(0, 3)).toEqual([])
  })

  test('maxCrashes above ten also counts for a job that runs together with other jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job({ options: { maxCrashes: 12 } })
    await caller.enqueue(given)
    for (let crashes = 1; crashes <= 12; crashes += 1) {
      const held = await caller.claim()
      if (crashes === 12) await caller.start(held, false)
      await harness.takeBack()
      const state = crashes < 12 ? 'waiting' : 'failed'
      expect(await harness.store.get('emails', given.id)).toMatchObject({ state, crashes })
    }
  })

  test('a suspect of a group that is given back returns to its place', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job({ group: { name: 'ada', limits: { concurrency: 1 }, strict: true }, delay: 10 })
    await caller.enqueue(given)
    harness.clock.advance(10)
    for (let crash = 0; crash < SUSPECT; crash += 1) {
      await caller.claim()
      await harness.takeBack()
    }
    await caller.start(await caller.claim(), false)
    await harness.takeBack()
    await caller.enqueue(job({ group: given.group! }))
    const [first] = await caller.claim(2)
    expect(first).toMatchObject({ id: given.id, group: 'ada', crashes: MAX_CRASHES })
    await caller.settle(first!, completed)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1, completed: 1 })
  })

  test('a retried job is no longer a suspect', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [id] = await suspects(harness, caller)
    await caller.claimAlone()
    await harness.takeBack({ fromWithin: true })
    await harness.store.alter('emails', [id!], { kind: 'retry' })
    await caller.claim()
    await harness.takeBack()
    expect(await harness.store.get('emails', id!)).toMatchObject({ state: 'waiting', crashes: 1 })
  })

  test('a job that is given back with a delay is due after the delay, and counts no run', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(2)
    await caller.enqueue(...list)
    await caller.settle(await caller.claimOne(), { kind: 'unstarted', in: 500 })
    expect(await harness.store.get('emails', list[0]!.id)).toMatchObject({
      state: 'delayed',
      runs: 0,
      releases: 0,
    })
    expect(ids(await caller.claim(2))).toEqual([list[1]!.id])
    harness.clock.advance(500)
    expect(ids(await caller.claim(2))).toEqual([list[0]!.id])
  })

  test('each crash adds an error, which says how the process ended if that is known', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    await caller.claim()
    await harness.takeBack()
    const first = harness.clock.now
    await caller.claim()
    harness.clock.advance(7)
    await store.recover('emails', { holder: 'ada', cause: 'ended with "exit" code\n3' })
    expect((await store.get('emails', given.id))?.errors).toEqual([
      { run: 1, name: 'JobsError', code: 'WORKER_DIED', message: 'its worker died', at: first },
      {
        run: 2,
        name: 'JobsError',
        code: 'WORKER_DIED',
        message: 'its process ended with "exit" code\n3',
        at: first + 7,
      },
    ])
  })
}
