/**
 * The answers of health checks: whether a worker is live, ready and fast enough, according to its last
 * report.
 */

import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { answerAlone, answerOfStore } from '../../src/telemetry/health/endpoints.ts'
import { addressIn } from '../../src/telemetry/health/http-server.ts'
import { ailmentOf, type Vitals } from '../../src/worker/vitals.ts'
import { Bench, sqliteFile } from '../working/bench.ts'

const well: Vitals = {
  state: 'running',
  starting: 0,
  slots: 10,
  running: 0,
  answered: 4_000,
  isAway: false,
  unclaimed: 0,
  unrenewed: 0,
  leaseMs: 15_000,
}

test.each([
  ['is idle', {}, 900, undefined],
  ['is full, and renews', { running: 10, unrenewed: 5_000, answered: 5_000 }, 900, undefined],
  ['is quiet', { state: 'quiet', running: 2, unrenewed: 100, unclaimed: 0 }, 0, undefined],
  ['has stopped', { state: 'stopped', answered: 90_000 }, 0, undefined],
  ['is starting', { state: 'starting', starting: 50_000, answered: 50_000 }, 0, undefined],
  ['does not start', { state: 'starting', starting: 61_000 }, 0, /^has been starting for 61 s$/],
  ['says nothing', {}, 20_100, /^has not run its event loop for 20 s/],
  ['has no answer', { answered: 20_100 }, 900, /^has had no answer of the store for 20 s$/],
  [
    'has a store that is away',
    { answered: 90_000, isAway: true, running: 3, unrenewed: 95_000, unclaimed: 92_000 },
    900,
    undefined,
  ],
  [
    'has a store of which a node is away',
    { answered: 1_000, isAway: true, running: 1, unrenewed: 95_000, unclaimed: 92_000 },
    900,
    undefined,
  ],
  ['renews nothing', { running: 1, unrenewed: 21_000 }, 0, /^has not renewed its leases for 21 s$/],
  ['has long leases', { running: 1, unrenewed: 21_000, leaseMs: 60_000 }, 0, undefined],
  ['claims nothing', { unclaimed: 20_001 }, 0, /^has free slots, and no claim of it was answered for 20 s$/],
] as [string, Partial<Vitals>, number, RegExp | undefined][])('a worker that %s', (_, vitals, age, says) => {
  const found = ailmentOf({ ...well, ...vitals }, age)
  if (says === undefined) expect(found).toBeUndefined()
  else expect(found).toMatch(says)
})

test('the answer of a health check names each worker with a problem, and wrong parameters', () => {
  const patients = [
    { name: 'Worker process 1 (pid 7)', vitals: well, age: 0 },
    { name: 'Worker process 2 (pid 8)', vitals: well, age: 30_000 },
    { name: 'Worker process 3 (pid 9)', vitals: undefined, age: 1_000 },
  ]
  const live = answerAlone('/live', patients)!
  expect(live).toEqual({
    status: 503,
    text: expect.stringMatching(/^Worker process 2 \(pid 8\) has not [^\n]+\n$/),
  })
  expect(answerAlone('/live?within=1m', patients)).toEqual({ status: 200, text: 'ok\n' })
  for (const within of ['9s', '', 'x', '-1'])
    expect(answerAlone(`/live?within=${within}`, patients)!.status).toBe(400)
  expect(answerAlone('/ready', patients)!.status).toBe(200)
  expect(answerAlone('/ready', patients.slice(1))).toEqual({
    status: 503,
    text: 'Worker process 2 (pid 8) has had no answer of the store lately\nWorker process 3 (pid 9) is starting\n',
  })
  expect(answerAlone('/', patients)!.status).toBe(404)
  expect(answerAlone('/slo', patients)).toBeUndefined()
})

test('--http accepts a port, or an address with a port', () => {
  expect(addressIn('9090')).toEqual({ host: undefined, port: 9090 })
  expect(addressIn('127.0.0.1:0')).toEqual({ host: '127.0.0.1', port: 0 })
  expect(addressIn('[::1]:80')).toEqual({ host: '::1', port: 80 })
  for (const text of ['', 'x', '65536', '1.2.3.4', ':80', '::1:80', 'http://x:80', '-1'])
    expect(addressIn(text)).toBeUndefined()
})

class SlowJob extends Job {
  override readonly key = 'slow'
  handle() {}
}

test('a worker whose claims are not answered is not live, although the store answers', async () => {
  await using bench = await Bench.make(sqliteFile)
  const { store } = await insideOf(bench.jobs).open()
  const worker = await bench.work([SlowJob])
  await vi.waitFor(() => expect(worker.vitals).toMatchObject({ state: 'running', unclaimed: 0 }))
  const exchange = vi.spyOn(store, 'exchange').mockImplementation(() => new Promise(() => {}))
  await bench.client().dispatch(new SlowJob())
  await vi.waitFor(() => expect(worker.vitals.unclaimed).toBeGreaterThan(50), {
    interval: 10,
  })
  expect(exchange).toHaveBeenCalled()
  expect(ailmentOf(worker.vitals, 0, 40)).toMatch(/no claim of it was answered|no answer of the store/)
  vi.restoreAllMocks()
  await worker.stop(0)
  expect(worker.vitals).toMatchObject({ state: 'stopped', unclaimed: 0 })
})

test('/slo names the queues whose oldest job has waited for too long', async () => {
  await using bench = await Bench.make(sqliteFile)
  const jobs = bench.client({ queues: { default: { target: 1 }, low: { target: '1h' } } })
  expect(await answerOfStore('/slo', insideOf(jobs))).toEqual({ status: 200, text: 'ok\n' })
  const other = bench.client({ queues: { default: { target: '1ms' }, low: {} } })
  await other.dispatch(new SlowJob())
  await other.pause({ queue: 'default' })
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(await answerOfStore('/slo', insideOf(other))).toEqual({
    status: 503,
    text: expect.stringMatching(
      /^default: the oldest job has waited for .+, its target is 1 ms \(paused\)\n$/,
    ),
  })
  const { store } = await insideOf(bench.jobs).open()
  vi.spyOn(store, 'now').mockRejectedValue(new Error('away'))
  expect(await answerOfStore('/slo', insideOf(bench.jobs))).toEqual({ status: 503, text: 'away\n' })
})
