/** Changes at a pace with real workers, which start and stop while jobs are purged. */
import { expect, test, vi } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { every, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect } from './bench.ts'

const JOBS = 60

class SweepJob extends Job {
  override readonly key = 'sweep'
  override queueName = 'low'
  handle() {}
}

/** Lets jobs fail, and begins to retry 20 of them per second. */
async function begin(bench: Bench) {
  const { jobs } = bench
  const runs = new Map<number, number>()
  class ChargeJob extends Job {
    override readonly key = 'charge'
    override tries = 1
    handle({ n }: { n: number }): void {
      runs.set(n, (runs.get(n) ?? 0) + 1)
      throw new Error('The bank is down')
    }
  }
  await jobs.dispatch(Array.from({ length: JOBS }, (_, n) => new ChargeJob().with({ n })))
  const first = await bench.work([ChargeJob], { stopWhenEmpty: true })
  await first.done
  const { changes } = operate(jobs)
  const options = { limit: 20, per: '1s', maxFailed: '100%' } as const
  const { id } = await changes.begin('retry', { queue: 'default' }, options)
  const change = async () => (await changes.list()).find((each) => each.id === id)!
  return { ChargeJob, runs, change }
}

async function countsOf(jobs: Jobs) {
  return (await jobs.status()).queues.find(({ queue }) => queue === 'default')!.counts
}

export function pacing(connect: Connect): void {
  test('workers that do not know the class continue a change, and each job is retried once although these workers stop one after the other', async () => {
    await using bench = await Bench.make(connect)
    const { ChargeJob, runs, change } = await begin(bench)
    const older = bench.client()
    const { store } = await insideOf(older).open()
    const first = await bench.work([SweepJob], { queues: 'low' }, older)
    // The worker is told to stop while it changes a lot, and finishes the lot first.
    const alter = store.alter.bind(store)
    let stopped: Promise<void> | undefined
    vi.spyOn(store, 'alter').mockImplementation((...args) => {
      stopped ??= first.stop()
      return alter(...args)
    })
    await vi.waitFor(() => expect(stopped).toBeDefined(), 20_000)
    await stopped
    const { done, left } = await change()
    expect([done, left]).toEqual([20, 40])
    expect(await countsOf(bench.jobs)).toMatchObject({ waiting: 20, failed: 40 })
    const second = await bench.work([SweepJob], { queues: 'low' }, bench.client())
    await vi.waitFor(async () => expect((await change()).done).toBeGreaterThanOrEqual(40), 20_000)
    await second.stop()
    await bench.work([ChargeJob])
    await vi.waitFor(async () => expect(await change()).toMatchObject({ done: JOBS, left: 0 }), 20_000)
    await vi.waitFor(async () => expect((await countsOf(bench.jobs)).failed).toBe(JOBS), 20_000)
    expect([...runs.values()].filter((count) => count !== 2)).toEqual([])
  })

  test('a worker whose schedules are turned off leaves a change to other workers', async () => {
    await using bench = await Bench.make(connect)
    const { change } = await begin(bench)
    const off = bench.client({ schedules: { enabled: false } })
    const { store } = await insideOf(off).open()
    const due = vi.spyOn(store.schedules, 'due')
    await bench.work([SweepJob], { queues: 'low' }, off)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    for (const [, count] of due.mock.calls) expect(count).toBe(0)
    expect(await change()).toMatchObject({ state: 'running', done: 0 })
    await bench.work([SweepJob], { queues: 'low' }, bench.client())
    await vi.waitFor(async () => expect(await change()).toMatchObject({ done: JOBS }), 20_000)
  })

  test('a purge of all jobs of a queue keeps its schedules and the change, which has no jobs left to change', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const { ChargeJob, change } = await begin(bench)
    await jobs.schedules.set('daily', new ChargeJob().with({ n: 0 }), every('1d'))
    await bench.work([SweepJob], { queues: 'low' }, bench.client())
    await vi.waitFor(async () => expect((await change()).done).toBeGreaterThanOrEqual(20), 20_000)
    await jobs.purge({ queue: 'default' })
    await vi.waitFor(async () => expect(await change()).toMatchObject({ state: 'done', left: 0 }), 20_000)
    const { total, done } = await change()
    expect(total).toBe(JOBS)
    expect(done).toBeLessThan(JOBS)
    expect(await jobs.schedules.get('daily')).toMatchObject({ state: 'running' })
  })
}
