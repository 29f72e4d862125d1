/**
 * A quiet worker or supervisor takes no more jobs and finishes its running jobs, and its processes do not
 * end.
 */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PROCESS_SLOT } from '../../src/supervisor/protocol.ts'
import { Supervisor } from '../../src/supervisor/supervisor.ts'
import { readTrace } from './trace.ts'
import { countsOf, isAlive, storeOf, type Traced, tracedApp, until } from './traced-app.ts'

/**
 * Starts a supervisor with two processes, each of which runs one job at a time. `said` collects what the
 * supervisor prints.
 */
async function supervise({ app }: Traced) {
  const store = await storeOf(app)
  const said: string[] = []
  const supervisor = new Supervisor({
    processes: 2,
    start: (slot) =>
      fork(join(app.folder, 'node_modules/@s18i/lark/dist/bin.js'), ['jobs:work', '--concurrency=1'], {
        cwd: app.folder,
        env: {
          ...process.env,
          ...app.env,
          TRACE: join(app.folder, 'trace.txt'),
          [PROCESS_SLOT]: JSON.stringify(slot),
        },
        stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'],
      }),
    store,
    queues: ['default', 'other'],
    limiters: [],
    remarks: [],
    report: { warn: (text) => said.push(text), info: (text) => said.push(text), counted() {} },
  })
  supervisor.start()
  const starts = async () => (await readTrace(app)).starts
  await until(async () => (await starts()).length === 2)
  return {
    supervisor,
    store,
    said,
    pids: (await starts()).map(({ pid }) => pid),
    async [Symbol.asyncDispose]() {
      await supervisor.stop(0)
      await store.close()
    },
  }
}

describe('quiet', { timeout: 60_000 }, () => {
  test.concurrent('the processes of a quiet supervisor take no more jobs, finish their running jobs, and stay until the supervisor is stopped', async () => {
    await using traced = await tracedApp()
    const { app, fill } = traced
    await fill(5, 2_000)
    await using running = await supervise(traced)
    const { supervisor, pids } = running
    supervisor.quiet()
    supervisor.quiet()
    await until(async () => (await readTrace(app)).ends.length === 2)
    await until(async () => (await running.store.counts('default')).active === 0)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 3, completed: 2 })
    expect(pids.filter(isAlive)).toHaveLength(2)
    await supervisor.stop()
    const { figures, isInOrder } = await supervisor.done
    expect({ completed: figures.summary.completed, isInOrder }).toEqual({ completed: 2, isInOrder: true })
    // After a stop, quiet does nothing.
    supervisor.quiet()
    expect(pids.filter(isAlive)).toEqual([])
  })

  // The signal goes to a single worker, to the supervisor only, or to all processes, as Ctrl-Z in a terminal
  // does.
  test.concurrent.each([
    ['one process', ['--concurrency=2'], 'worker'],
    ['a supervisor', ['--processes=2', '--concurrency=1'], 'worker'],
    ['a supervisor and its processes', ['--processes=2', '--concurrency=1'], 'all'],
  ])(
    'after SIGTSTP to %s, no more jobs are taken and running jobs are finished, and SIGTERM ends the program',
    async (_name, flags, whom) => {
      await using traced = await tracedApp()
      const { app, work, fill } = traced
      await fill(5, 3_000)
      const worker = work(...flags)
      await until(async () => (await readTrace(app)).starts.length === 2)
      const pids = [...new Set((await readTrace(app)).starts.map(({ pid }) => pid))]
      const signalled = whom === 'all' ? [worker.child.pid!, ...pids] : [worker.child.pid!]
      for (const pid of [...signalled, ...signalled]) process.kill(pid, 'SIGTSTP')
      await worker.says('Quiet: takes no more jobs, and finishes the running ones')
      await using store = await storeOf(app)
      await until(async () => (await store.counts('default')).active === 0)
      expect(await countsOf(app, 'default')).toMatchObject({ waiting: 3, completed: 2 })
      expect(pids.filter(isAlive)).toEqual(pids)
      worker.child.kill('SIGTERM')
      const { code, stdout, stderr } = await worker.result
      expect(code).toBe(0)
      expect(stderr.match(/Quiet/g)).toHaveLength(1)
      expect(stdout).toMatch(/\n2 completed in /)
      expect(await countsOf(app, 'default')).toMatchObject({ waiting: 3, active: 0, completed: 2 })
    },
  )

  test.concurrent('after SIGTSTP to one of several processes, only this process takes no more jobs, and it stays', async () => {
    await using traced = await tracedApp()
    const { app, work, fill } = traced
    await fill(2, 2_000)
    const supervisor = work('--processes=2', '--concurrency=1')
    await until(async () => (await readTrace(app)).starts.length === 2)
    const [quiet, other] = (await readTrace(app)).starts.map(({ pid }) => pid)
    process.kill(quiet!, 'SIGTSTP')
    await until(async () => (await readTrace(app)).ends.length === 2)
    await fill(5, 0)
    await using store = await storeOf(app)
    await until(async () => (await store.counts('default')).completed === 7)
    const { starts } = await readTrace(app)
    expect(starts.slice(2).map(({ pid }) => pid)).toEqual(Array.from({ length: 5 }, () => other))
    expect(isAlive(quiet!)).toBe(true)
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('Worker process'),
    })
  })

  test.concurrent('a quiet process that dies is not replaced, its jobs are given back, and the supervisor ends when no process is left', async () => {
    await using traced = await tracedApp()
    const { app, fill } = traced
    await fill(2, 60_000)
    await using running = await supervise(traced)
    const { supervisor, said, pids } = running
    supervisor.quiet()
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    expect(await supervisor.done).toMatchObject({ isInOrder: false })
    expect(said.filter((text) => text.startsWith('Worker')).sort()).toEqual([
      expect.stringMatching(/^Worker process 1 \(pid \d+\) was killed by SIGKILL: 1 job went back$/),
      expect.stringMatching(/^Worker process 2 \(pid \d+\) was killed by SIGKILL: 1 job went back$/),
    ])
    expect((await readTrace(app)).starts).toHaveLength(2)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 2, active: 0 })
  })
})
