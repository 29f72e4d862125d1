/**
 * The answers of `jobs:work --http` in real processes. A worker with a blocked event loop is not live, a
 * worker whose store hangs is not ready, and a quiet or busy worker is live.
 */
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Server } from '../redis/server.ts'
import { App, bin, type Running } from './app.ts'

/** The health check with the shortest time that it may have. */
const LIVE = '/live?within=10s'
/**
 * Milliseconds within which a problem must be reported, including the time that a busy machine takes to start
 * a process.
 */
const RED = 30_000
const PATIENCE = 60_000

const files = {
  'lark.config.js': `export default { jobs: { queues: { default: { target: '1h' } } } }`,
  'jobs/BlockJob.js': `
    import { Job } from '@s18i/lark-jobs'
    export class BlockJob extends Job {
      key = 'block'
      handle({ ms }) {
        console.log('blocks')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
      }
    }`,
  'jobs/LongJob.js': `
    import { Job } from '@s18i/lark-jobs'
    export class LongJob extends Job {
      key = 'long'
      async handle() {
        console.log('begins')
        await new Promise((resolve) => this.signal.addEventListener('abort', resolve))
      }
    }`,
  'put.js': `
    import { BlockJob } from './jobs/BlockJob.js'
    import { LongJob } from './jobs/LongJob.js'
    const [kind, ms] = process.argv.slice(2)
    await (kind === 'block' ? new BlockJob().dispatch({ ms: Number(ms) }) : new LongJob().dispatch())`,
}

const isUrl = /Answers (http:\S+)\/live/

async function work(app: App, ...flags: string[]): Promise<{ running: Running; ask: Ask; url: string }> {
  const running = app.lark('jobs:work', '--http=127.0.0.1:0', ...flags)
  let said = ''
  running.child.stderr!.on('data', (text) => {
    said += text
  })
  await running.says('/live, /ready')
  const url = isUrl.exec(said)![1]!
  const ask = async (path: string) => {
    const response = await fetch(url + path)
    return { status: response.status, text: await response.text() }
  }
  return { running, ask, url }
}

type Ask = (path: string) => Promise<{ status: number; text: string }>

