/**
 * Uses the events of BullMQ's queues in other processes, and the events of an application.
 * `telling-on-lark.ts` is the same file with another import, and a test compares what the two files do.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  FlowProducer,
  Queue,
  QueueEvents,
  type QueueEventsListener,
  QueueEventsProducer,
  Worker,
} from 'bullmq'
import type { Place } from './application.ts'

interface OwnEvents extends QueueEventsListener {
  imported: (args: { file: string; rows: string }, id: string) => void
}

/** Calls the function again and again, and resolves when it returns true. */
async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await is())) await sleep(10)
}

/** Resolves when events arrive. BullMQ reads events from its first call on, a moment after it is ready. */
async function listens(events: QueueEvents): Promise<void> {
  await events.waitUntilReady()
  await sleep(200)
}

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'events of an application'(place) {
    const events = new QueueEvents('own-events', place)
    const producer = new QueueEventsProducer('own-events', place)
    await listens(events)
    const heard: unknown[] = []
    events.on<OwnEvents>('imported', ({ file, rows }: { file: string; rows: string }, id: string) =>
      heard.push([file, rows, typeof id]),
    )
    await producer.publishEvent({ eventName: 'imported', file: 'june.csv', rows: 7 })
    await producer.publishEvent({ eventName: 'unheard', file: 'x' })
    await producer.publishEvent({ eventName: 'imported', file: 'jülich.csv', rows: '8' })
    await until(() => heard.length === 2)
    await Promise.all([producer.close(), events.close()])
    return heard
  },

  async 'duplicates, and a queue that is empty'(place) {
    const queue = new Queue('told', place)
    const events = new QueueEvents('told', place)
    await listens(events)
    const heard: string[] = []
    events.on('deduplicated', ({ jobId, deduplicationId }) =>
      heard.push(`deduplicated ${jobId === first.id} ${deduplicationId}`),
    )
    events.on('duplicated', ({ jobId }) => heard.push(`duplicated ${jobId}`))
    events.on('drained', (id) => heard.push(`drained ${typeof id}`))
    const first = await queue.add('a', {}, { deduplication: { id: 'same' } })
    await queue.add('a', {}, { deduplication: { id: 'same' } })
    await queue.add('b', {}, { jobId: 'order-7' })
    await queue.add('b', {}, { jobId: 'order-7' })
    await until(() => heard.length === 2)
    const worker = new Worker('told', async () => {}, { ...place, autorun: false })
    let drained = 0
    worker.on('drained', () => drained++)
    void worker.run()
    await until(() => heard.includes('drained string') && drained > 0)
    await Promise.all([worker.close(), events.close(), queue.close()])
    return { heard: [...new Set(heard)], isDrained: drained > 0 }
  },

  async 'a queue that is empty after jobs that run one after the other'(place) {
    const queue = new Queue('emptied', place)
    const events = new QueueEvents('emptied', place)
    await listens(events)
    const heard = { completed: 0, drained: 0 }
    events.on('completed', () => heard.completed++)
    events.on('drained', () => heard.drained++)
    await queue.setGlobalConcurrency(1)
    await queue.addBulk([1, 2, 3, 4].map((n) => ({ name: 'short', data: { n } })))
    const worker = new Worker('emptied', async () => {}, { ...place, concurrency: 4 })
    await until(() => heard.completed === 4 && heard.drained > 0)
    await sleep(300)
    await Promise.all([worker.close(), events.close(), queue.close()])
    return heard
  },

  async 'progress, delays, and the end of all attempts'(place) {
    const queue = new Queue('told-more', place)
    const events = new QueueEvents('told-more', place)
    await listens(events)
    const heard: unknown[] = []
    events.on('progress', ({ jobId, data }) => heard.push(['progress', jobId, data]))
    events.on('delayed', ({ jobId, delay }) => heard.push(['delayed', jobId, delay > Date.now() + 50_000]))
    events.on('retries-exhausted', ({ jobId, attemptsMade }) =>
      heard.push(['exhausted', jobId, attemptsMade]),
    )
    events.on('paused', () => heard.push(['paused']))
    events.on('resumed', () => heard.push(['resumed']))
    events.on('cleaned', ({ count }) => heard.push(['cleaned', count]))
    await queue.pause()
    await queue.resume()
    await queue.add('later', {}, { jobId: 'later', delay: 60_000 })
    await until(() => heard.length === 3)
    const worker = new Worker(
      'told-more',
      async (job) => {
        await job.updateProgress({ step: job.attemptsMade })
        throw new Error('no')
      },
      place,
    )
    await queue.add('fails', {}, { jobId: 'fails', attempts: 2 })
    await until(() => heard.length === 6)
    await queue.clean(0, 10, 'failed')
    await until(() => heard.length === 7)
    await Promise.all([worker.close(), events.close(), queue.close()])
    return heard
  },

  async 'the events of one job, and parents that wait'(place) {
    const queue = new Queue('told-parents', place)
    const events = new QueueEvents('told-parents', place)
    const flows = new FlowProducer(place)
    await listens(events)
    const waits = once(events, 'waiting-children')
    const { job } = await flows.add({
      name: 'parent',
      queueName: 'told-parents',
      children: [{ name: 'child', queueName: 'told-children' }],
    })
    const [{ jobId }] = await waits
    const mine = once(events, 'completed:mine')
    const worker = new Worker('told-parents', async () => 'done', place)
    await queue.add('other', {})
    await queue.add('mine', {}, { jobId: 'mine' })
    const [{ returnvalue }] = await mine
    await Promise.all([worker.close(), flows.close(), events.close(), queue.close()])
    return { isParent: jobId === job.id, returnvalue }
  },

  async 'jobs that become due, and parents that begin or fail'(place) {
    const queue = new Queue('told-due', place)
    const events = new QueueEvents('told-due', place)
    const flows = new FlowProducer(place)
    await listens(events)
    await queue.pause()
    // In BullMQ, only a worker makes jobs due.
    const parents = new Worker('told-due', async () => {}, place)
    await parents.waitUntilReady()
    const heard: unknown[] = []
    const names = new Map<string, string>()
    const nameOf = (id: string) => names.get(id) ?? id
    events.on('waiting', ({ jobId, prev }) => heard.push(['waiting', nameOf(jobId), prev]))
    events.on('failed', ({ jobId, failedReason, prev }) =>
      heard.push(['failed', nameOf(jobId), prev, failedReason.startsWith('child ')]),
    )
    const early = await queue.add('later', {}, { jobId: 'later', delay: 400 })
    await queue.add('promoted', {}, { jobId: 'promoted', delay: 60_000 })
    await (await queue.getJob('promoted'))!.promote()
    await until(() => heard.length === 2)
    const due = [
      await early.getState(),
      heard
        .splice(0)
        .map((each) => JSON.stringify(each))
        .sort(),
    ]
    const opts = { failParentOnFailure: true }
    const child = (fails: boolean) => ({ name: 'child', queueName: 'told-due-steps', data: { fails }, opts })
    for (const fails of [false, true]) {
      const name = `parent ${fails}`
      const { job } = await flows.add({ name, queueName: 'told-due', children: [child(fails)] })
      names.set(job.id!, name)
    }
    const worker = new Worker(
      'told-due-steps',
      async (job) => {
        if (job.data.fails) throw new Error('no')
      },
      place,
    )
    await queue.resume()
    await until(() => heard.some((each) => JSON.stringify(each).includes('"failed"')))
    await until(() => heard.some((each) => JSON.stringify(each).includes('parent false')))
    const told = heard.map((each) => JSON.stringify(each)).filter((each) => each.includes('parent'))
    // In BullMQ, a parent about to fail is `waiting` first. A worker of Lark may give a job back unread.
    const others = /waiting.*(parent true|"active")/
    const all = [...new Set(told)].filter((each) => !others.test(each)).sort()
    await Promise.all([worker.close(), parents.close(), flows.close(), events.close(), queue.close()])
    return { due, all }
  },
}
