/** Runs the script of the manual that takes jobs of Lark back to BullMQ, with the real BullMQ. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as bullmq from 'bullmq'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { blocksOf } from '../../../../test/markdown.ts'
import { read, root } from '../../../../test/source.ts'
import { newPrefix, removeKeys } from '../../../lark-jobs/test/redis/place.ts'
import { FlowProducer, Queue, Worker } from '../../src/index.ts'

const { text: script } = blocksOf(read('docs/from-bullmq.md')).find(
  ({ text }) => text.includes('jobs.jsonl') && text.includes('bullmq'),
)!
const { hostname: host, port } = new URL(inject('redisUrl'))
const bull = { connection: { host, port: Number(port) } }

let folder: string
let prefix: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lark-back-'))
  prefix = newPrefix()
  mkdirSync(join(folder, 'node_modules/@s18i'), { recursive: true })
  for (const name of ['lark', 'lark-jobs', 'lark-bullmq'])
    symlinkSync(join(root, 'packages', name), join(folder, 'node_modules/@s18i', name), 'junction')
  symlinkSync(join(root, 'node_modules/bullmq'), join(folder, 'node_modules/bullmq'), 'junction')
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ type: 'module', dependencies: { '@s18i/lark-jobs': '*' } }),
  )
  const own = script
    .replace("{ host: '10.0.0.5', port: 6379 }", JSON.stringify(bull.connection))
    .replaceAll(', { connection }', `, { connection, prefix: '${prefix}-bull' }`)
  writeFileSync(join(folder, 'back.js'), own)
})
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true })
  await removeKeys(inject('redisUrl'), prefix)
})

/** Runs a program in the folder. */
function program(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8' })
  expect({ status, stderr }).toMatchObject({ status: 0 })
  return stdout
}

test.each(['sqlite', 'redis'])(
  'the script moves waiting jobs of Lark (%s) to BullMQ, each job once',
  async (store) => {
    const connection = store === 'sqlite' ? `sqlite:${join(folder, 'jobs.db')}` : inject('redisUrl')
    writeFileSync(
      join(folder, 'lark.config.js'),
      `export default { jobs: ${JSON.stringify({ connection, prefix, queues: { mails: {}, images: {} } })} }`,
    )
    const place = { connection, prefix }
    const queue = new Queue('mails', place)
    const backoff = { type: 'exponential', delay: 3_600_000 }
    const flaky = await queue.add('flaky', { n: 1 }, { attempts: 4, backoff })
    const worker = new Worker('mails', async () => Promise.reject(new Error('away')), place)
    while ((await flaky.getState()) !== 'delayed') await new Promise((resolve) => setTimeout(resolve, 20))
    await worker.close()
    await queue.add('welcome', { to: 'ada' }, { priority: 5, attempts: 3 })
    await queue.add('first', { to: 'bob' }, { jobId: 'own' })
    await queue.add('late', null, { delay: 7_200_000 })
    await queue.upsertJobScheduler(
      'nightly',
      { pattern: '0 3 * * *', tz: 'Europe/Paris' },
      { name: 'night', data: { n: 2 }, opts: { attempts: 2 } },
    )
    await queue.upsertJobScheduler('often', { every: 7_200_000, limit: 9 }, { name: 'often' })
    const flows = new FlowProducer(place)
    await flows.add({ name: 'both', queueName: 'mails', children: [{ name: 'one', queueName: 'images' }] })
    await Promise.all([queue.close(), flows.close()])

    program(join(root, 'packages/lark/bin/lark.js'), 'jobs:export', '--all', '--file=jobs.jsonl')
    program('back.js')
    program('back.js')

    const back = new bullmq.Queue('mails', { ...bull, prefix: `${prefix}-bull` })
    const shown = ({ name, data, opts: { attempts, priority = 0 } }: bullmq.Job) => [
      name,
      data,
      attempts,
      priority,
    ]
    // The first tick of an interval comes at once, in Lark and in BullMQ.
    const isOurs = ({ name }: bullmq.Job) => name !== 'often' && name !== 'night'
    expect((await back.getJobs(['wait', 'prioritized'])).filter(isOurs).map(shown).sort()).toEqual([
      ['first', { to: 'bob' }, 1, 0],
      ['welcome', { to: 'ada' }, 3, 5],
    ])
    expect((await back.getJob('own'))!.name).toBe('first')
    const delayed = (await back.getDelayed()).filter(isOurs)
    expect(delayed.map(shown).sort()).toEqual([
      ['flaky', { n: 1 }, 3, 0],
      ['late', null, 1, 0],
    ])
    for (const { name, delay } of delayed)
      expect(delay).toBeGreaterThan(name === 'flaky' ? 3_500_000 : 7_100_000)
    const schedulers = await back.getJobSchedulers()
    expect(schedulers.sort((one, other) => one.key.localeCompare(other.key))).toMatchObject([
      {
        key: 'nightly',
        name: 'night',
        pattern: '0 3 * * *',
        tz: 'Europe/Paris',
        template: { data: { n: 2 } },
      },
      { key: 'often', name: 'often', every: 7_200_000, limit: 9 },
    ])
    const images = new bullmq.Queue('images', { ...bull, prefix: `${prefix}-bull` })
    expect(await images.getJobCounts('waiting', 'delayed')).toEqual({ waiting: 0, delayed: 0 })
    await images.close()
    await back.close()
  },
)
