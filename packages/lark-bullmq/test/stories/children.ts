/**
 * Adds children to jobs that run already, as applications do. `children-on-lark.ts` is the same file with
 * another import, and a test compares what the two files do.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  FlowProducer,
  Job,
  type JobsOptions,
  Queue,
  QueueEvents,
  UnrecoverableError,
  WaitingChildrenError,
  Worker,
} from 'bullmq'
import type { Place } from './application.ts'

/** A parent that adds children in one step, and waits for them in the next. */
function stepper(place: Place, name: string, add: (job: Job) => Promise<unknown>) {
  const seen: unknown[] = []
  const worker = new Worker(
    name,
    async (job, token) => {
      if (job.data.step === 'add') {
        await add(job)
        await job.updateData({ step: 'wait' })
      }
      seen.push(job.attemptsStarted)
      if (await job.moveToWaitingChildren(token!)) throw new WaitingChildrenError()
      await job.updateData({ step: 'done' })
      return Object.values(await job.getChildrenValues()).sort()
    },
    place,
  )
  return { worker, seen, queue: new Queue(name, place) }
}

async function stateOf(job: Job, wanted: string): Promise<string> {
  for (let state = await job.getState(); ; state = await job.getState()) {
    if (state === wanted) return state
    await sleep(20)
  }
}

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'a running job adds children, and waits for them'(place) {
    const below = new Queue('below-steps', place)
    let go = () => {}
    const may = new Promise<void>((resolve) => {
      go = resolve
    })
    const children = new Worker('below-steps', ({ data }) => may.then(() => data.n * 2), {
      ...place,
      concurrency: 3,
    })
    const { worker, seen, queue } = stepper(place, 'above-steps', async ({ id, queueQualifiedName }) => {
      const parent = { id: id!, queue: queueQualifiedName }
      await below.add('one', { n: 1 }, { parent })
      await below.addBulk([
        { name: 'two', data: { n: 2 }, opts: { parent } },
        { name: 'free', data: { n: 50 } },
        { name: 'three', data: { n: 3 }, opts: { parent } },
      ])
    })
    const events = new QueueEvents('above-steps', place)
    await events.waitUntilReady()
    const job = await queue.add('steps', { step: 'add' }, { attempts: 2 })
    const waiting = await stateOf(job, 'waiting-children')
    const counts = await queue.getJobCounts('active', 'delayed', 'waiting-children')
    const [listed] = await queue.getWaitingChildren()
    const delayed = await queue.getDelayedCount()
    const open = await job.getDependenciesCount()
    const promoted = await job.promote().catch(({ message }) => message.replace(job.id!, '#'))
    go()
    const value = await job.waitUntilFinished(events, 15_000)
    const after = await queue.getJob(job.id!)
    const done = await job.getDependenciesCount()
    const names = (await below.getJobs(['completed'])).map(({ name, parent }) => [
      name,
      parent?.id === job.id,
    ])
    await Promise.all([worker.close(), children.close(), events.close(), queue.close(), below.close()])
    return {
      ...{ waiting, counts, isListed: listed?.id === job.id, delayed, open, promoted, value, done, seen },
      ...{ made: after?.attemptsMade, data: after?.data },
      names: names.sort(),
    }
  },

  async 'a child that fails, by its option'(place) {
    const rules: Record<string, JobsOptions> = {
      fail: { failParentOnFailure: true },
      ignore: { ignoreDependencyOnFailure: true },
      now: { continueParentOnFailure: true },
      remove: { removeDependencyOnFailure: true },
    }
    const below = new Queue('failing', place)
    const children = new Worker(
      'failing',
      async ({ data }) => {
        await sleep(100)
        if (data.fails) throw new UnrecoverableError('no luck')
        return 'luck'
      },
      { ...place, concurrency: 8 },
    )
    const told: Record<string, unknown> = {}
    for (const [name, rule] of Object.entries(rules)) {
      const { worker, queue } = stepper(place, `above-${name}`, async ({ id, queueQualifiedName }) => {
        const parent = { id: id!, queue: queueQualifiedName }
        await below.add('good', { fails: false }, { parent })
        await below.add('bad', { fails: true }, { parent, ...rule })
      })
      const events = new QueueEvents(`above-${name}`, place)
      await events.waitUntilReady()
      const job = await queue.add('steps', { step: 'add' })
      const value = await job.waitUntilFinished(events, 15_000).catch(({ message }) => {
        return message.replace(/child .*:failing:\S+ failed/, 'child # failed')
      })
      const ignored = Object.values(await job.getIgnoredChildrenFailures())
      told[name] = { value, ignored, counts: await job.getDependenciesCount() }
      await Promise.all([worker.close(), events.close(), queue.close()])
    }
    await Promise.all([children.close(), below.close()])
    return told
  },

  async 'a job that ends before its children'(place) {
    const below = new Queue('belated', place)
    const queue = new Queue('premature', place)
    const worker = new Worker(
      'premature',
      async ({ id, queueQualifiedName }) => {
        await below.add('belated', {}, { parent: { id: id!, queue: queueQualifiedName } })
      },
      place,
    )
    // BullMQ emits `error` as well.
    worker.on('error', () => {})
    const failed = new Promise<Error>((resolve) => {
      worker.on('failed', (_, error) => resolve(error))
    })
    const job = await queue.add('premature', {})
    const message = (await failed).message.replace(job.id!, '#')
    const state = await stateOf(job, 'failed')
    await Promise.all([worker.close(), queue.close(), below.close()])
    return { message, state }
  },

  async 'a flow below a running job, and parents that are not there'(place) {
    const flows = new FlowProducer(place)
    const children = new Worker('leaves', async ({ data }) => data.n, { ...place, concurrency: 2 })
    const middle = new Worker(
      'summing',
      async (job) =>
        Object.values<number>(await job.getChildrenValues()).reduce((sum, each) => sum + each, 0),
      place,
    )
    const { worker, queue } = stepper(place, 'summit', async ({ id, queueQualifiedName }) => {
      const leaf = (n: number) => ({ name: 'leaf', queueName: 'leaves', data: { n } })
      const tree = await flows.add({
        name: 'sum',
        queueName: 'summing',
        opts: { parent: { id: id!, queue: queueQualifiedName } },
        children: [leaf(3), leaf(4)],
      })
      if (tree.job.parentKey !== `${queueQualifiedName}:${id}`) throw new Error(`${tree.job.parentKey}`)
    })
    const events = new QueueEvents('summit', place)
    await events.waitUntilReady()
    const job = await queue.add('steps', { step: 'add' })
    const value = await job.waitUntilFinished(events, 15_000)
    const gone = { id: 'gone', queue: job.queueQualifiedName }
    const say = ({ message }: Error) => message.split(job.queueQualifiedName).join('queue')
    const missing = [
      await queue.add('x', {}, { parent: gone }).then(String, say),
      await Job.create(queue, 'x', {}, { parent: gone }).then(String, say),
      await flows.add({ name: 'x', queueName: 'summit', opts: { parent: gone } }).then(String, say),
      await queue.add('x', {}, { parent: gone, deduplication: { id: 'd' } }).then(String, (error) => {
        return error.message.includes('Deduplication and parent options cannot be used together')
      }),
    ]
    const all = [worker, middle, children, events, queue, flows]
    await Promise.all(all.map((each) => each.close()))
    return { value, missing }
  },
}
