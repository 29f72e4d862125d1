/** How a worker, `jobs:show` and `jobs:status` show jobs that time out, are cancelled, released or paused. */
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'
import { storeOf, until } from './traced-app.ts'

const files = {
  'lark.config.js': `export default { jobs: { prefix: process.env.PREFIX || 'lark' } }`,
  'jobs/DeafJob.js': `
    import { existsSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class DeafJob extends Job {
      tries = 2
      timeout = '100ms'
      backoff = '1h'
      async handle() {
        while (!existsSync('go')) await sleep(20)
        return 'too late'
      }
    }`,
  'jobs/BlockJob.js': `
    import { Job } from '@s18i/lark-jobs'
    export class BlockJob extends Job {
      tries = 1
      timeout = '100ms'
      handle() {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
        return 'too late'
      }
    }`,
  'jobs/LongJob.js': `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class LongJob extends Job {
      async handle() {
        this.info('begins')
        await sleep(60_000, undefined, { signal: this.signal })
      }
    }`,
  'jobs/LateJob.js': `
    import { Job } from '@s18i/lark-jobs'
    export class LateJob extends Job {
      expiresIn = '1ms'
      handle() {}
    }`,
  'jobs/PatientJob.js': `
    import { Job } from '@s18i/lark-jobs'
    let runs = 0
    export class PatientJob extends Job {
      handle() {
        if (runs++ < 100) this.release()
      }
    }`,
  'put.js': `
    const [name] = process.argv.slice(2)
    const job = new (await import(\`./jobs/\${name}.js\`))[name]()
    await job.dispatch()
    console.log(job.id)`,
}

