/**
 * The deliverer of effects, without a worker: what it acknowledges, which effects it leaves to other workers,
 * and when it
 * gives up.
 */
import { expect, test, vi } from 'vitest'
import { FlowBook } from '../../src/flow/flow-book.ts'
import { Job, type JobConstructor } from '../../src/index.ts'
import { type Effect, memberId } from '../../src/model/effect.ts'
import { Registry } from '../../src/options/registry.ts'
import { MAX_HOOKS, MAX_ITEMS, MEMBER_LEASE_MS } from '../../src/store/contract/store.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Deliverer } from '../../src/worker/maintenance/deliverer.ts'
import { openFlow, take } from '../conformance/effects.ts'
import { Harness } from '../conformance/harness.ts'
import { completed, job } from '../conformance/jobs.ts'
import { signal } from '../working/bench.ts'

const LEASE = 15_000
const WEEK = 7 * 24 * 3_600_000

async function make(clock: (harness: Harness) => number = ({ clock }) => clock.now) {
  const harness = await Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))
  const { store } = harness
  const heard: string[] = []
  /** Jobs of this key have hooks that end when the test opens the gate. */
  const gate = signal()
  let running = 0
  class SlowJob extends Job {
    override readonly key = 'slow'
    handle() {}
    override async cancelled() {
      running += 1
      await gate.promise
      running -= 1
      heard.push(this.id!)
    }
  }
  class KnownJob extends Job {
    override readonly key = 'known'
    handle() {}
    override cancelled() {
      heard.push(this.id!)
    }
  }
  const registry = new Registry()
  for (const each of [KnownJob, SlowJob]) registry.add(each as unknown as JobConstructor)
  const report = { wrote() {}, ended() {}, warn: vi.fn(), info() {} }
  const met = vi.fn()
  const dueIn = vi.fn()
  const deliverer = new Deliverer({
    ...{ store, registry, report, met, dueIn, leaseMs: LEASE, flows: new FlowBook({ store }) },
    clock: { now: () => clock(harness), isAsked: true, heard() {} } as never,
  })
  /** Cancels a waiting job whose class has a hook. */
  const cancelled = async (key: string, payload = '{}') => {
    const given = job({ key, payload, hooked: true })
    await harness.caller('web').enqueue(given)
    await store.alter('emails', [given.id], { kind: 'cancel', reason: 'user' })
    return given.id
  }
  const recover = vi.spyOn(store, 'recover')
  /** The ids of the effects that were acknowledged. */
  const sent = () =>
    recover.mock.calls.flatMap(([, options]) => options?.effects?.done?.map(({ id }) => id) ?? []).toSorted()
  return {
    ...{ harness, store, recover, heard, report, met, deliverer, cancelled },
    ...{ gate, running: () => running, sent },
  }
}