/** Asks until the answer has this status. */
async function until(
  ask: Ask,
  path: string,
  status: number,
  within = PATIENCE,
): Promise<{ text: string; took: number }> {
  const from = performance.now()
  for (;;) {
    const answer = await ask(path)
    const took = performance.now() - from
    if (answer.status === status) return { text: answer.text, took }
    if (took > within) throw new Error(`${path} answers ${answer.status} for ${took} ms: ${answer.text}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/**
 * The second signal is sent later, because two signals at the same time count as one, and the worker would
 * wait for its running jobs.
 */
async function stopAtOnce({ child, says }: Running): Promise<void> {
  child.kill('SIGTERM')
  await says('Stopping')
  child.kill('SIGTERM')
}

/** The health check for Docker in the manual. */
async function healthCheck(): Promise<string> {
  const page = await readFile(new URL('../../../../docs/deploying.md', import.meta.url), 'utf8')
  return JSON.parse(/HEALTHCHECK[^[]*CMD (\[.*\])$/m.exec(page)![1]!)[2]
}

describe.concurrent('jobs:work --http', () => {
  test('a quiet worker and a busy worker are live, and a blocked worker is not live until its event loop goes on', async () => {
    await using app = await App.make(files)
    const { running, ask, url } = await work(app, '--concurrency=1')
    await until(ask, '/ready', 200)
    expect(await ask('/live')).toEqual({ status: 200, text: 'ok\n' })
    expect(await ask('/slo')).toEqual({ status: 200, text: 'ok\n' })
    expect((await ask('/metrics')).text).toContain('lark_jobs_workers{state="running"} 1\n')
    expect((await ask('/')).status).toBe(404)
    const check = (await healthCheck()).replaceAll('http://127.0.0.1:9090', url)
    expect(await app.start(['-e', check]).result).toMatchObject({ code: 0 })
    expect(await app.start(['-e', check.replace('/live', '/none')]).result).toMatchObject({ code: 1 })
    await app.start(['put.js', 'block', '14000']).result
    await running.says('blocks')
    for (const path of ['/slo', '/metrics'])
      expect(await ask(path)).toEqual({
        status: 503,
        text: expect.stringMatching(/^The worker has not run its event loop for .+: a handler blocks it\n$/),
      })
    const { text, took } = await until(ask, LIVE, 503)
    expect(text).toMatch(/^The worker has not run its event loop for 1\d s: a handler blocks it/)
    expect(took).toBeLessThan(RED)
    await until(ask, LIVE, 200)
    await app.start(['put.js', 'long']).result
    await running.says('begins')
    expect((await ask(LIVE)).status).toBe(200)
    running.child.kill('SIGTSTP')
    expect(await until(ask, '/ready', 503)).toMatchObject({
      text: 'The worker is quiet: it takes no more jobs\n',
    })
    expect((await ask(LIVE)).status).toBe(200)
    await stopAtOnce(running)
    expect(await running.result).toMatchObject({ code: 0 })
  }, 120_000)

  test('the supervisor answers health checks for its processes', async () => {
    await using app = await App.make(files)
    const { running, ask } = await work(app, '--processes=2', '--concurrency=1')
    await until(ask, '/ready', 200)
    expect((await ask('/live')).status).toBe(200)
    await until(
      async (path) => {
        const { text } = await ask(path)
        return { status: text.includes('lark_jobs_workers{state="running"} 2\n') ? 200 : 0, text }
      },
      '/metrics',
      200,
    )
    await app.start(['put.js', 'block', '60000']).result
    await running.says('blocks')
    const { text } = await until(ask, LIVE, 503)
    expect(text).toMatch(/^Worker process [12] \(pid \d+\) has not run its event loop for 1\d s[^\n]*\n$/)
    expect((await ask('/ready')).status).toBe(200)
    await stopAtOnce(running)
    await running.result
  }, 120_000)

  test('a worker whose store hangs is live and not ready, and ready again when the store answers', async () => {
    await using server = await Server.start()
    await using app = await App.make(files, { LARK_JOBS_URL: server.url })
    const { running, ask } = await work(app)
    await until(ask, '/ready', 200)
    server.signal('SIGSTOP')
    const { text } = await until(ask, '/ready', 503)
    expect(text).toBe('The worker has had no answer of the store lately\n')
    // A restart would not help, so the worker stays live.
    expect(await ask(LIVE)).toMatchObject({ status: 200 })
    const metrics = await ask('/metrics')
    expect([metrics.status, metrics.text]).toEqual([200, expect.stringContaining('lark_jobs_store_up 0')])
    server.signal('SIGCONT')
    await until(ask, '/ready', 200)
    running.child.kill('SIGTERM')
    expect(await running.result).toMatchObject({ code: 0 })
  }, 120_000)

  test('a port that is in use or invalid is reported in one line', async () => {
    await using app = await App.make(files)
    const { url } = await work(app)
    const place = url.replace('http://', '')
    expect(await app.run('jobs:work', `--http=${place}`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        `Health checks and metrics cannot be answered on ${place.replace(':', ', port ')}: listen EADDRINUSE`,
      ),
    })
    expect(await app.run('jobs:work', '--http=x:y')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--http is 'x:y', which must be a port, or ADDRESS:PORT"),
    })
  }, 120_000)

  test('a worker tells systemd that the service is ready, that it is alive, and that it stops', async () => {
    await using app = await App.make({
      ...files,
      'notified.txt': '',
      'bin/systemd-notify': '#!/bin/sh\necho "$@" >> "$NOTIFIED"\n',
    })
    await chmod(join(app.folder, 'bin/systemd-notify'), 0o755)
    const env = {
      PATH: `${join(app.folder, 'bin')}:${process.env.PATH}`,
      NOTIFIED: join(app.folder, 'notified.txt'),
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '400000',
    }
    const running = app.start([bin, 'jobs:work'], '.', env)
    const heard = async () => ({ status: 200, text: await app.read('notified.txt') })
    const has = (text: string) => async () => ({
      ...(await heard()),
      status: (await heard()).text.includes(text) ? 200 : 0,
    })
    await until(has('READY=1\nWATCHDOG=1\n'), '', 200)
    running.child.kill('SIGTERM')
    expect(await running.result).toMatchObject({ code: 0 })
    await until(has('STOPPING=1\n'), '', 200)
  }, 120_000)
})
