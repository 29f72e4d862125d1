import { expect, test, vi } from 'vitest'
import { batch, chain, Job, type Jobs, JobsError, keep, unique, workflow } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record as Report } from './bench.ts'

/** Lists what the jobs of the tests did, in order. */
let did: string[] = []

class AddJob extends Job {
  override readonly key = 'add'
  override tries = 1
  handle({ a, b }: { a: number; b: number }): { sum: number; of: number[] } {
    did.push(`${a}+${b}`)
    return { sum: a + b, of: [a, b] }
  }
}
class ShowJob extends Job {
  override readonly key = 'show'
  handle({ text }: { text: string; of?: (number | null)[] | undefined }): string {
    did.push(text)
    return `${text}!`
  }
}
class FailJob extends Job {
  override readonly key = 'fail'
  override tries = 1
  handle(): { never: string } {
    did.push('fail')
    throw new Error('out of paper')
  }
}
class LowJob extends Job {
  override readonly key = 'low'
  override queueName = 'low'
  handle({ n }: { n: number }): number {
    return 2 * n
  }
}
/** This callback notes how its flow ended. */
class EndJob extends Job {
  override readonly key = 'end'
  async handle() {
    const { state, counts } = (await this.flow!.status())!
    const problems = await this.flow!.failures()
    const errors = problems.map(({ error }) => error ?? 'none').join(',')
    did.push(`${await this.flow!.node()}: ${state} ${counts.completed}/${counts.total} ${errors}`.trim())
  }
}
class GrowJob extends Job {
  override readonly key = 'grow'
  async handle({ left }: { left: number }): Promise<number> {
    did.push(`grow ${left}`)
    if (left > 0) await this.flow!.add(new GrowJob().with({ left: left - 1 }))
    return left
  }
}
class SelfJob extends Job {
  override readonly key = 'self'
  override tries = 1
  static jobs: typeof Jobs
  async handle() {
    await SelfJob.jobs.flow(this.flow!.id).result({ timeout: '20s' })
  }
}
/** The store does not keep the result of this job. */
class DateJob extends Job {
  override readonly key = 'date'
  handle() {
    return { at: new Date(0), n: 1 }
  }
}
class OneJob extends Job {
  override readonly key = 'one'
  override unique = unique()
  handle() {}
}

const classes = [AddJob, ShowJob, FailJob, LowJob, EndJob, GrowJob, SelfJob, OneJob, DateJob]

async function working(connect: Connect): Promise<Bench> {
  did = []
  const bench = await Bench.make(connect)
  SelfJob.jobs = bench.jobs
  await bench.work(classes)
  return bench
}

const soon = { timeout: '20s' } as const
const patient = { timeout: 20_000 }

