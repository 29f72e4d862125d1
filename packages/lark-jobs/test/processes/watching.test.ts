/**
 * `jobs:work --watch`: a change of the sources restarts the worker, no job is lost, and no process is left
 * behind.
 */
import { expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { App } from './app.ts'
import { isAlive, until } from './traced-app.ts'

const jobs = (text: string) => `
  import { Job } from '@s18i/lark-jobs'
  export class TellJob extends Job {
    key = 'tell'
    async handle({ hangs }) {
      console.log('${text} in ' + process.pid + (hangs ? ' hangs' : ''))
      if (hangs && '${text}' === 'first') await new Promise(() => {})
    }
  }`

/** The job class of the application, declared again for this process. */
class TellJob extends Job {
  override readonly key = 'tell'
  handle(_payload: { hangs?: boolean }) {}
}

const bin = 'node_modules/@s18i/lark/dist/bin.js'

test('a change of a file restarts the worker, also after an error in a file; running jobs are given back, and no process is left behind', async () => {
  await using app = await App.make({ 'jobs/TellJob.js': jobs('first') })
  await using store = createJobs({ connection: `sqlite:${app.folder}/.lark/jobs.db` })
  const counts = async () => (await store.status()).queues[0]!.counts
  const worker = app.start([bin, 'jobs:work', '--watch'])
  await worker.says('Serving sqlite:')
  const [hanging] = await store.dispatch([new TellJob().with({ hangs: true })])
  await worker.says(' hangs')
  await app.write({ 'jobs/TellJob.js': jobs('second') })
  await worker.says('Changed: jobs/TellJob.js: restarts')
  // The job that hangs is given back after five seconds, and runs with the new code.
  await worker.says('second in ')
  await until(async () => (await counts()).completed === 1)
  expect(await store.find(hanging!.id)).toMatchObject({ state: 'completed', failures: 0, crashes: 0 })
  await app.write({ 'lark.config.js': 'export default {' })
  await worker.says('The worker has ended with exit code 1: waits for a change')
  await app.write({ 'lark.config.js': "export default { jobs: { queues: ['default', 'mail'] } }" })
  await worker.says('default, mail in fair turns')
  worker.child.kill('SIGTERM')
  const { code, stdout } = await worker.result
  expect(code).toBe(0)
  const pids = [...stdout.matchAll(/(?:first|second) in (\d+)/g)].map(([, pid]) => Number(pid))
  expect(pids).toHaveLength(2)
  await until(() => !pids.some(isAlive))
  expect(await counts()).toMatchObject({ waiting: 0, active: 0, failed: 0 })
}, 120_000)

test('a process that is killed while it watches leaves no worker behind', async () => {
  await using app = await App.make({ 'jobs/TellJob.js': jobs('first') })
  await using store = createJobs({ connection: `sqlite:${app.folder}/.lark/jobs.db` })
  const worker = app.start([bin, 'jobs:work', '--watch'])
  await store.dispatch([new TellJob().with({})])
  await worker.says('first in ')
  const pids = (await store.status()).workers.map(({ pid }) => pid)
  expect(pids).toHaveLength(1)
  worker.child.kill('SIGKILL')
  const { stdout } = await worker.result
  expect(stdout).toContain(`first in ${pids[0]}`)
  await until(() => !pids.some(isAlive))
}, 120_000)
