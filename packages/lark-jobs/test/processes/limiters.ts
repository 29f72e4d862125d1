import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'
import { readTrace, traceFiles } from './trace.ts'

/**
 * The workers' lease, and the time for which a handler blocks its process (three leases), in milliseconds.
 */
const LEASE = 1_000
const BLOCK = 3 * LEASE

const files = {
  ...traceFiles,
  'trace.txt': '',
  'lark.config.js': `
    export default { jobs: { limiters: { stripe: { concurrency: 1 } }, prefix: process.env.PREFIX || 'lark' } }`,
  // The payload says whether a job blocks its process, hangs in a process that is killed later, or ends.
  'jobs/ShareJob.js': `
    import { appendFileSync } from 'node:fs'
    import { Job, rateLimited, withoutOverlapping } from '@s18i/lark-jobs'
    const trace = (what, n) => appendFileSync(process.env.TRACE, \`\${what} \${process.pid} \${n}\\n\`)
    export class ShareJob extends Job {
      key = 'share'
      middleware() {
        return [withoutOverlapping(() => 'all', { releaseAfter: 50 }), rateLimited('stripe', { releaseAfter: 50 })]
      }
      async handle({ n, act }) {
        trace('start', n)
        if (act === 'blocks') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${BLOCK})
        if (act === 'hangs' && process.env.HANGS) await new Promise((resolve) => setTimeout(resolve, 60_000))
        trace('end', n)
      }
    }`,
  // One job runs at a time. The first job hangs until its process is killed.
  'jobs/OwnJob.js': `
    import { appendFileSync, readFileSync } from 'node:fs'
    import { Job, limiter } from '@s18i/lark-jobs'
    export class OwnJob extends Job {
      limiter = limiter({ concurrency: 1 })
      async handle({ n }) {
        const isFirst = readFileSync(process.env.TRACE, 'utf8') === ''
        appendFileSync(process.env.TRACE, \`start \${process.pid} \${n}\\n\`)
        if (isFirst) await new Promise((resolve) => setTimeout(resolve, 60_000))
        appendFileSync(process.env.TRACE, \`end \${process.pid} \${n}\\n\`)
      }
    }`,
  'own.js': `
    import { OwnJob } from './jobs/OwnJob.js'
    await new OwnJob().dispatchMany([{ n: 1 }, { n: 2 }])`,
  'one.js': `
    import { ShareJob } from './jobs/ShareJob.js'
    const [n, act] = process.argv.slice(2)
    await new ShareJob().dispatch({ n: Number(n), act })`,
  'serve.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ lease: ${LEASE} })
    process.once('SIGTERM', () => Jobs.close())
    console.log('working')
    console.log(JSON.stringify(await worker.done))`,
}

/**
 * Tests the permits of processes that block, and of processes that die. @param url the URL of a store;
 * undefined for the embedded store
 */
export function limiters(url: () => string | undefined): void {
  async function make() {
    const prefix = newPrefix()
    const server = url()
    const app = await App.make(files, { LARK_JOBS_URL: server, PREFIX: prefix })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    app.env.TRACE = `${app.folder}/trace.txt`
    return app
  }

  async function serve(app: App, env: Record<string, string> = {}) {
    const worker = app.start(['serve.js'], '.', env)
    await worker.says('working')
    return worker
  }

  async function dispatch(app: App, n: number, act: 'blocks' | 'hangs' | 'ends') {
    expect(await app.start(['one.js', String(n), act]).result).toMatchObject({ code: 0 })
  }

  async function traced(app: App, what: 'starts' | 'ends', count: number) {
    while ((await readTrace(app))[what].length < count) await pause(10)
    return (await readTrace(app))[what]
  }

  test('a handler that blocks its process for three leases keeps its permits', async () => {
    await using app = await make()
    const blocked = await serve(app)
    await dispatch(app, 1, 'blocks')
    await traced(app, 'starts', 1)
    const other = await serve(app)
    await dispatch(app, 2, 'ends')
    await traced(app, 'ends', 2)
    const pid = { blocked: blocked.child.pid, other: other.child.pid }
    for (const { child } of [blocked, other]) child.kill('SIGTERM')
    for (const { result } of [blocked, other]) {
      const { stdout } = await result
      expect(JSON.parse(stdout.split('\n')[1]!)).toMatchObject({ failed: 0, lost: 0 })
    }
    const lines = (await app.read('trace.txt')).trim().split('\n')
    expect(lines.slice(0, 2)).toEqual([`start ${pid.blocked} 1`, `end ${pid.blocked} 1`])
    expect(lines[2]).toMatch(/^start \d+ 2$/)
  })

  test('the permits of a worker that is killed are free when its lease has ended', async () => {
    await using app = await make()
    const killed = await serve(app, { HANGS: '1' })
    await dispatch(app, 1, 'hangs')
    await traced(app, 'starts', 1)
    const other = await serve(app)
    await dispatch(app, 2, 'ends')
    killed.child.kill('SIGKILL')
    const killedAt = performance.now()
    await killed.result
    const [, next] = await traced(app, 'starts', 2)
    const took = performance.now() - killedAt
    expect(next).toMatchObject({ pid: other.child.pid })
    // The lease was renewed up to a third of a lease before the kill. When the lease is over, the other
    // worker asks for permits every 50 ms.
    expect(took).toBeGreaterThan(LEASE / 3)
    await traced(app, 'ends', 2)
    other.child.kill('SIGTERM')
    expect(JSON.parse((await other.result).stdout.split('\n')[1]!)).toMatchObject({ completed: 2, failed: 0 })
  })

  test('after kill -9 of a process of a supervisor, its permits are free at once', async () => {
    await using app = await make()
    expect(await app.start(['own.js']).result).toMatchObject({ code: 0 })
    const supervisor = app.lark('jobs:work', '--processes=2', '--concurrency=1')
    const [first] = await traced(app, 'starts', 1)
    process.kill(first!.pid, 'SIGKILL')
    const killedAt = performance.now()
    await traced(app, 'ends', 2)
    // The bound is less than a lease, which is 15 seconds.
    expect(performance.now() - killedAt).toBeLessThan(8_000)
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.result).toMatchObject({ code: 0 })
  })
}
