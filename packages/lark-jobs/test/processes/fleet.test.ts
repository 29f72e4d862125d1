/** `jobs:quiet` and `jobs:restart` reach all workers of a store, and limits of a process end it. */
import { describe, expect, inject, test } from 'vitest'
import { readTrace } from './trace.ts'
import { countsOf, isAlive, storeOf, tracedApp, until } from './traced-app.ts'

// Starting the processes and hearing the orders takes most of the time, so all run side by side.
describe.concurrent('a fleet', { timeout: 60_000 }, () => {
  test('on Redis, restart: processes of a supervisor one after the other, a single one with exit code 75; no job is lost', async () => {
    await using traced = await tracedApp(inject('redisUrl'))
    const { app, work, fill } = traced
    const [supervisor, single] = [work('--processes=2', '--concurrency=1'), work('--concurrency=1')]
    await using store = await storeOf(app)
    await until(async () => (await store.workers()).length === 3)
    await fill(6, 1_000)
    const before = await store.workers()
    const told = await app.run('jobs:restart', '--wait', '--timeout=30s', '--verbose')
    expect(told).toMatchObject({ code: 0 })
    expect(told.stderr).toContain('✓ Told 3 workers to restart')
    for (const { id, pid } of before)
      expect(told.stderr).toContain(`${id} on ${before[0]!.host} (pid ${pid}) has ended`)
    expect(await single.result).toMatchObject({ code: 75 })
    await supervisor.says('Worker process 1 (pid')
    await until(async () => (await store.workers()).length === 2)
    const after = await store.workers()
    expect(after.filter(({ id }) => before.some((each) => each.id === id))).toEqual([])
    expect(after.map(({ state }) => state)).toEqual(['running', 'running'])
    await until(async () => (await store.counts('default')).completed === 6)
    supervisor.child.kill('SIGTERM')
    const { code, stderr } = await supervisor.result
    expect(code).toBe(0)
    // The second began to stop when another served in the place of the first.
    const lines = stderr.split('\n').filter((line) => /Worker process/.test(line))
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(line).toMatch(/has stopped; another starts now$/)
    const { starts, ends } = await readTrace(app)
    expect([starts.length, ends.length]).toEqual([6, 6])
  })

  test('on the embedded store, quiet: no worker takes a job, and all stay; then they take jobs again', async () => {
    await using traced = await tracedApp(undefined)
    const { app, work, fill } = traced
    const supervisor = work('--processes=2', '--concurrency=1')
    await using store = await storeOf(app)
    await until(async () => (await store.workers()).length === 2)
    expect(await app.run('jobs:quiet', '--wait', '--timeout=30s')).toMatchObject({ code: 0 })
    const quiet = await store.workers()
    expect(quiet.map(({ state }) => state)).toEqual(['quiet', 'quiet'])
    await fill(2, 0)
    const resumed = await app.run('jobs:quiet', '--resume', '--wait', '--timeout=30s', '--json')
    expect(JSON.parse(resumed.stdout)).toMatchObject({
      workers: [{ state: 'quiet' }, { state: 'quiet' }],
      left: [],
    })
    await until(async () => (await store.counts('default')).completed === 2)
    expect(quiet.map(({ pid }) => pid).filter(isAlive)).toHaveLength(2)
    expect((await app.run('jobs:quiet', '--host=elsewhere')).code).toBe(1)
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({ code: 0 })
  })

  test('--max-time and --max-memory: what runs is finished, and the exit code says that it wants to be started again', async () => {
    await using traced = await tracedApp(undefined)
    const { app, work, fill } = traced
    await fill(1, 1_500)
    const timed = await work('--max-time=1s').result
    expect(timed).toMatchObject({ code: 75 })
    expect(timed.stderr).toContain('Restarts: it has run for 1 s')
    expect(await countsOf(app, 'default')).toMatchObject({ completed: 1, active: 0 })
    const large = await work('--max-memory=1mb').result
    expect(large).toMatchObject({ code: 75 })
    expect(large.stderr).toMatch(/Restarts: it has \d+ MB of memory, and may have 1\n/)
    const supervisor = work('--processes=1', '--max-memory=1mb')
    await supervisor.says('has stopped; another starts now')
    supervisor.child.kill('SIGTERM')
    await supervisor.result
  })
})
