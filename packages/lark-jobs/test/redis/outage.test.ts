/**
 * The server is killed and restarted, or forgets its scripts. No job must be lost, and no client is
 * restarted.
 */
import { expect, test } from 'vitest'
import type { JobsError } from '../../src/model/errors.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { completed, ids, job, jobs, retried, settlement } from '../conformance/jobs.ts'
import { addressOf, Server } from './server.ts'
import { makeStore, openStore } from './stores.ts'

const durable = ['--appendonly', 'yes', '--appendfsync', 'always']

test('a server that has forgotten the scripts gets them again', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const caller = new Caller(store, 'ada', 'emails')
  await caller.enqueue(job())
  const raw = new Connection(addressOf(server.url))
  await raw.send(['SCRIPT', 'FLUSH'])
  await caller.enqueue(job())
  await raw.send(['SCRIPT', 'FLUSH'])
  expect(await caller.claim(5)).toHaveLength(2)
  raw.close()
})

test('if a script is missing for many calls, one of them sends its text', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const callers = Array.from({ length: 50 }, (_, n) => new Caller(store, `web-${n}`, `queue-${n}`))
  await Promise.all(callers.map((caller) => caller.enqueue(job())))
  for (const flush of ['first', 'second']) {
    await server.send('SCRIPT', 'FLUSH')
    await server.send('CONFIG', 'RESETSTAT')
    await Promise.all(callers.map((caller) => caller.enqueue(job())))
    const stats = String(await server.send('INFO', 'commandstats'))
    expect(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1], flush).toBe('1')
  }
  expect(await store.counts('queue-7')).toMatchObject({ waiting: 3 })
})

test('if the server is killed and restarted during calls, each call gets a true answer or fails with an error', async () => {
  await using server = await Server.start('redis-server', durable)
  await using store = await openStore(server.url)
  const queued: string[] = []
  const codes = new Set<string>()
  let stop = false

  /** Dispatches like a dispatcher: after an uncertain answer, sends the same call again. */
  async function dispatch(name: string): Promise<void> {
    const web = new Caller(store, name, 'emails')
    while (!stop) {
      const list = jobs(5)
      let call = web.enqueue(...list)
      for (;;) {
        try {
          const verdicts = await call
          expect(new Set(verdicts)).toEqual(new Set(['queued']))
          queued.push(...ids(list))
          break
        } catch (error) {
          codes.add((error as JobsError).code)
          call = store.enqueue('emails', web.last(), list)
        }
      }
    }
  }
  const dispatching = Promise.all(['web-1', 'web-2', 'web-3'].map(dispatch))
  for (let round = 0; round < 3; round += 1) {
    const before = queued.length
    await until(() => queued.length > before + 50)
    await server.restart()
  }
  const before = queued.length
  await until(() => queued.length > before)
  stop = true
  await dispatching
  expect([...codes].filter((code) => code !== 'STORE_UNCERTAIN' && code !== 'STORE_REFUSED')).toEqual([])
  expect(codes).toContain('STORE_UNCERTAIN')
  expect(await store.counts('emails')).toMatchObject({ waiting: queued.length })
  const worker = new Caller(store, 'worker', 'emails')
  const ran: string[] = []
  for (let held = await worker.claim(500); held.length > 0; ) {
    ran.push(...ids(held))
    const settlements = held.map((claimed) => settlement(claimed, completed))
    held = (await worker.exchange(settlements, { limit: 500, leaseMs: LEASE })).jobs
  }
  expect(ran.sort()).toEqual(queued.sort())
})

test('a store that is opened while the server is down is open when the server has started', async () => {
  await using server = await Server.start()
  await server.kill()
  await using store = makeStore(server.url, { patience: 20_000 })
  const opened = store.open()
  await server.start()
  expect(await opened).toHaveLength(1)
  expect(await new Caller(store, 'ada', 'emails').enqueue(job())).toEqual(['queued'])
})

test('jobs whose records the server has evicted are skipped, and cause no error', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const caller = new Caller(store, 'ada', 'emails')
  await caller.enqueue(...jobs(4), job({ delay: 1 }))
  const held = await caller.claim(2, 1)
  const raw = new Connection(addressOf(server.url))
  await raw.send(['DEL', 'lark:{emails}:jobs'])
  raw.close()
  expect(await caller.settle(held[0]!, retried(0))).toBe('settled')
  const fresh = job()
  await caller.enqueue(fresh)
  await until(async () => (await store.recover('emails')).nextLeaseEnd === undefined)
  expect(ids(await caller.claim(10))).toEqual([fresh.id])
  expect(await store.get('emails', held[0]!.id)).toBeUndefined()
})

/** Waits until the condition is true. The condition is checked after every turn of the event loop. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 1))
}
