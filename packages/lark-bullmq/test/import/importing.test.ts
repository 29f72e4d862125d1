/**
 * The real BullMQ 5 and 6 write into a real Redis. `importBullmq()` imports each kind of entry, leaves it
 * with a reason, or reports it as wrong. Further tests check the questions and the output of
 * `jobs:import-bullmq`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run as runProgram } from '@s18i/lark'
import { createJobs, Job, type Jobs, JobsError } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import * as bullmq6 from 'bullmq'
import * as bullmq5 from 'bullmq5'
import { Cluster as RedisCluster } from 'ioredis'
import { afterAll, afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { startCluster } from '../../../lark-jobs/test/redis/cluster.ts'
import { newPrefix, removeKeys } from '../../../lark-jobs/test/redis/place.ts'
import { command } from '../../../lark-jobs/test/redis/server.ts'
import { Record } from '../../../lark-jobs/test/working/bench.ts'
import { JobsImportBullmqCommand } from '../../src/commands/jobs-import-bullmq.ts'
import { RedisBullmq } from '../../src/import/redis-source.ts'
import {
  type BullmqImport,
  type BullmqOptions,
  importBullmq,
  Queue as LarkQueue,
  Worker as LarkWorker,
  type Processor,
} from '../../src/index.ts'

type Bullmq = typeof bullmq6

const url = inject('redisUrl')
const folder = mkdtempSync(join(tmpdir(), 'lark-bullmq-'))
const { hostname, port } = new URL(url)
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null }
const HOUR = 3_600_000

/** The prefix of BullMQ's keys. */
let prefix: string
let larkPrefix: string
let jobs: Jobs
let open: { close(): Promise<unknown> }[]

beforeEach(() => {
  prefix = newPrefix()
  larkPrefix = newPrefix()
  open = []
  jobs = larkOn(`sqlite:${join(folder, `${prefix}.db`)}`)
})
afterEach(async () => {
  for (const each of [...open, jobs]) await each.close()
  await Promise.all([prefix, larkPrefix].map((each) => removeKeys(url, each)))
})
afterAll(() => rmSync(folder, { recursive: true }))

function larkOn(connection: string): Jobs {
  return createJobs({
    connection,
    prefix: larkPrefix,
    queues: { emails: { partitions: 3 }, others: {}, default: {} },
  })
}

function queueOf({ Queue }: Bullmq, name = 'emails', more: object = {}) {
  const queue = new Queue(name, { connection, prefix, ...more })
  open.push(queue)
  return queue
}

const importing = (options: BullmqOptions = {}) => importBullmq(url, { prefix, ...options }, operate(jobs))
const emails = ({ queues }: BullmqImport) => queues.find(({ queue }) => queue === 'emails')!
const why = (notes: readonly { why: string; count: number }[]) =>
  Object.fromEntries(notes.map(({ why, count }) => [why, count]))

async function ids(state: 'waiting' | 'delayed' | 'failed', queue = 'emails'): Promise<string[]> {
  return (await jobs.list({ queue, state })).jobs.map(({ id }) => id).sort()
}

/** Runs each job, and returns their payloads in order. */
async function run(queue: string, keys: readonly string[]): Promise<unknown[]> {
  const given: unknown[] = []
  const classes = keys.map(
    (key) =>
      class extends Job {
        override readonly key = key
        override queueName = queue
        async handle(payload: unknown) {
          given.push(payload)
        }
      },
  )
  const worker = await jobs.work({
    ...{ jobs: classes, queues: [queue], concurrency: 1 },
    ...{ report: new Record(), stopWhenEmpty: true },
  })
  await worker.done
  return given
}

class MineJob extends Job {
  override readonly key = 'mine'
  override queueName = 'emails'
  handle() {}
}

const byText = (one: unknown, other: unknown) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1)

const versions: [string, Bullmq][] = [
  ['BullMQ 5', bullmq5 as unknown as Bullmq],
  ['BullMQ 6', bullmq6],
]

