/** Jobs that kill their process (killers) run together with harmless jobs. Only the killers may fail. */
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'

const KILLERS = 2
const INNOCENTS = 20

const files = {
  'lark.config.js': `export default { jobs: { prefix: process.env.PREFIX || 'lark', limiters: { one: { concurrency: 1 } }, hooks: { completed() { if (process.argv[2] === 'exit-at-end') process.exit(3) } } } }`,
  'jobs/KillerJob.js': `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class KillerJob extends Job {
      async handle({ how }) {
        await sleep(20)
        if (how === 'exit') process.exit(3)
        if (how === 'abort') process.kill(process.pid, 'SIGABRT')
        setTimeout(() => { throw how === 'throw' ? new Error('thrown in a timer') : Object.create(null) })
        await sleep(5_000)
      }
    }`,
  'jobs/InnocentJob.js': `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class InnocentJob extends Job {
      async handle({ ms }) {
        await sleep(ms)
      }
    }`,
  'jobs/LimitedJob.js': `
    import { Job } from '@s18i/lark-jobs'
    export class LimitedJob extends Job {
      limiter = 'one'
      handle() {
        if (process.argv[2] === 'exit') process.exit(3)
      }
    }`,
  'put-limited.js': `
    import { LimitedJob } from './jobs/LimitedJob.js'
    await new LimitedJob().dispatch()`,
  // The lease is longer than the test.
  'long-lease.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ lease: 300_000, stopWhenEmpty: true })
    await worker.done
    await Jobs.close()`,
  'put.js': `
    import { InnocentJob } from './jobs/InnocentJob.js'
    import { KillerJob } from './jobs/KillerJob.js'
    const [how, killers, innocents, ms] = process.argv.slice(2)
    for (let n = 0; n < Number(innocents); n++) {
      if (n < Number(killers)) await new KillerJob().dispatch({ how })
      await new InnocentJob().dispatch({ ms: Number(ms) })
    }`,
  // The lease is half a second instead of 15 seconds, so that the test is short.
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ concurrency: 10, lease: 500, stopWhenEmpty: true })
    await worker.done
    await Jobs.close()`,
  'catch.js': `
    process.on('uncaughtException', () => setTimeout(() => process.exit(4)))
    await import('./work.js')`,
}