/** Tests chains, batches and workflows as users see them. */
export function flows(connect: Connect): void {
  test('a chain runs its steps one after the other, and has the result of the last step', async () => {
    await using bench = await working(connect)
    const flow = chain([new AddJob().with({ a: 1, b: 2 })])
      .next(([first]) => new AddJob().with({ a: first.sum, b: 10 }))
      .next(([first, second]) => new AddJob().with({ a: second.of[0]!, b: first.of[1]! }))
    const handle = await bench.jobs.dispatch(flow.name('sums').onCompleted(new EndJob().with()))
    expect(handle.isNew).toBe(true)
    expect(await handle.result(soon)).toEqual({ sum: 5, of: [3, 2] })
    await expect.poll(() => did, patient).toEqual(['1+2', '3+10', '3+2', 'EndJob: completed 3/3'])
    expect(await handle.status()).toMatchObject({ kind: 'chain', name: 'sums', state: 'completed' })
    expect(await handle.progress()).toEqual({ done: 3, failed: 0, total: 3 })
  })

  test('a failed step ends the chain: later steps are skipped, and the handle says why', async () => {
    await using bench = await working(connect)
    const flow = chain([
      new AddJob().with({ a: 1, b: 2 }),
      new FailJob().with(),
      new ShowJob().with({ text: 'no' }),
    ])
    const ends = flow.onFailed(new EndJob().with()).onCompleted(new ShowJob().with({ text: 'no' }))
    const handle = await bench.jobs.dispatch(ends)
    await expect(handle.result(soon)).rejects.toMatchObject({
      code: 'FLOW_FAILED',
      message: `Chain ${handle.id} failed: FailJob failed: out of paper`,
      cause: { message: 'out of paper' },
    })
    await expect.poll(() => did.at(-1), patient).toBe('EndJob: failed 1/3 out of paper,none')
    expect(did).not.toContain('no')
    expect(await handle.progress()).toEqual({ done: 3, failed: 2, total: 3 })
    const { nodes } = (await handle.status())!
    expect(nodes!.map(({ name, state, cause }) => [name, state, cause])).toEqual([
      ['AddJob', 'completed', undefined],
      ['FailJob', 'failed', undefined],
      ['ShowJob', 'skipped', 'FailJob'],
      ['EndJob', expect.stringMatching(/started|completed/), undefined],
      ['ShowJob 2', 'not needed', undefined],
    ])
  })

  test('a workflow has nodes with several parents, results of any node, other queues, and policies', async () => {
    await using bench = await working(connect)
    const flow = workflow('order', (w) => {
      const one = w.add(new AddJob().with({ a: 1, b: 1 }))
      const low = w.add(new LowJob().with({ n: 21 }))
      const both = w.add(new AddJob().with({ a: one.result.sum, b: low.result }), { name: 'both' })
      const fail = w.add(new FailJob().with(), { after: both })
      w.add(new ShowJob().with({ text: 'no' }), { after: fail })
      w.add(new ShowJob().with({ text: 'anyway', of: [both.result.sum, fail.result.never as never] }), {
        after: [both, fail],
        ifFailed: 'run',
        name: 'last',
      })
    })
    const handle = await bench.jobs.dispatch(flow)
    await expect(handle.result(soon)).rejects.toMatchObject({ code: 'FLOW_FAILED' })
    const { nodes } = (await handle.status())!
    expect(Object.fromEntries(nodes!.map(({ name, state, result }) => [name, result ?? state]))).toEqual({
      AddJob: { sum: 2, of: [1, 1] },
      LowJob: 42,
      both: { sum: 44, of: [2, 42] },
      FailJob: 'failed',
      ShowJob: 'skipped',
      last: 'anyway!',
    })
    const last = nodes!.find(({ name }) => name === 'last')!
    expect((await bench.jobs.find(last.jobId!))?.payload).toEqual({ text: 'anyway', of: [44, null] })
  })

  test('the result of a workflow of flows has the results of its nodes', async () => {
    await using bench = await working(connect)
    const flow = workflow('all', (w) => {
      const inner = w.add(
        chain([new LowJob().with({ n: 1 })])
          .next(([n]) => new LowJob().with({ n }))
          .name('inner'),
      )
      const many = w.add(batch([1, 2, 3].map((n) => new LowJob().with({ n }))), { after: inner })
      w.add(new AddJob().with({ a: inner.result, b: many.result.completed }))
    })
    const handle = await bench.jobs.dispatch(flow)
    expect(await handle.result(soon)).toEqual({
      inner: 4,
      batch: { completed: 3, failed: 0, total: 3 },
      AddJob: { sum: 7, of: [4, 3] },
    })
  })

  test('flows in a workflow use the results of nodes around them', async () => {
    await using bench = await working(connect)
    const flow = workflow('all', (w) => {
      const sum = w.add(new AddJob().with({ a: 1, b: 2 })).result.sum
      const inner = w.add(
        chain([new LowJob().with({ n: sum })])
          .next(([n]) => batch([1, 2].map(() => new AddJob().with({ a: n, b: sum }))))
          .next(([, { completed }]) => chain([new AddJob().with({ a: completed, b: sum })])),
      )
      w.add(
        batch([new AddJob().with({ a: sum, b: inner.result.sum }), new AddJob().with({ a: sum, b: 100 })]),
      )
    })
    const handle = await bench.jobs.dispatch(flow)
    expect(await handle.result(soon)).toEqual({
      AddJob: { sum: 3, of: [1, 2] },
      chain: { sum: 5, of: [2, 3] },
      batch: { completed: 2, failed: 0, total: 2 },
    })
    expect(did.slice(1).sort()).toEqual(['2+3', '3+100', '3+5', '6+3', '6+3'])
  })

  test('a batch has counts, allowed failures, and callbacks', async () => {
    await using bench = await working(connect)
    const members = [
      new FailJob().with(),
      ...[1, 2, 3].map((n) => new LowJob().with({ n })),
      new FailJob().with(),
    ]
    const flow = batch(members)
      .name('import')
      .onCompleted(new EndJob().with())
      .onFailed(new ShowJob().with({ text: 'no' }))
    const handle = await bench.jobs.dispatch(flow.allowFailures(2))
    expect(await handle.result(soon)).toEqual({ completed: 3, failed: 2, total: 5 })
    await expect.poll(() => did.at(-1), patient).toBe('EndJob: completed 3/5 out of paper,out of paper')
    const few = await bench.jobs.dispatch(flow.allowFailures(1))
    await expect(few.result(soon)).rejects.toMatchObject({
      code: 'FLOW_FAILED',
      cause: { message: 'out of paper' },
    })
    await expect.poll(() => did.at(-1), patient).toBe('no')
  })

  test('an empty batch, chain and workflow complete and run their callbacks', async () => {
    await using bench = await working(connect)
    for (const [flow, result] of [
      [batch([]), { completed: 0, failed: 0, total: 0 }],
      [chain([]), undefined],
      [workflow('none', () => {}), {}],
    ] as const) {
      const handle = await bench.jobs.dispatch(flow.onEnded(new EndJob().with()))
      expect(await handle.result(soon)).toEqual(result)
    }
    await expect.poll(() => did, patient).toEqual(Array(3).fill('EndJob: completed 0/0'))
  })

  test('a batch of more than a lot is filled from an async iterable, over several partitions', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { default: { partitions: 2 }, low: { partitions: 3 } } })
    async function* members() {
      for (let n = 0; n < 5_200; n++) yield new LowJob().with({ n })
    }
    const handle = await jobs.dispatch(batch(members()))
    expect((await handle.status())!).toMatchObject({
      state: 'open',
      counts: { total: 5_200, running: 5_200 },
    })
    const { queues } = await jobs.status()
    const low = queues.find(({ queue }) => queue === 'low')!
    const waiting = low.partitions.map(({ counts }) => counts.waiting)
    expect(waiting.reduce((sum, each) => sum! + each!)).toBe(5_200)
    expect(Math.min(...waiting)).toBeGreaterThan(900)
    await bench.work([LowJob], { concurrency: 100 }, jobs)
    expect(await handle.result(soon)).toEqual({ completed: 5_200, failed: 0, total: 5_200 })
  })

  test('members begin while the batch still fills', async () => {
    await using bench = await working(connect)
    let finish = () => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    async function* members() {
      yield new ShowJob().with({ text: 'first' })
      await finished
      yield new ShowJob().with({ text: 'second' })
    }
    const dispatched = bench.jobs.dispatch(batch(members()).withId('slow'))
    await expect.poll(() => did, patient).toEqual(['first'])
    const handle = bench.jobs.flow('slow')
    expect((await handle.status())?.state).toBe('filling')
    finish()
    expect((await dispatched).id).toBe('slow')
    expect(await handle.result(soon)).toEqual({ completed: 2, failed: 0, total: 2 })
  })

  test.each(['cancelled', 'failed'])(
    'a batch that is %s while it fills takes no more members',
    async (how) => {
      await using bench = await working(connect)
      let ending = () => {}
      const ends = new Promise<void>((resolve) => {
        ending = resolve
      })
      async function* members() {
        yield how === 'failed' ? new FailJob().with() : new ShowJob().with({ text: 'first' })
        await ends
        for (let n = 0; n < 20_000; n++) yield new LowJob().with({ n })
      }
      const dispatched = bench.jobs.dispatch(batch(members()).withId(how).onEnded(new EndJob().with()))
      await expect.poll(() => did, patient).toHaveLength(1)
      if (how === 'cancelled') expect(await bench.jobs.flow(how).cancel('enough')).toBe(true)
      else await expect.poll(async () => (await bench.jobs.flow(how).status())?.state, patient).toBe('ending')
      ending()
      const handle = await dispatched
      const code = how === 'cancelled' ? 'FLOW_CANCELLED' : 'FLOW_FAILED'
      await expect(handle.result(soon)).rejects.toMatchObject({ code })
      expect((await handle.progress())!.total).toBe(1)
      await expect.poll(() => did.at(-1), patient).toContain(`EndJob: ${how}`)
    },
  )

  test('a member adds members while its batch still fills', async () => {
    await using bench = await working(connect)
    let finish = () => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    async function* members() {
      yield new GrowJob().with({ left: 2 })
      await finished
      yield new GrowJob().with({ left: 0 })
    }
    const dispatched = bench.jobs.dispatch(batch(members()))
    await expect.poll(() => did, patient).toEqual(['grow 2', 'grow 1', 'grow 0'])
    finish()
    expect(await (await dispatched).result(soon)).toEqual({ completed: 4, failed: 0, total: 4 })
  })

  test('a batch whose members throw while they are iterated ends failed, and the error reaches the caller', async () => {
    await using bench = await working(connect)
    function* members() {
      for (let n = 0; n < 5_001; n++) yield new LowJob().with({ n })
      throw new Error('the file ends here')
    }
    const flow = batch(members()).withId('broken').onFailed(new EndJob().with())
    await expect(bench.jobs.dispatch(flow)).rejects.toThrow('the file ends here')
    const handle = bench.jobs.flow('broken')
    await expect(handle.result(soon)).rejects.toMatchObject({
      code: 'FLOW_FAILED',
      message: 'Batch broken failed: it was not filled: the file ends here',
      cause: { code: 'FILL_ABANDONED', message: 'the file ends here' },
    })
  })

  test('if the answer of the store is lost, the flow is still started once, and each member is queued once', async () => {
    await using bench = await working(connect)
    const client = bench.client()
    const { store } = await insideOf(client).open()
    const lost = new JobsError('STORE_UNCERTAIN', 'no answer')
    const isLost = { write: 2, enqueue: 1 }
    const { flows } = store
    const [write, enqueue] = [flows.write.bind(flows), store.enqueue.bind(store)]
    flows.write = async (...call) => {
      const written = await write(...call)
      if (isLost.write-- > 0) throw lost
      return written
    }
    store.enqueue = async (...call) => {
      const queued = await enqueue(...call)
      if (isLost.enqueue-- > 0) throw lost
      return queued
    }
    const members = [1, 2, 3].map((n) => new AddJob().with({ a: n, b: 0 }))
    const handle = await client.dispatch(batch(members))
    expect(handle.isNew).toBe(true)
    expect(await handle.result(soon)).toEqual({ completed: 3, failed: 0, total: 3 })
    expect(did.sort()).toEqual(['1+0', '2+0', '3+0'])
    isLost.write = 1
    const named = batch(members.slice(1)).withId('mine')
    const own = await client.dispatch(named)
    expect(own.isNew).toBe(true)
    expect(await own.result(soon)).toEqual({ completed: 2, failed: 0, total: 2 })
    expect((await client.dispatch(named)).isNew).toBe(false)
  })

  test('a batch that is being filled survives a store that refuses writes for a moment', async () => {
    await using bench = await working(connect)
    const client = bench.client()
    const { store } = await insideOf(client).open()
    const refused = new JobsError('STORE_REFUSED', 'read-only')
    const left = { write: 1, enqueue: 2 }
    const { flows } = store
    const [write, enqueue] = [flows.write.bind(flows), store.enqueue.bind(store)]
    flows.write = (...call) => (left.write-- > 0 ? Promise.reject(refused) : write(...call))
    store.enqueue = (...call) => (left.enqueue-- > 0 ? Promise.reject(refused) : enqueue(...call))
    const flow = batch([1, 2, 3].map((n) => new AddJob().with({ a: n, b: 0 })))
    // The store has not started the flow, so the caller decides.
    await expect(client.dispatch(flow)).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    const handle = await client.dispatch(flow)
    expect(left.enqueue).toBeLessThan(0)
    expect(await handle.result(soon)).toEqual({ completed: 3, failed: 0, total: 3 })
    expect(did.sort()).toEqual(['1+0', '2+0', '3+0'])
  })

  test('if the store refuses to fill a batch that has begun, the dispatch is uncertain and the batch ends failed', async () => {
    await using bench = await working(connect)
    const client = bench.client()
    const { store } = await insideOf(client).open()
    const now = performance.now.bind(performance)
    let later = 0
    using _ = vi.spyOn(performance, 'now').mockImplementation(() => now() + later)
    store.enqueue = () => {
      later = 10_000
      return Promise.reject(new JobsError('STORE_REFUSED', 'out of memory'))
    }
    const flow = batch([1, 2].map((n) => new AddJob().with({ a: n, b: 0 }))).withId('half')
    await expect(client.dispatch(flow)).rejects.toMatchObject({
      code: 'DISPATCH_UNCERTAIN',
      id: 'half',
      message: 'Batch half was started, and perhaps not filled: out of memory',
      cause: { code: 'STORE_REFUSED' },
    })
    expect(await bench.jobs.flow('half').status()).toMatchObject({ state: 'ending', reason: 'abandoned' })
  })

  test('errors in the first 5,000 members are found before any job is queued', async () => {
    await using bench = await Bench.make(connect)
    const members = [new LowJob().with({ n: 1 }), new LowJob().with({ n: (() => 1) as never })]
    await expect(bench.jobs.dispatch(batch(members))).rejects.toMatchObject({ code: 'PAYLOAD_NOT_JSON' })
    expect((await bench.jobs.flows()).flows).toEqual([])
    await expect(
      bench.jobs.dispatch(chain([new LowJob().with({ n: 1 }).onQueue('nowhere')])),
    ).rejects.toMatchObject({
      code: 'UNKNOWN_QUEUE',
    })
  })

  test('a flow with an id of its own is started once', async () => {
    await using bench = await working(connect)
    const flow = chain([new AddJob().with({ a: 1, b: 1 })]).withId('order-77')
    const handles = await Promise.all([1, 2, 3].map(() => bench.jobs.dispatch(flow)))
    expect(handles.map(({ isNew }) => isNew).sort()).toEqual([false, false, true])
    expect(handles.map(({ id }) => id)).toEqual(Array(3).fill('order-77'))
    for (const handle of handles) expect(await handle.result(soon)).toEqual({ sum: 2, of: [1, 1] })
    expect(did).toEqual(['1+1'])
    expect((await bench.jobs.flows({ kind: 'chain' })).flows.map(({ id }) => id)).toEqual(['order-77'])
  })

  test('a running step appends to its own chain, and a member to its batch', async () => {
    await using bench = await working(connect)
    const grown = await bench.jobs.dispatch(
      chain([new GrowJob().with({ left: 2 })]).onEnded(new EndJob().with()),
    )
    expect(await grown.result(soon)).toBe(0)
    await expect.poll(() => did.at(-1), patient).toBe('EndJob: completed 3/3')
    const many = await bench.jobs.dispatch(batch([1, 3].map((left) => new GrowJob().with({ left }))))
    expect(await many.result(soon)).toEqual({ completed: 6, failed: 0, total: 6 })
  })

  test('a node is added to a workflow that runs', async () => {
    await using bench = await working(connect)
    const handle = await bench.jobs.dispatch(
      workflow('w', (w) => w.add(new LowJob().with({ n: 1 }).delayed('1h'))),
    )
    await handle.add(new AddJob().with({ a: 1, b: 2 }), { name: 'sum' })
    await handle.add(new ShowJob().with({ text: 'after' }), { after: ['sum', 'LowJob'] })
    await expect(handle.add(new LowJob().with({ n: 1 }), { after: 'nothing' })).rejects.toMatchObject({
      code: 'FLOW_INVALID',
      message: "add(): there is no node 'nothing' to come after",
    })
    await expect(handle.add(new LowJob().with({ n: 1 }), { name: 'sum' })).rejects.toThrow("the name 'sum'")
    const { jobId } = (await handle.status())!.nodes![0]!
    await bench.jobs.runNow(jobId!)
    expect(await handle.result(soon)).toEqual({ LowJob: 2, sum: { sum: 3, of: [1, 2] }, ShowJob: 'after!' })
    await expect(handle.add(new LowJob().with({ n: 1 }))).rejects.toMatchObject({ code: 'FLOW_ENDED' })
    await expect(bench.jobs.flow('nothing').add(new LowJob().with({ n: 1 }))).rejects.toMatchObject({
      code: 'FLOW_NOT_FOUND',
    })
  })

  test('a cancel ends waiting jobs, runs callbacks, and sets the result', async () => {
    await using bench = await working(connect)
    const flow = chain([new LowJob().with({ n: 1 }).delayed('1h'), new LowJob().with({ n: 2 })])
    const handle = await bench.jobs.dispatch(flow.onEnded(new EndJob().with()))
    expect(await handle.cancel('the order was returned')).toBe(true)
    await expect(handle.result(soon)).rejects.toMatchObject({
      code: 'FLOW_CANCELLED',
      because: 'the order was returned',
      message: `Chain ${handle.id} was cancelled: the order was returned`,
    })
    expect(await handle.cancel()).toBe(false)
    await expect.poll(() => did.at(-1), patient).toMatch(/^EndJob: cancelled 0\/2/)
  })

  test('a retry starts failed and skipped nodes again, and the result comes after them', async () => {
    // Only one worker runs: a second worker without the key would put the job back for a second or more.
    await using bench = await Bench.make(connect)
    let isBroken = true
    class BrokenJob extends Job {
      override readonly key = 'broken'
      override tries = 1
      handle(): number {
        if (isBroken) throw new Error('not yet')
        return 7
      }
    }
    await bench.work([BrokenJob, ...classes])
    const flow = chain([new LowJob().with({ n: 1 }), new BrokenJob().with()]).next(([one, other]) =>
      new AddJob().with({ a: one, b: other }),
    )
    const handle = await bench.jobs.dispatch(flow)
    await expect(handle.result(soon)).rejects.toMatchObject({ code: 'FLOW_FAILED' })
    isBroken = false
    expect(await handle.retry()).toBe(true)
    expect(await handle.result(soon)).toEqual({ sum: 9, of: [2, 7] })
    expect(await handle.retry()).toBe(false)
  })

  test('after a retry, a callback that is a flow starts again with all of its jobs', async () => {
    did = []
    await using bench = await Bench.make(connect)
    let isBroken = true
    class BrokenJob extends Job {
      override readonly key = 'broken'
      override tries = 1
      handle(): void {
        if (isBroken) throw new Error('not yet')
      }
    }
    await bench.work([BrokenJob, ...classes])
    const told = chain([new ShowJob().with({ text: 'one' }), batch([new ShowJob().with({ text: 'two' })])])
    const flow = chain([new BrokenJob().with()]).onEnded(told).keep({ completed: '1ms' })
    const handle = await bench.jobs.dispatch(flow)
    await expect(handle.result(soon)).rejects.toMatchObject({ code: 'FLOW_FAILED' })
    await expect.poll(() => did, patient).toEqual(['one', 'two'])
    isBroken = false
    expect(await handle.retry()).toBe(true)
    await expect.poll(() => did, patient).toEqual(['one', 'two', 'one', 'two'])
    // The store forgets the callbacks of both runs with their flow.
    const nested = async () => (await bench.jobs.flows({ nested: true })).flows.length
    await expect.poll(nested, patient).toBe(0)
  })

  test('a retry keeps the payload, the tags and the priority that people have given to a step', async () => {
    did = []
    await using bench = await Bench.make(connect)
    class PickyJob extends Job {
      override readonly key = 'picky'
      override tries = 1
      handle({ text }: { text: string }): void {
        did.push(text)
        if (text !== 'right') throw new Error('wrong')
      }
    }
    const urgent = await bench.jobs.dispatch(chain([new PickyJob().with({ text: 'urgent' })]))
    await operate(bench.jobs).prioritize([(await urgent.status())!.nodes![0]!.jobId!], 5)
    await bench.work([PickyJob, ...classes])
    await expect(urgent.result(soon)).rejects.toMatchObject({ code: 'FLOW_FAILED' })
    expect(await urgent.retry()).toBe(true)
    await expect.poll(() => did, patient).toEqual(['urgent', 'urgent'])
    did = []
    const again = await bench.jobs.find((await urgent.status())!.nodes![0]!.jobId!)
    expect(again).toMatchObject({ priority: 5 })
    const flow = chain([new ShowJob().with({ text: 'first' })]).next(([first]) =>
      new PickyJob().with({ text: first }),
    )
    const nested = await bench.jobs.dispatch(chain([flow]))
    await expect(nested.result(soon)).rejects.toMatchObject({ code: 'FLOW_FAILED' })
    const idOf = async () => {
      const inner = (await nested.status())!.nodes![0]!.flow!.id
      return (await bench.jobs.flow(inner).status())!.nodes![1]!.jobId!
    }
    await bench.jobs.edit([await idOf()], { text: 'still wrong' })
    await bench.jobs.tag([await idOf()], ['vip'])
    expect(await nested.retry()).toBe(true)
    await expect.poll(() => did, patient).toEqual(['first', 'first!', 'still wrong'])
    await expect.poll(async () => (await nested.status())?.state, patient).toBe('failed')
    expect(await nested.retry()).toBe(true)
    await expect.poll(() => did.slice(3), patient).toEqual(['still wrong'])
    await expect.poll(async () => (await nested.status())?.state, patient).toBe('failed')
    await bench.jobs.edit([await idOf()], { text: 'right' })
    expect(await nested.retry()).toBe(true)
    await nested.result(soon)
    const job = await bench.jobs.find(await idOf())
    expect(job).toMatchObject({ payload: { text: 'right' }, options: { tags: ['vip'] } })
    expect(job!.options!.editedAt).toBeGreaterThan(0)
  })

  test('a flow that failed at its deadline starts again only with a new time limit', async () => {
    did = []
    await using bench = await Bench.make(connect)
    class HeldJob extends Job {
      override readonly key = 'held'
      override tries = 1
      override queueName = 'emails'
      handle() {}
    }
    await bench.work([HeldJob, ...classes])
    await bench.jobs.pause({ queue: 'emails' })
    const flow = chain([new HeldJob().with(), new ShowJob().with({ text: 'now' })])
    const handle = await bench.jobs.dispatch(flow.within('100ms').onEnded(new EndJob().with()))
    await expect(handle.result(soon)).rejects.toMatchObject({
      message: `Chain ${handle.id} failed: it had not ended within 100 ms`,
      hint: expect.stringContaining("handle.retry({ within: '2h' })"),
    })
    await expect.poll(() => did, patient).toHaveLength(1)
    await expect(handle.retry()).rejects.toMatchObject({
      code: 'FLOW_LATE',
      message: `The chain ${handle.id} had not ended within 100 ms`,
      hint: expect.stringContaining("within: '2h'"),
    })
    await expect(handle.retry({ within: 'soon' })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    expect(did).toHaveLength(1)
    expect(await handle.retry({ within: '1h' })).toBe(true)
    await bench.jobs.resume({ queue: 'emails' })
    expect(await handle.result(soon)).toBe('now!')
    await expect.poll(() => did.slice(1), patient).toEqual(['now', 'EndJob: completed 2/2'])
    expect(await handle.status()).toMatchObject({ within: 3_600_000 })
  })

  test('members that never began count as cancelled, and start again with the other members', async () => {
    await using bench = await Bench.make(connect)
    let isBroken = true
    class BrokenJob extends Job {
      override readonly key = 'broken'
      override tries = 1
      handle(): void {
        if (isBroken) throw new Error('not yet')
      }
    }
    const later = Array.from({ length: 200 }, (_, n) => new LowJob().with({ n }).delayed('1h'))
    const handle = await bench.jobs.dispatch(batch([...later, new BrokenJob().with()]))
    await bench.work([BrokenJob, ...classes])
    await expect(handle.result(soon)).rejects.toMatchObject({
      message: `Batch ${handle.id} failed: 201 of 201 members did not complete; the first: not yet`,
    })
    expect((await handle.status())!.counts).toMatchObject({ failed: 1, cancelled: 200, completed: 0 })
    expect(await handle.progress()).toEqual({ done: 201, failed: 201, total: 201 })
    isBroken = false
    expect(await handle.retry()).toBe(true)
    await expect
      .poll(async () => (await handle.status())!.counts, patient)
      .toMatchObject({ completed: 201, failed: 0, cancelled: 0 })
  })

  test('of several simultaneous calls of retry, one starts the members again', async () => {
    await using bench = await Bench.make(connect)
    let isBroken = true
    class BrokenJob extends Job {
      override readonly key = 'broken'
      override tries = 1
      handle(_: { n: number }): void {
        if (isBroken) throw new Error('not yet')
      }
    }
    await bench.work([BrokenJob, ...classes])
    const drafts = Array.from({ length: 50 }, (_, n) => new BrokenJob().with({ n }))
    const handle = await bench.jobs.dispatch(batch(drafts).allowFailures())
    expect(await handle.result(soon)).toMatchObject({ failed: 50 })
    isBroken = false
    const clients = Array.from({ length: 8 }, () => bench.client())
    const answers = await Promise.all(clients.map((client) => client.flow(handle.id).retry()))
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect(await handle.result(soon)).toMatchObject({ completed: 50 })
  })

  test('a batch without records of failed members has nothing to start again', async () => {
    did = []
    await using bench = await Bench.make(connect)
    expect((await bench.jobs.dispatch(new OneJob().with().delayed('1h'))).queued).toBe(true)
    const flow = batch([new OneJob().with(), new LowJob().with({ n: 1 })]).onEnded(new EndJob().with())
    const handle = await bench.jobs.dispatch(flow.allowFailures())
    await bench.work(classes)
    expect(await handle.result(soon)).toEqual({ completed: 1, failed: 1, total: 2 })
    await expect.poll(() => did, patient).toHaveLength(1)
    expect(await handle.retry()).toBe(false)
    expect(await handle.status()).toMatchObject({ state: 'completed' })
  })

  test('a batch without records of cancelled members has nothing to start again', async () => {
    await using bench = await Bench.make(connect)
    class GoneJob extends Job {
      override readonly key = 'gone'
      override keep = keep({ cancelled: false })
      handle(_: { n: number }): void {}
    }
    const later = new GoneJob().with({ n: 1 }).delayed('1h')
    const handle = await bench.jobs.dispatch(batch([later, new LowJob().with({ n: 2 })]).allowFailures())
    await bench.jobs.cancel({ key: 'gone' })
    await bench.work([GoneJob, ...classes])
    expect(await handle.result(soon)).toEqual({ completed: 1, failed: 1, total: 2 })
    // The store still keeps the state of the node for the flow.
    expect(await handle.retry()).toBe(false)
    expect(await handle.status()).toMatchObject({ state: 'completed' })
  })

  test('a flow cannot start again if no job of its failed inner flows can start again', async () => {
    did = []
    await using bench = await Bench.make(connect)
    expect((await bench.jobs.dispatch(new OneJob().with().delayed('1h'))).queued).toBe(true)
    const flow = workflow('outer', (w) => {
      const rejected = w.add(batch([new OneJob().with()]))
      w.add(new LowJob().with({ n: 2 }), { after: rejected })
      w.add(chain([chain([new LowJob().with({ n: 3 }).delayed('1h').tagged('gone')])]))
    })
    const handle = await bench.jobs.dispatch(flow.onEnded(new EndJob().with()))
    expect(await bench.jobs.purge({ tag: 'gone' })).toEqual({ removed: 1, running: 0 })
    await bench.work(classes)
    await expect.poll(() => did.filter((each) => each.startsWith('EndJob')), patient).toHaveLength(1)
    expect(await handle.retry()).toBe(false)
    expect(await handle.status()).toMatchObject({ state: 'failed' })
  })

  test('failed members start again, even of a class whose jobs are not kept', async () => {
    await using bench = await Bench.make(connect)
    let isBroken = true
    class BrokenJob extends Job {
      override readonly key = 'broken'
      override tries = 1
      override keep = keep({ failed: false })
      handle(_: { n: number }): void {
        if (isBroken) throw new Error('not yet')
      }
    }
    await bench.work([BrokenJob, ...classes])
    const drafts = [1, 2, 3].map((n) => new BrokenJob().with({ n }))
    const handle = await bench.jobs.dispatch(batch(drafts).allowFailures())
    expect(await handle.result(soon)).toEqual({ completed: 0, failed: 3, total: 3 })
    isBroken = false
    expect(await handle.retry()).toBe(true)
    expect(await handle.result(soon)).toEqual({ completed: 3, failed: 0, total: 3 })
  })

  test('a caller that awaits a flow reads its definition only after its end', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(chain([new LowJob().with({ n: 1 })]))
    const { store } = await insideOf(bench.jobs).open()
    const [get, state] = [vi.spyOn(store.flows, 'get'), vi.spyOn(store.flows, 'state')]
    const result = handle.result(soon)
    await vi.waitFor(() => expect(state.mock.calls.length).toBeGreaterThan(3))
    expect(get).not.toHaveBeenCalled()
    get.mockRestore()
    await bench.work(classes)
    await result
  })

  test('a batch has a million members at most', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(batch([new LowJob().with({ n: 1 })]))
    const { store } = await insideOf(bench.jobs).open()
    const { home } = (await handle.status())!
    const { id, rev, state } = (await store.flows.get(home, handle.id)).found!
    await store.flows.write(home, { id, rev, state, crowd: { reserved: 999_998, size: 999_998 } })
    const more = (count: number) => Array.from({ length: count }, (_, n) => new LowJob().with({ n }))
    await expect(handle.add(more(3))).rejects.toMatchObject({
      code: 'FLOW_TOO_LARGE',
      message: `The batch ${id} would have 1000001 members, the limit is 1000000`,
    })
    await handle.add(more(2))
    expect((await handle.status())!.counts.total).toBe(1_000_000)
  })

  test('a flow that is too large starts no job, and large members are all checked, then added lot by lot', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const text = 'x'.repeat(300_000)
    const large = (count: number) => Array.from({ length: count }, () => new ShowJob().with({ text }))
    const tooLarge = { code: 'FLOW_TOO_LARGE' }
    for (const flow of [chain(large(20)), workflow('large', (w) => large(20).map((each) => w.add(each)))])
      await expect(jobs.dispatch(flow)).rejects.toMatchObject(tooLarge)
    expect((await jobs.list()).jobs).toEqual([])
    const handle = await jobs.dispatch(batch(large(20)))
    await handle.add(large(20))
    const wrong = new ShowJob().with({ text: { text: (() => {}) as never } as never })
    await expect(handle.add([...large(20), wrong])).rejects.toMatchObject({ code: 'PAYLOAD_NOT_JSON' })
    expect((await handle.status())!.counts).toMatchObject({ total: 40, completed: 0 })
    const small = await jobs.dispatch(workflow('small', (w) => w.add(new ShowJob().with({ text: 'a' }))))
    await expect(small.add(large(20))).rejects.toMatchObject(tooLarge)
    await small.add(large(10))
    await expect(small.add(large(10))).rejects.toMatchObject({
      ...tooLarge,
      message: expect.stringMatching(
        /^With what is added, flow \S+ would have 60\d+ bytes, the limit is 4194304$/,
      ),
    })
  })

  test('a flow that fails because of an inner flow has the error of the job there', async () => {
    await using bench = await working(connect)
    const inner = workflow('inner', (w) => {
      const many = w.add(batch([new LowJob().with({ n: 1 }), new FailJob().with()]), { name: 'many' })
      w.add(new ShowJob().with({ text: 'no' }), { after: many })
    })
    const handle = await bench.jobs.dispatch(chain([inner]).name('outer'))
    await expect(handle.result(soon)).rejects.toMatchObject({
      code: 'FLOW_FAILED',
      message: expect.stringMatching(
        /^Chain outer \S+ failed: inner: many: [12] of 2 members did not complete; the first: out of paper$/,
      ),
      cause: { message: 'out of paper' },
    })
    const late = chain([new LowJob().with({ n: 1 }).delayed('1h')])
      .name('late')
      .within('200ms')
    const other = await bench.jobs.dispatch(chain([late]))
    await expect(other.result(soon)).rejects.toMatchObject({
      message: `Chain ${other.id} failed: late: it had not ended within 200 ms`,
    })
  })

  test('a result that was not kept fails the nodes that use it, and the chain says so', async () => {
    await using bench = await working(connect)
    const one = await bench.jobs.dispatch(chain([new DateJob().with()]))
    await expect(one.result(soon)).rejects.toMatchObject({
      code: 'RESULT_DROPPED',
      message: `Chain ${one.id} completed, but its result was not kept: DateJob: result.at is a Date`,
    })
    const flow = workflow('dates', (w) => {
      const date = w.add(new DateJob().with())
      const inner = w.add(chain([new DateJob().with()]), { name: 'inner' })
      w.add(new LowJob().with({ n: date.result.n }), { name: 'job' })
      w.add(chain([new LowJob().with({ n: inner.result.n })]), { name: 'flow' })
      w.add(new LowJob().with({ n: 2 }), { name: 'other', after: [date, inner] })
    })
    const handle = await bench.jobs.dispatch(flow)
    const why = 'A result that the payload refers to was not kept: DateJob: result.at is a Date'
    await expect(handle.result(soon)).rejects.toMatchObject({ cause: { message: why } })
    const { nodes } = (await handle.status())!
    expect(nodes!.map(({ name, state, error }) => [name, state, error])).toEqual([
      ['DateJob', 'completed', undefined],
      ['inner', 'completed', undefined],
      ['job', 'failed', why],
      ['flow', 'failed', why],
      ['other', 'completed', undefined],
    ])
  })

  test('a rejected or removed member gives the reason of its failed batch, even if earlier members were skipped', async () => {
    await using bench = await Bench.make(connect)
    expect((await bench.jobs.dispatch(new OneJob().with().delayed('1h'))).queued).toBe(true)
    const waits = new LowJob().with({ n: 1 }).delayed('1h')
    const handle = await bench.jobs.dispatch(batch([waits, waits, new OneJob().with()]))
    const step = await bench.jobs.dispatch(chain([new OneJob().with()]))
    await bench.work(classes)
    await expect(handle.result(soon)).rejects.toMatchObject({
      message: `Batch ${handle.id} failed: 3 of 3 members did not complete; the first: it was not queued: unique`,
      cause: { message: 'it was not queued: unique' },
    })
    await expect(step.result(soon)).rejects.toMatchObject({
      message: `Chain ${step.id} failed: OneJob cancelled: it was not queued: unique`,
    })
    const removed = await bench.jobs.dispatch(batch([waits, waits]))
    await bench.jobs.remove(`${removed.id}.low:00000001`)
    await expect(removed.result(soon)).rejects.toMatchObject({
      message: `Batch ${removed.id} failed: 2 of 2 members did not complete; the first: cancelled (removed)`,
    })
  })

  test('members that can be iterated once are refused the second time, instead of making an empty batch', async () => {
    await using bench = await Bench.make(connect)
    function* members() {
      yield new LowJob().with({ n: 1 })
    }
    const flow = batch(members())
    await bench.jobs.dispatch(flow)
    const again = { code: 'FLOW_INVALID', message: 'batch() was given members that were iterated before' }
    await expect(bench.jobs.dispatch(flow)).rejects.toMatchObject(again)
    await expect(bench.jobs.dispatch(chain([flow]))).rejects.toMatchObject(again)
    const list = batch([new LowJob().with({ n: 1 })])
    await bench.jobs.dispatch(list)
    expect((await bench.jobs.dispatch(list)).isNew).toBe(true)
  })

  test('values that are not flows are refused with a helpful message', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const draft = new LowJob().with({ n: 1 })
    const refused = (flow: () => unknown) =>
      expect(Promise.resolve().then(() => jobs.dispatch(flow() as never)))
    const invalid = (message: string) => ({ code: 'FLOW_INVALID', message })
    const loose = { chain, workflow, batch } as Record<string, (...args: unknown[]) => unknown>
    await refused(() => loose.chain!(draft, draft)).rejects.toMatchObject(
      invalid('chain() was given a draft of LowJob; it must be a list of drafts and flows'),
    )
    await refused(() => loose.chain!([LowJob])).rejects.toMatchObject(
      invalid('chain() was given the class LowJob; it must be a draft, or a flow'),
    )
    await refused(() => loose.chain!([new LowJob()])).rejects.toMatchObject(
      invalid('chain() was given a LowJob without a payload; it must be a draft, or a flow'),
    )
    await refused(() => loose.batch!(draft)).rejects.toMatchObject(
      invalid('batch() was given a draft of LowJob; it must be a list of drafts'),
    )
    await refused(() => loose.workflow!('order')).rejects.toMatchObject(
      invalid('workflow() was given undefined as its second argument; it must be a function that adds nodes'),
    )
    await refused(() => batch([]).allowFailures(-1)).rejects.toMatchObject(
      invalid('batch: allowFailures is -1; it must be a whole number from 0'),
    )
    await refused(() => chain([chain([draft]).withId('inner')])).rejects.toMatchObject(
      invalid('chain: a flow in another has the id inner'),
    )
  })

  test('a flow that does not end in time fails', async () => {
    await using bench = await working(connect)
    const flow = chain([new LowJob().with({ n: 1 }).delayed('1h')]).within('200ms')
    const handle = await bench.jobs.dispatch(flow)
    await expect(handle.result(soon)).rejects.toMatchObject({
      code: 'FLOW_FAILED',
      message: `Chain ${handle.id} failed: it had not ended within 200 ms`,
    })
  })

  test('jobs with a key that no worker knows are cancelled after the time set by the flow', async () => {
    await using bench = await working(connect)
    class StrangeJob extends Job {
      override readonly key = 'strange'
      handle() {}
    }
    const strange = new StrangeJob().with()
    const one = chain([strange, new AddJob().with({ a: 1, b: 1 })]).unknownAfter('1s')
    const many = batch([new AddJob().with({ a: 1, b: 1 }), strange, strange])
      .allowFailures()
      .unknownAfter('1s')
    const [first, second] = await Promise.all([bench.jobs.dispatch(one), bench.jobs.dispatch(many)])
    await expect(first.result(soon)).rejects.toMatchObject({ code: 'FLOW_FAILED' })
    expect(await first.status()).toMatchObject({
      state: 'failed',
      reason: 'lost',
      counts: { cancelled: 1, skipped: 1 },
    })
    expect(await second.result({ timeout: '30s' })).toEqual({ completed: 1, failed: 2, total: 3 })
    expect((await second.status({ failures: 2 }))?.failures).toMatchObject([
      { reason: 'lost' },
      { reason: 'lost' },
    ])
  }, 40_000)

  test('a member that waits for its own flow is refused', async () => {
    await using bench = await working(connect)
    const inner = await bench.jobs.dispatch(chain([new SelfJob().with()]))
    await expect(inner.result(soon)).rejects.toMatchObject({
      code: 'FLOW_FAILED',
      cause: { message: `A job of flow ${inner.id} waits for the result of this flow` },
    })
  })

  test('a member that its lock rejects ends, and its flow counts it', async () => {
    await using bench = await Bench.make(connect)
    expect((await bench.jobs.dispatch(new OneJob().with().delayed('1h'))).queued).toBe(true)
    const handle = await bench.jobs.dispatch(
      batch([new OneJob().with(), new LowJob().with({ n: 1 })]).allowFailures(),
    )
    await bench.work(classes)
    expect(await handle.result(soon)).toEqual({ completed: 1, failed: 1, total: 2 })
    expect((await handle.status({ failures: 5 }))!.failures).toMatchObject([{ reason: 'rejected' }])
  })

  test('a call for the result rejects after its timeout, and for a flow that does not exist', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(chain([new LowJob().with({ n: 1 })]))
    await expect(handle.result({ timeout: 50 })).rejects.toMatchObject({
      code: 'RESULT_TIMEOUT',
      message: `Flow ${handle.id} has not ended within 50 ms`,
    })
    const stop = new AbortController()
    const awaited = handle.result({ signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(awaited).rejects.toThrow('enough')
    await expect(bench.jobs.flow('gone').result()).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' })
    expect(await bench.jobs.flow('gone').status()).toBeUndefined()
    await expect(bench.jobs.flow('gone').cancel()).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' })
  })

  test('this.flow is undefined outside of flows', async () => {
    await using bench = await Bench.make(connect)
    const report = new Report()
    class AloneJob extends Job {
      override readonly key = 'alone'
      handle() {
        this.info(String(this.flow))
      }
    }
    await bench.jobs.dispatch(new AloneJob().with())
    await bench.work([AloneJob], { report })
    await report.ends(1)
    expect(report.lines).toEqual(['info: undefined'])
    expect(new AloneJob().flow).toBeUndefined()
  })
}
