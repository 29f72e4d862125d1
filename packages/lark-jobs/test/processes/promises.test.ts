/**
 * While an `AsyncLocalStorage` is in use, Node 20 and 22 call a hook for every promise of the process, which
 * costs a seventh of the CPU time of a job that does nothing. So a worker uses an `AsyncLocalStorage` only
 * while it loads files, and in development.
 */
import { expect, test } from 'vitest'
import { App } from './app.ts'

/** A promise has an id only while Node calls hooks for promises. */
const job = `
  import { executionAsyncId } from 'node:async_hooks'
  import { Job } from '@s18i/lark-jobs'
  export class TellJob extends Job {
    key = 'tell'
    async handle() {
      await new Promise(setImmediate)
      console.log('promise ' + (await Promise.resolve().then(() => executionAsyncId())))
    }
  }`

const dispatch = `
  import { Job, Jobs } from '@s18i/lark-jobs'
  class TellJob extends Job { key = 'tell' }
  await new TellJob().dispatch()
  await Jobs.close()`

const work = `
  import { Jobs } from '@s18i/lark-jobs'
  const worker = await Jobs.work({ stopWhenEmpty: true })
  await worker.done
  await Jobs.close()`

test.each([
  ['Jobs.work() at the top of an ES module', 'jobs/TellJob.js', 'work.js'],
  ['Jobs.work() that finds classes in TypeScript', 'jobs/TellJob.ts', 'work.js'],
  ['jobs:work', 'jobs/TellJob.js', undefined],
  ['jobs:work that finds classes in TypeScript', 'jobs/TellJob.ts', undefined],
])('%s does not make Node call hooks for promises', async (_, file, program) => {
  await using app = await App.make({ [file]: job, 'dispatch.js': dispatch, 'work.js': work })
  await app.start(['dispatch.js']).result
  const worker = program === undefined ? app.lark('jobs:work', '--stop-when-empty') : app.start([program])
  expect((await worker.result).stdout).toContain('promise 0\n')
})
