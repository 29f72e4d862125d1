/** Jobs with steps whose worker is stopped or killed between two steps or during a step. */
import { expect, test, vi } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'

const files = {
  'lark.config.js': `export default { jobs: { prefix: process.env.PREFIX || 'lark' } }`,
  calls: '',
  'jobs/TripJob.js': `
    import { appendFileSync, existsSync } from 'node:fs'
    import { setTimeout as pause } from 'node:timers/promises'
    import { defineSignal, Job } from '@s18i/lark-jobs'
    export const approved = defineSignal('approved')
    const call = (what) => appendFileSync('calls', what + '\\n')
    const books = (name) => [name, () => call(name), { undo: () => {
      call('undo ' + name)
      if (name === 'hotel' && !existsSync('killed')) {
        appendFileSync('killed', '')
        process.kill(process.pid, 'SIGKILL')
      }
    } }]
    const kill = (when) => {
      if (existsSync(when)) return
      appendFileSync(when, '')
      process.kill(process.pid, 'SIGKILL')
    }
    export class PartJob extends Job {
      key = 'part'
      handle({ n }) {
        call('part ' + n + ' ' + this.id)
        if (n === 2) kill('killed child')
        return 10 * n
      }
    }
    export class TripJob extends Job {
      key = 'trip'
      async handle({ how }) {
        if (how === 'children') {
          const begun = [1, 2].map((n) => this.runJob(['part', n], new PartJob().with({ n })))
          await pause(0)
          // Kill the worker before any child has begun, whether or not the journal has reserved their places.
          kill('killed before')
          await this.step('noted', () => {})
          kill('killed behind')
          return Promise.all(begun)
        }
        if (how === 'wait') {
          await this.step('first', () => call('first'))
          console.log('waits')
          return await this.waitFor(approved)
        }
        if (how === 'slow') {
          await this.step('slow', async () => {
            call('slow')
            console.log('runs')
            while (!existsSync('go')) await pause(20)
          })
          await this.sleep('a day', '1d')
        }
        if (how === 'undo') {
          for (const name of ['flight', 'hotel', 'car']) await this.step(...books(name))
          this.fail('sold out')
        }
        if (how === 'items') {
          const page = (from = 0) => ({
            items: Array.from({ length: 100 }, (_, i) => from + i),
            cursor: from < 200 ? from + 100 : undefined,
          })
          for await (const item of this.eachItem('rows', page)) {
            call(item)
            if (item === 150 && !existsSync('killed')) {
              appendFileSync('killed', '')
              process.kill(process.pid, 'SIGKILL')
            }
          }
        }
      }
    }`,
  'put.js': `
    import { Jobs } from '@s18i/lark-jobs'
    import { TripJob } from './jobs/TripJob.js'
    await TripJob.with({ how: process.argv[2] }).withId('trip-1').dispatch()
    await Jobs.close()`,
  // The lease is half a second instead of 15 seconds, so that the test is short.
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ lease: 500, stopWhenEmpty: true })
    await worker.done
    await Jobs.close()`,
}

/** @param url the URL of a store; undefined for the embedded store */
export function stepping(url: () => string | undefined): void {
  async function make(how: string) {
    const prefix = newPrefix()
    const server = url()
    const app = await App.make(files, { LARK_JOBS_URL: server, PREFIX: prefix })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    expect(await app.start(['put.js', how]).result).toMatchObject({ code: 0 })
    return app
  }

  const calls = async (app: App) => (await app.read('calls')).split('\n').filter(Boolean)
  const shown = async (app: App) => JSON.parse((await app.run('jobs:show', 'trip-1', '--json')).stdout)

  /** A test of how a worker stops, which runs only on the embedded store. */
  const itself = (name: string, act: () => Promise<void>) => void (url() === undefined && test(name, act))

  itself('SIGTERM while a job waits: the worker ends at once, and the next one goes on', async () => {
    await using app = await make('wait')
    const worker = app.lark('jobs:work')
    await worker.says('waits')
    worker.child.kill('SIGTERM')
    // If the job were not suspended, the worker would wait for the 25 seconds of a stop and then give the job
    // back.
    expect(await worker.result).toMatchObject({ code: 0, stdout: expect.not.stringContaining('released') })
    expect(await shown(app)).toMatchObject({ state: 'delayed', suspended: ['approved'] })
    expect(await app.run('jobs:send', 'trip-1', 'approved', '{"by":"ada"}')).toMatchObject({ code: 0 })
    await app.run('jobs:work', '--stop-when-empty')
    expect(await shown(app)).toMatchObject({ state: 'completed', result: { value: { by: 'ada' } } })
    expect(await calls(app)).toEqual(['first'])
  })

  itself(
    'SIGTERM during a step: it ends, its result is kept, and the job is suspended behind it',
    async () => {
      await using app = await make('slow')
      const worker = app.lark('jobs:work')
      await worker.says('runs')
      worker.child.kill('SIGTERM')
      await worker.says('Stopping')
      await app.write({ go: '' })
      expect(await worker.result).toMatchObject({ code: 0 })
      expect(await shown(app)).toMatchObject({ state: 'delayed', suspended: [] })
      await app.run('jobs:run-now', 'trip-1')
      await app.run('jobs:work', '--stop-when-empty')
      expect(await shown(app)).toMatchObject({ state: 'completed', failures: 0 })
      expect(await calls(app)).toEqual(['slow'])
    },
  )

  test('after kill -9 during an undo, finished undos are not repeated, and the other undos run', async () => {
    await using app = await make('undo')
    expect(await app.start(['work.js']).result).toMatchObject({ signal: 'SIGKILL' })
    expect(await app.start(['work.js']).result).toMatchObject({ code: 0 })
    // The undo during which the worker died is called again.
    const undone = ['undo car', 'undo hotel', 'undo hotel', 'undo flight']
    expect(await calls(app)).toEqual(['flight', 'hotel', 'car', ...undone])
    const { state, errors } = await shown(app)
    expect(state).toBe('failed')
    expect(errors.at(-1)).toMatchObject({ message: 'sold out' })
    // If a worker was itself too slow, it does not count the death of the other worker.
    for (const died of errors.slice(0, -1)) expect(died).toMatchObject({ code: 'WORKER_DIED' })
  })

  test('each child begins once after kill -9 of the worker of its parent and of the worker of a child', async () => {
    await using app = await make('children')
    for (const _ of ['before', 'behind', 'child'])
      expect(await app.start(['work.js']).result).toMatchObject({ signal: 'SIGKILL' })
    // A worker that finds no job may end before the parent knows the end of its last child.
    await vi.waitFor(async () => {
      expect(await app.start(['work.js']).result).toMatchObject({ code: 0 })
      expect(await shown(app)).toMatchObject({ state: 'completed', result: [10, 20] })
    }, 30_000)
    const ids = new Set(await calls(app))
    expect([...ids].map((call) => call.slice(0, 6)).sort()).toEqual(['part 1', 'part 2'])
  })

  test('after kill -9 during eachItem(), the next worker continues with the first item of the lot', async () => {
    await using app = await make('items')
    expect(await app.start(['work.js']).result).toMatchObject({ signal: 'SIGKILL' })
    expect(await app.start(['work.js']).result).toMatchObject({ code: 0 })
    const all = Array.from({ length: 300 }, (_, item) => String(item))
    expect(await calls(app)).toEqual([...all.slice(0, 151), ...all.slice(100)])
    expect(await shown(app)).toMatchObject({ state: 'completed' })
  })
}