describe.each(versions)('%s', (_, bullmq) => {
  test.each(['sqlite', 'redis'])('entries of every kind arrive in a store (%s)', async (store) => {
    if (store === 'redis') {
      await jobs.close()
      jobs = larkOn(url)
    }
    const queue = queueOf(bullmq)
    const retried = { attempts: 5, backoff: { type: 'exponential', delay: 1_000, jitter: 0.5 } }
    await queue.add('welcome', { to: 'ada' })
    await queue.add(
      'welcome',
      { to: 'bob' },
      { ...retried, removeOnComplete: true, removeOnFail: { age: 7_200 } },
    )
    await queue.add('reminder', { n: 1 }, { delay: HOUR, jobId: 'order-7' })
    await queue.add('reminder', { n: 2 }, { priority: 500, backoff: { type: 'ours' }, removeOnFail: 9 })
    await queue.add('reminder', { n: 3 }, { priority: 3, deduplication: { id: 'x' } })
    const cron = { pattern: '0 3 * * *', tz: 'Europe/Paris', limit: 3, endDate: Date.now() + 90 * 24 * HOUR }
    await queue.upsertJobScheduler('nightly', cron, { name: 'report', data: { a: 1 }, opts: { attempts: 3 } })
    await queue.upsertJobScheduler('often', { every: 60_000 }, { name: 'tick' })
    await queue.upsertJobScheduler('odd', { pattern: '0/5 * * * *', tz: 'UTC' }, { name: 'tick' })
    const flows = new bullmq.FlowProducer({ connection, prefix })
    open.push(flows)
    const place = { queueName: 'emails', data: {} }
    await flows.add({ name: 'parent', ...place, children: [{ name: 'child', ...place }] })

    const dry = await importing({ dryRun: true })
    expect(await ids('waiting')).toEqual([])
    const done = await importing()
    const { left, lacks, mistakes, keys } = emails(done)
    // The first run of an interval is due at once, and is an ordinary job.
    expect(done).toMatchObject({ imported: 8, existing: 0, schedules: 2, removed: 0, failures: 1 })
    expect(dry).toMatchObject({ imported: 8, schedules: 2, failures: 1, dryRun: true })
    expect(why(left)).toEqual({ 'next-run': 1, unscheduled: 1 })
    expect(why(lacks)).toEqual({ backoff: 1, keepCount: 1, deduplication: 1, aligned: 1 })
    expect(mistakes).toEqual([{ id: 'odd', message: expect.stringContaining("its minute, '0/5'") }])
    expect(keys.sort()).toEqual(['child', 'parent', 'reminder', 'report', 'tick', 'welcome'])

    const bob = await jobs.find('2', { queue: 'emails' })
    expect(bob).toMatchObject({ key: 'welcome', payload: { to: 'bob' }, priority: 0, state: 'waiting' })
    expect(bob!.options).toMatchObject({ tries: 5, backoff: { from: 1_000, jitter: 0.5 } })
    expect(bob!.options!.context).toMatchObject({ bullmq: { attempts: 5, removeOnComplete: true } })
    expect((await jobs.find('1', { queue: 'emails' }))!.options).toEqual({ tries: 1, backoff: [0] })
    const later = await jobs.find('order-7', { queue: 'emails' })
    expect(later).toMatchObject({ state: 'delayed', payload: { n: 1 } })
    // A busy machine may take a while between the look at BullMQ's clock and the answer of the store.
    const { timestamp, delay } = (await queue.getDelayed()).find(({ id }) => id === 'order-7')!
    expect(Math.abs(later!.dueAt! - timestamp - delay)).toBeLessThan(60_000)
    const nightly = await jobs.schedules.get('emails/nightly')
    expect(nightly).toMatchObject({
      key: 'report',
      queue: 'emails',
      when: '0 3 * * *',
      limit: 3,
      payload: { a: 1 },
    })
    expect(nightly).toMatchObject({ timezone: 'Europe/Paris', missed: 'once', until: cron.endDate })
    expect(await jobs.schedules.get('emails/often')).toMatchObject({ key: 'tick', when: 'every 1m' })

    expect(await importing()).toMatchObject({ imported: 0, existing: 8, schedules: 0 })
    // Lark has forgotten the jobs, but BullMQ's marks say that they were imported.
    await jobs.purge({ queue: 'emails' })
    expect(await importing()).toMatchObject({ imported: 0, existing: 8 })
    const moved = await importing({ move: true })
    // These are the jobs, two schedulers, and the job of the next night.
    expect(moved).toMatchObject({ imported: 0, existing: 8, removed: 11 })
    expect(await queue.getJobCounts()).toMatchObject({
      waiting: 0,
      'waiting-children': 0,
      delayed: 1,
      prioritized: 0,
    })
    expect((await queue.getJobSchedulers()).map(({ key }) => key)).toEqual(['odd'])
    expect(await queue.getDeduplicationJobId('x')).toBeNull()
  })

  test('jobs keep the order of BullMQ, also from a paused queue, with their remaining attempts and delays', async () => {
    const queue = queueOf(bullmq, 'others')
    await queue.pause()
    for (const n of [1, 2, 3]) await queue.add('n', { n })
    await queue.add('n', { n: 0 }, { lifo: true })
    await queue.add('n', { n: 5 }, { priority: 9 })
    await queue.add('n', { n: 4 }, { priority: 2 })
    const tried = queueOf(bullmq)
    await tried.add('tried', {}, { attempts: 4, backoff: { type: 'exponential', delay: HOUR } })
    const failing = async () => {
      throw new Error('not now')
    }
    const worker = new bullmq.Worker('emails', failing, { connection, prefix })
    open.push(worker)
    await new Promise((resolve) => worker.once('failed', resolve))
    await worker.close()
    const report = await importing()
    expect(report).toMatchObject({
      imported: 7,
      queues: [{ paused: false }, { queue: 'others', paused: true }],
    })
    expect(await jobs.find('1', { queue: 'emails' })).toMatchObject({
      state: 'delayed',
      options: { tries: 3, backoff: { from: 2 * HOUR } },
    })
    expect(await run('others', ['n'])).toEqual([0, 1, 2, 3, 4, 5].map((n) => ({ n })))
  })

  test.each(['sqlite', 'redis'])('a flow continues where BullMQ has left it (%s)', async (store) => {
    if (store === 'redis') {
      await jobs.close()
      jobs = larkOn(url)
    }
    const flows = new bullmq.FlowProducer({ connection, prefix })
    open.push(flows)
    const ignored = { ignoreDependencyOnFailure: true }
    const { job: root } = await flows.add({
      ...{ name: 'root', queueName: 'emails', data: { r: 1 }, opts: { attempts: 2 } },
      children: [
        { name: 'done', queueName: 'others', opts: { removeOnComplete: true } },
        { name: 'bad', queueName: 'others', opts: ignored },
        {
          ...{
            name: 'middle',
            queueName: 'emails',
            data: { m: 1 },
            opts: { priority: 3, failParentOnFailure: true },
          },
          children: [
            { name: 'done', queueName: 'others', data: { d: 2 } },
            { name: 'left', queueName: 'default', data: { l: 1 } },
          ],
        },
        { name: 'later', queueName: 'default', opts: { delay: 1 } },
      ],
    })
    const worker = new bullmq.Worker(
      'others',
      async ({ name }) => {
        if (name === 'bad') throw new Error('no')
        return { by: 'BullMQ' }
      },
      { connection, prefix },
    )
    open.push(worker)
    const others = queueOf(bullmq, 'others')
    await vi.waitFor(async () => expect(await others.getWaitingCount()).toBe(0))
    await worker.close()
    expect((await importing({ queues: ['emails'] })).queues[0]!.left).toMatchObject([
      { why: 'flow-elsewhere', ids: [root.id] },
      { why: 'flow-child', count: 1 },
    ])
    expect(await importing({ dryRun: true })).toMatchObject({ imported: 4, existing: 0, failures: 0 })
    expect(await importing()).toMatchObject({ imported: 4, existing: 0, removed: 0 })
    expect(await importing({ move: true })).toMatchObject({ imported: 0, existing: 4, removed: 4 })
    for (const name of ['emails', 'default']) expect(await queueOf(bullmq, name).count()).toBe(0)
    const place = {
      connection: store === 'redis' ? url : `sqlite:${join(folder, `${prefix}.db`)}`,
      prefix: larkPrefix,
    }
    const lark = new LarkQueue('emails', place)
    expect(await lark.getJobCounts('waiting-children')).toEqual({ 'waiting-children': 2 })
    const found = (await lark.getJob(root.id!))!
    expect(found).toMatchObject({ id: root.id, name: 'root', data: { r: 1 }, opts: { attempts: 2 } })
    expect(await found.getDependenciesCount()).toEqual({
      processed: 1,
      unprocessed: 2,
      ignored: 1,
      failed: 0,
    })
    const ran: unknown[] = []
    const process: Processor = async (job) => {
      ran.push([job.name, job.data, job.parent?.id === root.id])
      const values = Object.values(await job.getChildrenValues()).sort(byText)
      return values.length === 0
        ? 'Lark'
        : [job.name, values, Object.values(await job.getIgnoredChildrenFailures())]
    }
    const workers = ['emails', 'default'].map((name) => new LarkWorker(name, process, place))
    const middle = ['middle', ['Lark', { by: 'BullMQ' }], []]
    const result = await found.waitUntilFinished(undefined, 10_000)
    for (const each of [...workers, lark]) await each.close()
    expect(result).toEqual(['root', ['Lark', middle, { by: 'BullMQ' }], ['no']])
    expect(ran.sort(byText)).toEqual([
      ['later', {}, true],
      ['left', { l: 1 }, false],
      ['middle', { m: 1 }, true],
      ['root', { r: 1 }, false],
    ])
  })

  test('failed jobs that the caller includes can be retried', async () => {
    const queue = queueOf(bullmq, 'others')
    await queue.add('boom', { card: 7 }, { attempts: 2 })
    const fail = async () => {
      throw new TypeError('no luck\u001b[2J')
    }
    const worker = new bullmq.Worker('others', fail, { connection, prefix })
    open.push(worker)
    let failures = 0
    await new Promise<void>((resolve) => worker.on('failed', () => ++failures === 2 && resolve()))
    await worker.close()
    expect(why((await importing()).queues[0]!.left)).toEqual({ failed: 1 })
    expect(await importing({ failed: true, move: true })).toMatchObject({ imported: 1, removed: 1 })
    expect(await queue.getFailedCount()).toBe(0)
    const [boom] = await jobs.failed({ queue: 'others' })
    expect(boom).toMatchObject({ id: '1', key: 'boom', failures: 2, options: { tries: 2 } })
    expect(boom!.errors.map(({ run, name, message }) => [run, name, message])).toEqual([
      [1, 'TypeError', 'no luck\u001b[2J'],
      [2, 'TypeError', 'no luck\u001b[2J'],
    ])
    expect(boom!.errors[0]!.stack).toContain('importing.test.ts')
    await jobs.retry('1', { queue: 'others' })
    expect(await run('others', ['boom'])).toEqual([{ card: 7 }])
  })

  test('workers of BullMQ prevent the import of a queue unless it is paused or the caller insists', async () => {
    const queue = queueOf(bullmq)
    await queue.add('late', {}, { delay: HOUR })
    const worker = new bullmq.Worker('emails', async () => {}, { connection, prefix, name: 'one' })
    open.push(worker)
    await worker.waitUntilReady()
    await expect(importing()).rejects.toMatchObject({
      code: 'BULLMQ_RUNNING',
      message: 'Workers of BullMQ are connected to queues that are not paused: emails (1)',
    })
    expect((await importing({ dryRun: true })).queues[0]).toMatchObject({ workers: 1, imported: 1 })
    expect(await importing({ force: true })).toMatchObject({ imported: 1 })
    await queue.pause()
    expect(await importing()).toMatchObject({ existing: 1 })
  })

  test('a paused queue is imported while its old worker ends a job, which a later import takes', async () => {
    const queue = queueOf(bullmq)
    await queue.add('busy', { n: 1 }, { attempts: 3, backoff: { type: 'fixed', delay: HOUR } })
    let fail = (_: Error) => {}
    const held = new Promise<void>((_, reject) => {
      fail = reject
    })
    const worker = new bullmq.Worker('emails', () => held, { connection, prefix })
    open.push(worker)
    await new Promise((resolve) => worker.once('active', resolve))
    await queue.add('due', { n: 2 })
    await queue.add('late', { n: 3 }, { delay: HOUR })

    await queue.pause()
    expect(await importing({ move: true })).toMatchObject({ imported: 2, removed: 2 })
    expect(await run('emails', ['due', 'late'])).toEqual([{ n: 2 }])

    const failed = new Promise((resolve) => worker.once('failed', resolve))
    fail(new Error('not now'))
    await failed
    expect(await importing({ move: true })).toMatchObject({ imported: 1, removed: 1 })
    expect(
      (await jobs.list({ queue: 'emails', state: 'delayed' })).jobs.map(({ key }) => key).sort(),
    ).toEqual(['busy', 'late'])
    expect(await importing({ dryRun: true })).toMatchObject({ imported: 0, existing: 0 })
  })
})

