/** Commands for all workers of a store (`jobs:restart`, `jobs:quiet`), and the options that end a process. */
import { describe, expect, inject, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { readTrace } from './trace.ts'
import { isAlive, type Traced, tracedApp, until } from './traced-app.ts'

/**
 * The jobs of the application. The process of the test dispatches them, because a process for each dispatch
 * would be slow.
 */
class TraceJob extends Job {
  override readonly key = 'trace'
  handle(_payload: { n: number; ms: number }) {}
}

function fleetOf({ app }: Traced) {
  const { LARK_JOBS_URL, PREFIX } = app.env
  const connection = LARK_JOBS_URL ?? `sqlite:${app.folder}/.lark/jobs.db`
  const jobs = createJobs({ connection, prefix: PREFIX! })
  const { workers } = operate(jobs)
  return {
    workers,
    fill: (count: number, ms: number) =>
      jobs.dispatch(Array.from({ length: count }, (_, n) => new TraceJob().with({ n, ms }))),
    completed: async () =>
      (await jobs.status()).queues.find(({ queue }) => queue === 'default')!.counts.completed,
    [Symbol.asyncDispose]: () => jobs.close(),
  }
}

// All tests run at the same time, because most of the time is spent on starting processes and on waiting.
describe.concurrent('a fleet', { timeout: 120_000 }, () => {
  test('on Redis, jobs:restart replaces the processes of a supervisor one by one, ends a single worker with exit code 75, and loses no job', async () => {
    await using traced = await tracedApp(inject('redisUrl'))
    await using fleet = fleetOf(traced)
    const { app, work } = traced
    const [supervisor, single] = [work('--processes=2', '--concurrency=1'), work('--concurrency=1')]
    await until(async () => (await fleet.workers.list()).length === 3)
    await fleet.fill(6, 1_000)
    const { workers } = await fleet.workers.restart({ all: true })
    expect(workers).toHaveLength(3)
    expect(await single.result).toMatchObject({ code: 75 })
    const isOld = ({ id }: { id: string }) => workers.some((each) => each.id === id)
    await until(async () => (await fleet.workers.list()).filter((each) => !isOld(each)).length === 2)
    await until(async () => (await fleet.completed()) === 6)
    supervisor.child.kill('SIGTERM')
    const { code, stderr } = await supervisor.result
    expect(code).toBe(0)
    // The second process was told to end only when a new process served in place of the first.
    const ends = stderr.split('\n').filter((line) => line.includes('Worker process'))
    expect(ends).toHaveLength(2)
    for (const line of ends) expect(line).toMatch(/has stopped; another starts now$/)
    const trace = await readTrace(app)
    expect([trace.starts.length, trace.ends.length]).toEqual([6, 6])
  })

  test('on the embedded store, quiet workers take no jobs and stay, and take jobs again later', async () => {
    await using traced = await tracedApp(undefined)
    await using fleet = fleetOf(traced)
    const supervisor = traced.work('--processes=2', '--concurrency=1')
    const areAll = (state: string) => async () => {
      const found = await fleet.workers.list()
      return found.length === 2 && found.every((each) => each.state === state)
    }
    await until(areAll('running'))
    await fleet.workers.quiet({ all: true })
    await until(areAll('quiet'))
    await fleet.fill(2, 0)
    const { workers } = await fleet.workers.resume({ queue: 'default' })
    expect(workers).toHaveLength(2)
    expect(await fleet.completed()).toBe(0)
    await until(async () => (await fleet.completed()) === 2)
    expect(workers.map(({ pid }) => pid).filter(isAlive)).toHaveLength(2)
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({ code: 0 })
  })

  test('with --max-time and --max-memory, running jobs are finished, and the exit code asks for a restart', async () => {
    await using traced = await tracedApp(undefined)
    await using fleet = fleetOf(traced)
    await fleet.fill(1, 1_500)
    const { code, stderr } = await traced.work('--max-time=1s').result
    expect([code, stderr]).toEqual([75, expect.stringContaining('Restarts: it has run for 1 s')])
    expect(await fleet.completed()).toBe(1)
    const supervisor = traced.work('--processes=1', '--max-memory=1mb')
    await supervisor.says('MB of memory, and may have 1\n')
    await supervisor.says('has stopped; another starts now')
    supervisor.child.kill('SIGTERM')
    await supervisor.result
  })
})
