/** A `Worker` and a `Queue` of `@s18i/lark-bullmq` keep promises that BullMQ does not make. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJobs, Job, JobsError } from '@s18i/lark-jobs'
import { opened as storeOf } from '@s18i/lark-jobs/internal'
import { operate } from '@s18i/lark-jobs/operate'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import type { Jobs } from '../../lark-jobs/src/api/jobs.ts'
import { insideOf } from '../../lark-jobs/src/model/copies.ts'
import { newPrefix, removeKeys } from '../../lark-jobs/test/redis/place.ts'
import { Job as BullJob, DelayedError, FlowProducer, Queue, QueueEvents, Worker } from '../src/index.ts'
import { SharedStore } from '../src/store/shared-store.ts'

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

/** Gives access to the hidden members of the package. */
const hidden = ({ jobs }: SharedStore) => jobs as unknown as Jobs

test('a class of Lark runs the jobs of a name that is its key', async () => {
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

test('a worker for every name knows all keys in its queue, and no key of another queue', async () => {
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

test.each(['sqlite', 'redis'])('no name of a job runs a command of lark on %s', async (kind) => {
  const prefix = newPrefix()
  if (kind === 'redis') connection = inject('redisUrl')
  const place = { connection, ...(kind === 'redis' && { prefix }) }
  const queue = opened(new Queue('emails', place))
  const flows = opened(new FlowProducer(place))
  const name = 'lark:command'
  const data = { command: 'list' }
  const template = { name: 'welcome', data: {} }
  for (const adding of [
    () => queue.add(name, data),
    () => queue.add('lark:other', data),
    () => queue.addBulk([template, { name, data }]),
    () => queue.upsertJobScheduler('nightly', { every: 1_000 }, { name, data }),
    () => queue.upsertJobScheduler(name, { every: 1_000 }),
    () => flows.add({ name, queueName: 'emails', data }),
    () => flows.add({ ...template, queueName: 'emails', children: [{ name, queueName: 'emails', data }] }),
    () => flows.addBulk([{ name, queueName: 'emails', data }]),
  ])
    await expect(adding()).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: expect.stringContaining('must be a key that does not begin with lark:'),
    })
  const jobs = opened(createJobs({ ...place, queues: ['emails'] }))
  expect((await jobs.list()).jobs).toEqual([])
  expect(await jobs.schedules.list()).toEqual([])
  // A worker of the shim leaves the commands of others in its queue to workers of Lark.
  const own = await jobs.dispatchCommand('list', undefined, { queueName: 'emails' })
  const ran: string[] = []
  const worker = opened(new Worker('emails', async (job) => void ran.push(job.name), place))
  await worker.waitUntilReady()
  await (await queue.add('welcome', {})).waitUntilFinished()
  expect(ran).toEqual(['welcome'])
  expect(await own.find()).toMatchObject({ state: expect.stringMatching(/waiting|delayed/), failures: 0 })
  const status = await jobs.status()
  expect(status.workers.map(({ keys }) => keys)).toEqual([['*']])
  expect(status.queues.map(({ unknownKeys }) => unknownKeys)).toEqual([['lark:command']])
  const found = (await queue.getJob(own.id))!
  await expect(found.updateData({ command: 'other' })).rejects.toMatchObject({ code: 'JOB_INVALID' })
  if (kind === 'redis') await removeKeys(connection, prefix)
})

test('true and false are ordinary values, and a value that is not JSON fails the job', async () => {
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

test('a worker without a store at first reports this, and starts when the store is back', async () => {
  const shared = SharedStore.of('test', { connection }, 'late')
  made.push({ close: () => shared.leave() })
  vi.spyOn(insideOf(hidden(shared)), 'supervisedWork').mockRejectedValueOnce(
    new JobsError('STORE_UNREACHABLE', 'it is away'),
  )
  const worker = opened(new Worker('late', async () => 'done', { connection }))
  const [error] = await once(worker, 'error').catch((error) => [error])
  expect(error.message).toBe('it is away')
  const job = await opened(new Queue('late', { connection })).add('x', {})
  expect(await job.waitUntilFinished(undefined, 20_000)).toBe('done')
})

test('a worker that is closed before its store answers reports no further error', async () => {
  const shared = SharedStore.of('test', { connection }, 'never')
  made.push({ close: () => shared.leave() })
  vi.spyOn(insideOf(hidden(shared)), 'supervisedWork').mockRejectedValue(
    new JobsError('STORE_UNREACHABLE', 'it is away'),
  )
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

test('a scheduler without a time zone has the zone of the configuration, and an equal definition does not change it', async () => {
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

test('a job of a dead worker runs again, and the worker that finds it reports it', async () => {
  const shared = SharedStore.of('test', { connection }, 'crashes')
  made.push({ close: () => shared.leave() })
  const queue = opened(new Queue('crashes', { connection }))
  const job = await queue.add('x', {})
  const { store } = await storeOf(shared.jobs)
  const [held] = (
    await store.exchange('crashes', { caller: 'dead', number: 1 }, [], { limit: 1, leaseMs: 100 })
  ).jobs
  expect(held?.id).toBe(job.id)
  const worker = opened(
    new Worker('crashes', async ({ stalledCounter }) => stalledCounter, { connection, lockDuration: 600 }),
  )
  // The death of a worker also causes a warning.
  const warned = once(worker, 'error').catch((error) => [error])
  const [id, previous] = await new Promise<string[]>((resolve) => {
    worker.on('stalled', (...args) => resolve(args))
  })
  expect((await warned)[0].message).toContain('Took 1 job back')
  expect([id, previous]).toEqual([job.id, 'active'])
  expect(await job.waitUntilFinished()).toBe(1)
})

test.each([
  [0, 'failed'],
  [1, 'completed'],
])('a job whose worker died once is, with maxStalledCount %i, %s', async (maxStalledCount, state) => {
  const name = `stalls-${maxStalledCount}`
  const shared = SharedStore.of('test', { connection }, name)
  made.push({ close: () => shared.leave() })
  const queue = opened(new Queue(name, { connection }))
  const job = await queue.add('x', {}, { attempts: 3 })
  const { store } = await storeOf(shared.jobs)
  await store.exchange(name, { caller: 'dead', number: 1 }, [], { limit: 1, leaseMs: 100 })
  const worker = opened(
    new Worker(name, async () => 'ran', { connection, lockDuration: 600, maxStalledCount }),
  )
  worker.on('error', () => {})
  const [ended, result] = await new Promise<[BullJob, unknown]>((resolve) => {
    worker.on('failed', (failed, { message }) => resolve([failed!, message]))
    worker.on('completed', (done, value) => resolve([done, value]))
  })
  expect(await job.getState()).toBe(state)
  expect(ended.stalledCounter).toBe(1)
  expect(result).toBe(state === 'failed' ? 'job stalled more than allowable limit' : 'ran')
})

test('cancelJob() aborts the signal of a job, with the reason', async () => {
  const queue = opened(new Queue('long', { connection }))
  const worker = opened(
    new Worker(
      'long',
      (_job, _token, signal) =>
        new Promise((_, reject) =>
          signal!.addEventListener('abort', () => reject(new Error(signal!.reason))),
        ),
      { connection },
    ),
  )
  const begun = once(worker, 'active')
  const job = await queue.add('x', {})
  await begun
  expect([worker.cancelJob('nothing'), worker.cancelJob(job.id!, 'enough')]).toEqual([false, true])
  await expect(job.waitUntilFinished()).rejects.toThrow('enough')
})

test('an imported job keeps the number of attempts made in BullMQ', () => {
  const claimed = {
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
  const home = { store: { nameOf: (queue: string) => queue }, queue: 'a' }
  const job = BullJob.held(home as never, { ...claimed, token: 't', options }, {}, {} as never)
  expect([job.attemptsMade, job.opts.attempts]).toEqual([2, 3])
})

test('without a connection, the jobs are in the store of the application', async () => {
  vi.stubEnv('LARK_JOBS_URL', connection)
  const { id } = await opened(new Queue('emails')).add('welcome', { to: 'ada' })
  const jobs = opened(createJobs({ connection, queues: ['emails'] }))
  expect(await jobs.find(id!, { queue: 'emails' })).toMatchObject({ key: 'welcome', payload: { to: 'ada' } })
})

test('an open ioredis gives the address of the jobs, and its connection is not used', async () => {
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

test('a job that delays itself causes no event, and jobs that it adds to Lark do not have its options', async () => {
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

test('a job that runs again has the progress and the errors of earlier runs', async () => {
  const queue = opened(new Queue('again', { connection }))
  const seen: unknown[] = []
  opened(
    new Worker(
      'again',
      async (job) => {
        seen.push([job.progress, job.failedReason, job.stacktrace?.length])
        await job.updateProgress({ step: seen.length })
        if (seen.length === 1) throw new Error('first')
        if (seen.length > 2) return
        await job.moveToDelayed(Date.now())
        throw new DelayedError()
      },
      { connection },
    ),
  )
  await (await queue.add('x', {}, { attempts: 2 })).waitUntilFinished()
  expect(seen).toEqual([
    [0, undefined, 0],
    [{ step: 1 }, 'first', 1],
    [{ step: 2 }, 'first', 1],
  ])
})

test('a RateLimitError pauses the queue for the time of its own rateLimit() call, and not of an earlier call', async () => {
  const queue = opened(new Queue('limits', { connection }))
  let begun = 0
  const worker: Worker = opened(
    new Worker(
      'limits',
      async () => {
        if (++begun === 1) await worker.rateLimit(600_000)
        if (begun < 3) throw Worker.RateLimitError()
      },
      { connection },
    ),
  )
  const job = await queue.add('x', {})
  await expect.poll(async () => begun === 1 && (await job.getState()), { interval: 5 }).toBe('waiting')
  await queue.resume()
  await job.waitUntilFinished(undefined, 10_000)
  expect(begun).toBe(3)
})

test('a limiter ends with the last worker that defines it', async () => {
  const queue = opened(new Queue('limited', { connection }))
  const first = new Worker('limited', async () => {}, { connection, limiter: { max: 1, duration: 60_000 } })
  await first.waitUntilReady()
  await first.close()
  const limiter = { max: 1_000, duration: 1_000 }
  opened(new Worker('limited', async () => {}, { connection, limiter }))
  const jobs = await queue.addBulk([1, 2].map((n) => ({ name: 'x', data: { n } })))
  for (const job of jobs) await job.waitUntilFinished(undefined, 5_000)
})

test('calls after the last object is closed are refused, and open no store', async () => {
  const queue = new Queue('closed', { connection })
  const worker = new Worker('closed', async () => {}, { connection, autorun: false })
  const job = await queue.add('x', {})
  await Promise.all([queue.close(), worker.close()])
  for (const call of [() => queue.add('x', {}), () => queue.count(), () => job.getState()])
    await expect(call()).rejects.toThrow('Connection is closed.')
  await worker.run()
  expect(worker.isRunning()).toBe(false)
})

test('events continue after an outage of the store, and no event is lost', async () => {
  const shared = SharedStore.of('test', { connection }, 'heard')
  made.push({ close: () => shared.leave() })
  const events = opened(new QueueEvents('heard', { connection }))
  const away = () => Promise.reject(new JobsError('STORE_UNREACHABLE', 'it is away'))
  const listen = shared.jobs.events.bind(shared.jobs)
  vi.spyOn(shared.jobs, 'events').mockImplementationOnce((options) =>
    Object.assign(listen(options), { ready: away }),
  )
  vi.spyOn(shared.jobs, 'find').mockImplementationOnce(away)
  const errors: string[] = []
  events.on('error', ({ message }) => errors.push(message))
  const heard = new Promise<string[]>((resolve) => {
    const names: string[] = []
    events.on('added', ({ name }) => names.push(name) === 2 && resolve(names))
  })
  await events.waitUntilReady()
  const queue = opened(new Queue('heard', { connection }))
  await queue.add('one', {})
  await queue.add('two', {})
  expect(await heard).toEqual(['one', 'two'])
  expect(errors).toEqual(['it is away', 'it is away'])
})

test.each(['sqlite', 'redis'])(
  'a listener added after waitUntilReady() gets all later events on %s',
  async (kind) => {
    const prefix = newPrefix()
    const place = kind === 'redis' ? { connection: inject('redisUrl'), prefix } : { connection }
    const events = opened(new QueueEvents('ready', place))
    await events.waitUntilReady()
    const added = once(events, 'added')
    await opened(new Queue('ready', place)).add('first', {})
    expect(await added).toMatchObject([{ name: 'first' }, expect.any(String)])
    if (kind === 'redis') await removeKeys(inject('redisUrl'), prefix)
  },
)

test('a job that failed because its workers died causes one event', async () => {
  const shared = SharedStore.of('test', { connection }, 'dead')
  made.push({ close: () => shared.leave() })
  const queue = opened(new Queue('dead', { connection }))
  const told: unknown[] = []
  await queue.pause()
  const { id } = await queue.add('x', {})
  const failed = new Promise<unknown[]>((resolve) => {
    for (const _ of [1, 2]) {
      const worker = opened(new Worker('dead', async () => {}, { connection }))
      worker.on('stalled', (id) => told.push(id))
      worker.on('failed', (job, error, previous) => resolve([job?.id, error.message, previous]))
    }
  })
  await Promise.all((made as Worker[]).slice(-2).map((worker) => worker.waitUntilReady()))
  const { crashed } = (await shared.settings()).hooks!
  crashed!({ id, queue: 'dead', cause: 'its worker died', last: true } as never)
  expect(await failed).toEqual([id, 'its worker died', 'active'])
  expect(told).toEqual([id])
})

test('a priority that BullMQ refuses is refused', async () => {
  const job = await opened(new Queue('priorities', { connection })).add('x', {})
  for (const priority of [-3, 1.5, 3_000_000])
    await expect(job.changePriority({ priority })).rejects.toMatchObject({ code: 'JOB_INVALID' })
})

test('jobs with a priority are prioritized, also after a change, and removed jobs are reported', async () => {
  const queue = opened(new Queue('states', { connection }))
  await queue.add('plain', {})
  const job = await queue.add('first', {}, { priority: 700 })
  await job.changePriority({ priority: 3 })
  const names = (jobs: BullJob[]) => jobs.map(({ name, priority }) => [name, priority])
  expect(names(await queue.getWaiting())).toEqual([['plain', 0]])
  expect(names(await queue.getJobs('prioritized'))).toEqual([['first', 3]])
  await expect(job.changeDelay(10)).rejects.toThrow('is not in the delayed state')
  expect(await job.getState()).toBe('prioritized')
  await job.remove()
  await job.remove()
  for (const call of [job.changePriority({ priority: 1 }), job.updateData({})])
    await expect(call).rejects.toThrow(`Missing key for job ${job.id}`)
})

test('QueueEvents report each wait and each start of a job', async () => {
  const events = opened(new QueueEvents('waits', { connection }))
  const told: unknown[] = []
  for (const event of ['waiting', 'active'] as const) events.on(event, ({ prev }) => told.push([event, prev]))
  const done = once(events, 'completed')
  await events.waitUntilReady()
  await opened(new Queue('waits', { connection })).add('x', {}, { attempts: 2 })
  const processor = async ({ attemptsMade }: BullJob) => {
    if (attemptsMade === 0) throw new Error('again')
  }
  opened(new Worker('waits', processor, { connection }))
  await done
  // These are the events of BullMQ 6. A busy worker may give the job back once more.
  expect(told.slice(0, 4)).toEqual([
    ['waiting', undefined],
    ['active', 'waiting'],
    ['waiting', 'active'],
    ['active', 'waiting'],
  ])
})

test('in development, a worker names the job schedulers that do not run', async () => {
  vi.stubEnv('NODE_ENV', 'development')
  const said = vi.spyOn(SharedStore.prototype, 'remark').mockImplementation(() => {})
  const queue = opened(new Queue('reports', { connection }))
  await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *' })
  await opened(new Worker('reports', async () => {}, { connection })).waitUntilReady()
  expect(said.mock.calls.flat().filter((text) => /does not run here: .*nightly/.test(text))).toHaveLength(1)
})

test('waitUntilFinished() is answered even if the job is removed, and pause() waits for the outcome of the job', async () => {
  const queue = opened(new Queue('sums', { connection }))
  const worker = opened(new Worker('sums', async (job) => job.data.n + 1, { connection, concurrency: 10 }))
  await worker.waitUntilReady()
  const results = Array.from({ length: 20 }, async (_, n) => {
    const job = await queue.add('sum', { n }, { removeOnComplete: true })
    return job.waitUntilFinished(undefined, 30_000)
  })
  expect(await Promise.all(results)).toEqual(results.map((_, n) => n + 1))
  const active = once(worker, 'active')
  const last = await queue.add('sum', { n: 1 })
  await active
  await worker.pause()
  expect(await last.getState()).toBe('completed')
})