test('repeatable jobs of BullMQ 5 get the data of their next jobs', async () => {
  const queue = queueOf(bullmq5 as unknown as Bullmq) as unknown as bullmq5.Queue
  const repeat = { pattern: '0 0 1 1 *', limit: 10 }
  await queue.add('yearly', { l: 1 }, { repeat, attempts: 2 })
  await queue.add('lost', {}, { repeat: { every: 24 * HOUR }, jobId: 'lost' })
  const lost = (await queue.getDelayed()).find(({ name }) => name === 'lost')!
  await command(url, 'DEL', `${prefix}:emails:${lost.id}`)
  const report = await importing({ move: true })
  expect(emails(report)).toMatchObject({ schedules: 1, failures: 2, imported: 0, removed: 2 })
  expect(why(emails(report).lacks)).toEqual({ timezone: 1 })
  expect(emails(report).mistakes[0]!.message).toContain('the job of its next tick is gone')
  const [yearly] = await jobs.schedules.list()
  expect(yearly!.id).toMatch(/^emails\/[0-9a-f]{32}$/)
  expect(yearly).toMatchObject({ payload: { l: 1 }, limit: 10, when: '0 0 1 1 *', timezone: 'UTC' })
})

test('a Worker of @s18i/lark-bullmq runs imported jobs with their options and their backoff strategy', async () => {
  const queue = queueOf(bullmq6, 'others')
  await queue.add('welcome', { n: 1 }, { attempts: 2, backoff: { type: 'ours' }, priority: 7 })
  await importing({ move: true })
  const seen: unknown[] = []
  const worker = new LarkWorker(
    'others',
    async ({ id, name, data, opts }) => {
      seen.push({ id, name, data, opts })
      if (seen.length === 1) throw new Error('again')
    },
    { connection: `sqlite:${join(folder, `${prefix}.db`)}`, settings: { backoffStrategy: () => 1 } },
  )
  await new Promise((resolve) => worker.once('completed', resolve))
  await worker.close()
  const opts = { attempts: 2, backoff: { type: 'ours' }, priority: 7 }
  const job = { id: '1', name: 'welcome', data: { n: 1 }, opts }
  expect(seen).toMatchObject([job, job])
})

