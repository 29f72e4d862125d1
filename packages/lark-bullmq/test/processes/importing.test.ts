/** If `lark jobs:import-bullmq` is killed in the middle and repeated, no job is lost and none runs twice. */
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createJobs, Job } from '@s18i/lark-jobs'
import { Queue } from 'bullmq'
import { expect, inject, test } from 'vitest'
import { App } from '../../../lark-jobs/test/processes/app.ts'
import { newPrefix, removeKeys } from '../../../lark-jobs/test/redis/place.ts'
import { Record } from '../../../lark-jobs/test/working/bench.ts'

/** With so many jobs, an import lasts some hundred milliseconds longer than the last instant of a kill. */
const MANY = 4_000
const ran: number[] = []

class NumberJob extends Job {
  override readonly key = 'number'
  override queueName = 'numbers'
  async handle({ n }: { n: number }) {
    ran.push(n)
  }
}

test('an import that is killed and repeated loses and doubles no job', async () => {
  const url = inject('redisUrl')
  const [prefix, larkPrefix] = [newPrefix(), newPrefix()]
  const { hostname, port } = new URL(url)
  const numbers = new Queue('numbers', { connection: { host: hostname, port: Number(port) }, prefix })
  const all = Array.from({ length: MANY }, (_, n) => n)
  await numbers.addBulk(all.map((n) => ({ name: 'number', data: { n } })))
  const config = { queues: ['numbers'], prefix: larkPrefix, connection: url }
  const dependencies = { '@s18i/lark': '*', '@s18i/lark-jobs': '*', '@s18i/lark-bullmq': '*' }
  await using app = await App.make({
    'package.json': JSON.stringify({ type: 'module', dependencies }),
    'lark.config.js': `export default { jobs: ${JSON.stringify(config)} }`,
  })
  await symlink(
    fileURLToPath(new URL('../..', import.meta.url)),
    join(app.folder, 'node_modules/@s18i/lark-bullmq'),
  )
  await using jobs = createJobs(config)
  const worker = await jobs.work({ jobs: [NumberJob], report: new Record() })
  const words = ['jobs:import-bullmq', url, '--prefix', prefix, '--yes']
  for (const [least, ...more] of [[200], [600], [1_000, '--move']] as [number, ...string[]][]) {
    const { child, result } = app.lark(...words, ...more)
    while (ran.length < least && child.exitCode === null) await pause(2)
    child.kill('SIGKILL')
    expect(await result).toMatchObject({ signal: 'SIGKILL' })
  }
  const { code, stdout, stderr } = await app.run(...words, '--move', '--json')
  expect(code, stderr).toBe(0)
  const { imported, existing, removed } = JSON.parse(stdout)
  expect(imported).toBeGreaterThan(0)
  expect(imported + existing).toBe(removed)
  expect(await numbers.getWaitingCount()).toBe(0)
  await expect.poll(async () => (await jobs.status()).queues[0]!.counts.waiting, { interval: 20 }).toBe(0)
  await worker.stop()
  expect(ran.sort((a, b) => a - b)).toEqual(all)
  await numbers.close()
  await Promise.all([prefix, larkPrefix].map((each) => removeKeys(url, each)))
})
