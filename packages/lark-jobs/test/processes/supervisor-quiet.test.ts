/** A supervisor that is quiet: its processes take no more, finish what runs, and stay. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { connect } from '../../src/store/connect.ts'
import { STATION } from '../../src/worker/supervision.ts'
import { Supervisor } from '../../src/worker/supervisor.ts'
import { readTrace } from './trace.ts'
import { countsOf, isAlive, type Traced, tracedApp, until } from './traced-app.ts'

/** Two processes that run one job at a time each. `said` is what the supervisor says. */
async function supervise({ app }: Traced, url: string | undefined) {
  const store = await connect(url ?? `sqlite:${app.folder}/.lark/jobs.db`, app.env.PREFIX ?? '')
  await store.open()
  const said: string[] = []
  const supervisor = new Supervisor({
    processes: 2,
    start: (station) =>
      fork(join(app.folder, 'node_modules/@s18i/lark/dist/bin.js'), ['jobs:work', '--concurrency=1'], {
        cwd: app.folder,
        env: {
          ...process.env,
          ...app.env,
          TRACE: join(app.folder, 'trace.txt'),
          [STATION]: JSON.stringify(station),
        },
        stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'],
      }),
    store,
    queues: ['default', 'other'],
    remarks: [],
    report: { warn: (text) => said.push(text), info: (text) => said.push(text), counted() {} },
  })
  supervisor.start()
  const starts = async () => (await readTrace(app)).starts
  await until(async () => (await starts()).length === 2)
  return {
    supervisor,
    said,
    pids: (await starts()).map(({ pid }) => pid),
    async [Symbol.asyncDispose]() {
      await supervisor.stop(0)
      await store.close()
    },
  }
}

describe.each([
  ['Redis', () => inject('redisUrl')],
  ['the embedded store', () => undefined],
])('a quiet supervisor on %s', { timeout: 60_000 }, (_, url) => {
  test.concurrent('its processes take no more, finish what runs, and stay until it is stopped', async () => {
    await using traced = await tracedApp(url())
    const { app, fill } = traced
    await fill(5, 2_000)
    await using running = await supervise(traced, url())
    const { supervisor, pids } = running
    supervisor.quiet()
    supervisor.quiet()
    await until(async () => (await readTrace(app)).ends.length === 2)
    await until(async () => (await countsOf(app, 'default')).active === 0)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 3, completed: 2 })
    expect(pids.filter(isAlive)).toHaveLength(2)
    await supervisor.stop()
    const { figures, isInOrder } = await supervisor.done
    expect({ completed: figures.summary.completed, isInOrder }).toEqual({ completed: 2, isInOrder: true })
    // Stopped, it is not quiet again.
    supervisor.quiet()
    expect(pids.filter(isAlive)).toEqual([])
  })

  test.concurrent('a process that dies is not replaced, and its jobs go back; when none is left, it is done', async () => {
    await using traced = await tracedApp(url())
    const { app, fill } = traced
    await fill(2, 60_000)
    await using running = await supervise(traced, url())
    const { supervisor, said, pids } = running
    supervisor.quiet()
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    expect(await supervisor.done).toMatchObject({ isInOrder: false })
    // The test server has something to be warned of as well.
    expect(said.filter((text) => text.startsWith('Worker')).sort()).toEqual([
      expect.stringMatching(/^Worker process 1 \(pid \d+\) was killed by SIGKILL: 1 job went back$/),
      expect.stringMatching(/^Worker process 2 \(pid \d+\) was killed by SIGKILL: 1 job went back$/),
    ])
    expect((await readTrace(app)).starts).toHaveLength(2)
    expect(await countsOf(app, 'default')).toMatchObject({ waiting: 2, active: 0 })
  })
})
