/**
 * The claimer (the part of a worker that claims the jobs of one partition): when it calls the store, and when
 * it rests.
 */
import { expect, test, vi } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import { FLOW_LEASE_MS, NODES } from '../../src/store/contract/store.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Claimer, type ClaimerOptions } from '../../src/worker/fetch/claimer.ts'
import { LEASE } from '../conformance/caller.ts'
import { Harness } from '../conformance/harness.ts'
import { job } from '../conformance/jobs.ts'

const { signal } = new AbortController()

async function make(options: Partial<ClaimerOptions> = {}) {
  const harness = await Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))
  const claimer = new Claimer({
    ...{ store: harness.store, partition: 'emails', caller: 'ada', leaseMs: LEASE },
    ...options,
  })
  return { harness, claimer }
}

test('after a call that only settles, the claimer rests and is registered as waiting', async () => {
  const { harness, claimer } = await make()
  await using _ = harness
  await harness.caller('web').enqueue(job())
  const [held] = (await claimer.exchange(2, 0, signal))!.jobs
  expect(claimer.isResting).toBe(true)
  claimer.settle(held!.id, held!.token, { kind: 'completed' }, 0)
  expect((await claimer.exchange(0, 0, signal))!.verdicts).toEqual(['settled'])
  expect(claimer.isResting).toBe(true)
  await harness.caller('web').enqueue(job())
  expect(await harness.store.wait('ada', 5_000)).toEqual(['emails'])
  claimer.stop()
})

test('after a call that only settles, the claimer is ready if a job waits, or if it was ready before', async () => {
  const { harness, claimer } = await make()
  await using _ = harness
  await harness.caller('web').enqueue(job())
  const [held] = (await claimer.exchange(2, 0, signal))!.jobs
  await harness.caller('web').enqueue(job())
  claimer.settle(held!.id, held!.token, { kind: 'completed' }, 0)
  await claimer.exchange(0, 0, signal)
  expect(claimer.isResting).toBe(false)
  const [next] = (await claimer.exchange(1, 0, signal))!.jobs
  claimer.settle(next!.id, next!.token, { kind: 'completed' }, 0)
  await claimer.exchange(0, 0, signal)
  expect(claimer.isResting).toBe(false)
})

test('a job that is due in less than a microsecond sets no timer for the past', async () => {
  const { harness, claimer } = await make()
  await using _ = harness
  await claimer.exchange(1, 0, signal)
  const timers = vi.spyOn(globalThis, 'setTimeout')
  // Node 24 warns about a negative delay (TimeoutNegativeWarning).
  claimer.foresee(1e-7)
  const delays = timers.mock.calls.map(([, ms]) => ms ?? 0)
  timers.mockRestore()
  expect(delays.length).toBeGreaterThan(0)
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
  claimer.stop()
})

test('a due time from a survey wakes the claimer, at that time or at once', async () => {
  const { harness, claimer } = await make()
  await using _ = harness
  await claimer.exchange(1, 0, signal)
  expect(claimer.rests).toBe(true)
  claimer.foresee(60_000)
  expect(claimer.rests).toBe(true)
  claimer.foresee(0)
  expect(claimer.rests).toBe(false)
  claimer.stop()
})

test('a due time that becomes known during a call counts after the answer of this call, and not after later answers', async () => {
  const { harness, claimer } = await make()
  await using _ = harness
  const foresee = async (ms: number) => {
    const calling = claimer.exchange(1, 0, signal)
    expect(claimer.foresee(ms)).toBe(false)
    await calling
    return claimer.rests
  }
  expect(await foresee(60_000)).toBe(true)
  expect(await foresee(0)).toBe(false)
  await claimer.exchange(1, 0, signal)
  expect(claimer.rests).toBe(true)
  expect(claimer.foresee(60_000)).toBe(true)
  claimer.stop()
})

/** Makes a deliverer that has delivered an effect. */
function delivered() {
  const effects = { leaseMs: LEASE, done: [{ kind: 'hook', id: 'x', at: 1 }] as const }
  return { effects, deliverer: { wanted: () => effects, take: vi.fn(), putBack: vi.fn() } }
}

test('after an unexpected error, the next call sends only outcomes, and the acknowledgements of delivered effects are kept for later', async () => {
  const { effects, deliverer } = delivered()
  const { harness, claimer } = await make({ deliverer })
  await using _ = harness
  await harness.caller('web').enqueue(job())
  const [held] = (await claimer.exchange(1, 0, signal))!.jobs
  expect(deliverer.putBack).not.toHaveBeenCalled()
  const exchange = vi.spyOn(harness.store, 'exchange')
  exchange.mockRejectedValueOnce(new Error('no'))
  claimer.settle(held!.id, held!.token, { kind: 'completed' }, 0)
  expect((await claimer.exchange(1, 0, signal))!.verdicts).toEqual(['settled'])
  expect(exchange.mock.calls.map(([, , , want]) => want.effects)).toEqual([effects, undefined])
  expect(deliverer.putBack.mock.calls).toEqual([['emails', effects]])
  claimer.stop()
})

test('if no answer comes before the worker stops, delivered effects are put back', async () => {
  const { effects, deliverer } = delivered()
  const { harness, claimer } = await make({ deliverer })
  await using _ = harness
  const stop = new AbortController()
  vi.spyOn(harness.store, 'exchange').mockImplementation(() => new Promise(() => {}))
  const exchanging = claimer.exchange(1, 0, stop.signal)
  stop.abort()
  expect(await exchanging).toBeUndefined()
  expect(deliverer.putBack.mock.calls).toEqual([['emails', effects]])
})

test('a claim takes the flows that it makes due if its worker has heard of a flow, and a call without a claim does not', async () => {
  const ticks = { hasHeard: false, handed: vi.fn() }
  const { harness, claimer } = await make({ ticks })
  await using _ = harness
  const { store } = harness
  await store.flows.write('emails', { id: 'flow', rev: 0, definition: '{}', state: '{}' })
  const settle = async (index: number, room: number) => {
    await harness.caller('web').enqueue(job({ id: memberId({ flow: 'flow', home: 'emails', index }) }))
    const [held] = (await claimer.exchange(1, 0, signal))!.jobs
    claimer.settle(held!.id, held!.token, { kind: 'completed' }, 0)
    const { nextTick } = (await claimer.exchange(room, 0, signal))!
    const { found } = await store.flows.get('emails', 'flow')
    const { rev, state, news } = found!
    await store.flows.write('emails', { id: 'flow', rev, state, heard: news.length })
    return nextTick
  }
  expect(await settle(NODES, 1)).toBe(0)
  ticks.hasHeard = true
  expect(await settle(NODES + 1, 0)).toBe(0)
  expect(ticks.handed).not.toHaveBeenCalled()
  expect(await settle(NODES + 2, 1)).toBe(FLOW_LEASE_MS)
  const flow = expect.objectContaining({ id: 'flow', news: [expect.objectContaining({ index: NODES + 2 })] })
  expect(ticks.handed.mock.calls).toEqual([['emails', { at: harness.clock.now, flows: [flow] }]])
  claimer.stop()
})
