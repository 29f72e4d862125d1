/**
 * These flows follow the documentation of BullMQ. `flows-on-lark.ts` is the same file with another import,
 * and a test compares what the two files do.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type FlowJob,
  FlowProducer,
  type Job,
  type JobNode,
  type Processor,
  Queue,
  QueueEvents,
  Worker,
} from 'bullmq'
import type { Place } from './application.ts'

/** A site has a flow producer, and the queues and workers of a story. */
class Site implements AsyncDisposable {
  readonly flows: FlowProducer
  readonly #place: Place
  readonly #open: { close(): Promise<void> }[] = []

  constructor(place: Place) {
    this.#place = place
    this.flows = new FlowProducer(place)
    this.#open.push(this.flows)
  }

  queue(name: string): Queue {
    const queue = new Queue(name, this.#place)
    this.#open.push(queue)
    return queue
  }

  worker(name: string, processor: Processor): Worker {
    const worker = new Worker(name, processor, this.#place)
    worker.on('error', (error) => console.error(error))
    this.#open.unshift(worker)
    return worker
  }

  async events(name: string): Promise<QueueEvents> {
    const events = new QueueEvents(name, this.#place)
    events.on('completed', () => {})
    this.#open.unshift(events)
    await events.waitUntilReady()
    return events
  }

  /** Returns the key that a job has among the values of children. */
  keyOf({ queueName, id }: Job): string {
    return `${this.#place.prefix.replaceAll(/[{}]/g, '')}:${queueName}:${id}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#open) await each.close()
  }
}

/** Milliseconds. */
const LONGEST = 15_000
const fails: Processor = async (job) => {
  if (job.data.fails) throw new Error(`no ${job.name}`)
  return job.name
}
const messageOf = (error: Error) => error.message

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'renovating an interior'(place) {
    await using site = new Site(place)
    const [renovate, steps] = [site.queue('renovate'), site.queue('steps')]
    const events = await site.events('renovate')
    const flow = await site.flows.add({
      name: 'renovate-interior',
      queueName: 'renovate',
      data: { of: 'house' },
      children: [
        { name: 'paint', data: { place: 'ceiling' }, queueName: 'steps' },
        { name: 'paint', data: { place: 'walls' }, queueName: 'steps', opts: { attempts: 3 } },
        { name: 'fix', data: { place: 'floor' }, queueName: 'steps', opts: { delay: 1 } },
        { name: 'nothing', data: {}, queueName: 'steps' },
      ],
    })
    const root = flow.job
    const children = flow.children!.map(({ job }) => job)
    const before = {
      state: [await root.getState(), await root.isWaitingChildren(), await renovate.getJobState(root.id!)],
      counts: [
        await renovate.getJobCounts('waiting-children', 'waiting', 'completed'),
        await renovate.getWaitingChildrenCount(),
        await steps.getJobCountByTypes('waiting', 'delayed', 'waiting-children'),
        await renovate.count(),
      ],
      listed: (await renovate.getWaitingChildren()).map(({ id, name, data }) => [id === root.id, name, data]),
      found: (await renovate.getJob(root.id!))?.data,
      names: children.map(({ name, data, queueName, opts }) => [name, data, queueName, opts.attempts]),
      parents: children.map(({ parentKey, parent }) => [
        parentKey === site.keyOf(root),
        parent?.id === root.id,
      ]),
      dependencies: await root.getDependenciesCount(),
      unprocessed:
        (await root.getDependencies()).unprocessed!.sort().join() ===
        children
          .map((job) => site.keyOf(job))
          .sort()
          .join(),
    }
    const seen: unknown[] = []
    site.worker('steps', async (job) => {
      seen.push([
        job.parentKey === site.keyOf(root),
        job.parent!.id === root.id,
        await job.getChildrenValues(),
      ])
      return job.name === 'nothing' ? undefined : { done: job.data.place }
    })
    let values: Record<string, unknown> = {}
    site.worker('renovate', async (job) => {
      values = await job.getChildrenValues()
      return { all: Object.keys(values).length, counts: await job.getDependenciesCount({ processed: true }) }
    })
    const result = await root.waitUntilFinished(events, LONGEST)
    return {
      ...{ before, seen, result },
      values: children.map((job) => values[site.keyOf(job)]),
      after: [await root.getState(), (await renovate.getJob(root.id!))!.returnvalue],
      counts: await renovate.getJobCounts('waiting-children', 'completed'),
      dependencies: await root.getDependenciesCount(),
    }
  },

  async 'steps one after the other, and the tree of them'(place) {
    await using site = new Site(place)
    const events = await site.events('cars')
    const chain: FlowJob = {
      name: 'car',
      queueName: 'cars',
      children: [
        {
          name: 'engine',
          queueName: 'parts',
          children: [
            { name: 'piston', data: { n: 1 }, queueName: 'parts' },
            { name: 'piston', data: { n: 2 }, queueName: 'parts' },
            { name: 'piston', data: { n: 3 }, queueName: 'parts' },
          ],
        },
        { name: 'wheels', queueName: 'parts' },
      ],
    }
    const { job } = await site.flows.add(chain)
    interface Shown {
      name: string
      state: string
      children?: Shown[]
    }
    const shown = async (tree: JobNode | undefined): Promise<Shown> => ({
      name: tree!.job.name,
      state: await tree!.job.getState(),
      ...(tree!.children && {
        children: (await Promise.all(tree!.children.map(shown))).sort((one, other) =>
          one.name < other.name ? -1 : 1,
        ),
      }),
    })
    const which = { id: job.id!, queueName: 'cars' }
    const before = [
      await shown(await site.flows.getFlow(which)),
      await shown(await site.flows.getFlow({ ...which, depth: 2 })),
      await site.flows.getFlow({ id: 'nothing', queueName: 'cars' }),
    ]
    const order: string[] = []
    const process: Processor = async (job) => {
      order.push(job.name)
      const values = Object.values(await job.getChildrenValues()).sort()
      return values.length > 0 ? `${job.name} of ${values.join(' and ')}` : `${job.name}${job.data.n ?? ''}`
    }
    site.worker('parts', process)
    site.worker('cars', process)
    const result = await job.waitUntilFinished(events, LONGEST)
    const after = await shown(await site.flows.getFlow(which))
    return {
      before,
      result,
      after,
      order: [order.indexOf('engine') > order.lastIndexOf('piston'), order.at(-1)],
    }
  },

  async 'a child that fails its parent'(place) {
    await using site = new Site(place)
    const [top, events] = [site.queue('fpof-top'), await site.events('fpof-top')]
    const opts = { failParentOnFailure: true }
    const { job, children } = await site.flows.add({
      name: 'root',
      queueName: 'fpof-top',
      children: [
        {
          name: 'middle',
          queueName: 'fpof-middle',
          opts,
          children: [{ name: 'leaf', data: { fails: true }, queueName: 'fpof-leaves', opts }],
        },
        { name: 'other', queueName: 'fpof-leaves' },
      ],
    })
    let isRun = false
    const runs: Processor = async () => {
      isRun = true
    }
    site.worker('fpof-leaves', fails)
    site.worker('fpof-middle', runs)
    site.worker('fpof-top', runs)
    const said = await job.waitUntilFinished(events, LONGEST).catch(messageOf)
    const middle = children![0]!.job
    const found = await top.getJob(job.id!)
    return {
      isRun,
      states: [await job.getState(), await middle.getState(), await job.isFailed()],
      said: said === `child ${site.keyOf(middle)} failed`,
      found: found!.failedReason === said,
      failed: (await job.getDependencies()).failed!.map((key) => key === site.keyOf(middle)),
    }
  },

  async 'children whose failures do not matter'(place) {
    await using site = new Site(place)
    const events = await site.events('calm')
    const child = (name: string, opts: object, fails = true) => ({
      ...{ name, queueName: 'calm-steps', data: { fails }, opts },
    })
    const { job, children } = await site.flows.add({
      name: 'root',
      queueName: 'calm',
      children: [
        child('ignored', { ignoreDependencyOnFailure: true }),
        child('removed', { removeDependencyOnFailure: true }),
        child('strict', { failParentOnFailure: true }, false),
        child('plain', {}, false),
      ],
    })
    site.worker('calm-steps', fails)
    site.worker('calm', async (job) => ({
      values: Object.values(await job.getChildrenValues()).sort(),
      failures: Object.entries(await job.getIgnoredChildrenFailures()).map(([key, reason]) => [
        ...[key === site.keyOf(children![0]!.job), reason],
      ]),
      counts: await job.getDependenciesCount(),
    }))
    const result = await job.waitUntilFinished(events, LONGEST)
    const tree = await site.flows.getFlow({ id: job.id!, queueName: 'calm' })
    return { result, names: tree!.children!.map(({ job }) => job.name).sort() }
  },

  async 'a parent that goes on at once'(place) {
    await using site = new Site(place)
    const events = await site.events('hasty')
    const { job, children } = await site.flows.add({
      name: 'root',
      queueName: 'hasty',
      children: [
        {
          name: 'fails',
          data: { fails: true },
          queueName: 'hasty-steps',
          opts: { continueParentOnFailure: true },
        },
        { name: 'late', data: {}, queueName: 'hasty-steps', opts: { delay: 60_000 } },
        {
          name: 'middle',
          queueName: 'hasty-steps',
          children: [{ name: 'later', data: {}, queueName: 'hasty-steps', opts: { delay: 60_000 } }],
        },
      ],
    })
    site.worker('hasty-steps', fails)
    site.worker('hasty', async (job) => {
      const before = await job.getDependenciesCount({ ignored: true, unprocessed: true })
      const failures = Object.values(await job.getIgnoredChildrenFailures())
      await job.removeUnprocessedChildren()
      return { before, failures, after: await job.getDependenciesCount({ ignored: true, processed: true }) }
    })
    const result = await job.waitUntilFinished(events, LONGEST)
    const late = await site.queue('hasty-steps').getJob(children![1]!.job.id!)
    return { result, isGone: late === undefined, after: await job.getState() }
  },

  async 'a failed child that is tried again by hand'(place) {
    await using site = new Site(place)
    const events = await site.events('again')
    const steps = site.queue('again-steps')
    const { job, children } = await site.flows.add({
      name: 'root',
      queueName: 'again',
      children: [{ name: 'step', queueName: 'again-steps' }],
    })
    let isBroken = true
    const worker = site.worker('again-steps', async () => {
      if (isBroken) throw new Error('broken')
      return 'mended'
    })
    await once(worker, 'failed')
    isBroken = false
    site.worker('again', async (job) => Object.values(await job.getChildrenValues()))
    await (await steps.getJob(children![0]!.job.id!))!.retry()
    await until(() => job.isCompleted())
    const found = await site.flows.getFlow({ id: job.id!, queueName: 'again' })
    return [found!.job.returnvalue, await job.waitUntilFinished(events, LONGEST)]
  },

  async 'an id of the application, defaults of queues, and several flows'(place) {
    await using site = new Site(place)
    const [queue, events] = [site.queue('named'), await site.events('named')]
    const ended: string[] = []
    const both = new Promise<void>((resolve) =>
      events.on('completed', ({ jobId }) => ended.push(jobId) === 2 && resolve()),
    )
    const { job, children } = await site.flows.add(
      {
        name: 'root',
        queueName: 'named',
        opts: { jobId: 'order-7', attempts: 1 },
        children: [{ name: 'step', queueName: 'named-steps' }],
      },
      {
        queuesOptions: {
          named: { defaultJobOptions: { attempts: 9, backoff: 3 } },
          'named-steps': { defaultJobOptions: { attempts: 5 } },
        },
      },
    )
    const before = {
      ids: [job.id, (await queue.getJob('order-7'))?.id, children![0]!.job.parent!.id],
      states: [await job.getState(), await queue.getJobState('order-7')],
      attempts: [job.opts.attempts, children![0]!.job.opts.attempts],
    }
    const bulk = await site.flows.addBulk([
      { name: 'two', queueName: 'named', children: [{ name: 'step', queueName: 'named-steps' }] },
      { name: 'alone', queueName: 'named-alone', data: { n: 1 } },
    ])
    const ran: unknown[] = []
    site.worker('named-steps', async (job) => ran.push([job.parent!.id === 'order-7', job.opts.attempts]))
    site.worker('named', async (job) => void ran.push([job.id === 'order-7', job.name]))
    await both
    const states = [...bulk.map(({ job }) => job), job].map((each) => each.getState())
    return {
      ...{ before, ran: ran.map((each) => JSON.stringify(each)).sort() },
      ended: [ended.includes('order-7'), ended.includes(bulk[0]!.job.id!)],
      bulk: bulk.map(({ job, children }) => [job.name, children?.length]),
      states: await Promise.all(states),
    }
  },

  async 'children that leave their parent'(place) {
    await using site = new Site(place)
    const [top, steps] = [site.queue('left'), site.queue('left-steps')]
    const child = (name: string) => ({ name, queueName: 'left-steps' })
    const { job, children } = await site.flows.add({
      name: 'root',
      queueName: 'left',
      children: [child('one'), child('two')],
    })
    const seen: unknown[] = []
    for (const { job: each } of children!) {
      const left = [await each.removeChildDependency(), each.parent, each.parentKey]
      seen.push([...left, (await steps.getJob(each.id!))?.parent, await job.getState()])
    }
    seen.push(await children![0]!.job.removeChildDependency().catch(messageOf))
    await children![0]!.job.remove()
    const gone = await children![0]!.job.removeChildDependency().catch(messageOf)
    const counts = await job.getDependenciesCount()
    return { seen, counts, gone: String(gone).replace(children![0]!.job.id!, 'ID'), top: await top.count() }
  },

  async 'options that exclude each other'(place) {
    await using site = new Site(place)
    const opts = { failParentOnFailure: true, ignoreDependencyOnFailure: true }
    const flow = { name: 'root', queueName: 'never', children: [{ name: 'x', queueName: 'never', opts }] }
    const isRefused = await site.flows.add(flow).then(
      () => false,
      () => true,
    )
    return { isRefused, count: await site.queue('never').count() }
  },
}

/** Asks again and again, and resolves when the answer is true. */
async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await sleep(20)
}
