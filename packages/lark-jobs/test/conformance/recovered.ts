/**
 * Jobs that were taken back from a worker. A recovered job is never prefetched again. So a job that kills its
 * worker can be found.
 */
import { expect, test } from 'vitest'
import type { Outcome } from '../../src/model/record.ts'
import { isSuspect, MAX_CRASHES } from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, unstarted } from './jobs.ts'

/** Queues a job, and lets its worker die. The job is taken back, and is at the head of the line. */
async function recoveredJob(harness: Harness, caller: Caller): Promise<string> {
  const given = job()
  await caller.enqueue(given)
  await caller.claimOne()
  expect(await harness.takeBack()).toEqual([given.id])
  return given.id
}

export function recovered(make: Make): void {
  test('a job that was taken back is not prefetched again, and no claim skips it', async () => {
    await using harness = await make()
    const bob = harness.caller('bob')
    const list = jobs(5)
    await bob.enqueue(...list)
    const [first] = await bob.claimAhead(0, 3)
    await harness.takeBack()
    const ada = harness.caller('ada')
    // The job at the head was recovered, so nothing is prefetched.
    expect(await ada.claimAhead(0, 5)).toEqual([])
    // The first job starts at once. The next one was recovered too, so the claim ends before it.
    expect(ids(await ada.claimAhead(1, 4))).toEqual([first!.id])
    expect(ids(await ada.claimAhead(2, 4))).toEqual(ids(list.slice(1)))
  })

  test('a claim ends at a recovered job of a higher priority, and prefetches no job of a lower priority', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const high = jobs(2, { priority: 5 })
    await caller.enqueue(...high)
    await caller.claimAhead(1, 1)
    await harness.takeBack()
    await caller.enqueue(...jobs(3))
    const { jobs: claimed, nextDue } = await caller.exchange([], { limit: 1, prefetch: 4, leaseMs: LEASE })
    expect(ids(claimed)).toEqual([high[0]!.id])
    expect(nextDue).toBe(0)
  })

  test('every job that was taken back is marked, whether it had started or not, and whether the crash was forgiven or not', async () => {
    for (const forgiving of [true, false]) {
      for (const [limit, beyond] of [
        [1, 0],
        [0, 1],
      ] as const) {
        await using harness = await make()
        const caller = harness.caller()
        await caller.enqueue(...jobs(2))
        await caller.claimAhead(limit, beyond)
        await harness.takeBack({ forgiving })
        expect(await caller.claimAhead(0, 2)).toEqual([])
      }
    }
  })

  test('a job taken back from a named holder is marked too', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    await caller.claimAhead(0, 1)
    await harness.store.recover('emails', { holder: 'ada' })
    expect(await caller.claimAhead(0, 1)).toEqual([])
  })

  test('the mark of a recovered job stays after failures, releases and returns', async () => {
    for (const outcome of [retried(0), { kind: 'released', in: 0 }, unstarted] as Outcome[]) {
      await using harness = await make()
      const caller = harness.caller()
      await recoveredJob(harness, caller)
      await caller.settle(await caller.claimOne(), outcome)
      expect(await caller.claimAhead(0, 1)).toEqual([])
      expect(await caller.claim(1)).toHaveLength(1)
    }
  })

  test('a retry by a person removes the mark of a recovered job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const id = await recoveredJob(harness, caller)
    await caller.settle(await caller.claimOne(), failed)
    await harness.store.alter('emails', [id], { kind: 'retry' })
    expect(ids(await caller.claimAhead(0, 1))).toEqual([id])
  })

  test('a job that is removed and queued again has no mark', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const id = await recoveredJob(harness, caller)
    await harness.store.alter('emails', [id], { kind: 'remove' })
    await caller.enqueue(job({ id }))
    expect(ids(await caller.claimAhead(0, 1))).toEqual([id])
  })

  test(`a job that kills its worker fails after ${MAX_CRASHES} crashes, and other jobs lose no attempt`, async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [innocent, killer, another] = jobs(3)
    await caller.enqueue(innocent!, killer!, another!)
    let deaths = 0
    // Each worker runs its jobs one by one. The bad job ends the worker before the worker can report that
    // this job has started.
    for (let round = 0; round < 10; round += 1) {
      const held = await caller.claimAhead(1, 2)
      if (held.length === 0) break
      for (const claimed of held) {
        if (claimed.id === killer!.id) {
          if (isSuspect(claimed)) await caller.start([claimed], true)
          deaths += 1
          break
        }
        await caller.settle(claimed, completed)
      }
      await harness.takeBack({ fromWithin: true })
    }
    expect(deaths).toBe(MAX_CRASHES + 1)
    expect(await store.get('emails', killer!.id)).toMatchObject({ state: 'failed', crashes: MAX_CRASHES })
    for (const { id } of [innocent!, another!]) {
      expect(await store.get('emails', id)).toMatchObject({ state: 'completed', runs: 1, crashes: 0 })
    }
  })
}