/** @param url the URL of a store; undefined for the embedded store */
export function endings(url: () => string | undefined): void {
  async function make() {
    const prefix = newPrefix()
    const server = url()
    const app = await App.make(files, { LARK_JOBS_URL: server, PREFIX: prefix })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    return app
  }

  /** Queues a job. @returns its id */
  async function put(app: App, name: string): Promise<string> {
    return (await app.start(['put.js', name]).result).stdout.trim()
  }

  const show = async (app: App, id: string) => (await app.run('jobs:show', id)).stdout

  /** Returns the cells of the row of the queue, by column. */
  async function status(app: App): Promise<Record<string, string>> {
    const [heads, row] = (await app.run('jobs:status')).stdout
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/))
    return Object.fromEntries(heads!.map((head, i) => [head, row![i]!]))
  }

  test('a handler that ignores its timeout is reported as stuck, keeps its slot until it ends, and then counts as timed out', async () => {
    await using app = await make()
    const id = await put(app, 'DeafJob')
    const worker = app.lark('jobs:work', '--stop-when-empty')
    await worker.says('is stuck')
    expect(await show(app, id)).toMatch(/^State {5}active$/m)
    expect(await status(app)).toMatchObject({ ACTIVE: '1', WORKERS: '1' })
    await app.write({ go: '' })
    const { code, stdout, stderr } = await worker.result
    expect(code).toBe(0)
    expect(stderr).toContain(
      `! DeafJob ${id} is stuck: it has ignored its signal since its timeout, and keeps its slot\n`,
    )
    expect(stdout).toMatch(
      new RegExp(
        `^↻ \\d\\d:\\d\\d:\\d\\d DeafJob +${id} +default +[\\d.]+ s +attempt 1 of 2, again in 1 h: DeafJob took longer than its timeout of 0.1 s\n`,
      ),
    )
    expect(stdout).toMatch(/\n0 completed, 1 retried in /)
    const shown = await show(app, id)
    expect(shown).toMatch(/^State {5}delayed$/m)
    expect(shown).toMatch(/^Runs {6}1 \(1 failed\)$/m)
    expect(shown).toMatch(/ {2}Run 1, after [\d.]+ s: JobsError JOB_TIMED_OUT: DeafJob took longer/)
    expect(await status(app)).toMatchObject({ DELAYED: '1', ACTIVE: '0', FAILED: '0' })
  })

  test('a handler that blocks the event loop beyond its timeout counts as timed out when it ends', async () => {
    await using app = await make()
    const id = await put(app, 'BlockJob')
    const { stdout } = await app.run('jobs:work', '--stop-when-empty')
    expect(stdout).toMatch(
      new RegExp(
        `^✗ \\d\\d:\\d\\d:\\d\\d BlockJob +${id} +default +[\\d.]+ s +attempt 1 of 1, failed for good: BlockJob took longer than its timeout of 0.1 s\n`,
      ),
    )
    expect(stdout).toMatch(/\n0 completed, 1 failed in /)
    const shown = await show(app, id)
    expect(shown).toMatch(/^State {5}failed$/m)
    expect(shown).toMatch(/ {2}Run 1, after [\d.]+ s: JobsError JOB_TIMED_OUT: BlockJob took longer/)
    expect(await status(app)).toMatchObject({ FAILED: '1', '1 MIN': '0, 1 failed' })
    expect((await app.run('jobs:failed')).stdout).toContain(id)
  })

  test('the signal of a running job that is cancelled is aborted, and the job ends as cancelled without a retry', async () => {
    await using app = await make()
    const id = await put(app, 'LongJob')
    const worker = app.lark('jobs:work', '--stop-when-empty')
    await worker.says('begins')
    expect(await app.run('jobs:cancel', id)).toMatchObject({
      code: 0,
      stderr: `✓ Told 1 running job to end\ni It ends when its handler does, or its worker stops: see lark jobs:why ${id}\n`,
    })
    const { code, stdout } = await worker.result
    expect(code).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`^i \\d\\d:\\d\\d:\\d\\d LongJob +${id} +default +[\\d.]+ m?s +cancelled \\(user\\)\n`),
    )
    expect(stdout).toMatch(/\n0 completed, 1 cancelled in /)
    const shown = await show(app, id)
    expect(shown).toMatch(/^State {5}cancelled \(user\)$/m)
    expect(shown).toMatch(/^Runs {6}1$/m)
    expect(await status(app)).toMatchObject({ WAITING: '0', DELAYED: '0', ACTIVE: '0', FAILED: '0' })
  })

  test('a job that has expired is cancelled and does not run', async () => {
    await using app = await make()
    const id = await put(app, 'LateJob')
    const { code, stdout } = await app.run('jobs:work', '--stop-when-empty')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`^i \\d\\d:\\d\\d:\\d\\d LateJob +${id} +default +[\\d.]+ ms +cancelled \\(expired\\)\n`),
    )
    expect(stdout).toMatch(/\n0 completed, 1 cancelled in /)
    expect(await show(app, id)).toMatch(/^State {5}cancelled \(expired\)$/m)
    expect(await status(app)).toMatchObject({ WAITING: '0', FAILED: '0', COMPLETED: '0' })
  })

  test('a job that is released a hundred times has used no attempt', async () => {
    await using app = await make()
    const id = await put(app, 'PatientJob')
    const worker = app.lark('jobs:work', '--concurrency=1')
    await using store = await storeOf(app)
    await until(async () => (await store.get('default', id))?.state === 'completed')
    worker.child.kill('SIGTERM')
    const { code, stdout } = await worker.result
    expect(code).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`^↻ \\d\\d:\\d\\d:\\d\\d PatientJob +${id} +default +[\\d.]+ ms +released\n`),
    )
    expect(stdout).toMatch(/\n1 completed, 100 released in /)
    const shown = await show(app, id)
    expect(shown).toMatch(/^State {5}completed$/m)
    expect(shown).toMatch(/^Runs {6}101 \(100 released\)$/m)
    expect(await status(app)).toMatchObject({ COMPLETED: '1', FAILED: '0', '1 MIN': '1' })
  })

  test('no job of a paused queue begins until the queue is resumed, and jobs:status shows the pause', async () => {
    await using app = await make()
    const paused = await app.run('jobs:pause', 'default')
    expect(paused).toMatchObject({ code: 0, stdout: '' })
    expect(paused.stderr).toBe(
      '✓ Queue default is paused: none of its jobs starts until lark jobs:resume default\n',
    )
    const id = await put(app, 'LateJob')
    const worker = app.lark('jobs:work', '--concurrency=1')
    await worker.says('Serving')
    const { stderr } = await app.run('jobs:status')
    expect(stderr).toMatch(
      /^i Queue default is paused by \S+ at \S+ .* ago: none of its jobs starts until lark jobs:resume default$/m,
    )
    expect(await status(app)).toMatchObject({ WAITING: '1', ACTIVE: '0' })
    expect((await app.run('jobs:resume', 'default')).stderr).toContain('✓ ')
    await using store = await storeOf(app)
    await until(async () => (await store.get('default', id))?.state === 'cancelled')
    worker.child.kill('SIGTERM')
    expect(await worker.result).toMatchObject({ code: 0 })
    const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(queues).toMatchObject([{ queue: 'default', paused: false }])
    expect(await app.run('jobs:pause', 'nowhere')).toMatchObject({ code: 1 })
    expect(await app.run('jobs:resume', 'default')).toMatchObject({
      code: 0,
      stderr: 'i Queue default was not paused: see lark jobs:status\n',
    })
  })

  test('the output for a paused group has the command that resumes the group', async () => {
    await using app = await make()
    const paused = await app.run('jobs:pause', 'default', "--group=it's 77")
    expect(paused.stderr).toBe(
      "✓ Group it's 77 of queue default is paused: none of its jobs starts until lark jobs:resume default --group='it'\\''s 77'\n" +
        'i It has no jobs now: check its name. The pause also holds for jobs that come later\n',
    )
    await app.run('jobs:pause', 'default', '--group=acme', '--for=1h')
    const { stderr, stdout } = await app.run('jobs:status')
    expect(stdout + stderr).toMatch(
      /^i Group acme of queue default is paused by \S+ at \S+ .* ago: none of its jobs starts for [^,]+, or until lark jobs:resume default --group=acme$/m,
    )
    await app.run('jobs:pause', 'default', `--group=${'long'.repeat(20)}`)
    const hash = /--group-hash='(#.{43})'/.exec((await app.run('jobs:status')).stderr)![1]
    expect((await app.run('jobs:resume', 'default', `--group-hash=${hash}`)).stderr).toBe(
      `✓ Group ${hash} of queue default goes on\n`,
    )
    const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(queues[0]).toMatchObject({
      paused: false,
      pausedGroups: [{ group: 'acme', until: expect.any(Number) }, { group: "it's 77" }],
    })
    expect((await app.run('jobs:resume', 'default', "--group=it's 77")).stderr).toBe(
      "✓ Group it's 77 of queue default goes on\n",
    )
    expect(await app.run('jobs:resume', 'default', '--group=nobody')).toMatchObject({
      code: 0,
      stderr: 'i Group nobody of queue default was not paused, and it has no jobs: see lark jobs:status\n',
    })
    const resumed = await app.run('jobs:resume', 'default', '--group=acme', '--json')
    expect(JSON.parse(resumed.stdout)).toMatchObject({ paused: false, wasPaused: true, hasJobs: false })
  })
}
