/**
 * A change at a pace while the server is killed or connections break in the middle of a lot. The change must
 * go on by itself, and no job must be retried twice.
 */
import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, Record } from '../working/bench.ts'
import { TcpProxy } from './proxy.ts'
import { Server } from './server.ts'

/** A lot of this many jobs needs two calls. */
const JOBS = 300
const place = (connection: string) => async () => ({ connection, remove: async () => {} })

/**
 * Lets jobs fail, and begins to retry all of them in one lot.
 *
 * @returns the class of the jobs, and a function that waits until each job was retried once
 */
async function begin(bench: Bench) {
  const { jobs } = bench
  const runs = new Map<number, number>()
  class ChargeJob extends Job {
    override readonly key = 'charge'
    override tries = 1
    handle({ n }: { n: number }): void {
      runs.set(n, (runs.get(n) ?? 0) + 1)
      throw new Error('The bank is down')
    }
  }
  await jobs.dispatch(Array.from({ length: JOBS }, (_, n) => new ChargeJob().with({ n })))
  const first = await bench.work([ChargeJob], { stopWhenEmpty: true })
  await first.done
  const { changes } = operate(jobs)
  const options = { limit: 500, per: '1s', maxFailed: '100%' } as const
  const { id } = await changes.begin('retry', { key: 'charge' }, options)
  const isThrough = async () => {
    const change = async () => (await changes.list()).find((each) => each.id === id)
    // If the store cannot be reached, ask again.
    const now = async () => await change().catch(() => undefined)
    await vi.waitFor(async () => expect(await now()).toMatchObject({ done: JOBS, left: 0 }), 45_000)
    await vi.waitFor(
      async () => expect((await jobs.status()).queues[0]!.counts).toMatchObject({ failed: JOBS, waiting: 0 }),
      20_000,
    )
    expect(runs.size).toBe(JOBS)
    expect([...runs.values()].filter((count) => count !== 2)).toEqual([])
  }
  return { ChargeJob, isThrough }
}

test.concurrent('a change goes on after the server was killed and restarted', async ({ expect }) => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await using bench = await Bench.make(place(server.url))
  const { ChargeJob, isThrough } = await begin(bench)
  const { store } = await insideOf(bench.jobs).open()
  const alter = store.alter.bind(store)
  const altered = vi.spyOn(store, 'alter').mockImplementationOnce(async (...args) => {
    const verdicts = await alter(...args)
    await server.kill()
    void server.start()
    return verdicts
  })
  await bench.work([ChargeJob], { report: new Record() })
  await isThrough()
  expect(altered.mock.calls.length).toBeGreaterThan(1)
}, 90_000)

test.concurrent.each(['cut', 'silence'] as const)(
  "a change goes on after its worker's connections had a fault (%s) during a call",
  async (does) => {
    await using server = await Server.start()
    await using proxy = await TcpProxy.start(server.port)
    await using bench = await Bench.make(place(server.url))
    const { ChargeJob, isThrough } = await begin(bench)
    await using far = await Bench.make(place(proxy.url))
    const { store } = await insideOf(far.jobs).open()
    const alter = store.alter.bind(store)
    const altered = vi.spyOn(store, 'alter').mockImplementationOnce((...args) => {
      const answer = alter(...args)
      // The server may have got the call, but the worker gets no answer.
      setImmediate(() => proxy[does]())
      return answer
    })
    await far.work([ChargeJob], { report: new Record() })
    await isThrough()
    expect(altered).toHaveBeenCalled()
  },
  90_000,
)
