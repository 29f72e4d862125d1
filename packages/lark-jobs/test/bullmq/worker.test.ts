/** What a `Worker` and a `Queue` of `@s18i/lark-jobs/bullmq` promise beyond what BullMQ does. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import { open, supervisedWork } from '../../src/api/jobs.ts'
import { SharedStore } from '../../src/bullmq/shared-store.ts'
import { Job as BullJob, DelayedError, Queue, QueueEvents, Worker } from '../../src/bullmq.ts'
import { createJobs, Job, JobsError } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'

let folder: string
let connection: string
let made: { close(): Promise<unknown> }[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-bullmq-'))
  connection = `sqlite:${join(folder, 'jobs.db')}`
})
afterEach(async () => {
  for (const each of made.reverse()) await each.close()
  made = []
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

function opened<T extends { close(): Promise<unknown> }>(object: T): T {
  made.push(object)
  return object
}

test('a class of Lark with the key of a name runs its jobs', async () => {
  const queue = opened(new Queue('emails', { connection }))
  const added = await queue.add('welcome', { to: 'ada' }, { attempts: 2 })
  class WelcomeJob extends Job {
    override readonly key = 'welcome'
    override queueName = 'emails'
    async handle({ to }: { to: string }) {
      return { sent: to }
    }
  }
  const jobs = opened(createJobs({ connection, queues: ['emails'], jobs: [WelcomeJob] }))
  await jobs.work()
  expect(await jobs.handle(WelcomeJob, added.id!).result({ timeout: '10s' })).toEqual({ sent: 'ada' })
  expect((await queue.getJob(added.id!))?.returnvalue).toEqual({ sent: 'ada' })
})

test('a worker for every name leaves no key unknown in its queue, and knows none of another queue', async () => {
  const queue = opened(new Queue('emails', { connection }))
  const other = opened(new Queue('others', { connection }))
  const worker = opened(new Worker('emails', async () => {}, { connection }))
  await worker.waitUntilReady()
  await queue.pause()
  const waiting = await queue.add('welcome', {})
  await other.add('unknown', {})
  const jobs = opened(createJobs({ connection, queues: ['emails', 'others'] }))
  const { queues } = await jobs.status()
  const unknown = Object.fromEntries(queues.map(({ queue, unknownKeys }) => [queue, unknownKeys]))
  expect(unknown).toEqual({ emails: [], others: ['unknown'] })
  const why = await operate(jobs).why(waiting.id!)
  expect(why?.reasons.map(({ kind }) => kind)).toEqual(['paused-queue'])
})

test('true and false are values like others, and a value that is no JSON fails the job', async () => {
  const queue = opened(new Queue('values', { connection }))
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const values = [true, false, cycle]
  opened(new Worker('values', async (job) => values[job.data.of], { connection }))
  const jobs = await queue.addBulk(values.map((_, of) => ({ name: 'value', data: { of } })))
  expect(await jobs[0]!.waitUntilFinished()).toBe(true)
  expect(await jobs[1]!.waitUntilFinished()).toBe(false)
  await expect(jobs[2]!.waitUntilFinished()).rejects.toThrow(/circular/)
})

test('a worker whose store is away at first tells so, and starts when it is back', async () => {
  const shared = SharedStore.of('test', { connection }, 'late')
  made.push({ close: () => shared.leave() })
  vi.spyOn(shared.jobs, supervisedWork).mockRejectedValueOnce(
    new JobsError('STORE_UNREACHABLE', 'it is away'),
  )
  const worker = opened(new Worker('late', async () => 'done', { connection }))
  const [error] = await once(worker, 'error').catch((error) => [error])
  expect(error.message).toBe('it is away')
  const job = await opened(new Queue('late', { connection })).add('x', {})
  expect(await job.waitUntilFinished(undefined, 20_000)).toBe('done')
})

test('a worker that is closed before its store is there tells of no further error', async () => {
  const shared = SharedStore.of('test', { connection }, 'never')
  made.push({ close: () => shared.leave() })
  vi.spyOn(shared.jobs, supervisedWork).mockRejectedValue(new JobsError('STORE_UNREACHABLE', 'it is away'))
  const worker = opened(new Worker('never', async () => {}, { connection }))
  const errors: string[] = []
  await new Promise<void>((resolve) => {
    worker.on('error', ({ message }) => {
      errors.push(message)
      resolve()
    })
  })
  await worker.close()
  expect(errors).toEqual(['it is away'])
})

test('a scheduler without a time zone has that of the configuration, and is not changed by the same words', async () => {
  const queue = opened(new Queue('nightly', { connection }))
  const set = async () => await queue.upsertJobScheduler('a b', { pattern: '0 3 * * *' }, { name: 'report' })
  const first = await set()
  expect((await set()).id).toBe(first.id)
  const jobs = opened(createJobs({ connection, queues: ['nightly'] }))
  const schedules = (await jobs.schedules.list()).map(({ id, key, timezone, missed }) => [
    id,
    key,
    timezone,
    missed,
  ])
  expect(schedules).toEqual([['nightly/a%20b', 'report', 'UTC', 'once']])
  expect((await queue.getJobSchedulers()).map(({ key }) => key)).toEqual(['a b'])
})

test('a second worker of a queue with another limiter is refused', async () => {
  opened(new Worker('limited', null, { connection, limiter: { max: 1, duration: 1_000 } }))
  const other = () => new Worker('limited', null, { connection, limiter: { max: 2, duration: 1_000 } })
  expect(other).toThrow(/limiter is \{ max: 2, duration: 1000 \}; it must be that of the other workers/)
})

test('a job whose worker has died runs again, and the worker that finds it tells of it', async () => {
  const shared = SharedStore.of('test', { connection }, 'crashes')
  made.push({ close: () => shared.leave() })
  const queue = opened(new Queue('crashes', { connection }))
  const job = await queue.add('x', {})
  const { store } = await shared.jobs[open]()
  const [held] = (
    await store.exchange('crashes', { caller: 'dead', number: 1 }, [], { limit: 1, lease: 100 })
  ).jobs
  expect(held?.id).toBe(job.id)
  const worker = opened(
    new Worker('crashes', async ({ stalledCounter }) => stalledCounter, { connection, lockDuration: 600 }),
  )
  // That a worker has died is a warning, too.
  const warned = once(worker, 'error').catch((error) => [error])
  const [id, previous] = await new Promise<string[]>((resolve) => {
    worker.on('stalled', (...args) => resolve(args))
  })
  expect((await warned)[0].message).toContain('Took 1 job back')
  expect([id, previous]).toEqual([job.id, 'active'])
  expect(await job.waitUntilFinished()).toBe(1)
})

test('cancelJob() aborts the signal of a job, with the reason', async () => {
  const queue = opened(new Queue('long', { connection }))
  const worker = opened(
    new Worker(
      'long',
      (_job, _token, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error(signal.reason)))),
      { connection },
    ),
  )
  const begun = once(worker, 'active')
  const job = await queue.add('x', {})
  await begun
  expect([worker.cancelJob('nothing'), worker.cancelJob(job.id!, 'enough')]).toEqual([false, true])
  await expect(job.waitUntilFinished()).rejects.toThrow('enough')
})

test('an imported job has made the attempts that BullMQ had made', () => {
  const lease = {
    id: '7',
    key: 'x',
    payload: '{}',
    priority: 0,
    queuedAt: 0,
    runs: 1,
    failures: 0,
    crashes: 0,
    releases: 0,
  }
  const options = { tries: 1, context: { bullmq: { attempts: 3 } } }
  const job = BullJob.held({ queue: 'a' } as never, { ...lease, token: 't', options }, {}, {} as never)
  expect([job.attemptsMade, job.opts.attempts]).toEqual([2, 3])
})

test('without a connection, the jobs are in the store of the application', async () => {
  vi.stubEnv('LARK_JOBS_URL', connection)
  const { id } = await opened(new Queue('emails')).add('welcome', { to: 'ada' })
  const jobs = opened(createJobs({ connection, queues: ['emails'] }))
  expect(await jobs.find(id!, { queue: 'emails' })).toMatchObject({ key: 'welcome', payload: { to: 'ada' } })
})

test('an open ioredis says where the jobs are, and its connection is not used', async () => {
  const prefix = newPrefix()
  const redis = new Redis(inject('redisUrl'))
  const queue = opened(new Queue('emails', { connection: redis, prefix: `{${prefix}}` }))
  await queue.add('welcome', {})
  redis.disconnect()
  expect(await queue.count()).toBe(1)
  const jobs = opened(createJobs({ connection: inject('redisUrl'), prefix, queues: ['emails'] }))
  expect((await jobs.status()).queues.map(({ queue, counts }) => [queue, counts.waiting])).toEqual([
    ['emails', 1],
  ])
  await removeKeys(inject('redisUrl'), prefix)
})

test('a rate limit does not resume a queue that a person has paused', async () => {
  const queue = opened(new Queue('paused', { connection }))
  await queue.pause()
  await queue.rateLimit(1)
  const jobs = opened(createJobs({ connection, queues: ['paused'] }))
  expect((await jobs.status()).queues[0]).not.toHaveProperty('pausedUntil')
  expect(await queue.isPaused()).toBe(true)
})

test('what is told of a job that puts itself off is nothing, and jobs that it adds to Lark do not have its options', async () => {
  const jobs = opened(createJobs({ connection, queues: ['steps', 'default'] }))
  class NextJob extends Job {
    override readonly key = 'next'
    handle() {}
  }
  const queue = opened(new Queue('steps', { connection }))
  const told: string[] = []
  const worker = opened(
    new Worker(
      'steps',
      async (job) => {
        if (job.attemptsStarted > 1) return
        await jobs.dispatch([NextJob.with()])
        await job.moveToDelayed(Date.now() + 1)
        throw new DelayedError()
      },
      { connection },
    ),
  )
  for (const event of ['completed', 'failed', 'stalled'] as const) worker.on(event, () => told.push(event))
  const events = opened(new QueueEvents('steps', { connection }))
  const job = await queue.add('x', {}, { attempts: 2 })
  await job.waitUntilFinished(events)
  await worker.close()
  expect(told).toEqual(['completed'])
  const [next] = (await jobs.list({ key: 'next' })).jobs
  expect(next).toMatchObject({ key: 'next' })
  expect(next!.options?.context).toBeUndefined()
})