test('the import reports wrong entries and imports all other entries', async () => {
  const queue = queueOf(bullmq6)
  for (const n of [1, 2, 3, 4, 5, 6, 7]) await queue.add('good', { n })
  const key = (id: number) => `${prefix}:emails:${id}`
  await command(url, 'HSET', key(1), 'data', '{"n":')
  await command(url, 'DEL', key(2))
  await command(url, 'HSET', key(3), 'data', JSON.stringify('x'.repeat(600_000)))
  await command(url, 'HSET', key(4), 'name', 'bad\u0007')
  await command(url, 'HSET', key(6), 'name', 'lark:command')
  await command(url, 'HSET', key(7), 'name', 'lark:other')
  await queue.add('good', {}, { jobId: 'with space' })
  await queue.add('good', {}, { jobId: 'x'.repeat(200) })
  await jobs.dispatch([new MineJob().with().withId('mine')])
  await queue.add('good', {}, { jobId: 'mine' })
  const report = await importing({ move: true })
  expect(emails(report)).toMatchObject({ imported: 3, failures: 7, removed: 3 })
  expect(emails(report).mistakes).toEqual([
    { id: '1', message: `its data is not JSON: '{"n":'` },
    { id: '2', message: 'nothing is left of it but its id' },
    { id: '3', message: 'its data has 600002 bytes, the limit is 524288' },
    { id: '4', message: "its name is 'bad\\x07', which makes no key" },
    { id: '6', message: "its name is 'lark:command', which makes no key" },
    { id: '7', message: "its name is 'lark:other', which makes no key" },
    { id: 'mine', message: 'the queue has another job with the id mine in Lark' },
  ])
  expect(await queue.getWaitingCount()).toBe(7)
  expect(await ids('waiting')).toEqual(
    [expect.stringMatching(/^[0-9a-f]{64}$/), '5', 'mine', 'with%20space'].sort(),
  )
})

