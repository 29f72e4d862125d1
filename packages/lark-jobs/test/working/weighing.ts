import { expect, test } from 'vitest'
import { Job, limiter } from '../../src/index.ts'
import { Bench, type Connect, Record } from './bench.ts'
import { Meter } from './meter.ts'

const PERMITS = 4

/**
 * Makes a class whose jobs take as many permits as the payload says. The light jobs never all end at once.
 */
function importJob(meter: Meter) {
  return class ImportJob extends Job {
    override readonly key = 'import'
    override limiter = limiter('stripe', { weight: (payload: { size: number }) => payload.size })
    handle({ size }: { size: number }) {
      return meter.run(String(size), size, size === 1 ? 5 + (meter.begun.length % PERMITS) * 5 : 2)
    }
  }
}

const config = { limiters: { stripe: { concurrency: PERMITS } } }
const sizes = (...list: number[]) => list.map((size) => ({ size }))

/** Tests jobs that take several permits of a limiter. */
export function weighing(connect: Connect): void {
  test('with a weight, a job takes as many permits as its payload says', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(config)
    const meter = new Meter()
    const ImportJob = importJob(meter)
    await client.dispatchMany(new ImportJob(), sizes(3, 1, 4, 2, 2, 1, 3, 1, 1, 2))
    await (await bench.work([ImportJob], { stopWhenEmpty: true }, client)).done
    expect(meter.begun).toHaveLength(10)
    expect(meter.most).toBeLessThanOrEqual(PERMITS)
    expect(meter.most).toBeGreaterThan(2)
  })

  test.each([
    ['heavy jobs among light ones', 1, PERMITS],
    ['light jobs among heavy ones', PERMITS, 1],
  ])('a heavy job need not wait until all other jobs have ended: %s', async (_, many, few) => {
    await using bench = await Bench.make(connect)
    const client = bench.client(config)
    const meter = new Meter()
    const ImportJob = importJob(meter)
    await client.dispatchMany(new ImportJob(), Array(300).fill({ size: many }))
    await client.dispatchMany(new ImportJob(), sizes(few, few, few))
    await (await bench.work([ImportJob], { stopWhenEmpty: true }, client)).done
    expect(meter.begun).toHaveLength(303)
    expect(meter.most).toBe(PERMITS)
    expect(meter.begun.lastIndexOf(String(few))).toBeLessThan(200)
  })

  test('a heavy job also runs if another worker takes all its returned permits again', async () => {
    await using bench = await Bench.make(connect)
    const meter = new Meter()
    const ImportJob = importJob(meter)
    const heavy = new ImportJob()
    heavy.queueName = 'emails'
    const [one, other] = [bench.client(config), bench.client(config)]
    await one.dispatchMany(new ImportJob(), Array(600).fill({ size: 1 }))
    await using _first = await bench.work([ImportJob], { queues: ['default'] }, one)
    await one.dispatchMany(heavy, sizes(PERMITS, PERMITS))
    const report = new Record()
    await using _second = await bench.work([ImportJob], { queues: ['emails'], report }, other)
    await report.ends(2)
    expect(meter.begun.length).toBeLessThan(600)
  })
}
