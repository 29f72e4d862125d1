/**
 * `clean()`, `drain()` and `remove()` change flows, and a retry by hand changes a job. `clearing-on-lark.ts`
 * is the same file with another import, and a test compares what the two files do.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { DelayedError, FlowProducer, type Job, type JobsOptions, Queue, Worker } from '../../src/index.ts'
import type { Place } from './application.ts'

const child = (name: string, queueName: string, opts: JobsOptions = {}) => ({ name, queueName, opts })

/** Calls the function again and again, and resolves when it returns true. */
async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await sleep(10)
}

/** Returns the message of an error, without the names that differ. */
async function said(call: Promise<unknown>, job: Job): Promise<string> {
  const error = await call.then(
    () => new Error('none'),
    (error: Error) => error,
  )
  return error.message.replace(job.id!, 'ID')
}

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'a flow whose children are cleaned or drained'(place) {
    const steps = new Queue('cleared-steps', place)
    const top = new Queue('cleared-top', place)
    const flows = new FlowProducer(place)
    const counts = async () => [
      await steps.count(),
      await steps.getFailedCount(),
      await top.getJobCounts('waiting', 'waiting-children', 'failed'),
    ]
    const seen: unknown[] = []
    for (const empty of [() => steps.clean(0, 0, 'wait'), () => steps.drain(), () => steps.drain(true)]) {
      const opts = empty.toString().includes('true') ? { delay: 60_000 } : {}
      const below = [
        child('one', 'cleared-steps'),
        child('two', 'cleared-steps', opts),
        child('three', 'cleared-steps'),
      ]
      const same = await flows.add({ name: 'same', queueName: 'cleared-steps', children: below })
      const other = await flows.add({ name: 'other', queueName: 'cleared-top', children: below })
      const before = await counts()
      await empty()
      const states = [await same.job.getState(), await other.job.getState()]
      seen.push({ before, after: await counts(), states })
      await top.drain()
    }
    await Promise.all([flows.close(), steps.close(), top.close()])
    return seen
  },

  async 'a parent in the middle, and the last of several children'(place) {
    const steps = new Queue('middle-steps', place)
    const top = new Queue('middle-top', place)
    const flows = new FlowProducer(place)
    const { job, children } = await flows.add({
      name: 'top',
      queueName: 'middle-top',
      children: [
        {
          name: 'middle',
          queueName: 'middle-steps',
          children: [child('leaf', 'middle-steps'), child('later', 'middle-steps', { delay: 60_000 })],
        },
      ],
    })
    const middle = children![0]!.job
    const state = async () => [await job.getState(), await middle.getState()]
    const before = await state()
    const cleaned = [(await steps.clean(0, 0, 'wait')).length]
    const between = await state()
    cleaned.push((await steps.clean(0, 0, 'delayed')).length)
    const after = [await state(), await steps.count(), await top.getJobCounts('waiting')]
    await Promise.all([flows.close(), steps.close(), top.close()])
    return { before, cleaned, between, after }
  },

  async 'a failed child that is cleaned or removed'(place) {
    const steps = new Queue('spoilt-steps', place)
    const top = new Queue('spoilt-top', place)
    const flows = new FlowProducer(place)
    const worker = new Worker(
      'spoilt-steps',
      async () => {
        throw new Error('no')
      },
      place,
    )
    const states: string[] = []
    for (const remove of [() => steps.clean(0, 0, 'failed'), (job: Job) => job.remove()])
      for (const queueName of ['spoilt-steps', 'spoilt-top']) {
        if (queueName === 'spoilt-steps' && remove.length > 0) continue
        const { job, children } = await flows.add({
          name: 'parent',
          queueName,
          children: [child('step', 'spoilt-steps')],
        })
        const failing = children![0]!.job
        await until(() => failing.isFailed())
        await remove(failing)
        states.push(await job.getState())
        await job.remove()
      }
    await Promise.all([worker.close(), flows.close(), steps.close(), top.close()])
    return states
  },

  async 'a job that is retried by hand'(place) {
    const queue = new Queue('by-hand', place)
    let fails = true
    const runs: unknown[] = []
    const worker = new Worker(
      'by-hand',
      async (job) => {
        runs.push([job.attemptsMade, job.attemptsStarted, job.failedReason, job.stacktrace?.length])
        if (fails) throw new Error('no')
        return 'done'
      },
      place,
    )
    const job = await queue.add('x', {}, { attempts: 2 })
    const ends = (state: 'failed' | 'completed', count: number) =>
      until(async () => runs.length === count && (await job.getState()) === state)
    await ends('failed', 2)
    // The job has made all attempts, so it gets one more.
    await job.retry()
    await ends('failed', 3)
    const failed = (await queue.getJob(job.id!))!
    await worker.pause()
    await failed.retry('failed', { resetAttemptsMade: true })
    const waiting = (await queue.getJob(job.id!))!
    const between = [waiting.attemptsMade, waiting.failedReason, waiting.finishedOn, waiting.returnvalue]
    const own = [failed.failedReason, failed.processedOn, failed.finishedOn, failed.returnvalue]
    fails = false
    worker.resume()
    await ends('completed', 4)
    await job.retry('completed')
    await ends('completed', 5)
    const errors = [await said(job.retry('failed'), job)]
    await job.remove()
    errors.push(await said(job.retry('failed'), job))
    await Promise.all([worker.close(), queue.close()])
    return { runs, own, between, errors, made: failed.attemptsMade }
  },

  async 'all failed jobs, retried by hand'(place) {
    const queue = new Queue('all-by-hand', place)
    const worker = new Worker(
      'all-by-hand',
      async () => {
        throw new Error('no')
      },
      { ...place, autorun: false },
    )
    for (let n = 0; n < 4; n++) await queue.add('x', { n }, { attempts: 1 })
    void worker.run()
    await until(async () => (await queue.getFailedCount()) === 4)
    await worker.pause()
    const all = (await queue.getFailed()).sort((one, other) => one.data.n - other.data.n)
    const last = Math.max(...all.map(({ finishedOn }) => finishedOn!))
    await queue.retryJobs({ timestamp: 1 })
    const none = await queue.getJobCounts('waiting', 'failed')
    await queue.retryJobs({ timestamp: last })
    const some = await queue.getJobCounts('waiting', 'failed')
    const made = (await queue.getWaiting()).map(({ attemptsMade, failedReason }) => [
      attemptsMade,
      failedReason,
    ])
    await Promise.all([worker.close(), queue.close()])
    return { none, some, made }
  },

  async 'the pause before the next attempt'(place) {
    const queue = new Queue('paused-attempts', place)
    const worker = new Worker(
      'paused-attempts',
      async () => {
        throw new Error('no')
      },
      { ...place, autorun: false },
    )
    const seen: unknown[] = []
    worker.on('failed', async (job) => {
      const found = job!.attemptsMade < 3 ? await queue.getJob(job!.id!) : undefined
      seen.push([job!.attemptsMade, job!.delay, found?.delay])
    })
    await queue.add('x', {}, { attempts: 3, backoff: { type: 'exponential', delay: 900 } })
    void worker.run()
    await until(async () => seen.length === 3)
    await Promise.all([worker.close(), queue.close()])
    return seen
  },

  async 'a worker that is paused, and one that does not run'(place) {
    const queue = new Queue('resting', place)
    const idle = new Worker('resting', async () => {}, { ...place, autorun: false })
    await once(idle, 'ready')
    const worker = new Worker('resting', async () => 'done', { ...place, autorun: false })
    const run = worker.run()
    await worker.waitUntilReady()
    await worker.pause()
    await run
    const rests = [worker.isPaused(), worker.isRunning(), idle.isRunning()]
    await queue.add('x', {})
    const ends = once(worker, 'completed')
    worker.resume()
    const [{ returnvalue }] = await ends
    const works = [worker.isPaused(), worker.isRunning()]
    await Promise.all([worker.close(), idle.close(), queue.close()])
    return { rests, works, returnvalue }
  },

  async 'a child that is not kept when it fails, and one that is retried'(place) {
    const steps = new Queue('unkept-steps', place)
    const top = new Queue('unkept', place)
    const flows = new FlowProducer(place)
    let fails = true
    const worker = new Worker(
      'unkept-steps',
      async (job) => {
        if (fails && job.name !== 'sound') throw new Error('no')
      },
      { ...place, autorun: false },
    )
    const { job } = await flows.add({
      name: 'top',
      queueName: 'unkept',
      children: [child('gone', 'unkept-steps', { removeOnFail: true }), child('sound', 'unkept-steps')],
    })
    const ignoring = await flows.add({
      name: 'ignoring',
      queueName: 'unkept',
      children: [child('ignored', 'unkept-steps', { ignoreDependencyOnFailure: true })],
    })
    void worker.run()
    await until(async () => (await top.getWaitingCount()) === 2)
    const counts = await job.getDependenciesCount({ processed: true, unprocessed: true })
    await worker.pause()
    const failing = ignoring.children![0]!.job
    const before = await ignoring.job.getDependenciesCount({ ignored: true, unprocessed: true })
    await (await steps.getJob(failing.id!))!.retry()
    const after = await ignoring.job.getDependenciesCount({ ignored: true, unprocessed: true })
    fails = false
    worker.resume()
    await until(() => failing.isCompleted())
    await Promise.all([worker.close(), flows.close(), steps.close(), top.close()])
    return { counts, before, after }
  },

  async 'names with prefixes, and places in a line'(place) {
    const queue = new Queue('placed', place)
    await queue.waitUntilReady()
    await queue.pause()
    const job = await queue.add('first', {}, { priority: 8 })
    await queue.add('second', {})
    await job.changePriority({ priority: 0, lifo: false })
    const names: string[] = []
    const worker = new Worker('placed', async (each) => names.push(each.name), place)
    const prefix = place.prefix.replaceAll(/[{}]/g, '')
    const qualified = [queue.qualifiedName, worker.qualifiedName, job.queueQualifiedName]
    await queue.resume()
    await until(async () => names.length === 2)
    await Promise.all([worker.close(), queue.close()])
    return { names, qualified: qualified.map((name) => name.replaceAll(/[{}]/g, '') === `${prefix}:placed`) }
  },

  async 'the last of several that are alike, while the first runs'(place) {
    const queue = new Queue('last-alike', place)
    const deduplication = { id: 'same', keepLastIfActive: true }
    const seen: unknown[] = []
    const ids: (string | undefined)[] = []
    const worker = new Worker(
      'last-alike',
      async (job) => {
        seen.push(job.data)
        if (seen.length > 1) return
        ids.push((await queue.add('x', { n: 2 }, { deduplication })).id)
        ids.push((await queue.add('x', { n: 3 }, { deduplication })).id)
      },
      place,
    )
    const first = await queue.add('x', { n: 1 }, { deduplication })
    await until(async () => seen.length === 2)
    await Promise.all([worker.close(), queue.close()])
    return { seen, ids: ids.map((id) => id === first.id) }
  },

  async 'a job that begins too often'(place) {
    const queue = new Queue('begins', place)
    let runs = 0
    const worker = new Worker(
      'begins',
      async (job, token) => {
        runs++
        await job.moveToDelayed(Date.now() + 1, token)
        throw new DelayedError()
      },
      { ...place, maxStartedAttempts: 3, maxStalledCount: 1 },
    )
    const job = await queue.add('x', {}, { attempts: 5 })
    await until(() => job.isFailed())
    const { failedReason, attemptsStarted } = (await queue.getJob(job.id!))!
    await Promise.all([worker.close(), queue.close()])
    return { runs, failedReason, attemptsStarted }
  },

  async 'how many jobs have a priority'(place) {
    const queue = new Queue('counted', place)
    await queue.pause()
    for (const priority of [1, 2, 3, 2_097_151]) await queue.add('x', { priority }, { priority })
    await queue.add('plain', {})
    await queue.add('later', {}, { priority: 4, delay: 60_000 })
    const counts = async () => [
      await queue.getJobCounts('waiting', 'wait', 'prioritized', 'delayed'),
      await queue.getJobCountByTypes('prioritized', 'delayed'),
      await queue.count(),
      await queue.getPrioritizedCount(),
      await queue.getWaitingCount(),
    ]
    const before = [
      await counts(),
      (await queue.getPrioritized()).map(({ data }) => data.priority),
      await queue.getCountsPerPriority([0, 1, 2, 5]),
      await queue.removeOrphanedJobs(),
      queue.toKey('seven') === `${queue.qualifiedName}:seven`,
    ]
    const cleaned = (await queue.clean(0, 1, 'prioritized')).length
    const between = await counts()
    await queue.drain()
    const after = await counts()
    await queue.close()
    return { before, cleaned, between, after }
  },

  async 'jobs that are alike within a time'(place) {
    const queue = new Queue('alike-within', place)
    await queue.pause()
    const add = async (ttl: number) => (await queue.add('x', {}, { deduplication: { id: 'same', ttl } })).id
    const [first, second] = [await add(1_500), await add(1_500)]
    // The first job still waits.
    await sleep(1_600)
    const [third, fourth] = [await add(60_000), await add(60_000)]
    const waiting = await queue.count()
    await (await queue.getJob(third!))!.remove()
    const fifth = await add(60_000)
    await queue.remove(fifth!)
    const sixth = await add(60_000)
    const ids = [first === second, third === first, third === fourth, fifth === third, sixth === fifth]
    await queue.obliterate({ force: true })
    await queue.close()
    return { ids, waiting }
  },
}
