/**
 * This application follows the documentation of BullMQ. `application-on-lark.ts` is the same file with
 * another import, and a test compares what the two files do.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DelayedError,
  Job,
  type JobsOptions,
  type Processor,
  Queue,
  QueueEvents,
  RateLimitError,
  UnrecoverableError,
  Worker,
  type WorkerOptions,
} from '../../src/index.ts'

/** The address of the queues. */
export interface Place {
  // biome-ignore lint/suspicious/noExplicitAny: the options of ioredis, or a text
  connection: any
  prefix: string
}

interface Mail {
  to: string
}

/** A stage has a queue, its events, and a worker that runs the processor of a story. */
class Stage implements AsyncDisposable {
  readonly queue: Queue
  readonly #place: Place
  readonly #open: { close(): Promise<void> }[] = []

  constructor(place: Place, name: string, defaultJobOptions: JobsOptions = {}) {
    this.#place = place
    this.queue = new Queue(name, { ...place, defaultJobOptions })
    this.#open.push(this.queue)
  }

  worker(processor: Processor, options: Partial<WorkerOptions> = {}): Worker {
    const worker = new Worker(this.queue.name, processor, { ...this.#place, ...options })
    worker.on('error', (error) => console.error(error))
    this.#open.unshift(worker)
    return worker
  }

  async events(): Promise<QueueEvents> {
    const events = new QueueEvents(this.queue.name, this.#place)
    this.#open.unshift(events)
    return events
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#open) await each.close()
  }
}

/** Resolves after the given number of events. */
function counting(count: number): { came: () => void; all: Promise<void> } {
  let left = count
  let done = () => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  return {
    all,
    came: () => {
      if (--left === 0) done()
    },
  }
}

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'quick start'(place) {
    await using stage = new Stage(place, 'paint')
    const { queue } = stage
    const events = await stage.events()
    const heard: unknown[] = []
    const ends = counting(2)
    events.on('completed', ({ returnvalue }) => {
      heard.push(returnvalue)
      ends.came()
    })
    await events.waitUntilReady()
    const first = await queue.add('cars', { color: 'blue' })
    const second = await queue.add('cars', { color: 'red', at: new Date(0) })
    const before = [await first.getState(), await queue.getJobCounts('waiting', 'active', 'completed')]
    const worker = stage.worker(async (job) => {
      await job.log(`painting ${job.data.color}`)
      return { name: job.name, data: job.data, attempts: job.opts.attempts, made: job.attemptsMade }
    })
    const names: string[] = []
    worker.on('active', (job) => names.push(`active ${job.name}`))
    const told: unknown[] = []
    worker.on('completed', (job, result) => told.push([job.returnvalue, result, job.failedReason]))
    await ends.all
    const found = await Job.fromId(queue, second.id!)
    const { logs, count } = await queue.getJobLogs(second.id!)
    const after = [
      await found!.getState(),
      await first.isCompleted(),
      await queue.getJobCounts('waiting', 'completed'),
    ]
    return { before, after, heard, told, names, logs, count, value: found?.returnvalue, data: found?.data }
  },

  async 'retries with a pause'(place) {
    await using stage = new Stage(place, 'retries', { attempts: 3, backoff: { type: 'fixed', delay: 40 } })
    const runs: unknown[] = []
    const failures: unknown[] = []
    const worker = stage.worker(async (job: Job) => {
      runs.push([job.attemptsMade, job.attemptsStarted, job.opts.attempts, job.opts.backoff])
      if (job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`)
      return 'done'
    })
    worker.on('failed', (job, error, prev) =>
      failures.push([job!.attemptsMade, job!.failedReason, error.message, prev]),
    )
    const ended = once(worker, 'completed')
    const started = performance.now()
    await stage.queue.add('try', {})
    const [job] = await ended
    const took = performance.now() - started
    const found = await stage.queue.getJob(job.id)
    return { runs, failures, isLate: took >= 80, made: found!.attemptsMade, lines: found!.stacktrace!.length }
  },

  async 'exponential pauses, and the end of all attempts'(place) {
    await using stage = new Stage(place, 'exponential')
    const at: number[] = []
    const worker = stage.worker(async () => {
      at.push(performance.now())
      throw new Error('no')
    })
    const last = counting(3)
    const isLast: boolean[] = []
    worker.on('failed', (job) => {
      isLast.push(job!.attemptsMade >= job!.opts.attempts!)
      last.came()
    })
    const job = await stage.queue.add('x', {}, { attempts: 3, backoff: { type: 'exponential', delay: 40 } })
    await last.all
    const [failed] = await stage.queue.getFailed()
    const pauses = [at[1]! - at[0]! >= 40, at[2]! - at[1]! >= 80]
    return {
      isLast,
      pauses,
      state: await job.getState(),
      reason: failed!.failedReason,
      same: failed!.id === job.id,
    }
  },

  async 'a strategy of the application'(place) {
    await using stage = new Stage(place, 'strategy')
    const asked: unknown[] = []
    const backoffStrategy = (made: number, type?: string, error?: Error, job?: { name: string }) => {
      asked.push([made, type, error?.message, job?.name])
      return made === 2 ? -1 : 10
    }
    const worker = stage.worker(
      async () => {
        throw new Error('no')
      },
      { settings: { backoffStrategy } },
    )
    const ends = counting(2)
    worker.on('failed', ends.came)
    const job = await stage.queue.add('custom', {}, { attempts: 9, backoff: { type: 'mine' } })
    await ends.all
    return { asked, state: await job.getState() }
  },

  async 'steps that a job remembers in its data'(place) {
    await using stage = new Stage(place, 'remembered')
    const seen: unknown[] = []
    const worker = stage.worker(async (job) => {
      seen.push(job.data)
      if (job.data.step === 'second') return job.data
      await job.updateData({ ...job.data, step: 'second', text: 'é' })
      seen.push(job.data.step)
      throw new Error('again')
    })
    const done = once(worker, 'completed')
    const job = await stage.queue.add('steps', { step: 'first' }, { attempts: 2 })
    const [, result] = await done
    return { seen, result, data: (await stage.queue.getJob(job.id!))!.data }
  },

  async 'failing for good'(place) {
    await using stage = new Stage(place, 'unrecoverable')
    const worker = stage.worker(async () => {
      throw new UnrecoverableError('gone')
    })
    const failed = once(worker, 'failed')
    const job = await stage.queue.add('x', {}, { attempts: 5, backoff: 10_000 })
    await failed
    const found = await stage.queue.getJob(job.id!)
    return [await job.getState(), found!.failedReason, found!.attemptsMade]
  },

  async 'delays, and jobs that put themselves off'(place) {
    await using stage = new Stage(place, 'delays')
    const { queue } = stage
    const later = await queue.add('later', {}, { delay: 60_000 })
    await queue.add('now', {})
    await queue.add('soon', {}, { delay: 200 })
    const isListed = (await queue.getDelayed()).some(({ id }) => id === later.id)
    const states = [await later.getState(), await later.isDelayed(), isListed]
    const order: unknown[] = []
    let isMoved = false
    const all = counting(3)
    const worker = stage.worker(async (job, token) => {
      order.push([job.name, job.attemptsMade])
      all.came()
      if (job.name === 'soon' && !isMoved) {
        isMoved = true
        await job.moveToDelayed(Date.now() + 30, token)
        throw new DelayedError()
      }
    })
    const done = counting(3)
    worker.on('completed', done.came)
    await all.all
    await later.promote()
    await done.all
    return { states, order }
  },

  async priorities(place) {
    await using stage = new Stage(place, 'priorities')
    const { queue } = stage
    await queue.pause()
    const added = await queue.addBulk([
      { name: 'ten', data: {}, opts: { priority: 10 } },
      { name: 'two', data: {}, opts: { priority: 2 } },
      { name: 'none', data: {} },
      { name: 'last', data: {}, opts: { priority: 1_000_000 } },
      { name: 'changed', data: {}, opts: { priority: 500_000 } },
      { name: 'two again', data: {}, opts: { priority: 2 } },
    ])
    await added[4]!.changePriority({ priority: 1 })
    const isPaused = await queue.isPaused()
    const order: string[] = []
    const all = counting(6)
    stage
      .worker(async (job) => {
        order.push(job.name)
      })
      .on('completed', all.came)
    await queue.resume()
    await all.all
    return { order, isPaused, resumed: !(await queue.isPaused()) }
  },

  async 'a rate'(place) {
    await using stage = new Stage(place, 'rate')
    const at: number[] = []
    const all = counting(4)
    await stage.queue.addBulk([1, 2, 3, 4].map((n) => ({ name: 'n', data: { n } })))
    stage
      .worker(async ({ processedOn }) => void at.push(processedOn!), {
        limiter: { max: 2, duration: 1_000 },
        concurrency: 4,
      })
      .on('completed', all.came)
    await all.all
    return { count: at.length, isLate: at[2]! - at[0]! >= 500 }
  },

  async 'a rate that a processor meets'(place) {
    await using stage = new Stage(place, 'limited')
    await stage.queue.addBulk(['a', 'b', 'c'].map((name) => ({ name, data: {} })))
    const made: [string, number][] = []
    const started = performance.now()
    const worker: Worker = stage.worker(async (job) => {
      made.push([job.name, job.attemptsMade])
      if (made.length > 1) return
      await worker.rateLimit(100)
      throw Worker.RateLimitError() ?? new RateLimitError()
    })
    const all = counting(3)
    worker.on('completed', all.came)
    await all.all
    return { made, isLate: performance.now() - started >= 90 }
  },

  async 'ids, and jobs that are alike'(place) {
    await using stage = new Stage(place, 'alike')
    const { queue } = stage
    const ids = [
      (await queue.add('a', { n: 1 }, { jobId: 'order-7' })).id,
      (await queue.add('a', { n: 2 }, { jobId: 'order-7' })).id,
    ]
    const first = await queue.add('b', { n: 1 }, { deduplication: { id: 'same' } })
    const second = await queue.add('b', { n: 2 }, { deduplication: { id: 'same' } })
    const third = await queue.add('c', { n: 1 }, { deduplication: { id: 'ttl', ttl: 60_000 } })
    const fourth = await queue.add('c', { n: 2 }, { deduplication: { id: 'ttl', ttl: 60_000 } })
    const debounced = { deduplication: { id: 'wait', ttl: 1_500, extend: true, replace: true }, delay: 1_500 }
    await queue.add('d', { n: 1 }, debounced)
    await queue.add('d', { n: 2 }, debounced)
    const ran: unknown[] = []
    const all = counting(4)
    const worker = stage.worker(async (job) => {
      ran.push([job.name, job.data.n])
    })
    worker.on('completed', all.came)
    await all.all
    // The first job has ended, so the queue accepts another. The time of the third is not over.
    const again = await queue.add('b', { n: 3 }, { deduplication: { id: 'same' } })
    const fifth = await queue.add('c', { n: 3 }, { deduplication: { id: 'ttl', ttl: 60_000 } })
    return {
      ids,
      same: [second.id === first.id, fourth.id === third.id, again.id === first.id, fifth.id === third.id],
      // The last job may have run by now.
      ran: ran.slice(0, 4),
      data: (await queue.getJob('order-7'))?.data,
    }
  },

  async 'what is kept'(place) {
    await using stage = new Stage(place, 'kept')
    const { queue } = stage
    const all = counting(7)
    const worker = stage.worker(async (job) => {
      if (job.name === 'fails') throw new Error('no')
    })
    worker.on('completed', all.came)
    worker.on('failed', all.came)
    const none = await queue.add('none', {}, { removeOnComplete: true, jobId: 'again' })
    await once(worker, 'completed')
    const gone = [await none.getState(), await queue.getJob('again')]
    await queue.add('none', {}, { removeOnComplete: true, jobId: 'again' })
    await queue.add('fails', {}, { removeOnFail: { age: 3_600 } })
    for (let i = 0; i < 4; i++) await queue.add('two', { i }, { removeOnComplete: { count: 2 } })
    await all.all
    const kept = (await queue.getCompleted()).map(({ name, data }) => [name, data.i])
    return { gone, kept, counts: await queue.getJobCounts('completed', 'failed') }
  },

  async 'between two attempts, and what a worker keeps of failures'(place) {
    await using stage = new Stage(place, 'between')
    const { queue } = stage
    const worker = stage.worker(
      async (job) => {
        throw new Error(`no ${job.name}`)
      },
      { removeOnFail: { count: 0 } },
    )
    const twice = counting(2)
    worker.on('failed', twice.came)
    const later = await queue.add('later', {}, { attempts: 2, backoff: 600_000 })
    const gone = await queue.add('gone', {})
    await twice.all
    const found = (await queue.getJob(later.id!))!
    const between = [found.failedReason, found.delay, await found.getState()]
    await worker.pause()
    const ended = [await gone.getState(), worker.isRunning()]
    await queue.addBulk(['a', 'b'].map((name) => ({ name, data: {} })))
    const listed = (await queue.getJobs(['wait', 'waiting', 'wait'], 0, -1, true)).map(({ name }) => name)
    const cleaned = once(queue, 'cleaned')
    await queue.clean(0, 10, 'waiting')
    const [ids, type] = await cleaned
    return { between, ended, listed, cleaned: [ids.length, type] }
  },

  async 'progress, results and waiting for them'(place) {
    await using stage = new Stage(place, 'results')
    const { queue } = stage
    const events = await stage.events()
    await events.waitUntilReady()
    const values = [0, '', 'text', null, undefined, { deep: [1] }]
    const worker = stage.worker(async (job: Job<{ of: number }>) => {
      if (job.data.of < 0) throw new TypeError('wrong')
      await job.updateProgress({ of: job.data.of })
      return values[job.data.of]
    })
    const seen: unknown[] = []
    worker.on('progress', (_, progress) => seen.push(progress))
    const results: unknown[] = []
    for (let of = 0; of < values.length; of++)
      results.push(await (await queue.add('value', { of })).waitUntilFinished(events, 10_000))
    const failing = await queue.add('value', { of: -1 })
    const error = await failing.waitUntilFinished(events, 10_000).catch((error: Error) => error.message)
    await worker.pause()
    const never = await queue.add('value', { of: 2 })
    const late = await never
      .waitUntilFinished(events, 30)
      .catch((error: Error) => error.message.replace(never.id!, 'ID'))
    worker.resume()
    await once(worker, 'completed')
    return { results, error, late, seen, progress: (await queue.getJob(never.id!))?.progress }
  },

  async 'changes by hand'(place) {
    await using stage = new Stage(place, 'changes')
    const { queue } = stage
    let isBroken = true
    const worker = stage.worker(async () => {
      if (isBroken) throw new Error('broken')
      return 'mended'
    })
    const failed = once(worker, 'failed')
    const job = await queue.add('x', { n: 1 })
    await failed
    isBroken = false
    const done = once(worker, 'completed')
    await job.retry()
    await done
    await worker.close()
    const left = await queue.add('left', { n: 1 }, { delay: 10_000 })
    await left.updateData({ n: 2 })
    const data = (await queue.getJob(left.id!))?.data
    await left.remove()
    const removed = [await left.getState(), await queue.remove('nothing')]
    await queue.addBulk([
      { name: 'a', data: {} },
      { name: 'b', data: {} },
    ])
    const names = (await queue.getJobs(['waiting'], 0, 10, true)).map(({ name }) => name)
    await queue.drain()
    const drained = await queue.count()
    const cleaned = await queue.clean(0, 10, 'completed')
    await queue.obliterate({ force: true })
    return { state: data, removed, names, drained, cleaned: cleaned.length, value: await job.getState() }
  },

  async 'a job scheduler'(place) {
    await using stage = new Stage(place, 'schedules')
    const { queue } = stage
    const repeat = { pattern: '* * * * * *', tz: 'Europe/Paris' }
    await queue.upsertJobScheduler('each-second', repeat, {
      name: 'tick',
      data: { n: 1 },
      opts: { attempts: 2 },
    })
    await queue.upsertJobScheduler('each-second', repeat, {
      name: 'tick',
      data: { n: 2 },
      opts: { attempts: 2 },
    })
    await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *', endDate: '2099-01-01T00:00:00Z' })
    const all = await queue.getJobSchedulers()
    const shown = all.map(({ key, name, pattern, tz }) => [key, name, pattern, tz ?? 'UTC'].join(' ')).sort()
    const template = (await queue.getJobScheduler('each-second'))!.template
    const worker = stage.worker(async (job) => [job.name, job.data, job.opts.attempts, job.repeatJobKey])
    // Ticks may have been on their way when the second call changed the scheduler.
    let [, ran] = await once(worker, 'completed')
    while (ran[1].n === 1) [, ran] = await once(worker, 'completed')
    const isRemoved = [
      await queue.removeJobScheduler('each-second'),
      await queue.removeJobScheduler('each-second'),
    ]
    const nightly = await queue.getJobScheduler('nightly')
    await queue.removeJobScheduler('nightly')
    return {
      shown,
      template,
      ran,
      isRemoved,
      isLater: nightly!.next! > Date.now(),
      count: await queue.getJobSchedulersCount(),
    }
  },

  async 'several at a time'(place) {
    await using stage = new Stage(place, 'concurrent')
    let running = 0
    let most = 0
    const all = counting(8)
    const mails: Mail[] = Array.from({ length: 8 }, (_, i) => ({ to: `${i}@example.com` }))
    const worker = stage.worker(
      async (job: Job<Mail, string>) => {
        most = Math.max(most, ++running)
        await sleep(20)
        running--
        return job.data.to
      },
      { concurrency: 4, autorun: false },
    )
    worker.on('completed', all.came)
    const added = await stage.queue.addBulk(mails.map((data) => ({ name: 'mail', data })))
    const before = worker.isRunning()
    void worker.run()
    await all.all
    await worker.close()
    return { most, count: added.length, before, after: worker.isRunning() }
  },
}
