/**
 * This folder has more than 25 files: a subject that is tested on a file and on Redis has three files, one
 * with its tests and one for each store, so that the stores are tested at the same time.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'
import { readTrace, times, traceFiles } from './trace.ts'

/**
 * Every job is accounted for, whatever happens to the processes. @param url the URL of a store; undefined for
 * the embedded store
 */
export function accounting(url: () => string | undefined): void {
  async function tracing(): Promise<App> {
    const prefix = newPrefix()
    const app = await App.make(traceFiles, { LARK_JOBS_URL: url(), PREFIX: prefix })
    const server = url()
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    await app.write({ 'trace.txt': '' })
    return app
  }
  const traced = (app: App) => ({ TRACE: join(app.folder, 'trace.txt') })
  /** A test of behaviour that does not depend on the store, which runs only on the embedded store. */
  const itself = (name: string, act: () => Promise<void>) => void (url() === undefined && test(name, act))

  test('two workers run 10,000 jobs, each job once', async () => {
    await using app = await tracing()
    expect(await app.start(['fill.js', '10000', '0']).result).toMatchObject({ code: 0, stderr: '' })
    const workers = [1, 2].map(() => app.start(['work.js'], '.', traced(app)))
    const results = await Promise.all(workers.map(({ result }) => result))
    expect(results.map(({ code }) => code)).toEqual([0, 0])
    const done = results.map(({ stdout }) => JSON.parse(stdout.split('\n')[1]!).completed as number)
    expect(done[0]! + done[1]!).toBe(10_000)
    const trace = await readTrace(app)
    expect(trace.starts).toHaveLength(10_000)
    expect(times(trace.ends).size).toBe(10_000)
  })

  test('after kill -9 of a worker, every job ends, and only jobs that the worker had begun run twice', async () => {
    await using app = await tracing()
    await app.start(['fill.js', '1000', '25']).result
    const victim = app.start(['work.js'], '.', traced(app))
    const other = app.start(['work.js'], '.', traced(app))
    await victim.says('working')
    const isBusy = async () => {
      const of = ({ pid }: { pid: number }) => pid === victim.child.pid
      const { starts, ends } = await readTrace(app)
      const [begun, ended] = [starts.filter(of).length, ends.filter(of).length]
      return ended >= 40 && begun > ended
    }
    // Stop the worker at a moment at which it runs jobs.
    for (;;) {
      victim.child.kill('SIGSTOP')
      if (await isBusy()) break
      victim.child.kill('SIGCONT')
      await pause(10)
    }
    victim.child.kill('SIGKILL')
    expect((await victim.result).signal).toBe('SIGKILL')
    expect((await other.result).code).toBe(0)

    const { starts, ends } = await readTrace(app)
    expect(times(ends).size).toBe(1_000)
    const ended = new Set(ends.filter(({ pid }) => pid === victim.child.pid).map(({ n }) => n))
    const begun = starts.filter(({ pid }) => pid === victim.child.pid).map(({ n }) => n)
    // The last jobs that had ended may or may not have been settled when the worker died.
    const open = new Set(begun.filter((n) => !ended.has(n)))
    const twice = [...times(starts)].filter(([, count]) => count > 1).map(([n]) => n)
    expect(open.size).toBeGreaterThan(0)
    expect([...times(starts).values()].every((count) => count <= 2)).toBe(true)
    const unsettled = twice.filter((n) => !open.has(n))
    expect(unsettled.every((n) => ended.has(n))).toBe(true)
    expect(unsettled.length).toBeLessThanOrEqual(20)
  })

  test('after SIGTERM, running jobs are finished, the other jobs are left for other workers, and the exit code is 0', async () => {
    await using app = await tracing()
    await app.start(['fill.js', '100', '300']).result
    const worker = app.start(
      [join(app.folder, 'node_modules/@s18i/lark/dist/bin.js'), 'jobs:work', '--concurrency=5'],
      '.',
      traced(app),
    )
    while ((await readTrace(app)).starts.length < 5) await pause(10)
    worker.child.kill('SIGTERM')
    const { code, stdout, stderr } = await worker.result
    expect(stderr).toContain('Stopping: the running jobs have')
    expect(code).toBe(0)
    const { starts, ends } = await readTrace(app)
    expect(ends).toHaveLength(starts.length)
    expect(stdout).toContain(`${starts.length} completed`)
    const status = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(status.queues[0].counts).toMatchObject({
      waiting: 100 - starts.length,
      active: 0,
      completed: starts.length,
    })
  })

  itself('a second SIGTERM gives running jobs back at once', async () => {
    await using app = await tracing()
    await app.start(['fill.js', '1', '60000']).result
    const worker = app.start(
      [join(app.folder, 'node_modules/@s18i/lark/dist/bin.js'), 'jobs:work'],
      '.',
      traced(app),
    )
    while ((await readTrace(app)).starts.length < 1) await pause(10)
    worker.child.kill('SIGTERM')
    await worker.says('Stopping')
    worker.child.kill('SIGTERM')
    const { code, took } = await worker.result
    expect(code).toBe(0)
    expect(took).toBeLessThan(15_000)
    const status = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(status.queues[0].counts).toMatchObject({ waiting: 1, active: 0 })
  })

  itself(
    'a worker that is done ends, even if the files of its jobs keep something open, and prints everything',
    async () => {
      await using app = await tracing()
      await app.write({ 'jobs/open.js': 'setInterval(() => {}, 1_000)' })
      await app.start(['fill.js', '40', '0']).result
      const worker = app.start(
        [join(app.folder, 'node_modules/@s18i/lark/dist/bin.js'), 'jobs:work', '--stop-when-empty'],
        '.',
        traced(app),
      )
      const { code, stdout } = await worker.result
      expect(code).toBe(0)
      expect(stdout.match(/^✓ \d\d:\d\d:\d\d TraceJob /gm)).toHaveLength(40)
      expect(stdout).toMatch(/\n40 completed in .*\n$/)
    },
  )

  test('a process that is stopped during a dispatch, for longer than a dispatch may take, still gets the answer', async () => {
    await using app = await tracing()
    const script = (steps: string) => `
      import { TraceJob } from './jobs/TraceJob.js'
      const standStill = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6_000)
      const dispatch = () => new TraceJob().dispatch({ n: 1 })
      ${steps}
      console.log(await queued)`
    await app.write({
      'first.js': script('const queued = dispatch(); standStill()'),
      'later.js': script('await dispatch(); const queued = dispatch(); standStill()'),
      'underway.js': script('await dispatch(); const queued = dispatch(); setImmediate(standStill)'),
    })
    const processes = ['first.js', 'later.js', 'underway.js'].map((file) => app.start([file]).result)
    for (const result of await Promise.all(processes))
      expect(result).toMatchObject({ code: 0, stdout: 'true\n', stderr: '' })
    const status = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(status.queues[0].counts.waiting).toBe(5)
  })

  test('a script that dispatches ends by itself', async () => {
    await using app = await tracing()
    await app.write({
      'one.js': `
        import { TraceJob } from './jobs/TraceJob.js'
        console.log(await new TraceJob().dispatch({ n: 1 }))`,
      'unawaited.js': `
        import { TraceJob } from './jobs/TraceJob.js'
        for (let n = 2; n < 12; n++) new TraceJob().dispatch({ n })`,
      'exit.js': `
        import { Jobs } from '@s18i/lark-jobs'
        import { TraceJob } from './jobs/TraceJob.js'
        for (let n = 12; n < 15; n++) new TraceJob().dispatch({ n })
        await Jobs.flush()
        process.exit()`,
      'required.cjs': `
        const { Job } = require('@s18i/lark-jobs')
        class TraceJob extends Job { key = 'trace'; handle() {} }
        new TraceJob().dispatch({ n: 15 }).then(console.log)`,
    })
    expect(await app.start(['one.js']).result).toMatchObject({ code: 0, stdout: 'true\n', stderr: '' })
    expect(await app.start(['unawaited.js']).result).toMatchObject({ code: 0, stderr: '' })
    expect(await app.start(['exit.js']).result).toMatchObject({ code: 0, stderr: '' })
    expect(await app.start(['required.cjs']).result).toMatchObject({ code: 0, stdout: 'true\n' })
    const status = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(status.queues[0].counts.waiting).toBe(15)
  })

  itself('a web app and a worker that are started in different folders use the same store', async () => {
    await using app = await tracing()
    await app.write({
      'apps/web/server.js': `
        import { TraceJob } from '../../jobs/TraceJob.js'
        await new TraceJob().dispatch({ n: 1 })`,
    })
    expect(await app.start(['server.js'], 'apps/web').result).toMatchObject({ code: 0 })
    expect(await app.start(['apps/web/server.js'], '.').result).toMatchObject({ code: 0 })
    const worker = app.start(
      [join(app.folder, 'node_modules/@s18i/lark/dist/bin.js'), 'jobs:work', '--stop-when-empty'],
      'jobs',
      traced(app),
    )
    expect((await worker.result).stdout).toContain('2 completed')
  })
}