/** @param url the URL of a store; undefined for the embedded store */
export function killing(url: () => string | undefined, isFirst = false): void {
  /**
   * A test of how a process reports its end. The report does not depend on the store, so the test runs only
   * on the first store.
   */
  const onFirst = (name: string, act: () => Promise<void>) => void (isFirst && test(name, act))

  async function make() {
    const prefix = newPrefix()
    const server = url()
    const app = await App.make(files, { LARK_JOBS_URL: server, PREFIX: prefix })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    return app
  }

  async function put(app: App, how: string, killers = KILLERS, innocents = INNOCENTS, ms = 100) {
    const words = [how, killers, innocents, ms].map(String)
    expect(await app.start(['put.js', ...words]).result).toMatchObject({ code: 0 })
  }

  async function failed(app: App) {
    const { jobs } = JSON.parse((await app.run('jobs:failed', '--json')).stdout)
    return jobs as { key: string; crashes: number; errors: { code: string; message: string }[] }[]
  }

  async function counts(app: App) {
    const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    return queues[0].counts
  }

  test('a job that calls process.exit() also gives back its permit', async () => {
    await using app = await make()
    expect(await app.start(['put-limited.js']).result).toMatchObject({ code: 0 })
    expect(await app.start(['long-lease.js', 'exit']).result).toMatchObject({ code: 3 })
    expect(await app.start(['long-lease.js']).result).toMatchObject({ code: 0 })
    const { queues } = JSON.parse((await app.run('jobs:status', '--json')).stdout)
    expect(queues[0].counts).toMatchObject({ completed: 1 })
  })

  test('a process that ends reports the outcomes of its jobs to the store first', async () => {
    await using app = await make()
    expect(await app.start(['put-limited.js']).result).toMatchObject({ code: 0 })
    const { code, stderr } = await app.start(['long-lease.js', 'exit-at-end']).result
    expect(code).toBe(3)
    expect(stderr).toContain('it tells the store how 1 job ended')
    expect(stderr).not.toContain('may run again')
    expect(await counts(app)).toMatchObject({ completed: 1, active: 0 })
  })

  test('if a single worker is restarted after each crash, only the killers fail', async () => {
    await using app = await make()
    await put(app, 'exit')
    let deaths = 0
    for (;;) {
      const { code, stderr } = await app.start(['work.js']).result
      if (code === 0) break
      expect(code).toBe(3)
      expect(stderr).toMatch(
        /This process ends with exit code 3: (KillerJob \w+ called process\.exit\(\)|process\.exit\(\) was called) at KillerJob\.handle \(\/.*\/jobs\/KillerJob\.js:\d+:\d+\); it ran .*KillerJob \w+/,
      )
      deaths++
    }
    const jobs = await failed(app)
    expect(jobs.map(({ key }) => key)).toEqual(Array(KILLERS).fill('KillerJob'))
    expect(jobs.every(({ errors }) => errors.at(-1)!.code === 'WORKER_DIED')).toBe(true)
    const cause =
      /^its process ended with exit code 3: .*process\.exit\(\).* at KillerJob\.handle \(\/.*\/jobs\/KillerJob\.js:\d+:\d+\)$/
    for (const { errors } of jobs) expect(errors.at(-1)!.message).toMatch(cause)
    expect((await app.run('jobs:failed')).stdout).toMatch(
      /WORKER_DIED: its process ended with exit code 3: .*KillerJob\.js:\d+/,
    )
    expect(await counts(app)).toMatchObject({ completed: INNOCENTS, failed: KILLERS, waiting: 0, active: 0 })
    // For each killer, at most two processes die while the killer is not known, and one more process dies
    // after that.
    expect(deaths).toBeLessThanOrEqual(3 * KILLERS)
  })

  onFirst(
    'the error shows any uncaught value that ended the process, but not values that were caught',
    async () => {
      await using app = await make()
      await put(app, 'throw nothing', 1, 1)
      const thrown = await app.start(['work.js']).result
      expect(thrown.stderr).toMatch(
        /ends with exit code 1: nobody caught \[Object: null prototype\] \{\}; it ran /,
      )
      const caught = await app.start(['catch.js']).result
      expect(caught.stderr).toMatch(/ends with exit code 4: .*process\.exit\(\).* at .*catch\.js:\d+:\d+/)
    },
  )

  onFirst(
    '--processes, jobs that kill in three ways: only they fail, and each error says how the process ended',
    async () => {
      await using app = await make()
      for (const how of ['exit', 'abort', 'throw']) await put(app, how, 1, 7)
      const { code, stderr } = await app.run('jobs:work', '--processes=2', '--stop-when-empty')
      expect(code).toBe(0)
      const jobs = await failed(app)
      expect(jobs.map(({ key }) => key)).toEqual(Array(3).fill('KillerJob'))
      expect(
        jobs.map(({ errors }) => errors.at(-1)!).sort((a, b) => (a.message < b.message ? -1 : 1)),
      ).toMatchObject([
        {
          code: 'WORKER_DIED',
          message: 'its process ended with exit code 1: nobody caught Error: thrown in a timer',
        },
        {
          code: 'WORKER_DIED',
          message: expect.stringMatching(/^its process ended with exit code 3: .*exit\(\)/),
        },
        { code: 'WORKER_DIED', message: 'its process was killed by SIGABRT' },
      ])
      expect(await counts(app)).toMatchObject({ completed: 21, failed: 3, waiting: 0, active: 0 })
      expect(stderr).toMatch(
        /ends with exit code 1: nobody caught Error: thrown in a timer; it ran .*KillerJob \w+/,
      )
    },
  )
}