test('the import leaves some flows, and reports errors in others', async () => {
  const flows = new bullmq6.FlowProducer({ connection, prefix })
  const queue = queueOf(bullmq6)
  open.push(flows)
  const tree = (name: string, opts: object = {}) =>
    flows.add({ name, queueName: 'emails', children: [{ name, queueName: 'others', opts }] })
  const key = (id: string | undefined, of = 'emails') => `${prefix}:${of}:${id}`
  const failed = await tree('failed')
  const fatal = await tree('fatal', { failParentOnFailure: true })
  const process = async () => {
    throw new Error('no')
  }
  const worker = new bullmq6.Worker('others', process, { connection, prefix })
  open.push(worker)
  await vi.waitFor(async () => expect(await queueOf(bullmq6, 'others').getFailedCount()).toBe(2))
  await worker.close()
  const [running, gone, foreign, text, large, ring] = await Promise.all(
    ['running', 'gone', 'foreign', 'text', 'large', 'ring'].map((name) => tree(name)),
  )
  const data = 'x'.repeat(500_000)
  const heavy = await flows.add({
    ...{ name: 'heavy', queueName: 'emails' },
    children: Array.from({ length: 9 }, () => ({ name: 'heavy', queueName: 'others', data })),
  })
  const branch = { name: 'wide', queueName: 'others', children: [{ name: 'wide', queueName: 'others' }] }
  const wide = await flows.add({ name: 'wide', queueName: 'emails', children: [branch, branch] })
  const result = `"${'x'.repeat(3_000_000)}"`
  for (const { job } of wide.children!)
    await command(url, 'HSET', `${key(job.id, 'others')}:processed`, key(`done-${job.id}`, 'others'), result)
  const tooLarge = 'the data and results of its flow have more than 4194304 bytes'
  const childOf = (tree: typeof running) => tree!.children![0]!.job.id!
  await command(url, 'LREM', `${prefix}:others:wait`, '1', childOf(running))
  await command(url, 'LPUSH', `${prefix}:others:active`, childOf(running))
  await command(url, 'DEL', key(childOf(gone), 'others'))
  await command(url, 'SADD', `${key(foreign!.job.id)}:dependencies`, 'else:others:1')
  await command(url, 'HSET', `${key(text!.job.id)}:processed`, key('done', 'others'), '{')
  await command(
    url,
    'HSET',
    `${key(large!.job.id)}:processed`,
    key('done', 'others'),
    `"${'x'.repeat(5_000_000)}"`,
  )
  await command(url, 'SADD', `${key(ring!.job.id)}:dependencies`, key(ring!.job.id))
  const report = await importing()
  expect(report).toMatchObject({ imported: 0, failures: 8 })
  expect(emails(report).left).toMatchObject([
    { why: 'flow-failed', count: 2, ids: expect.arrayContaining([failed.job.id, fatal.job.id]) },
    { why: 'flow-active', count: 1, ids: [running!.job.id] },
  ])
  expect(Object.fromEntries(emails(report).mistakes.map(({ id, message }) => [id, message]))).toEqual({
    [gone!.job.id!]: `the job '${childOf(gone)}' of its flow: nothing is left of it but its id`,
    [foreign!.job.id!]: "it waits for 'else:others:1', which has another prefix",
    [text!.job.id!]: "its result of the job 'done' is not JSON: '{'",
    [large!.job.id!]: expect.stringContaining('the results or errors of its children have 5000002 bytes'),
    [heavy.job.id!]: tooLarge,
    [wide.job.id!]: tooLarge,
    [ring!.job.id!]: `the job '${ring!.job.id}' is in its flow twice`,
  })
  expect(await queue.getWaitingChildrenCount()).toBe(9)
})

