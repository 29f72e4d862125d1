/** Tests with fakes do not affect each other, in whatever order they run. */
import { createServer } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createJobs, Job, Jobs as Ordinary } from '../../src/index.ts'
import { type Fake, Jobs } from '../../src/testing.ts'

class PingJob extends Job {
  async handle(_: { n: number }) {}
}

const config = {}
const numbers = (fake: Fake) => fake.all(PingJob).map(({ payload }) => payload.n)

test('a fake inside of another fake is independent of it', async () => {
  await using outer = Jobs.fake({ config })
  await new PingJob().dispatch({ n: 1 })
  {
    await using inner = Jobs.fake({ config })
    await new PingJob().dispatch({ n: 2 })
    expect(numbers(inner)).toEqual([2])
  }
  await new PingJob().dispatch({ n: 3 })
  expect(numbers(outer)).toEqual([1, 3])
})

describe.concurrent('at the same time', () => {
  test.each([1, 2, 3, 4, 5])('test %i', async (n) => {
    await using fake = Jobs.fake({ config })
    for (let i = 0; i < 5; i++) {
      await setImmediate()
      await new PingJob().dispatch({ n })
      await new Promise<void>((resolve) => setTimeout(resolve, 5 - n))
    }
    const { completed } = await fake.drain()
    expect(numbers(fake)).toEqual([n, n, n, n, n])
    expect(completed).toBe(5)
  })
})

describe('of hooks', () => {
  let fake: Fake
  beforeEach(async () => {
    await setImmediate()
    fake = Jobs.fake({ config })
  })
  afterEach(() => fake.end())

  test.each([1, 2])('test %i', async (n) => {
    await new PingJob().dispatch({ n })
    expect(numbers(fake)).toEqual([n])
  })
})

test('a server that was started before the fake uses the fake', async () => {
  const server = createServer((_, response) => {
    new PingJob().dispatch({ n: 9 }).then(
      () => response.end('queued'),
      (error) => response.end(error.code),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const ask = async () => (await fetch(`http://127.0.0.1:${port}`)).text()
  try {
    await using fake = Jobs.fake({ config })
    expect(await ask()).toBe('queued')
    expect(numbers(fake)).toEqual([9])
    await Promise.all(
      [1, 2].map(async () => {
        await setImmediate()
        await using other = Jobs.fake({ config })
        await setImmediate()
        // If two fakes exist and neither is inside of the other, it is unclear which of them counts.
        expect(await ask()).toBe('FAKE_AMBIGUOUS')
        expect(numbers(other)).toEqual([])
        await setImmediate()
      }),
    )
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
})

test('code that a test has not started gets the fake of run()', async () => {
  const calls: (() => Promise<unknown>)[] = []
  const begun = Promise.all(
    [1, 2].map(async (n) => {
      await using fake = Jobs.fake({ config })
      calls.push(() => fake.run(() => new PingJob().dispatch({ n })))
      while (numbers(fake).length === 0) await setImmediate()
      return numbers(fake)
    }),
  )
  while (calls.length < 2) await setImmediate()
  await Promise.all(calls.map((call) => call()))
  expect(await begun).toEqual([[1], [2]])
})

test('after the end of a fake, Jobs works as before', async () => {
  const fake = Jobs.fake({ config })
  await new PingJob().dispatch({ n: 1 })
  await fake.end()
  await fake.end()
  await using instance = createJobs({ connection: 'sqlite::memory:' })
  await instance.dispatch(new PingJob(), { n: 2 })
  expect(numbers(fake)).toEqual([1])
  await expect(fake.drain()).rejects.toMatchObject({ code: 'FAKE_ENDED' })
  expect(Ordinary).toBe(Jobs)
})

test('a fake also replaces other instances of the application', async () => {
  const reports = createJobs({ connection: 'redis://unreachable.invalid' })
  await using fake = Jobs.fake({ config, instances: [reports] })
  await reports.dispatch(new PingJob(), { n: 5 })
  expect(numbers(fake)).toEqual([5])
})

test('when the application closes Jobs, the fake keeps its data', async () => {
  await using fake = Jobs.fake({ config })
  await new PingJob().dispatch({ n: 1 })
  await Jobs.close()
  expect(await fake.drain()).toMatchObject({ completed: 1 })
})
