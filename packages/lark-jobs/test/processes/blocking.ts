import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { connect } from '../../src/store/connect.ts'
import { Caller } from '../conformance/caller.ts'
import { completed } from '../conformance/jobs.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'
import { readTrace, times, traceFiles } from './trace.ts'

/**
 * How long the handler blocks, in milliseconds. In this time, the other worker can run all other jobs, even
 * on a slow machine.
 */
const BLOCK = 5_000

const files = {
  'trace.txt': '',
  'jobs/BlockJob.js': `
    import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class BlockJob extends Job {
      key = 'block'
      async handle({ n, after }) {
        await sleep(after)
        appendFileSync(process.env.TRACE, \`start \${process.pid} \${n}\\n\`)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${BLOCK})
        appendFileSync(process.env.TRACE, \`end \${process.pid} \${n}\\n\`)
      }
    }`,
  'jobs/WaitJob.js': `
    import { execFileSync } from 'node:child_process'
    import { appendFileSync } from 'node:fs'
    import { Job } from '@s18i/lark-jobs'
    export class WaitJob extends Job {
      key = 'wait'
      async handle({ n }) {
        appendFileSync(process.env.TRACE, \`start \${process.pid} \${n}\\n\`)
        execFileSync(process.execPath, ['other.js'], { timeout: 20_000 })
        appendFileSync(process.env.TRACE, \`end \${process.pid} \${n}\\n\`)
      }
    }`,
  'other.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ queues: ['other'], lease: 1_000, stopWhenEmpty: true })
    await worker.done
    await Jobs.close()`,
  'both.js': `
    import { TraceJob } from './jobs/TraceJob.js'
    import { WaitJob } from './jobs/WaitJob.js'
    const other = new TraceJob()
    other.queueName = 'other'
    await other.dispatch({ n: 1 })
    await new WaitJob().dispatch({ n: 0 })`,
  'block.js': `
    import { BlockJob } from './jobs/BlockJob.js'
    import { TraceJob } from './jobs/TraceJob.js'
    const fast = (count, from) => Array.from({ length: count }, (_, n) => ({ n: from + n }))
    const before = Number(process.argv[2])
    if (before > 0) await new TraceJob().dispatchMany(fast(before, 1))
    // If the blocking job is the only job, it is dispatched when its worker waits for more jobs.
    await new BlockJob().dispatch({ n: 0, after: before > 0 ? 0 : 200 })
    if (before > 0) await new TraceJob().dispatchMany(fast(400, before + 1))`,
  'own.js': `
    import { Jobs } from '@s18i/lark-jobs'
    import { BlockJob } from './jobs/BlockJob.js'
    import { TraceJob } from './jobs/TraceJob.js'
    const own = (draft, n) => draft.withId('Größe-漢字-' + n + '-' + 'x'.repeat(60))
    await Jobs.dispatch([
      own(BlockJob.with({ n: 0, after: 200 }), 0),
      ...Array.from({ length: 40 }, (_, n) => own(TraceJob.with({ n: n + 1 }), n + 1)),
    ])`,
  'serve.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const { LEASE, MAX_JOBS } = process.env
    const lease = LEASE && { lease: Number(LEASE) }
    const maxJobs = MAX_JOBS && { maxJobs: Number(MAX_JOBS) }
    const worker = await Jobs.work({ concurrency: 10, ...lease, ...maxJobs })
    process.once('SIGTERM', () => Jobs.close())
    console.log('working')
    console.log(JSON.stringify(await worker.done))`,
}

/**
 * A handler blocks the event loop of its worker, which has claimed more jobs that it cannot run. @param url
 * of a store; undefined: the embedded store
 */