test('an import that dies while it imports a flow can be repeated', async () => {
  const flows = new bullmq6.FlowProducer({ connection, prefix })
  open.push(flows)
  const { job } = await flows.add({
    ...{ name: 'n', queueName: 'emails', data: { root: true } },
    children: [
      { name: 'n', queueName: 'others', data: {} },
      { name: 'n', queueName: 'emails', data: {} },
    ],
  })
  const { mark } = RedisBullmq.prototype
  // The import writes four marks: both queues begin, and then both are done.
  for (const last of [1, 2, 3, 4]) {
    let calls = 0
    vi.spyOn(RedisBullmq.prototype, 'mark').mockImplementation(async function (this: RedisBullmq, ...args) {
      if (++calls === last) throw new JobsError('STORE_UNREACHABLE', 'it was killed')
      await mark.apply(this, args)
    })
    await expect(importing()).rejects.toThrow('it was killed')
    vi.restoreAllMocks()
  }
  expect(await importing({ move: true })).toMatchObject({ imported: 0, existing: 3, removed: 3, failures: 0 })
  expect((await jobs.flows()).flows).toMatchObject([{ id: job.id, counts: { total: 3 } }])
  // Another BullMQ has a job with the same id.
  const other = newPrefix()
  const more = new bullmq6.FlowProducer({ connection, prefix: other })
  const same = {
    name: 'n',
    queueName: 'emails',
    opts: { jobId: job.id! },
    children: [{ name: 'n', queueName: 'emails' }],
  }
  await more.add(same)
  await more.close()
  expect(await importing({ prefix: other })).toMatchObject({ imported: 0, existing: 0, failures: 1 })
  await removeKeys(url, other)
})

test('if an import died between its two marks, a repeated import recognises the jobs by their ids at first, and reports them later', async () => {
  const queue = queueOf(bullmq6)
  for (const n of [1, 2]) await queue.add('n', { n })
  const dies = (call: number) => {
    let calls = 0
    const mark = RedisBullmq.prototype.mark
    vi.spyOn(RedisBullmq.prototype, 'mark').mockImplementation(async function (this: RedisBullmq, ...args) {
      if (++calls === call) throw new JobsError('STORE_UNREACHABLE', 'it was killed')
      await mark.apply(this, args)
    })
  }
  dies(2)
  await expect(importing()).rejects.toThrow('it was killed')
  vi.restoreAllMocks()
  expect(await run('emails', ['n'])).toHaveLength(2)
  const key = `${prefix}:emails:2`
  const text = (await command(url, 'HGET', key, 'lark')) as string
  const [store, begun] = text.split(' ')
  // The second job was begun an hour ago, and Lark has forgotten both.
  await jobs.purge({ queue: 'emails' })
  await command(url, 'HSET', key, 'lark', `${store} ${Number(begun) - HOUR}`)
  dies(1)
  await expect(importing()).rejects.toThrow('it was killed')
  vi.restoreAllMocks()
  expect(await ids('waiting')).toEqual(['1'])
  const later = await importing({ move: true })
  expect(later).toMatchObject({ imported: 0, existing: 1, removed: 1, failures: 0 })
  expect(emails(later).left).toMatchObject([{ why: 'uncertain', count: 1, ids: ['2'] }])
  expect(await importing({ move: true, force: true })).toMatchObject({ imported: 1, removed: 1 })
  expect(await ids('waiting')).toEqual(['1', '2'])
})

