/** `jobs:work --processes` stops, or has nothing left to do. */
import { expect, test } from 'vitest'
import { readTrace } from './trace.ts'
import { countsOf, isAlive, tracedApp, until } from './traced-app.ts'

/** Tests of how a supervisor ends, on the embedded store. */
export function supervisingEnds(): void {
  test.concurrent('SIGTERM and SIGINT to all processes at once, as terminals and process managers send them, cause one orderly stop', async () => {
    await using traced = await tracedApp()
    const { app, work, fill } = traced
    await fill(60, 1_500)
    const supervisor = work('--processes=2', '--concurrency=3')
    const pids = async () => [...new Set((await readTrace(app)).starts.map(({ pid }) => pid))]
    await until(async () => (await pids()).length === 2)
    for (const pid of await pids()) process.kill(pid, 'SIGINT')
    for (const pid of [supervisor.child.pid!, ...(await pids())]) process.kill(pid, 'SIGTERM')
    const { code, stdout, stderr } = await supervisor.result
    expect(code).toBe(0)
    expect(stderr).toContain('Stopping: the running jobs have')
    expect(stderr).not.toContain('Worker process')
    const { starts, ends } = await readTrace(app)
    expect(ends).toHaveLength(starts.length)
    expect(stdout).toContain(`${starts.length} completed`)
    expect(await countsOf(app, 'default')).toMatchObject({
      waiting: 60 - starts.length,
      active: 0,
      completed: starts.length,
    })
  })

  test.concurrent('a process that gets SIGTERM finishes its running jobs, and is replaced', async () => {
    await using traced = await tracedApp()
    const { app, work, fill } = traced
    await fill(3, 1_000)
    const supervisor = work('--processes=1', '--concurrency=1')
    await until(async () => (await readTrace(app)).starts.length === 1)
    const { pid } = (await readTrace(app)).starts[0]!
    process.kill(pid, 'SIGTERM')
    await supervisor.says(`Worker process 1 (pid ${pid}) has stopped; another starts now`)
    await until(async () => (await readTrace(app)).ends.length === 3)
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({ code: 0 })
    const { starts } = await readTrace(app)
    expect(starts).toHaveLength(3)
    expect(starts.filter((start) => start.pid === pid)).toHaveLength(1)
  })

  test.concurrent('after kill -9 of the supervisor, its processes finish their running jobs, take no more, and end', async () => {
    await using traced = await tracedApp()
    const { app, work, fill } = traced
    await fill(60, 1_500)
    const supervisor = work('--processes=2', '--concurrency=3')
    const pids = async () => [...new Set((await readTrace(app)).starts.map(({ pid }) => pid))]
    await until(async () => (await pids()).length === 2)
    supervisor.child.kill('SIGKILL')
    const { signal, stderr } = await supervisor.result
    expect(signal).toBe('SIGKILL')
    expect(stderr).toContain('The supervisor is gone: finishes the running jobs, and ends')
    const all = await pids()
    await until(() => !all.some(isAlive))
    const { starts, ends } = await readTrace(app)
    expect(ends).toHaveLength(starts.length)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 60 - starts.length, active: 0 })
  })

  test.concurrent('with --stop-when-empty and --max-jobs, the supervisor ends with all its processes, and prints one summary', async () => {
    await using traced = await tracedApp()
    const { app, work, fill, mood } = traced
    await fill(500, 1)
    await mood('fine')
    const empty = await work('--processes=3', '--stop-when-empty').result
    expect(empty.code).toBe(0)
    expect(empty.stderr).toMatch(/^i Serving \S+: default, other in fair turns, 3 processes × 10 at a time\n/)
    expect(empty.stdout).toMatch(
      /\nQUEUE +COMPLETED.*\n(default +500 .*\nother +1 |other +1 .*\ndefault +500 ).*\n\n501 completed in [^\n]*\n$/,
    )

    await fill(20, 0)
    const some = await work('--processes=2', '--max-jobs=5').result
    expect(some).toMatchObject({ code: 0 })
    expect(some.stdout).toMatch(/\n10 completed in [^\n]*\n$/)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 10 })
  })

  test.concurrent('with --json, the output of all processes consists of whole lines of JSON, each with the id of its worker', async () => {
    await using traced = await tracedApp()
    const { work, fill, mood } = traced
    await fill(2_000, 3)
    // The lines are longer than one read from a pipe.
    await mood('talks', { count: 200 })
    const { code, stdout, stderr } = await work('--processes=2', '--json', '--stop-when-empty').result
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const jobs = events.filter(({ event }) => event === 'job')
    expect(jobs).toHaveLength(2_200)
    expect(new Set(jobs.map(({ worker }) => worker)).size).toBe(2)
    expect(events.at(-1)).toMatchObject({ event: 'summary', completed: 2_200, failed: 0 })
  })
}
