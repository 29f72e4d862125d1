/**
 * Tests that the adapters work in an application, on an embedded store and on Redis, and that they are as
 * short as the manual says. The matrix runs the adapter for Nest, because the packages of Nest are not
 * installed here.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Job } from '@s18i/lark-jobs'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { ClassQueue, type Container } from '../src/classes'
import { FunctionQueue } from '../src/functions'

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string
  }
}

const LONGEST = 80
const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
const files = {
  'functions.ts': '../src/functions.ts',
  'classes.ts': '../src/classes.ts',
  'jobs.module.ts': '../../../matrix/fixtures/nest/src/jobs.module.ts',
}

test.each(Object.entries(files))(`%s has at most ${LONGEST} lines, and the manual shows it`, (name, path) => {
  expect(read(path).trimEnd().split('\n').length).toBeLessThanOrEqual(LONGEST)
  expect(read('../../../docs/adapters.md')).toContain(`title="src/${name}"\n${read(path)}\`\`\`\n`)
})

type Tasks = {
  square: { payload: { n: number }; result: { square: number } }
  flaky: { payload: { until: number }; result: { attempt: number } }
  turn: { payload: { shop: string; n: number }; result: undefined }
}

class Squares {
  readonly known: number[] = []
}

class SquareTask {
  static readonly key = 'square-task'
  readonly #squares: Squares
  constructor(squares: Squares) {
    this.#squares = squares
  }
  async run({ n }: { n: number }, job: Job) {
    this.#squares.known.push(n)
    job.progress(1, 2, 'half')
    return { square: n * n }
  }
}

class FlakyTask {
  static readonly key = 'flaky-task'
  static readonly backoff = 5
  async run({ until }: { until: number }, job: Job) {
    if (job.attempt < until) throw new Error(`attempt ${job.attempt}`)
    return { attempt: job.attempt }
  }
}

class TurnTask {
  static readonly key = 'turn-task'
  static groupBy({ shop }: { shop: string; n: number }) {
    return shop
  }
  static readonly running = new Set<string>()
  static readonly order: number[] = []
  async run({ shop, n }: { shop: string; n: number }) {
    await oneByOne(shop, n, TurnTask)
  }
}

/** Records the order of runs. @throws if another job of the same shop runs */
async function oneByOne(
  shop: string,
  n: number,
  { running, order }: { running: Set<string>; order: number[] },
): Promise<void> {
  if (running.has(shop)) throw new Error(`two of ${shop} run at once`)
  running.add(shop)
  order.push(n)
  await new Promise((resolve) => setImmediate(resolve))
  running.delete(shop)
}

describe.each(['sqlite', 'redis'] as const)('%s', (kind) => {
  let folder: string
  const prefix = `adapters-${randomUUID()}`
  const config = () => {
    const connection = kind === 'redis' ? inject('redisUrl') : `sqlite:${join(folder, 'jobs.db')}`
    return { connection, queues: ['default'], ...(kind === 'redis' && { prefix }) }
  }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'adapters-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('a queue of functions has dispatches, ids, groups, retries, progress, results and removals', async () => {
    const queue = new FunctionQueue<Tasks>(config())
    const turns = { running: new Set<string>(), order: [] as number[] }
    queue.define('square', {}, async ({ n }, job) => {
      job.progress(1, 2, 'half')
      return { square: n * n }
    })
    queue.define('flaky', { attempts: 3, backoff: 5 }, async ({ until }, job) => {
      if (job.attempt < until) throw new Error(`attempt ${job.attempt}`)
      return { attempt: job.attempt }
    })
    queue.define('turn', { groupBy: ({ shop }) => shop }, async ({ shop, n }) => {
      await oneByOne(shop, n, turns)
      return undefined
    })
    const one = await queue.add('square', { n: 7 }, { id: 'one' })
    expect([one, await queue.add('square', { n: 8 }, { id: 'one' })]).toEqual(['one', 'one'])
    expect(await queue.status('square', one)).toEqual({ state: 'waiting' })
    const gone = await queue.add('square', { n: 9 }, { delay: 3_600_000 })
    const flaky = [await queue.add('flaky', { until: 3 }), await queue.add('flaky', { until: 9 })]
    const inTurn: string[] = []
    for (const n of [1, 2, 3, 4]) inTurn.push(await queue.add('turn', { shop: 'acme', n }))
    expect(await queue.remove('square', gone)).toBe(true)
    expect(await queue.remove('square', gone)).toBe(false)
    await queue.work()
    expect(await queue.result('square', one, 20_000)).toEqual({ square: 49 })
    expect(await queue.status('square', one)).toEqual({
      state: 'completed',
      progress: { done: 1, total: 2, note: 'half' },
    })
    expect(await queue.result('flaky', flaky[0]!, 20_000)).toEqual({ attempt: 3 })
    await expect(queue.result('flaky', flaky[1]!, 20_000)).rejects.toMatchObject({ code: 'JOB_FAILED' })
    expect(await queue.status('flaky', flaky[1]!)).toEqual({ state: 'failed', error: 'attempt 3' })
    await Promise.all(inTurn.map((id) => queue.result('turn', id, 20_000)))
    expect(turns.order).toEqual([1, 2, 3, 4])
    await expect(queue.result('square', gone)).rejects.toMatchObject({ code: 'RESULT_GONE' })
    await queue.close()
  })

  test('a queue of classes has dispatches, ids, groups, retries, progress, results and removals', async () => {
    const squares = new Squares()
    const container: Container = (Class) => new Class(...([squares] as never[]))
    const queue = new ClassQueue(config(), container, [SquareTask, FlakyTask, TurnTask])
    const one = await queue.add(SquareTask, { n: 7 }, { id: 'mine' })
    expect((await queue.add(SquareTask, { n: 8 }, { id: 'mine' })).id).toBe('mine')
    const gone = await queue.add(SquareTask, { n: 9 }, { delay: 3_600_000 })
    const flaky = [await queue.add(FlakyTask, { until: 3 }), await queue.add(FlakyTask, { until: 9 })]
    const inTurn = []
    for (const n of [1, 2, 3, 4]) inTurn.push(await queue.add(TurnTask, { shop: 'acme', n }))
    expect(await gone.remove()).toBe(true)
    await queue.work()
    const { square } = await queue.find(SquareTask, one.id).result({ timeout: 20_000 })
    expect([square, squares.known]).toEqual([49, [7]])
    expect(await one.progress()).toEqual({ done: 1, total: 2, note: 'half' })
    expect(await flaky[0]!.result({ timeout: 20_000 })).toEqual({ attempt: 3 })
    await expect(flaky[1]!.result({ timeout: 20_000 })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    expect(await flaky[1]!.status()).toMatchObject({
      state: 'failed',
      errors: [{}, {}, { message: 'attempt 3' }],
    })
    await Promise.all(inTurn.map((task) => task.result({ timeout: 20_000 })))
    expect(TurnTask.order.splice(0)).toEqual([1, 2, 3, 4])
    await queue.close()
  })
})