test('jobs of another BullMQ with the same ids are not confused with jobs of Lark', async () => {
  const other = newPrefix()
  const [one, two] = [queueOf(bullmq6), queueOf(bullmq6, 'emails', { prefix: other })]
  for (const queue of [one, two]) await queue.add('n', {})
  expect(await importing({ move: true })).toMatchObject({ imported: 1, removed: 1 })
  const report = await importing({ prefix: other, move: true })
  expect(report).toMatchObject({ imported: 0, existing: 0, removed: 0, failures: 1 })
  expect(emails(report).mistakes[0]!.message).toBe('the queue has another job with the id 1 in Lark')
  expect(await two.getWaitingCount()).toBe(1)
  await two.obliterate({ force: true })
})

test('the import reports data that BullMQ has not written', async () => {
  const queue = queueOf(bullmq6)
  for (const n of [1, 2, 3, 4]) await queue.add('n', { n }, n === 4 ? { delay: HOUR } : {})
  const key = (id: number) => `${prefix}:emails:${id}`
  await command(url, 'SET', key(1), 'a text')
  const opts = { constructor: 1, attempts: 2, note: 'x'.repeat(600_000) }
  await command(url, 'HSET', key(2), 'opts', JSON.stringify(opts))
  await command(url, 'HSET', key(3), 'opts', '{"constructor":1,"attempts":2}', 'atm', 'many')
  await command(url, 'ZADD', `${prefix}:emails:delayed`, 'inf', '4')
  await command(url, 'ZADD', `${prefix}:emails:repeat`, '1', 'odd')
  await command(url, 'SET', `${prefix}:emails:repeat:odd`, 'a text')
  const report = await importing()
  expect(emails(report)).toMatchObject({ imported: 2, failures: 3 })
  expect(emails(report).mistakes).toEqual([
    { id: 'odd', message: expect.stringContaining('the job of its next tick is gone') },
    { id: '1', message: 'its key holds something else than a job of BullMQ' },
    { id: '2', message: 'its opts have more than 524288 bytes' },
  ])
  const odd = await jobs.find('3', { queue: 'emails' })
  expect(odd!.options).toMatchObject({ tries: 2, context: { bullmq: { constructor: 1 } } })
  expect(await ids('waiting')).toEqual(['3', '4'])
  await command(url, 'SET', `${prefix}:others:delayed`, 'a text')
  await command(url, 'HSET', `${prefix}:others:meta`, 'version', 'x')
  await expect(importing()).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringContaining(`${prefix}:others:delayed`),
  })
})

test('an unknown queue, an unknown prefix and a queue missing in Lark are refused', async () => {
  await expect(importing()).rejects.toMatchObject({ code: 'BULLMQ_NOT_FOUND' })
  await queueOf(bullmq6, 'news').add('n', {})
  const named = importing({ queues: ['new'] })
  await expect(named).rejects.toMatchObject({ code: 'BULLMQ_NOT_FOUND', hint: 'There are news.' })
  expect(await importing({ dryRun: true })).toMatchObject({ unknownQueues: ['news'], imported: 1 })
  await expect(importing()).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  await expect(importing({ queue: 'news' } as object)).rejects.toMatchObject({ code: 'FILTER_INVALID' })
  await expect(importBullmq('sqlite:x', {}, operate(jobs))).rejects.toMatchObject({ code: 'STORE_INVALID' })
})

test('a Redis user who may only read in BullMQ can import, and is told that no marks are written', async () => {
  await queueOf(bullmq6).add('n', { n: 1 })
  await command(
    url,
    'ACL',
    'SETUSER',
    prefix,
    'on',
    '>pw',
    `~${prefix}:*`,
    '+@read',
    '+@connection',
    '+time',
    '-client|list',
  )
  try {
    const from = { host: hostname, port: Number(port), username: prefix, password: 'pw' }
    const report = await importBullmq(from, { prefix }, operate(jobs))
    expect(report).toMatchObject({ imported: 1, unmarked: expect.stringContaining('NOPERM') })
    expect(report.queues[0]).not.toHaveProperty('workers')
    expect(await importBullmq(from, { prefix }, operate(jobs))).toMatchObject({ imported: 0, existing: 1 })
  } finally {
    await command(url, 'ACL', 'DELUSER', prefix)
  }
})

test('a job that a worker of BullMQ claims during the import is not removed', async () => {
  const queue = queueOf(bullmq6)
  await queue.addBulk([1, 2].map((n) => ({ name: 'n', data: { n } })))
  await command(url, 'LREM', `${prefix}:emails:wait`, '1', '1')
  await using source = await RedisBullmq.open(url, prefix)
  expect(await source.remove('emails', 'wait', ['1', '2'])).toEqual([false, true])
  expect(await command(url, 'EXISTS', `${prefix}:emails:1`)).toBe(1)
})

