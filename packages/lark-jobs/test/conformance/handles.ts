/** Two handles on one store, like the handles of two processes. */
import { expect, test } from 'vitest'
import { type Caller, LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, jobs, settlement } from './jobs.ts'

export function handles(make: Make): void {
  test('one handle can claim a job that another handle has queued', async () => {
    await using harness = await make()
    const other = await harness.another()
    const given = job()
    await harness.caller('web').enqueue(given)
    const worker = harness.caller('worker', 'emails', other)
    await worker.settle(await worker.claimOne(), { kind: 'completed', result: '"ok"' })
    expect(await harness.store.get('emails', given.id)).toMatchObject({ state: 'completed', result: '"ok"' })
  })

  test('2,000 jobs that both handles queue and run at the same time run exactly once each', async () => {
    await using harness = await make({
      retention: {
        completed: { count: 5_000, age: 60_000 },
        failed: { count: 10, age: 60_000 },
        cancelled: { count: 10, age: 60_000 },
      },
    })
    const other = await harness.another()
    const queued: string[] = []
    const ran: string[] = []

    async function dispatch(web: Caller): Promise<void> {
      for (let batch = 0; batch < 20; batch += 1) {
        const list = jobs(50)
        queued.push(...ids(list))
        await web.enqueue(...list)
      }
    }
    async function work(worker: Caller): Promise<void> {
      let held = await worker.claim(30)
      while (held.length > 0 || ran.length < 2_000) {
        ran.push(...ids(held))
        const settlements = held.map((claimed) => settlement(claimed, completed))
        const exchange = await worker.exchange(settlements, { limit: 30, leaseMs: LEASE })
        expect(exchange.verdicts).not.toContain('lost')
        held = exchange.jobs
      }
    }
    await Promise.all([
      dispatch(harness.caller('web-1', 'emails')),
      dispatch(harness.caller('web-2', 'emails', other)),
      work(harness.caller('worker-1', 'emails')),
      work(harness.caller('worker-2', 'emails', other)),
    ])
    expect(ran).toHaveLength(2_000)
    expect([...ran].sort()).toEqual([...queued].sort())
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 2_000, waiting: 0, active: 0 })
  })

  test('a dispatch with one handle wakes a worker that waits with another handle', async () => {
    await using harness = await make()
    const other = await harness.another()
    expect(await harness.caller('ada').claim()).toEqual([])
    const wait = harness.store.wait('ada', 10_000)
    await harness.caller('web', 'emails', other).enqueue(job())
    expect(await wait).toEqual(['emails'])
  })

  test('a handle that is opened later finds all jobs', async () => {
    await using harness = await make()
    await harness.caller().enqueue(...jobs(3))
    await harness.store.configure('emails', { paused: true })
    await harness.store.close()
    const other = await harness.another()
    expect(await other.counts('emails')).toMatchObject({ waiting: 3 })
    expect(await other.configure('emails', {})).toMatchObject({ paused: true })
  })
}
