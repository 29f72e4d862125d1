/**
 * A `FlowProducer` of `@s18i/lark-bullmq` keeps promises that BullMQ does not make, and refuses some calls.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJobs, Job, workflow } from '@s18i/lark-jobs'
import { FlowBook } from '@s18i/lark-jobs/internal'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type FlowJob, FlowProducer, type Processor, Queue, Worker } from '../src/index.ts'

let folder: string
let connection: string
let made: { close(): Promise<unknown> }[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-flows-'))
  connection = `sqlite:${join(folder, 'jobs.db')}`
})
afterEach(async () => {
  for (const each of made.reverse()) await each.close()
  made = []
  await rm(folder, { recursive: true })
})

function opened<T extends { close(): Promise<unknown> }>(object: T): T {
  made.push(object)
  return object
}

const producer = () => opened(new FlowProducer({ connection }))
const queueOf = (name: string) => opened(new Queue(name, { connection }))
const working = (name: string, processor: Processor) => opened(new Worker(name, processor, { connection }))
const step: FlowJob = { name: 'step', queueName: 'steps' }
const TTL = 10_000

test.each<[string, FlowJob, string, RegExp]>([
  [
    'an id of a child',
    { name: 'root', queueName: 'roots', children: [{ ...step, opts: { jobId: 'mine' } }] },
    'BULLMQ_UNSUPPORTED',
    /the job 'step': .* the option jobId of a child/,
  ],
  [
    'deduplication',
    { name: 'root', queueName: 'roots', opts: { deduplication: { id: 'x' } }, children: [step] },
    'JOB_INVALID',
    /Deduplication options cannot be used on flow nodes with children/,
  ],
  [
    'deduplication of a child',
    { name: 'root', queueName: 'roots', children: [{ ...step, opts: { deduplication: { id: 'x' } } }] },
    'BULLMQ_UNSUPPORTED',
    /deduplication of a child in a flow/,
  ],
  [
    'another prefix',
    { name: 'root', queueName: 'roots', children: [{ ...step, prefix: 'other' }] },
    'BULLMQ_UNSUPPORTED',
    /the prefix 'other' of one job/,
  ],
  [
    'children that are not a list',
    { name: 'root', queueName: 'roots', children: step as never },
    'JOB_INVALID',
    /children is .*; it must be a list of jobs/,
  ],
  [
    'a queue without a name',
    { name: 'root', children: [step] } as never,
    'JOB_INVALID',
    /the name of the queue/,
  ],
  [
    'a job without a name',
    { queueName: 'roots', children: [step] } as never,
    'JOB_INVALID',
    /the name of a job/,
  ],
  [
    'an invalid id',
    { name: 'root', queueName: 'roots', opts: { jobId: 'a:b' }, children: [step] },
    'JOB_INVALID',
    /Custom Id cannot contain :/,
  ],
])('%s is refused, and nothing is added', async (_, flow, code, message) => {
  const flows = producer()
  const good = { name: 'good', queueName: 'roots', children: [step] }
  await expect(flows.addBulk([good, flow])).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  })
  expect(await queueOf('steps').count()).toBe(0)
})

test('wrong options of queues are refused', async () => {
  const flow = { name: 'root', queueName: 'roots', children: [step] }
  for (const ofQueue of [{ streams: {}, settings: {} }, { defaultJobOptions: { lifo: true } }])
    await expect(producer().add(flow, { queuesOptions: { steps: ofQueue as object } })).rejects.toMatchObject(
      {
        code: 'BULLMQ_UNSUPPORTED',
      },
    )
})

test('a tree that contains itself is refused', async () => {
  const tree: FlowJob = { name: 'root', queueName: 'roots', children: [] }
  tree.children!.push(tree)
  await expect(producer().add(tree)).rejects.toMatchObject({ code: 'FLOW_TOO_LARGE' })
})

test('a tree that is too large is refused, and many flows are added a few at a time', async () => {
  const data = 'x'.repeat(500_000)
  const children = Array.from({ length: 9 }, () => ({ name: 'step', queueName: 'steps', data }))
  const flows = producer()
  await expect(flows.add({ name: 'root', queueName: 'roots', children })).rejects.toMatchObject({
    code: 'FLOW_TOO_LARGE',
    message: 'With step 9, the flow has more than 4194304 bytes',
  })
  expect(await queueOf('steps').count()).toBe(0)
  const added = await flows.addBulk(
    Array.from({ length: 45 }, (_, n) =>
      n % 3 === 0
        ? { name: `${n}`, queueName: 'roots' }
        : { name: `${n}`, queueName: 'roots', children: [{ name: 'step', queueName: 'steps' }] },
    ),
  )
  expect(added.map(({ job }) => job.name)).toEqual(Array.from({ length: 45 }, (_, n) => `${n}`))
  expect(await queueOf('steps').count()).toBe(30)
})

test('a flow with an id is added once, even if the first one has ended', async () => {
  const [flows, roots, steps] = [producer(), queueOf('roots'), queueOf('steps')]
  const flow = {
    name: 'root',
    queueName: 'roots',
    opts: { jobId: 'day: 7'.replace(': ', '/') },
    children: [step],
  }
  const first = await flows.add(flow)
  const again = await flows.add({ ...flow, children: [step, step] })
  expect([again.job.id, again.children!.length]).toEqual(['day/7', 1])
  expect(again.children![0]!.job.id).toBe(first.children![0]!.job.id)
  expect(await steps.count()).toBe(1)
  working('steps', async () => 1)
  working('roots', async () => 2)
  expect(await first.job.waitUntilFinished(undefined, TTL)).toBe(2)
  expect((await flows.add(flow)).job.returnvalue).toBe(2)
  expect(await roots.getJob('day/8')).toBeUndefined()
  // Flows and single jobs may have the same id.
  expect(await roots.getJobState('day/7')).toBe('completed')
})

const stepsOf = (count: number, opts: object = {}) =>
  Array.from({ length: count }, (_, n) => ({ ...step, data: { n }, opts }))
const larkOn = (...classes: (typeof Job)[]) =>
  opened(createJobs({ connection, queues: ['roots', 'steps'], jobs: classes as never }))

test('a class of Lark runs a job of a flow, and a Worker runs the jobs of a workflow', async () => {
  class RootJob extends Job {
    override readonly key = 'root'
    override queueName = 'roots'
    async handle({ n }: { n: number }) {
      return [n, await this.flow!.result('step'), await this.flow!.result('step 2')]
    }
  }
  class FirstJob extends Job {
    override readonly key = 'first'
    override queueName = 'steps'
    async handle() {
      return 1
    }
  }
  class LastJob extends Job {
    override readonly key = 'last'
    override queueName = 'steps'
    async handle() {
      return {}
    }
  }
  const jobs = larkOn(RootJob as never)
  await jobs.work({ queues: ['roots'] })
  working('steps', async (job) => [job.name, Object.values(await job.getChildrenValues())])
  const flow = { name: 'root', queueName: 'roots', data: { n: 7 }, children: stepsOf(2) }
  const { job } = await producer().add(flow)
  const ran = ['step', []]
  expect(await job.waitUntilFinished(undefined, TTL)).toEqual([7, ran, ran])
  const other = await jobs.dispatch(
    workflow('w', (w) => w.add(new LastJob().with(), { after: w.add(new FirstJob().with()) })),
  )
  expect(await other.result({ timeout: TTL })).toEqual({
    FirstJob: ['first', []],
    LastJob: ['last', [['first', []]]],
  })
})

test('a failed flow is started again as a whole, and callers follow its jobs', async () => {
  const [flows, roots] = [producer(), queueOf('roots')]
  const children = [{ ...step, opts: { failParentOnFailure: true } }]
  const { job, children: [child] = [] } = await flows.add({ name: 'root', queueName: 'roots', children })
  expect(job.id).toBeDefined()
  let isBroken = true
  const worker = working('steps', async () => {
    if (isBroken) throw new Error('broken')
    return 'mended'
  })
  await once(worker, 'failed')
  const said = `child lark:steps:${child!.job.id} failed`
  await expect(job.waitUntilFinished(undefined, TTL)).rejects.toThrow(said)
  await expect(job.retry()).rejects.toMatchObject({ code: 'BULLMQ_UNSUPPORTED' })
  expect((await roots.getJob(job.id!))!.failedReason).toBe(said)
  isBroken = false
  working('roots', async (job) => Object.entries(await job.getChildrenValues()))
  await larkOn().flow(job.id!.split('.')[0]!).retry()
  expect(await job.waitUntilFinished(undefined, TTL)).toEqual([
    [expect.stringContaining('lark:steps:'), 'mended'],
  ])
  expect([await child!.job.getState(), await child!.job.waitUntilFinished(undefined, TTL)]).toEqual([
    'completed',
    'mended',
  ])
})

test('a job is removed with all jobs below it unless one of them runs', async () => {
  const [flows, roots, steps] = [producer(), queueOf('roots'), queueOf('steps')]
  const middle = { name: 'middle', queueName: 'steps', children: stepsOf(2) }
  const flow = { name: 'root', queueName: 'roots', opts: { jobId: 'one' }, children: [middle, step] }
  const { job, children } = await flows.add(flow)
  await expect(job.remove({ removeChildren: false })).rejects.toMatchObject({ code: 'BULLMQ_UNSUPPORTED' })
  expect(await roots.remove('one')).toBe(1)
  const all = [job, ...children!.map((each) => each.job)]
  expect(await Promise.all(all.map((each) => each.getState()))).toEqual(['unknown', 'unknown', 'unknown'])
  expect([await roots.count(), await steps.count(), await roots.getJob('one')]).toEqual([0, 0, undefined])

  await expect(flows.add(flow)).rejects.toMatchObject({ code: 'JOB_NOT_QUEUED' })
  const inner = await flows.add({ ...flow, opts: {}, children: [middle] })
  await inner.children![0]!.job.remove()
  // The job waits for no other job any more.
  expect([await inner.job.getState(), await steps.count()]).toEqual(['waiting', 0])

  const running = await flows.add({ name: 'root', queueName: 'roots', children: [step] })
  let end = () => {}
  const worker = working('steps', () => new Promise<void>((resolve) => (end = resolve)))
  await once(worker, 'active')
  await expect(running.job.remove()).rejects.toThrow(
    'could not be removed because it is locked by another worker',
  )
  expect(await roots.remove(running.job.id!)).toBe(0)
  expect(await running.job.getState()).toBe('waiting-children')
  end()
})

test('a job that starts during its removal is removed from its queue', async () => {
  const [flows, roots] = [producer(), queueOf('roots')]
  const { job } = await flows.add({ name: 'root', queueName: 'roots', children: [step] })
  const { change } = FlowBook.prototype
  vi.spyOn(FlowBook.prototype, 'change').mockImplementationOnce(async function (this: FlowBook, ...args) {
    working('steps', async () => {})
    await vi.waitFor(async () => expect(await job.getState()).toBe('waiting'), TTL)
    return await change.apply(this, args)
  })
  await job.remove()
  expect([await roots.count(), await job.getState()]).toEqual([0, 'unknown'])
})

test('a removal of the last job of a workflow with many paths removes each job below it once', async () => {
  class StepJob extends Job {
    override readonly key = 'step'
    override queueName = 'steps'
    handle() {}
  }
  const handle = await larkOn(StepJob as never).dispatch(
    workflow('w', (w) => {
      let before: ReturnType<typeof w.add>[] = []
      for (let layer = 0; layer < 24; layer++)
        before = [0, 1].map(() => w.add(new StepJob().with(), { after: before }))
      w.add(new StepJob().with(), { name: 'last', after: before })
    }),
  )
  const steps = queueOf('steps')
  const blocked = await steps.getJobs(['waiting-children'])
  await blocked.at(-1)!.remove()
  expect((await steps.getJobs(['waiting-children'])).length).toBe(0)
  expect(await steps.count()).toBe(0)
  expect(handle.id).toBeDefined()
})

test('children come page by page, and a flow may have a time limit and rules for keeping jobs', async () => {
  const [flows, roots] = [producer(), queueOf('roots')]
  const children = [...stepsOf(3), { name: 'large', queueName: 'steps' }]
  const opts = { removeOnComplete: true }
  const { job } = await flows.add({ name: 'root', queueName: 'roots', opts, children })
  await expect(job.waitUntilFinished(undefined, 10)).rejects.toThrow(
    `Job wait root timed out before finishing, no finish notification arrived after 10ms (id=${job.id})`,
  )
  const first = await job.getDependencies({ unprocessed: { count: 3 } })
  expect(first.unprocessed).toHaveLength(3)
  const second = await job.getDependencies({
    unprocessed: { cursor: first.nextUnprocessedCursor!, count: 3 },
  })
  expect(second).toMatchObject({ unprocessed: [expect.any(String)], nextUnprocessedCursor: 0 })
  expect((await flows.getFlow({ id: job.id!, queueName: 'roots', maxChildren: 2 }))!.children).toHaveLength(2)
  await expect(flows.getFlow({ id: job.id!, queueName: 'roots', depth: 0 })).rejects.toMatchObject({
    code: 'JOB_INVALID',
  })
  working('steps', async ({ name }) => (name === 'large' ? 'x'.repeat(600_000) : 1))
  const told: unknown[] = []
  working('roots', async (job) => {
    told.push(await job.getChildrenValues().catch((error: Error) => error.message))
    return 'done'
  })
  expect(await job.waitUntilFinished(undefined, TTL)).toBe('done')
  expect(told).toEqual([expect.stringContaining('what its processor returned was not kept')])
  // The job is kept as long as its flow.
  expect(await (await roots.getJob(job.id!))!.getState()).toBe('completed')
})
