/** Workers that are stopped while the store cannot be reached, and that still have to report outcomes. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { Server } from '../redis/server.ts'
import { open } from '../sqlite/raw.ts'
import { App } from './app.ts'

const JOBS = 10

const files = {
  'jobs/PayJob.js': `
    import { appendFileSync, existsSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class PayJob extends Job {
      maxCrashes = 1
      async handle() {
        appendFileSync('begun', this.id + '\\n')
        while (!existsSync('go') && !existsSync('go-' + this.id)) await sleep(20)
        appendFileSync('ended', this.id + '\\n')
      }
    }`,
  'jobs/StepJob.js': `
    import { appendFileSync, existsSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    export class StepJob extends Job {
      maxCrashes = 1
      async handle() {
        const numbers = []
        for (const name of ['first', 'second', 'third'])
          numbers.push(await this.step(name, async () => {
            appendFileSync('begun', name + '\\n')
            while (name === 'second' && !existsSync('go')) await sleep(20)
            appendFileSync('ended', name + '\\n')
            return name
          }))
        return numbers
      }
    }`,
  'step.js': `
    import { StepJob } from './jobs/StepJob.js'
    await new StepJob().dispatch()`,
  'dispatch.js': `
    import { PayJob } from './jobs/PayJob.js'
    for (let i = 0; i < ${JOBS}; i++) await new PayJob().dispatch()`,
}

/** A store that a test can make unreachable. */
interface Absent extends AsyncDisposable {
  app: App
  leave(): void
  comeBack(): Promise<void>
}