test('the effects of a call are delivered, and acknowledged with the next call', async () => {
  const { harness, store, heard, deliverer, cancelled } = await make()
  const id = await cancelled('known')
  expect(deliverer.wanted('emails')).toEqual({ leaseMs: LEASE })
  const effects = await take(store)
  deliverer.take('emails', effects)
  await vi.waitFor(() => expect(heard).toEqual([id]))
  await vi.waitFor(() => {
    const wanted = deliverer.wanted('emails')
    expect(wanted).toEqual({ leaseMs: LEASE, done: [{ kind: 'hook', id, at: effects[0]!.job.finishedAt }] })
  })
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('if no call comes, the deliverer acknowledges with its own call', async () => {
  const { harness, store, heard, deliverer, cancelled } = await make()
  const id = await cancelled('known')
  deliverer.take('emails', await take(store))
  await vi.waitFor(async () => expect(await store.recover('emails')).not.toHaveProperty('nextEffect'))
  expect(heard).toEqual([id])
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('a hook of an unknown class does not delay other hooks, and is left to other workers when its lease ends', async () => {
  const { harness, store, heard, report, deliverer, cancelled, sent } = await make()
  const unknown = await cancelled('unknown')
  const known = await cancelled('known')
  const begin = performance.now()
  const now = vi.spyOn(performance, 'now').mockImplementation(() => begin)
  deliverer.take('emails', await take(store), begin)
  await vi.waitFor(() => expect(heard).toEqual([known]))
  await vi.waitFor(() => expect(sent()).toEqual([known]))
  expect(deliverer.wanted('emails')).toEqual({ leaseMs: LEASE })
  expect(report.warn).not.toHaveBeenCalled()
  now.mockReturnValue(begin + LEASE)
  harness.clock.now += LEASE
  // The deliverer still asks for members.
  await openFlow(store, 1)
  await harness.caller().run(job({ id: memberId({ flow: 'flow', home: 'home', index: 0 }) }), completed)
  deliverer.look('emails')
  await vi.waitFor(async () => expect(await store.flows.missing('home', 'flow', -1, 1)).toEqual([]))
  expect(await take(store)).toMatchObject([{ job: { id: unknown } }])
  now.mockReturnValue(begin + 2 * LEASE)
  expect(deliverer.wanted('emails')).toMatchObject({ leaseMs: LEASE })
  now.mockRestore()
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('a hook whose class no worker has known for a week is dropped, with a warning', async () => {
  const { harness, store, report, deliverer, cancelled } = await make(({ clock }) => clock.now + WEEK)
  const id = await cancelled('unknown')
  deliverer.look('emails')
  await vi.waitFor(async () => expect(await store.recover('emails')).not.toHaveProperty('nextEffect'))
  expect(report.warn.mock.calls).toEqual([
    [`No worker has known the key unknown for a week: no hook is called for job ${id} (cancelled)`],
  ])
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('a hook whose payload has been newer than its class for a week is dropped, and the warning has the reason', async () => {
  const { harness, store, report, deliverer, cancelled } = await make(({ clock }) => clock.now + WEEK)
  const id = await cancelled('known', '{}  ')
  deliverer.look('emails')
  await vi.waitFor(async () => expect(await store.recover('emails')).not.toHaveProperty('nextEffect'))
  expect(report.warn.mock.calls).toEqual([
    [
      `No worker has known version 3 of the payload of known for a week: no hook is called for job ${id} (cancelled)`,
    ],
  ])
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('an acknowledgement whose call failed is sent with the next call', async () => {
  const { harness, store, met, deliverer } = await make()
  await openFlow(store, 1)
  const id = memberId({ flow: 'flow', home: 'home', index: 0 })
  await harness.caller().run(job({ id }), completed)
  const effects = await take(store)
  vi.spyOn(store, 'recover').mockRejectedValueOnce(new Error('away'))
  deliverer.take('emails', effects)
  await vi.waitFor(() => expect(met.mock.calls).toEqual([[new Error('away')]]))
  expect(deliverer.wanted('emails').done).toEqual([{ kind: 'member', id, at: effects[0]!.job.finishedAt }])
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('the ends of members whose flow cannot be reached are not acknowledged, and are requested again', async () => {
  const { harness, store, met, deliverer } = await make()
  await openFlow(store, 1)
  const id = memberId({ flow: 'flow', home: 'home', index: 0 })
  await harness.caller().run(job({ id }), completed)
  vi.spyOn(store.flows, 'apply').mockRejectedValueOnce(new Error('away'))
  deliverer.take('emails', await take(store))
  await vi.waitFor(() => expect(met.mock.calls).toEqual([[new Error('away')]]))
  expect(await store.recover('emails')).toMatchObject({ nextEffect: MEMBER_LEASE_MS })
  harness.clock.now += MEMBER_LEASE_MS
  await vi.waitFor(async () => expect(await store.flows.missing('home', 'flow', -1, 1)).toEqual([]))
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

/** The effects of members, in the form of an answer. */
function members(from: number, count: number): Effect[] {
  return Array.from({ length: count }, (_, i) => {
    const id = memberId({ flow: 'flow', home: 'home', index: from + i })
    return { kind: 'member', job: { id, state: 'completed', errors: [], finishedAt: 1 } } as unknown as Effect
  })
}

test('an acknowledgement names a limited number of effects, and all further effects are acknowledged with the next call', async () => {
  const { harness, store, recover, deliverer } = await make()
  await openFlow(store, 2 * MAX_ITEMS)
  deliverer.take('emails', members(0, MAX_ITEMS))
  deliverer.take('emails', members(MAX_ITEMS, MAX_ITEMS))
  await vi.waitFor(() => {
    const counts = recover.mock.calls.map(([, options]) => options?.effects?.done?.length ?? 0)
    expect(Math.max(...counts)).toBe(MAX_ITEMS)
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(2 * MAX_ITEMS)
  })
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('ends of members that are handed out again are not counted again while a call about them has no answer', async () => {
  const { harness, store, recover, deliverer, sent } = await make()
  await openFlow(store, 2)
  const [answer, acknowledged] = [signal(), signal()]
  const apply = vi.spyOn(store.flows, 'apply')
  apply.mockImplementationOnce(async () => {
    await answer.promise
    return { verdicts: ['counted', 'counted'] }
  })
  for (let round = 0; round < 3; round++) deliverer.take('emails', members(0, 2))
  answer.resolve()
  recover.mockImplementation(async () => {
    acknowledged.resolve()
    return { recovered: [], failed: [] }
  })
  await acknowledged.promise
  expect(apply).toHaveBeenCalledTimes(1)
  expect(sent()).toEqual(members(0, 2).map(({ job }) => job.id))
  // The effects may be handed out again later, because the store may have lost the acknowledgement.
  await vi.waitFor(() => expect(deliverer.wanted('emails')).not.toHaveProperty('done'))
  deliverer.take('emails', members(0, 2))
  expect(apply).toHaveBeenCalledTimes(2)
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('a limited number of hooks runs at the same time, and others follow when half of them have ended', async () => {
  const { harness, store, recover, heard, deliverer, cancelled, gate, running } = await make()
  const given: string[] = []
  for (let n = 0; n < 2 * MAX_HOOKS + 20; n++) given.push(await cancelled('slow'))
  for (let call = 0; call < 4; call++) {
    const { effects = [] } = await store.recover('emails', { effects: deliverer.wanted('emails') })
    deliverer.take('emails', effects)
  }
  await vi.waitFor(() => expect(running()).toBe(MAX_HOOKS))
  expect(deliverer.wanted('emails')).toEqual({})
  expect(deliverer.wanted('other')).toEqual({})
  gate.resolve()
  await vi.waitFor(() => expect(heard.toSorted()).toEqual(given.toSorted()))
  // The hooks of this partition had to wait for other hooks, so the deliverer must search for them.
  await vi.waitFor(() => expect(recover.mock.calls.map(([partition]) => partition)).toContain('other'))
  await vi.waitFor(async () => expect(await store.recover('emails')).not.toHaveProperty('nextEffect'))
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('when the worker stops, a slow hook does not delay acknowledgements, and no more effects are taken', async () => {
  const { harness, store, recover, heard, deliverer, cancelled, gate, running, sent } = await make()
  const slow = await cancelled('slow')
  const quick = [await cancelled('known'), await cancelled('known')]
  deliverer.take('emails', await take(store))
  await vi.waitFor(() => expect(running()).toBe(1))
  const left = await cancelled('known')
  recover.mockClear()
  const stopping = deliverer.stop()
  await vi.waitFor(() => expect(sent()).toEqual(quick.toSorted()), 800)
  expect(running()).toBe(1)
  gate.resolve()
  await stopping
  expect(sent()).toEqual([slow, ...quick].toSorted())
  for (const [, options] of recover.mock.calls) expect(options?.effects?.leaseMs).toBe(0)
  expect(heard).not.toContain(left)
  expect(await take(store)).toMatchObject([{ job: { id: left } }])
  await harness[Symbol.asyncDispose]()
})

test('a hook is cut off before its lease ends, and the lease began when the call for it was sent', async () => {
  const { harness, store, heard, deliverer, cancelled, running, sent } = await make()
  const id = await cancelled('slow')
  deliverer.take('emails', await take(store), performance.now() - 0.9 * LEASE + 100)
  await vi.waitFor(() => expect(sent()).toEqual([id]))
  expect(running()).toBe(1)
  expect(heard).toEqual([])
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('a hook whose lease has nearly ended when the answer comes is not called, and is handed out again', async () => {
  const { harness, store, heard, deliverer, cancelled, sent } = await make()
  const [id, other] = [await cancelled('known'), await cancelled('known')]
  const [first, second] = await take(store)
  deliverer.take('emails', [first!], performance.now() - LEASE)
  deliverer.take('emails', [second!])
  await vi.waitFor(() => expect(sent()).toEqual([other]))
  harness.clock.now += LEASE
  deliverer.look('emails')
  await vi.waitFor(() => expect(sent()).toEqual([id, other]))
  expect(heard).toEqual([other, id])
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('effects that become due during a call of the deliverer are requested after the answer', async () => {
  const { harness, store, heard, deliverer, cancelled } = await make()
  const answer = signal()
  vi.spyOn(store, 'recover').mockImplementationOnce(async () => {
    await answer.promise
    return { recovered: [], failed: [] }
  })
  deliverer.look('emails')
  const id = await cancelled('known')
  deliverer.look('emails')
  answer.resolve()
  await vi.waitFor(() => expect(heard).toEqual([id]))
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})
