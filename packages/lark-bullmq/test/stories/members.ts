/**
 * Uses further properties, static methods and options of BullMQ as applications do. `members-on-lark.ts` is
 * the same file with another import, and a test compares what the two files do.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type BulkJobOptions,
  Job,
  type JobJson,
  JobScheduler,
  MetricsTime,
  type Processor,
  Queue,
  type QueueBaseOptions,
  QueueEvents,
  type RateLimiterOptions,
  Worker,
} from 'bullmq'
import type { Place } from './application.ts'

/** Applications declare a processor like this, and may leave out `token` and `signal`. */
const doubled: Processor<{ n: number }, number> = async (job, token?: string, signal?: AbortSignal) =>
  signal?.aborted ? 0 : token === undefined ? -1 : job.data.n * 2

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'ids, names, and what closes'(place) {
    const base: QueueBaseOptions & { prefix: string } = {
      ...place,
      skipVersionCheck: true,
      skipWaitingForReady: false,
    }
    const queue = new Queue('members', {
      ...base,
      streams: { events: { maxLen: 1_000 } },
      skipMetasUpdate: false,
    })
    const limiter: RateLimiterOptions = { max: 100, duration: 1_000 }
    const worker = new Worker('members', doubled, {
      ...base,
      limiter,
      name: 'doubler',
      lockRenewTime: 10_000,
      metrics: { maxDataPoints: MetricsTime.ONE_WEEK },
    })
    const other = new Worker('members', doubled, { ...base, autorun: false })
    const events = new QueueEvents('members', { ...base, blockingTimeout: 5_000 })
    const heard: string[] = []
    const isClosed = () => heard.push('closed')
    queue.on('ioredis:close', isClosed)
    worker.on('ioredis:close', isClosed)
    events.on('ioredis:close', isClosed)
    const before = [queue.closing, worker.closing, events.closing]
    const done = once(worker, 'completed')
    await queue.add('double', { n: 21 })
    const [job] = await done
    const ids = [worker.id !== other.id, worker.id.length, queue.name, worker.opts.concurrency]
    const closing = [worker.close(), other.close(), events.close(), queue.close()]
    const after = [queue.closing, worker.closing, events.closing].map((each) => each instanceof Promise)
    await Promise.all(closing)
    return { before, after, ids, value: job.returnvalue, by: job.processedBy, heard }
  },

  async 'jobs that are made by static methods'(place) {
    const queue = new Queue('statics', { ...place, defaultJobOptions: { attempts: 7 } })
    const opts: BulkJobOptions = { priority: 2, attempts: 3 }
    const made = await Job.create(queue, 'one', { n: 1 }, opts)
    const all = await Job.createBulk(queue, [
      { name: 'two', data: { n: 2 } },
      { name: 'three', data: { n: 3 }, opts: { delay: 60_000 } },
    ])
    const found = (await Job.fromId(queue, made.id!))!
    const json: JobJson = found.asJSON()
    const again = Job.fromJSON(queue, json)
    const states = [await made.getState(), await all[0]!.getState(), await all[1]!.getState()]
    const read = [again.name, again.data, again.opts.attempts, await again.getState()]
    const short = Job.optsFromJSON('{"attempts":2,"fpof":true}')
    await again.remove()
    const left = await queue.getJobCounts('waiting', 'delayed', 'prioritized')
    await queue.obliterate({ force: true })
    await queue.close()
    return {
      states,
      read,
      short,
      left,
      same: again.id === made.id,
      default: all[0]!.opts.attempts,
      json: [json.name, json.data, json.returnvalue, json.attemptsMade],
    }
  },

  async 'how much is kept of a log and of traces'(place) {
    const queue = new Queue('kept-lines', place)
    const counts: number[] = []
    const worker = new Worker(
      'kept-lines',
      async (job) => {
        for (let line = 0; line < 4; line++) counts.push(await job.log(`${job.attemptsMade}.${line}`))
        throw new Error(`attempt ${job.attemptsMade}`)
      },
      place,
    )
    const job = await queue.add('noisy', {}, { attempts: 3, keepLogs: 3, stackTraceLimit: 2 })
    await new Promise<void>((resolve) => {
      worker.on('failed', (failed) => {
        if (failed!.attemptsMade === 3) resolve()
      })
    })
    const { logs } = await queue.getJobLogs(job.id!)
    const found = (await queue.getJob(job.id!))!
    await Promise.all([worker.close(), queue.close()])
    return { counts, logs, traces: found.stacktrace!.map((trace) => trace.split('\n')[0]) }
  },

  async "a log that others write, and a time of one's own"(place) {
    const queue = new Queue('logged', place)
    const counts: number[] = []
    const worker = new Worker(
      'logged',
      async (job) => {
        await job.log('own')
        counts.push(await queue.addJobLog(job.id!, 'of the queue'))
        counts.push(await Job.addJobLog(queue, job.id!, 'of the class'))
        counts.push(await queue.addJobLog(job.id!, 'kept', 2))
        return job.timestamp
      },
      { ...place, autorun: false },
    )
    const done = once(worker, 'completed')
    const job = await queue.add('a', {}, { timestamp: 1_700_000_000_000 })
    const due = await queue.add('b', {}, { timestamp: Date.now() - 60_000, delay: 60_000 })
    const late = await queue.add('c', {}, { timestamp: Date.now() + 60_000, delay: 1 })
    const states = [await late.getState(), (await queue.getJob(job.id!))!.timestamp, due.delay]
    void worker.run()
    const [{ returnvalue }] = await done
    while (!(await due.isCompleted())) await new Promise((resolve) => setTimeout(resolve, 10))
    const { logs } = await queue.getJobLogs(job.id!)
    const missing = await queue.addJobLog('none', 'lost').catch(({ message }: Error) => message)
    await late.remove()
    await Promise.all([worker.close(), queue.close()])
    return { counts, states, returnvalue, last: logs.at(-1), missing }
  },

  async 'progress and log lines from outside of the processor'(place) {
    const queue = new Queue('outside', place)
    const told: unknown[] = []
    // Of `job.updateProgress()`, BullMQ hands over the job here, although the type says that it is an id.
    queue.on('progress', (id, progress) => {
      if (typeof id === 'string') told.push([id, progress])
    })
    const waiting = await queue.add('a', {}, { jobId: 'one', keepLogs: 2 })
    const counts = [
      await waiting.log('first'),
      await queue.addJobLog('one', 'second'),
      await waiting.log('second'),
    ]
    await waiting.updateProgress({ done: 1 })
    await queue.updateJobProgress('one', 50)
    const found = (await queue.getJob('one'))!
    const seen = [found.progress, (await queue.getJobLogs('one')).logs, await waiting.getState()]
    let during: unknown[] = []
    const worker = new Worker(
      'outside',
      async (job) => {
        const other = (await queue.getJob('one'))!
        await other.updateProgress('of others')
        await other.log('of others')
        await job.log('own')
        during = [other.progress, (await queue.getJob('one'))!.progress]
      },
      place,
    )
    await once(worker, 'completed')
    const { logs } = await queue.getJobLogs('one')
    const late = [await found.log('late'), (await queue.getJob('one'))!.progress]
    const missing = await queue.updateJobProgress('none', 1).catch(({ message }: Error) => message)
    await found.remove()
    const gone = await found.log('lost').catch(({ message }: Error) => message)
    const lost = await found.updateProgress(1).catch(({ message }: Error) => message)
    await Promise.all([worker.close(), queue.close()])
    return { told, counts, seen, during, logs: logs.sort(), late, missing, gone, lost }
  },

  async 'for how long a queue is limited'(place) {
    const queue = new Queue('limited-for', place)
    const ttls: (number | boolean)[] = [await queue.getRateLimitTtl(), await queue.getRateLimitTtl(5)]
    const isNear = (ms: number) => ms > 50_000 && ms <= 60_000
    await queue.rateLimit(60_000)
    ttls.push(isNear(await queue.getRateLimitTtl()), isNear(await queue.getRateLimitTtl(5)))
    ttls.push(await queue.isPaused(), await queue.removeRateLimitKey(), await queue.removeRateLimitKey())
    const limiter = { max: 1, duration: 4_000 }
    const worker = new Worker('limited-for', doubled, { ...place, limiter })
    const done = once(worker, 'completed')
    await queue.addBulk([1, 2].map((n) => ({ name: 'double', data: { n } })))
    await done
    const left = await queue.getRateLimitTtl(1)
    ttls.push(left > 0 && left <= 4_000)
    await worker.close(true)
    await queue.obliterate({ force: true })
    await queue.close()
    return ttls
  },

  async 'jobs that the application takes and ends itself'(place) {
    const queue = new Queue('taken', place)
    const worker = new Worker('taken', null, { ...place, drainDelay: 1 })
    const token = 'mine'
    const told: string[] = []
    for (const event of ['active', 'completed', 'failed'] as const)
      worker.on(event, (job: Job | undefined) => told.push(`${event} ${job?.name}`))
    const none = await worker.getNextJob(token)
    for (const name of ['a', 'b', 'c', 'd'])
      await queue.add(name, { name }, { attempts: name === 'c' ? 2 : 1 })
    const a = (await worker.getNextJob(token))!
    const states = [await a.getState(), await queue.getActiveCount(), await a.extendLock(token, 5_000)]
    const [json, id] = (await a.moveToCompleted({ ended: 'a' }, token)) as unknown as [JobJson, string]
    const ofA = [await a.getState(), a.returnvalue, a.attemptsMade, typeof a.finishedOn]
    const b = Job.fromJSON(worker, json, id)
    const ofB = [b.name, b.data, await b.getState()]
    ofB.push(await b.moveToFailed(new Error('no b'), token), b.failedReason, await b.getState())
    const c = (await worker.getNextJob(token))!
    await c.moveToFailed(new Error('no c'), token)
    const d = (await worker.getNextJob(token, { block: false }))!
    await d.moveToDelayed(Date.now() + 3_600_000, token)
    const ofD = [d.name, await d.getState()]
    const again = (await worker.getNextJob(token))!
    const ofC = [again.name, again.attemptsMade, again.failedReason]
    await again.moveToCompleted('c at last', token, false)
    const late = await again.moveToCompleted('twice', token, false).catch(() => 'refused')
    const left = [await worker.getNextJob(token, { block: false }), worker.isRunning()]
    const added = sleep(100).then(() => queue.add('e', {}))
    let e: Job | undefined
    while (e === undefined) e = await worker.getNextJob(token)
    await added
    await e.moveToCompleted(undefined, token, false)
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'completed', 'failed')
    await Promise.all([worker.close(), queue.close()])
    return { none, states, ofA, ofB, ofC, ofD, late, left, e: e.name, counts, told }
  },

  async 'a job that fails, and does not bring itself along as the next one'(place) {
    const queue = new Queue('taken-again', place)
    const worker = new Worker('taken-again', null, { ...place, drainDelay: 1 })
    const token = 'mine'
    await queue.add('once more', {}, { attempts: 2, stackTraceLimit: 1 })
    const job = (await worker.getNextJob(token))!
    const next = await job.moveToFailed(new Error('no'), token, true)
    const first = [next ?? null, await job.isWaiting(), job.stacktrace?.length]
    const again = (await worker.getNextJob(token))!
    await again.moveToFailed(new Error('never'), token, true)
    const second = [await again.isFailed(), again.stacktrace?.length, again.attemptsMade]
    await Promise.all([worker.close(), queue.close()])
    return { first: first.slice(1), second }
  },

  async 'a job out of JSON that the application delays'(place) {
    const queue = new Queue('taken-json', place)
    const worker = new Worker('taken-json', null, { ...place, drainDelay: 1 })
    const token = 'mine'
    await queue.add('first', {})
    const taken = (await worker.getNextJob(token))!
    const job = Job.fromJSON(worker, taken.asJSON() as unknown as JobJson, taken.id)
    await job.moveToDelayed(Date.now() + 3_600_000, token)
    const again = await job.moveToWait(token).catch(() => 'refused')
    const found = [job.name, await job.getState(), again]
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'completed', 'failed')
    await Promise.all([worker.close(), queue.close()])
    return { found, counts }
  },

  async 'a job scheduler on its own'(place) {
    const queue = new Queue('own-scheduler', place)
    const schedulers = new JobScheduler('own-scheduler', place)
    await schedulers.upsertJobScheduler(
      'nightly',
      { pattern: '0 3 * * *' },
      'night',
      { n: 1 },
      { attempts: 2 },
      { override: true },
    )
    const ofQueue = await (await queue.jobScheduler).getScheduler('nightly')
    const seen = {
      name: ofQueue!.name,
      pattern: ofQueue!.pattern,
      template: ofQueue!.template,
      count: await schedulers.getSchedulersCount(),
      all: (await schedulers.getJobSchedulers()).map(({ key }) => key),
      removed: [
        await schedulers.removeJobScheduler('nightly'),
        await schedulers.removeJobScheduler('nightly'),
      ],
      left: await queue.getJobSchedulersCount(),
    }
    await Promise.all([schedulers.close(), queue.close()])
    return seen
  },

  async 'a job scheduler and the job of its next tick'(place) {
    const queue = new Queue('next-tick', place)
    const events = new QueueEvents('next-tick', place)
    events.on('error', () => {})
    const runs: unknown[] = []
    const worker = new Worker('next-tick', async (job) => void runs.push([job.name, job.data]), place)
    await Promise.all([events.waitUntilReady(), worker.waitUntilReady()])
    await sleep(200)
    const removed = once(events, 'removed')
    const opts = { attempts: 2 }
    const nightly = await queue.upsertJobScheduler(
      'nightly',
      { pattern: '0 3 1 1 *' },
      { name: 'n', data: { n: 1 }, opts },
    )
    const seen = async () => [
      (await queue.getDelayed()).map(({ id, name, data, opts: { attempts } }) => [
        ...[id === nightly!.id, name, data, attempts],
      ]),
      await queue.getJobCounts('delayed', 'waiting'),
      await queue.count(),
      await nightly!.getState(),
      (await queue.getJob(nightly!.id!))?.name,
    ]
    const before = await seen()
    const kept = [(await queue.clean(0, 0, 'delayed')).length, await nightly!.remove().catch(() => 'refused')]
    await queue.drain(true)
    const drained = await seen()
    await queue.removeJobScheduler('nightly')
    const [{ jobId, prev }] = await removed
    const left = [await queue.getDelayedCount(), jobId === nightly!.id, prev]
    // A scheduler with an interval begins at once, and a change does not begin it anew.
    for (const data of [1, 2]) {
      await queue.upsertJobScheduler('hourly', { every: 7_200_000 }, { name: 'h', data })
      while (runs.length === 0) await sleep(10)
    }
    await sleep(200)
    await queue.removeJobScheduler('hourly')
    await Promise.all([worker.close(), events.close(), queue.close()])
    return { before, kept, drained, left, runs }
  },
}