async function redis(): Promise<Absent> {
  const server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  const app = await App.make(files, { REDIS_URL: server.url })
  return {
    app,
    leave: () => server.signal('SIGKILL'),
    comeBack: async () => void (await server.start()),
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** An embedded store whose file another process can lock. */
async function sqlite(): Promise<Absent> {
  const app = await App.make(files)
  let other: ReturnType<typeof open> | undefined
  const comeBack = async () => {
    other?.exec('ROLLBACK')
    other?.close()
    other = undefined
  }
  return {
    app,
    leave() {
      other = open(join(app.folder, '.lark', 'jobs.db'))
      other.exec('BEGIN EXCLUSIVE')
    },
    comeBack,
    async [Symbol.asyncDispose]() {
      await comeBack()
      await app[Symbol.asyncDispose]()
    },
  }
}

/** A process that ends at the end of its first run, before it could report the outcome to the store. */
const leaving = {
  'lark.config.js': `
    import { existsSync, writeFileSync } from 'node:fs'
    const completed = () => {
      if (existsSync('left')) return
      writeFileSync('left', '')
      process.exit(3)
    }
    export default { jobs: { hooks: { completed } } }`,
}

const lines = async (app: App, file: string): Promise<string[]> =>
  (await readFile(join(app.folder, file), 'utf8').catch(() => '')).split('\n').filter(Boolean)

/** Waits until a file has this many lines. */
const until = (app: App, file: string, count: number) =>
  vi.waitFor(async () => expect(await lines(app, file)).toHaveLength(count), 30_000)

// These tests mostly wait, so both stores are tested at the same time.
for (const [name, make] of Object.entries({ Redis: redis, SQLite: sqlite }))
  describe.concurrent(`on ${name}`, () => {
    test.sequential(`workers that stop while the store cannot be reached report the outcomes of their jobs when it is back`, async () => {
      await using store = await make()
      const { app } = store
      await app.start(['dispatch.js']).result
      const workers = [app.lark('jobs:work', '-c', '5')]
      await until(app, 'begun', JOBS / 2)
      workers.push(app.lark('jobs:work', '--processes', '1', '-c', '5'))
      await until(app, 'begun', JOBS)
      store.leave()
      for (const worker of workers) worker.child.kill('SIGTERM')
      await app.write({ go: '' })
      await until(app, 'ended', JOBS)
      await Promise.all(workers.map((worker) => worker.says('goes on trying')))
      await store.comeBack()
      const results = await Promise.all(workers.map(({ result }) => result))
      expect(results.map(({ code, stdout }) => [code, stdout.trimEnd().split('\n').at(-1)])).toEqual([
        [0, expect.stringMatching(/^5 completed in /)],
        [0, expect.stringMatching(/^5 completed in /)],
      ])
      await app.run('jobs:work', '--stop-when-empty')
      expect(await lines(app, 'begun')).toHaveLength(JOBS)
      const [status] = JSON.parse((await app.run('jobs:status', '--json')).stdout).queues
      expect(status.counts).toMatchObject({ completed: JOBS, failed: 0 })
    }, 120_000)

    test.sequential(`a step that ends while the store cannot be reached is recorded when the store is back, and not called again`, async () => {
      await using store = await make()
      const { app } = store
      await app.start(['step.js']).result
      const worker = app.lark('jobs:work', '--stop-when-empty')
      await until(app, 'begun', 2)
      store.leave()
      await app.write({ go: '' })
      await until(app, 'ended', 2)
      await worker.says('goes on trying')
      // The next step begins only when the store has recorded this step.
      expect(await lines(app, 'begun')).toEqual(['first', 'second'])
      await store.comeBack()
      expect(await worker.result).toMatchObject({ code: 0 })
      expect(await lines(app, 'begun')).toEqual(['first', 'second', 'third'])
      const [status] = JSON.parse((await app.run('jobs:status', '--json')).stdout).queues
      expect(status.counts).toMatchObject({ completed: 1, failed: 0 })
    }, 120_000)

    test.sequential(`a worker that must end before the store is back reports each job whose outcome is lost`, async () => {
      await using store = await make()
      const { app } = store
      await app.start(['dispatch.js']).result
      const worker = app.lark('jobs:work', '--outcomes', '10ms')
      await until(app, 'begun', JOBS)
      store.leave()
      await app.write({ go: '' })
      await until(app, 'ended', JOBS)
      worker.child.kill('SIGTERM')
      await worker.says('Stopping')
      worker.child.kill('SIGTERM')
      const { code, stdout, stderr } = await worker.result
      expect(code).toBe(74)
      expect(stdout).toMatch(/\n0 completed, 10 not stored in /)
      const [, named] = /how 10 jobs ended is not stored, and they may run again: (.*)/.exec(stderr) ?? []
      expect(named?.split(', ').sort()).toEqual((await lines(app, 'ended')).sort())
    }, 120_000)

    test.sequential(`before a process ends by itself, it reports the outcomes of its jobs to the store`, async () => {
      await using store = await make()
      const { app } = store
      await app.write({ ...leaving, go: '' })
      await app.start(['dispatch.js']).result
      const { stderr } = await app.run('jobs:work', '-c', '1', '--processes', '1', '--stop-when-empty')
      expect(stderr).toMatch(/ends with exit code 3: .*; it tells the store how 1 job ended/)
      expect(stderr).not.toContain('may run again')
      expect(await lines(app, 'begun')).toHaveLength(JOBS)
      const [status] = JSON.parse((await app.run('jobs:status', '--json')).stdout).queues
      expect(status.counts).toMatchObject({ completed: JOBS, failed: 0 })
    }, 120_000)

    test.sequential(`if a process ends by itself while the store cannot be reached, a job that had ended gets no crash`, async () => {
      await using store = await make()
      const { app } = store
      await app.write(leaving)
      await app.start(['dispatch.js']).result
      const worker = app.lark('jobs:work', '-c', '2', '--processes', '1', '--max-jobs', String(JOBS - 2))
      await until(app, 'begun', 2)
      store.leave()
      const [ends, runs] = await lines(app, 'begun')
      await app.write({ [`go-${ends}`]: '' })
      await worker.says('how 1 job ended is not stored, and it may run again')
      await store.comeBack()
      await app.write({ go: '' })
      await worker.result
      // The supervisor reported the outcome of the ended job. The running job has crashed as often as it may.
      expect(await lines(app, 'begun')).toHaveLength(JOBS)
      const [status] = JSON.parse((await app.run('jobs:status', '--json')).stdout).queues
      expect(status.counts).toMatchObject({ completed: JOBS - 1, failed: 1 })
      const { jobs } = JSON.parse((await app.run('jobs:failed', '--json')).stdout)
      expect(jobs).toMatchObject([{ id: runs, errors: [{ code: 'WORKER_DIED' }] }])
    }, 120_000)
  })

test.concurrent('a worker with --watch has as much time as a stop to report outcomes to a store that cannot be reached', async () => {
  await using store = await redis()
  const { app } = store
  await app.start(['dispatch.js']).result
  // A process without outcomes would be ended before this time.
  const worker = app.lark('jobs:work', '--watch', '--outcomes', '11s')
  await until(app, 'begun', JOBS)
  store.leave()
  await app.write({ go: '' })
  await until(app, 'ended', JOBS)
  // Two different signals are sent, because the system may deliver only one of two equal signals.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) worker.child.kill(signal)
  const { code, stderr } = await worker.result
  const [, named] = /how 10 jobs ended is not stored, and they may run again: (.*)/.exec(stderr) ?? []
  expect(named?.split(', ').sort()).toEqual((await lines(app, 'ended')).sort())
  expect(code).toBe(74)
}, 120_000)
