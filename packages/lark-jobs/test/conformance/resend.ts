/**
 * Calls whose reply was lost, and that are sent a second time under the same number.
 */
import { expect, test } from 'vitest'
import { CALL_MEMORY } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, jobs, retried, settlement } from './jobs.ts'

export function resend(make: Make): void {
  test('an enqueue that is sent again returns the same answer, and queues no job twice', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const taken = job()
    await caller.enqueue(taken)
    const list = [job(), taken, job()]
    const first = await caller.enqueue(...list)
    expect(first).toEqual(['queued', 'exists', 'queued'])
    expect(await store.enqueue('emails', caller.last(), list)).toEqual(first)
    expect(await store.counts('emails')).toMatchObject({ waiting: 3 })
  })

  test('an enqueue that is sent again queues no job twice, even if the job has run and was removed meanwhile', async () => {
    const none = { count: 0, age: 0 }
    await using harness = await make({ retention: { completed: none, failed: none, cancelled: none } })
    const web = harness.caller('web')
    const worker = harness.caller('worker')
    const given = job()
    await web.enqueue(given)
    await worker.settle(await worker.claimOne(), completed)
    expect(await harness.store.get('emails', given.id)).toBeUndefined()
    expect(await harness.store.enqueue('emails', web.last(), [given])).toEqual(['queued'])
    expect(await worker.claim()).toEqual([])
  })

  test('an exchange that is sent again returns the same verdicts and the same jobs', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(5))
    const held = await caller.claimOne()
    const settlements = [settlement(held, completed), settlement({ id: 'nobody', token: 'x.1' }, completed)]
    const want = { limit: 2, leaseMs: LEASE }
    const first = await caller.exchange(settlements, want)
    expect(first.verdicts).toEqual(['settled', 'lost'])
    const second = await store.exchange('emails', caller.last(), settlements, want)
    expect(second.verdicts).toEqual(first.verdicts)
    expect(second.jobs).toEqual(first.jobs)
    expect(await store.counts('emails')).toMatchObject({ waiting: 2, active: 2, completed: 1 })
  })

  test('a failure counts once although its exchange is sent again', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    const want = { limit: 1, leaseMs: LEASE }
    const first = await caller.exchange([settlement(held, retried(0))], want)
    const second = await harness.store.exchange('emails', caller.last(), [settlement(held, retried(0))], want)
    expect(first.jobs).toMatchObject([{ runs: 2, failures: 1 }])
    expect(second.jobs).toEqual(first.jobs)
  })

  test('an exchange that got no job gets no job when it is sent again, even if a job was queued meanwhile', async () => {
    await using harness = await make()
    const caller = harness.caller('worker')
    const want = { limit: 1, leaseMs: LEASE }
    await caller.exchange([], want)
    await harness.caller('web').enqueue(job())
    const again = await harness.store.exchange('emails', caller.last(), [], want)
    expect(again.jobs).toEqual([])
    expect(await caller.claim()).toHaveLength(1)
  })

  test('an exchange that is sent again after its jobs were taken back has settled its outcomes, and returns no job', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(3))
    const held = await ada.claimOne()
    const settlements = [settlement(held, completed), settlement({ id: held.id, token: 'x.1' }, completed)]
    const want = { limit: 1, prefetch: 1, leaseMs: LEASE }
    const first = await ada.exchange(settlements, want)
    expect(first.jobs).toHaveLength(2)
    await harness.takeBack()
    const bob = await harness.caller('bob').claimOne()
    const again = await store.exchange('emails', ada.last(), settlements, want)
    expect(again.verdicts).toEqual(['settled', 'lost'])
    expect(again.jobs).toEqual([])
    // Later changes are not undone: bob holds one job, and the other waits.
    expect(await store.get('emails', bob.id)).toMatchObject({ state: 'active', holder: 'bob' })
    expect(await store.counts('emails')).toMatchObject({ waiting: 1, active: 1, completed: 1 })
    expect(await store.minutes('emails')).toMatchObject([{ completed: 1 }])
  })

  test('an exchange that is sent again returns those of its jobs that are still active', async () => {
    await using harness = await make()
    const caller = harness.caller('ada')
    await caller.enqueue(...jobs(3))
    const want = { limit: 3, leaseMs: LEASE }
    const { jobs: held } = await caller.exchange([], want)
    const call = caller.last()
    await harness.caller('bob').settle(held[1]!, completed)
    const again = await harness.store.exchange('emails', call, [], want)
    expect(again.jobs).toEqual([held[0], held[2]])
  })

  test('if a settle does not arrive, the job stays active, and a later call can settle it', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    // The call with the outcome never reached the store. The outcome is sent under a new call number just
    // before the lease ends.
    caller.next()
    harness.clock.advance(LEASE - 1)
    expect(await store.get('emails', held.id)).toMatchObject({ state: 'active', failures: 0, errors: [] })
    expect(await caller.settle(held, completed)).toBe('settled')
    expect(await store.get('emails', held.id)).toMatchObject({
      state: 'completed',
      runs: 1,
      failures: 0,
      crashes: 0,
    })
  })

  test('if a settle never arrives, the job gets a crash and not a failed attempt', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    expect(await harness.takeBack()).toEqual([held.id])
    expect(await caller.claimOne()).toMatchObject({ id: held.id, runs: 2, failures: 0, crashes: 1 })
  })

  test('the store remembers the last call of each caller separately', async () => {
    await using harness = await make()
    const { store } = harness
    await harness.caller('web').enqueue(...jobs(6))
    const want = { limit: 2, leaseMs: LEASE }
    const callers = ['ada', 'bob', 'cyd'].map((id) => harness.caller(id))
    const first = []
    for (const caller of callers) first.push(await caller.exchange([], want))
    const second = []
    for (const caller of callers) second.push(await store.exchange('emails', caller.last(), [], want))
    expect(second.map((answer) => answer.jobs)).toEqual(first.map((answer) => answer.jobs))
    expect(new Set(first.flatMap((answer) => ids(answer.jobs))).size).toBe(6)
  })

  test('a call with the same caller and number on another partition counts as another call', async () => {
    await using harness = await make()
    expect(await harness.caller('web', 'emails').enqueue(job())).toEqual(['queued'])
    expect(await harness.caller('web', 'reports').enqueue(...jobs(2))).toEqual(['queued', 'queued'])
    expect(await harness.store.counts('reports')).toMatchObject({ waiting: 2 })
  })

  test('the answer of a call is remembered for the promised time, whatever other callers do', async () => {
    await using harness = await make()
    const web = harness.caller('web')
    const other = harness.caller('other')
    const worker = harness.caller('worker')
    const given = job()
    await web.enqueue(given)
    await worker.settle(await worker.claimOne(), completed)
    for (let round = 0; round < 20; round += 1) await other.enqueue(job())
    harness.clock.advance(CALL_MEMORY - 1)
    await other.enqueue(job())
    await harness.store.prune('emails')
    expect(await harness.store.enqueue('emails', web.last(), [given])).toEqual(['queued'])
  })
}
