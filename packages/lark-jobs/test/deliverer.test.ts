/** The deliverer of effects, without a worker: what it acknowledges, what it leaves to others, and when it gives up. */
import { expect, test, vi } from 'vitest'
import { Job, type JobConstructor } from '../src/index.ts'
import { memberId } from '../src/model/effect.ts'
import { Registry } from '../src/options/registry.ts'
import { MEMBER_LEASE } from '../src/store/contract/store.ts'
import { SqliteStore } from '../src/store/sqlite/store.ts'
import { Deliverer } from '../src/worker/maintenance/deliverer.ts'
import { take } from './conformance/effects.ts'
import { Harness } from './conformance/harness.ts'
import { completed, job } from './conformance/jobs.ts'

const LEASE = 15_000
const WEEK = 7 * 24 * 3_600_000

async function make(clock: (harness: Harness) => number = ({ clock }) => clock.now) {
  const harness = await Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))
  const { store } = harness
  const heard: string[] = []
  class KnownJob extends Job {
    override readonly key = 'known'
    handle() {}
    override cancelled() {
      heard.push(this.id!)
    }
  }
  const registry = new Registry()
  registry.add(KnownJob as unknown as JobConstructor)
  const report = { wrote() {}, ended() {}, warn: vi.fn(), info() {} }
  const met = vi.fn()
  const deliverer = new Deliverer({
    ...{ store, registry, report, met, lease: LEASE },
    clock: { now: () => clock(harness), isAsked: true, heard() {} } as never,
  })
  /** Cancels a waiting job whose class has a hook. */
  const cancelled = async (key: string) => {
    const given = job({ key, hooked: true })
    await harness.caller('web').enqueue(given)
    await store.alter('emails', [given.id], { kind: 'cancel', reason: 'user' })
    return given.id
  }
  return { harness, store, heard, report, met, deliverer, cancelled }
}

test('what a call brings is delivered, and acknowledged with the next call', async () => {
  const { harness, store, heard, deliverer, cancelled } = await make()
  const id = await cancelled('known')
  expect(deliverer.wanted('emails')).toEqual({ lease: LEASE })
  const effects = await take(store)
  deliverer.take('emails', effects)
  await vi.waitFor(() => expect(heard).toEqual([id]))
  await vi.waitFor(() => {
    const wanted = deliverer.wanted('emails')
    expect(wanted).toEqual({ lease: LEASE, done: [{ kind: 'hook', id, at: effects[0]!.job.finishedAt }] })
  })
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('if no call comes, the deliverer acknowledges with a call of its own', async () => {
  const { harness, store, heard, deliverer, cancelled } = await make()
  const id = await cancelled('known')
  deliverer.take('emails', await take(store))
  await vi.waitFor(async () => expect(await store.recover('emails')).not.toHaveProperty('nextEffect'))
  expect(heard).toEqual([id])
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('a hook of an unknown class is left to others for a while, and members are still asked for', async () => {
  const { harness, store, report, deliverer, cancelled } = await make()
  await cancelled('unknown')
  deliverer.take('emails', await take(store))
  await vi.waitFor(() => expect(deliverer.wanted('emails')).toEqual({}))
  expect(report.warn).not.toHaveBeenCalled()
  await store.flows.open('home', 'flow', 1)
  const id = memberId({ flow: 'flow', home: 'home', index: 0 })
  await harness.caller().run(job({ id }), completed)
  harness.clock.now += LEASE
  deliverer.look('emails')
  await vi.waitFor(async () => expect(await store.flows.missing('home', 'flow', -1, 1)).toEqual([]))
  expect(await take(store)).toHaveLength(1)
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})

test('a hook whose class nobody has known for a week is dropped, with a warning', async () => {
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

test('an acknowledgement whose call failed goes with the next call', async () => {
  const { harness, store, met, deliverer } = await make()
  await store.flows.open('home', 'flow', 1)
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

test('members of a home that does not answer are not acknowledged, and are asked for again', async () => {
  const { harness, store, met, deliverer } = await make()
  await store.flows.open('home', 'flow', 1)
  const id = memberId({ flow: 'flow', home: 'home', index: 0 })
  await harness.caller().run(job({ id }), completed)
  vi.spyOn(store.flows, 'apply').mockRejectedValueOnce(new Error('away'))
  deliverer.take('emails', await take(store))
  await vi.waitFor(() => expect(met.mock.calls).toEqual([[new Error('away')]]))
  expect(await store.recover('emails')).toMatchObject({ nextEffect: MEMBER_LEASE })
  harness.clock.now += MEMBER_LEASE
  await vi.waitFor(async () => expect(await store.flows.missing('home', 'flow', -1, 1)).toEqual([]))
  await deliverer.stop()
  await harness[Symbol.asyncDispose]()
})
