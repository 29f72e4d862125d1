import { expect, test, vi } from 'vitest'
import type { FlowDraft } from '../../src/api/flows/flow-draft.ts'
import type { FlowHandle } from '../../src/api/flows/flow-handle.ts'
import { batch, chain, Job, type Jobs, workflow } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { memberId } from '../../src/model/effect.ts'
import { indexOf } from '../../src/model/flow.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect } from './bench.ts'

class StepJob extends Job {
  override readonly key = 'step'
  override tries = 1
  handle({ step, fails }: { step: number; fails?: boolean }) {
    if (fails && !mended) throw new Error(`step ${step} is broken`)
    return { step }
  }
}

class SlowJob extends Job {
  override readonly key = 'slow'
  override queueName = 'low'
  handle() {
    return new Promise<void>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason))
    })
  }
}

/** If true, failing steps complete from now on. */
let mended = false

const step = (number: number, fails = false) => new StepJob().with({ step: number, ...(fails && { fails }) })

async function dispatch(jobs: Jobs, draft: FlowDraft): Promise<string> {
  return ((await insideOf(jobs).dispatchFlow(draft)) as FlowHandle).id
}

/** Waits until a check passes. */
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000 })

/** Tests flows as people see and change them. */
export function operatingFlows(connect: Connect): void {
  const stateOf = async (jobs: Jobs, id: string) => (await operate(jobs).flows.get(id))?.state
  const ended = (jobs: Jobs, id: string, state: string) =>
    eventually(async () => expect(await stateOf(jobs, id)).toBe(state))

  test('a waiting flow shows its nodes, and what each node waits for', async () => {
    await using bench = await Bench.make(connect)
    const { flows } = operate(bench.jobs)
    const id = await dispatch(
      bench.jobs,
      workflow('order', (w) => {
        const charge = w.add(step(1), { name: 'charge' })
        const pack = w.add(new SlowJob().with(), { name: 'pack', after: charge, ifFailed: 'run' })
        w.add(chain([step(2), step(3)]), { name: 'send', after: [charge, pack] })
      })
        .onEnded(step(4))
        .tagged('vip')
        .within('2h'),
    )
    const info = (await flows.get(id))!
    const { home, at } = info
    expect(info).toEqual({
      ...{ id, home, kind: 'workflow', name: 'order', tags: ['vip'], queue: 'default', state: 'open' },
      ...{ at, deadline: at + 7_200_000, within: 7_200_000 },
      counts: { total: 3, completed: 0, failed: 0, cancelled: 0, skipped: 0, running: 1, blocked: 2 },
      runs: ['charge'],
      nodes: [
        {
          ...{ name: 'charge', state: 'started', key: 'step', queue: 'default' },
          ...{ jobId: memberId({ flow: id, home, index: indexOf(0, 0) }), since: at },
          ...{ after: [], waitsFor: [], ifFailed: 'skip' },
        },
        {
          ...{ name: 'pack', state: 'blocked', key: 'slow', queue: 'low' },
          ...{ after: ['charge'], waitsFor: ['charge'], ifFailed: 'run' },
        },
        {
          ...{ name: 'send', state: 'blocked', kind: 'chain', queue: 'default' },
          ...{ after: ['charge', 'pack'], waitsFor: ['charge', 'pack'], ifFailed: 'skip' },
        },
        {
          ...{ name: 'StepJob', state: 'blocked', key: 'step', queue: 'default' },
          ...{ after: [], waitsFor: [], ifFailed: 'skip', on: 'ended' },
        },
      ],
    })
    const { nodes: _, ...rest } = info
    expect(await flows.get(info, { nodes: false })).toEqual(rest)
    expect(await flows.find(id)).toEqual({ id, home })
    expect(await flows.ofJob(info.nodes![0]!.jobId!)).toEqual({
      ...{ id, home, kind: 'workflow', name: 'order', state: 'open', node: 'charge' },
    })
    expect(await flows.ofJob('0Vr5kPq3Zx1aB')).toBeUndefined()
  })

  test('a failed flow shows its state before and after a retry', async () => {
    await using bench = await Bench.make(connect)
    mended = false
    const { flows } = operate(bench.jobs)
    const id = await dispatch(bench.jobs, chain([step(1), step(2, true), step(3)]).onCompleted(step(4)))
    await bench.work([StepJob, SlowJob])
    await ended(bench.jobs, id, 'failed')
    const info = (await flows.get(id))!
    expect(info).toMatchObject({ failedNode: 'StepJob 2', runs: [] })
    expect(info.endedAt).toBeGreaterThanOrEqual(info.at)
    expect(info.counts).toMatchObject({ total: 3, completed: 1, failed: 1, skipped: 1 })
    const [first, second, third, callback] = info.nodes!
    expect(first).toMatchObject({ state: 'completed', result: { step: 1 } })
    expect(second).toMatchObject({ state: 'failed', error: 'step 2 is broken', jobId: expect.any(String) })
    expect(third).toMatchObject({ state: 'skipped', cause: 'StepJob 2', reason: 'skipped' })
    expect(third).not.toHaveProperty('jobId')
    expect(callback).toMatchObject({ state: 'not needed', on: 'completed' })
    mended = true
    expect(await flows.retry(id)).toBe(true)
    await ended(bench.jobs, id, 'completed')
    expect((await flows.get(id))!.nodes![1]).toMatchObject({ state: 'completed', retries: 1 })
    expect(await flows.retry(id)).toBe(false)
    expect(await flows.cancel(id)).toBe(false)
  })

  test('a batch shows its counts, and the members that did not complete', async () => {
    await using bench = await Bench.make(connect)
    mended = false
    const { flows } = operate(bench.jobs)
    const members = Array.from({ length: 20 }, (_, i) => step(i, i % 10 === 3))
    const id = await dispatch(bench.jobs, batch(members).allowFailures(5).name('import'))
    expect((await flows.get(id))!.counts).toMatchObject({ total: 20, running: 20 })
    await bench.work([StepJob])
    await ended(bench.jobs, id, 'completed')
    const { counts, allowed, failures, home } = (await flows.get(id, { failures: 10 }))!
    expect(counts).toMatchObject({ total: 20, completed: 18, failed: 2, running: 0 })
    expect(allowed).toBe(5)
    expect(failures).toEqual(
      [3, 13].map((member) => ({
        ...{ member, jobId: memberId({ flow: id, home, index: member }), state: 'failed' },
        ...{ error: `step ${member} is broken`, endedAt: expect.any(Number) },
      })),
    )
    expect((await flows.get(id, { failures: 1 }))!.failures).toHaveLength(1)
    expect(await flows.ofJob(failures![1]!.jobId)).toMatchObject({ name: 'import', member: 13 })
  })

  test('a cancel of a flow also reaches its running job', async () => {
    await using bench = await Bench.make(connect)
    const { flows } = operate(bench.jobs)
    const id = await dispatch(bench.jobs, chain([new SlowJob().with(), step(2)]).withId('order-77'))
    await bench.work([StepJob, SlowJob])
    await eventually(async () => expect((await bench.jobs.list({ state: 'active' })).jobs).toHaveLength(1))
    expect(await flows.cancel('order-77', { because: 'sold out' })).toBe(true)
    await ended(bench.jobs, id, 'cancelled')
    expect(await flows.get(id)).toMatchObject({ reason: 'user', because: 'sold out' })
    expect((await flows.get(id))!.nodes!.map(({ state }) => state)).toEqual(['cancelled', 'cancelled'])
  })

  test('a list of flows filters by kind, name, tag, queue, state and time', async () => {
    await using bench = await Bench.make(connect)
    const { flows } = operate(bench.jobs)
    expect(await flows.list()).toEqual({ flows: [], damaged: [] })
    const first = await dispatch(
      bench.jobs,
      chain([step(1)])
        .name('one')
        .tagged('vip'),
    )
    const second = await dispatch(bench.jobs, batch([new SlowJob().with()]).name('two'))
    const third = await dispatch(
      bench.jobs,
      workflow('three', (w) => void w.add(chain([step(1)]))),
    )
    const ids = async (...filter: Parameters<typeof flows.list>) =>
      (await flows.list(...filter)).flows.map(({ id }) => id).sort()
    const all = [first, second, third].sort()
    expect(await ids()).toEqual(all)
    expect(await ids({ kind: 'chain' })).toEqual([first])
    expect(await ids({ name: 'two' })).toEqual([second])
    expect(await ids({ tag: 'vip' })).toEqual([first])
    expect(await ids({ queue: 'low' })).toEqual([second])
    expect(await ids({ state: 'open' })).toEqual(all)
    expect(await ids({ state: 'failed' })).toEqual([])
    expect(await ids({ since: '1h' })).toEqual(all)
    expect(await ids({ since: new Date(Date.now() + 60_000) })).toEqual([])
    expect(await ids({ nested: true })).toHaveLength(4)
    expect(await ids({}, { limit: 2 })).toHaveLength(2)
    const [nested] = (await flows.list({ nested: true })).flows.filter(({ parent }) => parent !== undefined)
    expect(nested).toMatchObject({ kind: 'chain', parent: { id: third } })
    expect((await flows.get(third))!.nodes![0]!.flow).toEqual({ id: nested!.id, home: nested!.home })
    await expect(flows.list({ queue: 'lwo' })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    await expect(flows.list({ kind: 'graph' as 'chain' })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
  })

  test('pages of flows begin with the last dispatched flow, while other flows come and go', async () => {
    await using bench = await Bench.make(connect)
    const { flows } = operate(bench.jobs)
    const { store } = await insideOf(bench.jobs).open()
    const made: string[] = []
    for (let n = 0; n < 9; n++) {
      // Flows of two queues. Each flow is dispatched later than the flow before.
      made.push(await dispatch(bench.jobs, chain([n % 3 === 0 ? new SlowJob().with() : step(n)])))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const ids = async (cursor?: string) => {
      const page = await flows.list({ state: 'open' }, { limit: 4, ...(cursor !== undefined && { cursor }) })
      return [page.flows.map(({ id }) => id), page.cursor] as const
    }
    const newest = made.toReversed()
    const [first, cursor] = await ids()
    expect(first).toEqual(newest.slice(0, 4))
    await dispatch(bench.jobs, chain([step(9)]))
    // The store forgets the flow at which the page ended.
    const { home } = (await flows.find(newest[3]!))!
    const { found } = await store.flows.get(home, newest[3]!)
    await store.flows.write(home, { id: newest[3]!, rev: found!.rev, remove: true })
    const [second, other] = await ids(cursor)
    expect(second).toEqual(newest.slice(4, 8))
    expect(await ids(other)).toEqual([newest.slice(8), undefined])
    // A page of one queue also says that more flows follow.
    const { home: queue } = (await flows.find(made[8]!))!
    expect((await flows.list({ queue }, { limit: 1 })).cursor).toBeDefined()
    const wrong = { code: 'CURSOR_INVALID', message: expect.stringContaining('flows.list(): cursor is') }
    await expect(flows.list({ state: 'failed' }, { cursor: cursor! })).rejects.toMatchObject(wrong)
    await expect(flows.list({ state: 'open' }, { cursor: `${cursor}x` })).rejects.toMatchObject(wrong)
  })

  test('a page ends after it has read many flows of a partition, and the next page continues', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const definition = JSON.stringify({ kind: 'batch', nodes: [], keep: {} })
    const write = (id: string, name: string) => {
      const state = JSON.stringify({ phase: 'open', at: 1, nodes: '' })
      const named = definition.replace('{', `{"name":"${name}",`)
      return store.flows.write('default', { id, rev: 0, definition: named, state })
    }
    await write('rare', 'rare')
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => write(`f${n}`, 'often')))
    const first = await bench.jobs.flows({ name: 'rare' })
    expect(first).toEqual({ flows: [], damaged: [], cursor: expect.any(String) })
    const second = await bench.jobs.flows({ name: 'rare' }, { cursor: first.cursor! })
    expect(second).toMatchObject({ flows: [{ id: 'rare' }], damaged: [] })
    expect(second.cursor).toBeUndefined()
  })

  test('a list reports unreadable flows, and has the other flows', async () => {
    await using bench = await Bench.make(connect)
    const id = await dispatch(bench.jobs, chain([step(1)]))
    const { store } = await insideOf(bench.jobs).open()
    for (const [id, state] of Object.entries({ torn: '{"phase":', other: '[]' }))
      await store.flows.write('default', { id, rev: 0, definition: '{}', state })
    const { flows, damaged, cursor } = await bench.jobs.flows({ state: 'open' })
    expect(flows).toMatchObject([{ id }])
    expect(cursor).toBeUndefined()
    expect(damaged).toEqual(
      ['other', 'torn'].map((id) => ({
        ...{ id, home: 'default', code: 'STORE_DAMAGED' },
        message: `The flow ${id} in default is not readable`,
      })),
    )
  })

  test('an ambiguous id needs a queue, and calls report unknown and invalid ids', async () => {
    await using bench = await Bench.make(connect)
    const { flows } = operate(bench.jobs)
    await dispatch(bench.jobs, chain([step(1)]).withId('order-7'))
    await dispatch(bench.jobs, chain([new SlowJob().with()]).withId('order-7'))
    await expect(flows.get('order-7')).rejects.toMatchObject({
      code: 'FLOW_ID_AMBIGUOUS',
      message: 'There is a flow order-7 in each of the queues default, low',
    })
    expect(await flows.get('order-7', { queue: 'low' })).toMatchObject({ queue: 'low' })
    const handle = bench.jobs.flow('order-7', { queue: 'low' })
    expect(await handle.status()).toMatchObject({ queue: 'low' })
    await expect(bench.jobs.flow('order-7').progress()).rejects.toMatchObject({ code: 'FLOW_ID_AMBIGUOUS' })
    expect(await handle.cancel()).toBe(true)
    expect(await flows.cancel('order-7', { queue: 'low' })).toBe(false)
    expect(await flows.get('order-8')).toBeUndefined()
    await expect(flows.cancel('order-8')).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' })
    await expect(flows.retry('order-8')).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' })
    await expect(flows.get('order 8')).rejects.toMatchObject({ code: 'FLOW_INVALID' })
    await expect(flows.get(undefined as unknown as string)).rejects.toMatchObject({ code: 'FLOW_INVALID' })
  })

  test('a flow is found after the number of partitions of its queue has changed', async () => {
    await using bench = await Bench.make(connect)
    const few = bench.client({ queues: { default: { partitions: 1 } } })
    const many = bench.client({ queues: { default: { partitions: 8 } } })
    for (const id of ['order-1', 'order-2', 'order-3', 'order-4'])
      await dispatch(many, chain([step(1)]).withId(id))
    for (const id of ['order-1', 'order-2', 'order-3', 'order-4'])
      expect(await operate(few).flows.find(id)).toEqual(await operate(many).flows.find(id))
    expect((await operate(few).flows.list()).flows).toHaveLength(4)
  })
}
