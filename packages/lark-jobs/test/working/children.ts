import { expect, test } from 'vitest'
import { insideOfDraft } from '../../src/api/draft.ts'
import { childId } from '../../src/flow/child.ts'
import { batch, defineSignal, Job, type JobHandle, StepError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { Outcome } from '../../src/model/record.ts'
import { operate } from '../../src/operate.ts'
import { Caller } from '../conformance/caller.ts'
import { Bench, type Connect, Record } from './bench.ts'

const WAIT = { timeout: 20_000 }
const go = defineSignal<number>('go')

/** Each test writes the handlers of these jobs. */
let parent: (job: Job) => unknown
let child: (job: Job, payload: { n: number }) => unknown
let begun: number[] = []

class ParentJob extends Job {
  override readonly key = 'parent'
  override backoff = 1
  override tries = 2
  handle(): unknown {
    return parent(this)
  }
}

class ChildJob extends Job {
  override readonly key: string = 'child'
  override queueName = 'emails'
  override tries = 1
  async handle(payload: { n: number }): Promise<unknown> {
    begun.push(payload.n)
    return child(this, payload)
  }
}

class UniqueJob extends ChildJob {
  override readonly key = 'unique-child'
  override unique = {}
}

const all = [ParentJob, ChildJob, UniqueJob]
const of = (n = 1) => new ChildJob().with({ n })

function say(parents: typeof parent, children: typeof child = (_, { n }) => ({ twice: 2 * n })) {
  begun = []
  parent = parents
  child = children
}

/** Returns the error with which a promise rejects. */
async function failure(promise: Promise<unknown>): Promise<StepError> {
  const error = await promise.catch((thrown) => thrown)
  expect(error).toBeInstanceOf(StepError)
  return error as StepError
}

async function stateIs({ id }: JobHandle, bench: Bench, state: string, isSuspended = true): Promise<void> {
  const handle = bench.jobs.handle(ParentJob, id)
  await expect.poll(async () => (await handle.status())?.state, WAIT).toBe(state)
  if (isSuspended) expect((await handle.status())?.suspended).toHaveLength(1)
}

/** Finds the job that a parent awaits. */
async function childOf(bench: Bench, { id }: JobHandle) {
  const steps = await operate(bench.jobs).steps.list(id)
  const { id: its } = steps!.steps.find((step) => step.child)!.child!
  return bench.jobs.handle(ChildJob, its)
}

export function children(connect: Connect): void {
  test('a child runs once, in its own queue, while its parent is suspended, and its result comes back', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    say(async (job) => {
      runs += 1
      const result = await job.runJob('report', of(4))
      await job.sleep('nap', 1_100)
      return { result, again: runs }
    })
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    await using first = await bench.work(all, { queues: ['default'] })
    await stateIs(handle, bench, 'delayed')
    expect(first.running.size).toBe(0)
    expect(begun).toEqual([])
    await using _ = await bench.work(all)
    const result = await handle.result({ timeout: '20s' })
    expect(result).toMatchObject({ result: { twice: 8 } })
    expect(begun).toEqual([4])
    expect(await handle.status()).toMatchObject({ state: 'completed', failures: 0 })
  })

  test('if a child does not complete, the parent gets a StepError that says how the child ended', async () => {
    await using bench = await Bench.make(connect)
    const seen: StepError[] = []
    const gate: (() => void)[] = []
    say(
      async (job) => {
        seen.length = 0
        seen.push(await failure(job.runJob('fails', of(1))))
        seen.push(await failure(job.runJob('late', of(2), { timeout: 1 })))
        seen.push(await failure(job.runJob('cancelled', of(3))))
        await job.step('after', () => 1)
        return seen.map(({ code, child }) => [code, child?.state ?? null, child?.reason ?? null])
      },
      async (job, { n }) => {
        if (n === 1) throw new Error('no paper')
        if (n === 3) return job.waitFor(go)
        return new Promise<void>((resolve) => gate.push(resolve))
      },
    )
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    await using _ = await bench.work(all)
    await expect.poll(() => begun.includes(3), WAIT).toBe(true)
    await stateIs(handle, bench, 'delayed')
    const steps = await operate(bench.jobs).steps.list(handle.id)
    const { id } = steps!.steps.find(({ name }) => name === 'cancelled')!.child!
    await bench.jobs.handle(ChildJob, id).cancel()
    expect(await handle.result({ timeout: '20s' })).toEqual([
      ['JOB_FAILED', 'failed', null],
      ['RESULT_TIMEOUT', null, null],
      ['JOB_CANCELLED', 'cancelled', 'user'],
    ])
    expect(seen[0]!.message).toMatch(/^ChildJob \S+ has failed: no paper$/)
    expect(seen[0]!.step).toBe('fails')
    expect([...begun].sort()).toEqual([1, 2, 3])
    for (const open of gate) open()
  })

  test('a parent gets an error for a child that is rejected or removed', async () => {
    await using bench = await Bench.make(connect)
    say(
      async (job) => {
        const one = await failure(job.runJob('taken', new UniqueJob().with({ n: 1 })))
        const two = await failure(job.runJob('removed', of(2).delayed('1d')))
        return [one.code, one.child?.reason, two.code, two.child?.reason]
      },
      () => {},
    )
    await bench.jobs.dispatch(new UniqueJob().with({ n: 1 }).delayed('1d'))
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    await using _ = await bench.work(all)
    await expect
      .poll(
        async () => (await operate(bench.jobs).steps.list(handle.id))?.steps.map(({ name }) => name),
        WAIT,
      )
      .toContain('removed')
    await stateIs(handle, bench, 'delayed')
    const steps = await operate(bench.jobs).steps.list(handle.id)
    const { id } = steps!.steps.find(({ name }) => name === 'removed')!.child!
    await expect.poll(() => bench.jobs.handle(ChildJob, id).remove(), WAIT).toBe(true)
    expect(await handle.result({ timeout: '20s' })).toEqual([
      'JOB_NOT_QUEUED',
      'rejected',
      'JOB_REMOVED',
      'removed',
    ])
  })

  test('a parent awaits several children at once, and the loser of a race goes on', async () => {
    await using bench = await Bench.make(connect)
    say(
      async (job) => {
        const both = await Promise.all([1, 2, 3].map((n) => job.runJob(['part', n], of(n))))
        const first = await Promise.race([
          job.runJob('slow', of(10)).then(() => 'slow'),
          job.runJob('quick', of(11)).then(() => 'quick'),
        ])
        await job.step('after', () => 1)
        return { both, first }
      },
      async (job, { n }) => (n === 10 ? job.waitFor(go) : n),
    )
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    await using _ = await bench.work(all)
    expect(await handle.result({ timeout: '20s' })).toEqual({ both: [1, 2, 3], first: 'quick' })
    expect([...begun].sort((a, b) => a - b)).toEqual([1, 2, 3, 10, 11])
  })

  test('after an uncaught error, the next attempt begins another child unless a person has mended the first', async () => {
    await using bench = await Bench.make(connect)
    let isMended = false
    say(
      (job) => job.runJob('report', of(1)),
      () => {
        if (!isMended) throw new Error('no paper')
        return 'done'
      },
    )
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    await using _ = await bench.work(all)
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    // The parent has two attempts, and each attempt begins one child. Neither the start nor the failure of a
    // child is progress of the parent, so both failures of the parent count.
    expect(begun).toEqual([1, 1])
    isMended = true
    await bench.jobs.retry((await childOf(bench, handle)).id)
    await expect
      .poll(async () => (await (await childOf(bench, handle)).status())?.state, WAIT)
      .toBe('completed')
    await bench.jobs.retry(handle.id)
    expect(await handle.result({ timeout: '20s' })).toBe('done')
    expect(begun).toEqual([1, 1, 1])
  })

  test('a parent may move or end while its child runs', async () => {
    await using bench = await Bench.make(connect)
    say(
      (job) => job.runJob('report', of(1)),
      (job) => job.waitFor(go),
    )
    const [moved, cancelled] = [
      await bench.jobs.dispatch(new ParentJob().with()),
      await bench.jobs.dispatch(new ParentJob().with()),
    ]
    await using _ = await bench.work(all)
    const waiting = async () => {
      const list = await bench.jobs.list({ state: 'delayed', queue: 'emails' })
      return list.jobs
    }
    await expect.poll(async () => (await waiting()).length, WAIT).toBe(2)
    await stateIs(moved, bench, 'delayed')
    await stateIs(cancelled, bench, 'delayed')
    await bench.jobs.move(moved.id, 'low')
    await cancelled.cancel()
    for (const { id } of await waiting()) await bench.jobs.handle(ChildJob, id).send(go, 7)
    expect(await moved.result({ timeout: '20s' })).toEqual({ value: 7 })
    // No parent awaits the child any more, and the flow of the child is told so.
    await expect
      .poll(async () => (await bench.jobs.list({ state: 'completed', queue: 'emails' })).jobs.length, WAIT)
      .toBe(2)
    expect(await cancelled.status()).toMatchObject({ state: 'cancelled' })
  })

  test('a member of a flow may have children, and a child may have steps and children', async () => {
    await using bench = await Bench.make(connect)
    say(
      (job) => job.runJob('outer', of(3)),
      async (job, { n }): Promise<unknown> => {
        const one = await job.step('one', () => n)
        await job.sleep('nap', 1_100)
        return n === 1 ? one : [one, await job.runJob('inner', of(n - 1))]
      },
    )
    const flow = await bench.jobs.dispatch(batch([new ParentJob().with(), new ParentJob().with()]))
    await using _ = await bench.work(all)
    expect(await flow.result({ timeout: '30s' })).toEqual({ total: 2, completed: 2, failed: 0 })
    expect([...begun].sort()).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3].sort())
  })

  test('children of a wrong kind, and children begun at a wrong place, are refused', async () => {
    await using bench = await Bench.make(connect)
    say(async (job) => {
      const codes: unknown[] = []
      const code = async (promise: Promise<unknown>) =>
        codes.push(await promise.then(String, (error) => error.code))
      await code(job.runJob('id', of(1).withId('mine')))
      await code(job.runJob('no draft', {} as never))
      await code(job.runJob('queue', of(1).onQueue('nowhere')))
      await code(job.runJob('time', of(1), { timeout: 'soon' as never }))
      await code(job.step('in', () => job.runJob('inside', of(1))))
      return codes
    })
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    await using _ = await bench.work(all)
    expect(await handle.result({ timeout: '20s' })).toEqual([
      'STEP_INVALID',
      'JOB_INVALID',
      'UNKNOWN_QUEUE',
      'STEP_INVALID',
      'STEP_INVALID',
    ])
    expect(begun).toEqual([])
  })

  test('the undo of a child gets the result of the child', async () => {
    await using bench = await Bench.make(connect)
    const undone: unknown[] = []
    say(
      async (job) => {
        await job.runJob('report', of(1), { undo: (result) => void undone.push(result) })
        return job.fail('no')
      },
      () => 'pdf',
    )
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    await using _ = await bench.work(all)
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    expect(undone).toEqual(['pdf'])
  })

  test('the parent gets the result of a child whose queue keeps nothing', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: {}, emails: { keep: { completed: false } } } })
    say((job) => job.runJob('report', of(4)))
    const handle = await client.dispatch(new ParentJob().with())
    await using _ = await bench.work(all, {}, client)
    expect(await handle.result({ timeout: '20s' })).toEqual({ twice: 8 })
  })

  test('a full queue rejects a child, and a paused or partitioned queue keeps its children', async () => {
    await using bench = await Bench.make(connect)
    const queues = { default: {}, low: { max: 1, full: 'reject' as const }, emails: { partitions: 3 } }
    const client = bench.client({ queues })
    say(async (job) => {
      const full = await failure(job.runJob('full', of(1).onQueue('low')))
      const parts = await Promise.all([2, 3, 4, 5].map((n) => job.runJob(['part', n], of(n))))
      return { code: full.code, reason: full.child?.reason, message: full.message, parts }
    })
    await client.dispatch(of(9).onQueue('low'))
    await client.pause({ queue: 'emails' })
    const handle = await client.dispatch(new ParentJob().with())
    await using _ = await bench.work(all, { queues: ['default', 'emails'] }, client)
    const parts = async () => {
      const found = await operate(client).steps.list(handle.id)
      return found?.steps.flatMap(({ name, child }) => (name.startsWith('part') && child?.state) || [])
    }
    await expect.poll(parts, WAIT).toEqual(['waiting', 'waiting', 'waiting', 'waiting'])
    await expect.poll(async () => (await handle.status())?.suspended?.length, WAIT).toBe(4)
    const [reason] = (await operate(client).why(handle.id))?.reasons ?? []
    expect(reason?.text).toMatch(
      /^It is suspended: it waits for the end of (part \d \(job \S+, waiting: its queue emails is paused.*?: until somebody resumes it\)(, | or |$)){4}/,
    )
    expect(reason?.remedy).toEqual({ do: 'see-why', job: (reason as { jobs: string[] }).jobs[0] })
    const [paused] = (await operate(client).why((reason as { jobs: string[] }).jobs[0]!))?.reasons ?? []
    expect(paused?.kind).toBe('paused-queue')
    expect(begun).toEqual([])
    await client.resume({ queue: 'emails' })
    expect(await handle.result({ timeout: '20s' })).toEqual({
      code: 'JOB_NOT_QUEUED',
      reason: 'rejected',
      message: expect.stringMatching(/^ChildJob \S+ was not queued: /),
      parts: [2, 3, 4, 5].map((n) => ({ twice: 2 * n })),
    })
    expect([...begun].sort()).toEqual([2, 3, 4, 5])
  })

  test('people see the child that a parent awaits, and how the child ends', async () => {
    await using bench = await Bench.make(connect)
    class OddJob extends ChildJob {
      override readonly key = 'odd'
      override tries = 2
      override backoff = '1h'
    }
    say(
      (job) => {
        const odd = ['asks', 'fails', 'undoes'].map((name, n) => job.runJob(name, new OddJob().with({ n })))
        const late = [4, 5].map((n) => job.runJob(['late', n], of(n).delayed('1h')))
        return Promise.race([...odd, ...late, job.waitFor(go)])
      },
      async (job, { n }) => {
        if (n === 0) return job.runJob('inner', of(9).delayed('1h'))
        if (n === 1) throw new Error('no paper')
        await job.step('charge', () => 1, { undo: () => Promise.reject(new Error('no')), backoff: '1h' })
        return job.fail('no')
      },
    )
    const handle = await bench.jobs.dispatch(new ParentJob().with())
    const report = new Record()
    await using _ = await bench.work([...all, OddJob], { report })
    const told = async () => {
      const found = await operate(bench.jobs).steps.list(handle.id)
      return Object.fromEntries(
        found?.steps.map(({ name, child }) => [name, [child?.state, child?.note].join(' ')]) ?? [],
      )
    }
    await expect.poll(told, WAIT).toEqual({
      asks: 'delayed suspended',
      fails: 'delayed retrying',
      undoes: 'delayed undoing',
      'late 4': 'delayed ',
      'late 5': 'delayed ',
      go: ' ',
    })
    await expect.poll(async () => (await handle.status())?.suspended?.length, WAIT).toBe(6)
    const text = (await operate(bench.jobs).why(handle.id))?.reasons[0]?.text
    for (const part of [
      /It is suspended: it waits for the end of /,
      /asks \(job \S+, delayed: it is suspended: it waits for the end of inner \(job \S+, delayed\)\), /,
      /fails \(job \S+, delayed: it is retried in \d.*?: run 1 failed \(Error: no paper\)\), /,
      /undoes \(job \S+, delayed: its steps are undone, and then it fails: \w+: no\), /,
      /late 4 \(job \S+, delayed: it is delayed: due in \d[^()]*\)/,
      / or the signal go$/,
    ])
      expect(text).toMatch(part)
    // The report of the worker contains the names of the steps.
    const { outcome } = report.endings.find(({ job }) => job.key === 'parent')!
    expect([...(outcome as Outcome & { kind: 'suspended' }).awaits!].sort()).toEqual([
      'asks',
      'fails',
      'go',
      'late 4',
      'late 5',
      'undoes',
    ])
  })

  test('if a run died before or after the dispatch, the next run begins the child once', async () => {
    await using bench = await Bench.make(connect)
    say((job) => job.runJob('report', of(5)))
    const handles = [
      await bench.jobs.dispatch(new ParentJob().with()),
      await bench.jobs.dispatch(new ParentJob().with()),
    ]
    const inside = insideOf(bench.jobs)
    const { store } = await inside.open()
    const died = new Caller(store, 'died', 'default')
    const draft = insideOfDraft(of(5))
    for (const [i, flow] of ['before', 'behind'].entries()) {
      const held = await died.claimOne()
      const place = { flow, home: 'emails' }
      const parent = {
        id: held.id,
        partition: 'default',
        queue: 'default',
        step: 'report',
        reason: undefined,
      }
      const ready = await inside.readyChild(draft, parent)
      if (i === 1) await ready.begin(place)
      const steps = { at: 0, entries: [`creport\n${JSON.stringify({ ...place, at: Date.now() })}`] }
      await died.settle(held, { kind: 'released', in: 0, steps })
    }
    await using _ = await bench.work(all)
    for (const handle of handles) expect(await handle.result({ timeout: '20s' })).toEqual({ twice: 10 })
    expect(begun).toEqual([5, 5])
    const { flows } = await bench.jobs.flows({ nested: true })
    expect(flows.map(({ id }) => id).sort()).toEqual(['before', 'behind'])
    expect(flows[0]).toMatchObject({ parentJob: { queue: 'default' }, state: 'completed' })
    // The list shows no flow, because the user started none.
    expect((await bench.jobs.flows()).flows).toEqual([])
    const id = childId({ flow: 'before', home: 'emails' })
    expect(await bench.jobs.handle(ChildJob, id, { queue: 'emails' }).status()).toMatchObject({
      options: { parent: { queue: 'default' } },
    })
  })
}
