import { expect, test } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import type { WorkOptions } from '../../src/api/work.ts'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { paces } from '../../src/options/preset.ts'
import { Bench, type Connect } from './bench.ts'

class FastJob extends Job {
  handle(_payload: number) {}
}

/** The preset of a worker decides how many jobs it prefetches. */
export function presets(connect: Connect): void {
  test('spread prefetches nothing, and runs every job', async () => {
    await using bench = await Bench.make(connect)
    const wants = await workThrough(bench, bench.jobs, 400, { preset: 'spread', concurrency: 3 })
    expect(wants.length).toBeGreaterThan(400 / 3)
    expect(wants.filter(({ prefetch }) => prefetch > 0)).toEqual([])
    expect(Math.max(...wants.map(({ limit }) => limit))).toBe(3)
  })

  test('the preset of the configuration applies to a worker without one', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ preset: 'spread' })
    const spread = await workThrough(bench, client, 400, { concurrency: 1 })
    expect(spread.filter(({ prefetch }) => prefetch > 0)).toEqual([])
    const balanced = await workThrough(bench, client, 2_000, { concurrency: 1, preset: 'balanced' })
    expect(balanced.some(({ prefetch }) => prefetch > 0)).toBe(true)
  })

  test('throughput prefetches more than the maximum of balanced', async () => {
    await using bench = await Bench.make(connect)
    const most = async (preset: 'balanced' | 'throughput') => {
      const wants = await workThrough(bench, bench.jobs, 5_000, { preset, concurrency: 50 })
      return Math.max(...wants.map(({ prefetch }) => prefetch))
    }
    expect(await most('balanced')).toBeLessThanOrEqual(paces.balanced.most)
    // The number depends on the speed of the worker, so a busy machine may need several tries.
    const deadline = performance.now() + 20_000
    let seen = 0
    while (seen <= paces.balanced.most && performance.now() < deadline) seen = await most('throughput')
    expect(seen).toBeGreaterThan(paces.balanced.most)
    expect(seen).toBeLessThanOrEqual(paces.throughput.most)
  })

  test.each(['balanced', 'spread'] as const)(
    'with %s, 57 jobs in 13 slots need no more claims than slots and one',
    async (preset) => {
      await using bench = await Bench.make(connect)
      const wants = await workThrough(bench, bench.jobs, 57, { preset, concurrency: 13 })
      expect(wants.length).toBeLessThanOrEqual(14)
    },
  )
}

/** Runs jobs with a worker. @returns how many jobs the worker wanted in each claim */
async function workThrough(
  bench: Bench,
  client: Jobs,
  jobs: number,
  options: WorkOptions,
): Promise<{ limit: number; prefetch: number }[]> {
  await client.dispatchMany(
    new FastJob(),
    Array.from({ length: jobs }, (_, n) => n),
  )
  const { store } = await insideOf(client).open()
  const exchange = store.exchange
  const wants: { limit: number; prefetch: number }[] = []
  store.exchange = (partition, call, settlements, want) => {
    const { limit, prefetch = 0 } = want
    if (partition === 'default' && limit + prefetch > 0) wants.push({ limit, prefetch })
    return exchange.call(store, partition, call, settlements, want)
  }
  const worker = await bench.work([FastJob], { ...options, stopWhenEmpty: true }, client)
  expect(await worker.done).toMatchObject({ completed: jobs, lost: 0 })
  store.exchange = exchange
  return wants
}