test('keys that match a template are returned page by page until the signal is aborted', async () => {
  const queue = queueOf(bullmq6)
  await queue.addBulk(Array.from({ length: 300 }, (_, n) => ({ name: 'n', data: { n } })))
  const stopping = new AbortController()
  const seen: [number, number][] = []
  const first = await importing({
    ...{ key: '{queue}.{name}', signal: stopping.signal },
    onProgress: (done, found) => {
      seen.push([done, found])
      if (done === 250) stopping.abort()
    },
  })
  expect(first.imported).toBe(250)
  expect(seen.at(-1)).toEqual([250, 300])
  expect(await importing({ key: '{queue}.{name}', move: true })).toMatchObject({
    imported: 50,
    existing: 250,
  })
  expect(await queue.getWaitingCount()).toBe(0)
  const given = (await run('emails', ['emails.n'])) as { n: number }[]
  expect(given.map(({ n }) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n))
})

test('the command shows its plan, asks, imports, and exits with 1 after an error', async () => {
  const lark = async (words: string[], answers?: string[]) => {
    const console = new MemoryConsole(answers && { answers })
    const all = ['jobs:import-bullmq', ...words]
    const code = await runProgram(all, { commands: [JobsImportBullmqCommand], console })
    return { code, said: console.stdout + console.stderr, json: () => JSON.parse(console.stdout) }
  }
  vi.stubEnv('LARK_JOBS_URL', `sqlite:${join(folder, `${prefix}.db`)}`)
  try {
    const queue = queueOf(bullmq6, 'default')
    await queue.add('n\u200b\u001b[2J', {})
    await queue.add('welcome', { n: 1 }, { deduplication: { id: 'x' } })
    await queue.setGlobalConcurrency(4)
    const from = [url, '--prefix', prefix]
    expect((await lark([])).code).toBe(2)
    const dry = await lark([...from, '--dry-run'])
    expect(dry.code).toBe(1)
    expect(dry.said).toMatch(
      /^QUEUE +TO IMPORT +BEFORE +SCHEDULES +STAY +WRONG *\ndefault +1 +0 +0 +0 +1 *$/m,
    )
    expect(dry.said).toContain('! default: not carried over from 1: a deduplication id')
    expect(dry.said).toContain('i default: BullMQ runs 4 at a time')
    expect(dry.said).toMatch(/^✗ default: 1 was not imported: its name is .*, which makes no key$/m)
    expect(dry.said).not.toContain('\u001b[2J')
    expect((await lark([...from, '--dry-run', '--json'])).json()).toMatchObject({ dryRun: true, imported: 1 })
    const alone = await lark(from)
    expect([alone.code, alone.said]).toEqual([2, expect.stringContaining('there is no terminal to ask on')])
    expect(await lark(from, ['no'])).toMatchObject({
      code: 1,
      said: expect.stringContaining('Nothing was imported'),
    })
    expect((await jobs.status()).queues[0]!.counts.waiting).toBe(0)
    const done = await lark(from, ['yes'])
    expect([done.code, done.said]).toEqual([1, expect.stringContaining('✓ Imported 1 job and 0 schedules')])
    expect(done.said).toContain('They are still in BullMQ')
    const moved = await lark([...from, '--move', '--yes'])
    expect(moved.said).toContain('✓ Imported 0 jobs and 0 schedules, and removed 1 from BullMQ\n')
    const again = await lark([...from, '--move', '--yes', '--json'])
    expect(again.json()).toMatchObject({ imported: 0, existing: 0, removed: 0, failures: 1 })
  } finally {
    vi.unstubAllEnvs()
  }
})

test('the import works from a cluster to the same cluster', async () => {
  await using cluster = await startCluster({ replicas: 0 })
  const nodes = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  const redis = new RedisCluster(nodes, { redisOptions: { maxRetriesPerRequest: null } })
  const queue = new bullmq6.Queue('emails', { connection: redis as never, prefix: '{bull}' })
  await queue.addBulk([1, 2, 3].map((n) => ({ name: 'n', data: { n }, opts: { delay: n === 3 ? HOUR : 0 } })))
  await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *', tz: 'UTC' }, { name: 'n' })
  const flows = new bullmq6.FlowProducer({ connection: redis as never, prefix: '{bull}' })
  await flows.add({ name: 'root', queueName: 'emails', children: [{ name: 'n', queueName: 'emails' }] })
  await jobs.close()
  jobs = larkOn(cluster.url)
  const report = await importBullmq(cluster.url, { prefix: '{bull}', move: true }, operate(jobs))
  expect(report).toMatchObject({ imported: 5, schedules: 1, removed: 7, queues: [{ workers: 0 }] })
  const child = expect.stringMatching(/:90000000$/)
  // The id of the flow is random, so it may be sorted before the others.
  expect(await ids('waiting')).toEqual(expect.arrayContaining(['1', '2', child]))
  expect([(await ids('waiting')).length, await ids('delayed')]).toEqual([3, ['3']])
  await flows.close()
  await queue.close()
  redis.disconnect()
  await jobs.close()
})