export function blocking(url: () => string | undefined): void {
  async function make() {
    const prefix = newPrefix()
    const app = await App.make({ ...traceFiles, ...files }, { LARK_JOBS_URL: url(), PREFIX: prefix })
    const server = url()
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    return Object.assign(app, { open: () => connect(server ?? `sqlite:${app.folder}/.lark/jobs.db`, prefix) })
  }

  async function serve(app: App, env: Record<string, string> = {}) {
    const worker = app.start(['serve.js'], '.', { TRACE: `${app.folder}/trace.txt`, ...env })
    await worker.says('working')
    return worker
  }

  /** Waits until all jobs and all workers have ended. @returns the lines of the trace, in order */
  async function finish(app: App, workers: Awaited<ReturnType<typeof serve>>[], jobs: number) {
    while ((await readTrace(app)).ends.length < jobs) await pause(20)
    for (const { child } of workers) child.kill('SIGTERM')
    for (const { result } of workers) {
      const { code, stdout } = await result
      expect(code).toBe(0)
      expect(JSON.parse(stdout.split('\n')[1]!)).toMatchObject({ failed: 0, lost: 0 })
    }
    const { starts } = await readTrace(app)
    expect([...times(starts)].filter(([, count]) => count > 1)).toEqual([])
    return (await app.read('trace.txt')).trim().split('\n')
  }

  test('a job that is dispatched while the only waiting worker is blocked starts in the next worker', async () => {
    await using app = await make()
    const blocked = await serve(app)
    await app.start(['block.js', '0']).result
    while ((await readTrace(app)).starts.length < 1) await pause(20)
    await app.start(['fill.js', '5'], '.', { FROM: '1' }).result
    const other = await serve(app)
    const lines = await finish(app, [blocked, other], 6)
    const end = lines.indexOf(`end ${blocked.child.pid} 0`)
    expect(lines.slice(0, end).filter((line) => line.startsWith(`end ${other.child.pid} `))).toHaveLength(5)
  })

  test('if the blocked worker does not read its notification, another worker is notified, even if the blocked worker would get no jobs with it', async () => {
    await using app = await make()
    // A worker with maxJobs does not get jobs together with a notification.
    const blocked = await serve(app, { MAX_JOBS: '1000' })
    await app.start(['block.js', '0']).result
    while ((await readTrace(app)).starts.length < 1) await pause(20)
    await app.start(['fill.js', '1'], '.', { FROM: '1' }).result
    await using store = await app.open()
    await store.open()
    const bob = new Caller(store, 'bob', 'default')
    const held = await bob.claim(2)
    expect(await store.wait('bob', 2 * BLOCK)).toEqual(['default'])
    expect((await readTrace(app)).ends).toEqual([])
    expect(await bob.settle(held[0]!, completed)).toBe('settled')
    blocked.child.kill('SIGTERM')
    expect(await blocked.result).toMatchObject({ code: 0 })
  })

  test('jobs that the blocked worker has prefetched, or whose claim it has not read, start in the other worker', async () => {
    await using app = await make()
    await app.start(['block.js', '3000']).result
    const workers = [await serve(app), await serve(app)]
    const lines = await finish(app, workers, 3_401)
    expect(lines.at(-1)).toMatch(/^end \d+ 0$/)
  })

  test('if the application has chosen long ids, the blocking job keeps its lease, and the other jobs go to another worker', async () => {
    await using app = await make()
    expect(await app.start(['own.js']).result).toMatchObject({ code: 0 })
    const blocked = await serve(app, { LEASE: '1500' })
    while ((await readTrace(app)).starts.length < 1) await pause(20)
    const other = await serve(app, { LEASE: '1500' })
    const lines = await finish(app, [blocked, other], 41)
    expect(lines.at(-1)).toBe(`end ${blocked.child.pid} 0`)
  })

  // When the handler begins to block, the worker has claimed jobs of both queues, and has not read the answer
  // for the second queue. The lease of that claim ends after the block.
  test('jobs that a worker had claimed when a handler began to block the event loop run once, in the other worker', async () => {
    await using app = await make()
    await app.start(['both.js']).result
    const blocked = await serve(app, { LEASE: '60000' })
    const lines = await finish(app, [blocked], 2)
    const { pid } = blocked.child
    expect(lines[0]).toBe(`start ${pid} 0`)
    expect(lines.at(-1)).toBe(`end ${pid} 0`)
    expect(lines[1]).toMatch(/^start \d+ 1$/)
    expect(lines[1]).not.toBe(`start ${pid} 1`)
  })
}
