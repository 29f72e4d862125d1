/** Notifications that hand jobs to a waiting caller. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Claim } from '../../src/store/contract/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { completed, ids, job, jobs, settlement } from '../conformance/jobs.ts'
import { TcpProxy } from './proxy.ts'
import { Server } from './server.ts'
import { openStore } from './stores.ts'

describe.each(['redis-server', 'valkey-server'] as const)('%s', (program) => {
  let server: Server
  beforeAll(async () => {
    server = await Server.start(program)
  })
  afterAll(() => server[Symbol.asyncDispose]())

  /**
   * Makes a caller wait with `limit` free slots. @returns the claims that the caller gets with notifications
   */
  async function waiting(caller: Caller, limit: number, leaseMs = LEASE): Promise<Claim[]> {
    const handed: Claim[] = []
    const { jobs } = await caller.exchange([], { limit, leaseMs, hand: (claim) => handed.push(claim) })
    expect(jobs.length).toBeLessThan(limit)
    return handed
  }

  test('a notification hands over as many jobs as the caller has slots, as a claim, and the jobs are settled as usual', async () => {
    await using store = await openStore(server.url)
    const ada = new Caller(store, 'ada', 'handed')
    const handed = await waiting(ada, 2)
    const given = jobs(3)
    await new Caller(store, 'web', 'handed').enqueue(...given)
    await vi.waitFor(() => expect(handed).toHaveLength(1))
    expect(ids(handed[0]!.jobs)).toEqual(ids(given.slice(0, 2)))
    expect(handed[0]).toMatchObject({
      number: 1.5,
      jobs: [{ token: 'ada.1.5', runs: 1, payload: given[0]!.payload }, {}],
    })
    expect(await store.get('handed', given[0]!.id)).toMatchObject({ state: 'active', holder: 'ada' })
    expect(await store.counts('handed')).toMatchObject({ waiting: 1, active: 2 })
    const settled = handed[0]!.jobs.map((each) => settlement(each, completed))
    const { verdicts, jobs: next } = await ada.exchange(settled, { limit: 2, leaseMs: LEASE })
    expect(verdicts).toEqual(['settled', 'settled'])
    expect(ids(next)).toEqual([given[2]!.id])
  })

  test('each job is handed to one caller, and a caller that does not accept jobs only gets the notification', async () => {
    await using store = await openStore(server.url)
    const first = await waiting(new Caller(store, 'ada', 'each'), 1)
    const second = await waiting(new Caller(store, 'bob', 'each'), 1)
    const cyd = new Caller(store, 'cyd', 'each')
    expect(await cyd.claim()).toEqual([])
    const given = jobs(3)
    await new Caller(store, 'web', 'each').enqueue(...given)
    expect(await store.wait('cyd', 10_000)).toEqual(['each'])
    await vi.waitFor(() => expect(first.length + second.length).toBe(2))
    const [last] = await cyd.claim()
    expect(
      ids([...first, ...second].flatMap((claim) => claim.jobs))
        .concat(last!.id)
        .sort(),
    ).toEqual(ids(given))
  })

  test('a job that may crash only once is not handed over with a notification, because it would not count as started', async () => {
    await using store = await openStore(server.url)
    const ada = new Caller(store, 'ada', 'once')
    const handed = await waiting(ada, 2)
    const given = job({ options: { maxCrashes: 1 } })
    await new Caller(store, 'web', 'once').enqueue(given)
    expect(await store.wait('ada', 10_000)).toEqual(['once'])
    expect(handed).toEqual([])
    expect(ids(await ada.claim(2))).toEqual([given.id])
  })

  test('handed-over jobs do not overtake waiting jobs, and no job is handed over in a paused queue', async () => {
    await using store = await openStore(server.url)
    const ada = new Caller(store, 'ada', 'order')
    const web = new Caller(store, 'web', 'order')
    const handed = await waiting(ada, 2)
    await store.configure('order', { paused: true })
    const [early, late] = jobs(2)
    await web.enqueue(early!)
    await store.configure('order', { paused: false })
    await web.enqueue(late!)
    expect(await store.wait('ada', 10_000)).toEqual(['order'])
    expect(handed).toEqual([])
    expect(ids(await ada.claim(2))).toEqual(ids([early!, late!]))
  })

  test('handed-over jobs whose worker died have used no attempt', async () => {
    await using store = await openStore(server.url)
    await waiting(new Caller(store, 'ada', 'unburnt'), 1, 1)
    const given = job()
    await new Caller(store, 'web', 'unburnt').enqueue(given)
    await vi.waitFor(async () => expect((await store.recover('unburnt')).recovered).toEqual([given.id]))
    expect(await store.get('unburnt', given.id)).toMatchObject({ state: 'waiting', runs: 0, crashes: 0 })
  })

  test('handed-over jobs are put back if the caller does not read the notification, and later jobs go to other callers', async () => {
    await using store = await openStore(server.url)
    const handed = await waiting(new Caller(store, 'ada', 'unread'), 5)
    const web = new Caller(store, 'web', 'unread')
    const given = job()
    await web.enqueue(given)
    await vi.waitFor(() => expect(handed).toHaveLength(1))
    const { token } = handed[0]!.jobs[0]!
    expect((await store.recover('unread', { unread: token })).recovered).toEqual([given.id])
    expect(await store.get('unread', given.id)).toMatchObject({ state: 'waiting', runs: 0, crashes: 0 })
    const others = await waiting(new Caller(store, 'bob', 'unread'), 2)
    const next = job()
    await web.enqueue(next)
    await vi.waitFor(() => expect(others).toHaveLength(1))
    expect(ids(others[0]!.jobs)).toEqual([next.id])
    expect(handed).toHaveLength(1)
  })

  test('handed-over jobs are put back if the caller retires before it reads the notification', async () => {
    await using proxy = await TcpProxy.start(server.port)
    await using worker = await openStore(proxy.url)
    await using web = await openStore(server.url)
    await waiting(new Caller(worker, 'ada', 'retired'), 1)
    const lost = proxy.loseNextReply()
    const given = job()
    await new Caller(web, 'web', 'retired').enqueue(given)
    await lost
    await worker.retire('ada')
    expect(await web.get('retired', given.id)).toMatchObject({ state: 'waiting', runs: 0, crashes: 0 })
  })

  test('handed-over jobs are put back if the caller retires, although another partition is damaged', async () => {
    await using proxy = await TcpProxy.start(server.port)
    await using worker = await openStore(proxy.url)
    await using web = await openStore(server.url)
    for (const partition of ['damaged', 'sound']) await waiting(new Caller(worker, 'ada', partition), 1)
    await server.send('SADD', 'lark:{meta}:partitions', 'damaged')
    const lost = proxy.loseNextReply()
    const given = job()
    await new Caller(web, 'web', 'sound').enqueue(given)
    await lost
    await server.send('SET', 'lark:{damaged}:idle', 'foreign')
    await expect(worker.retire('ada')).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
    expect(await web.get('sound', given.id)).toMatchObject({ state: 'waiting', runs: 0, crashes: 0 })
    await server.send('DEL', 'lark:{damaged}:idle')
  })

  test('a caller can also retire from a partition that never had a job', async () => {
    await using worker = await openStore(server.url)
    await waiting(new Caller(worker, 'ada', 'fresh'), 1)
    expect(await server.send('SISMEMBER', 'lark:{fresh}:idle', 'ada')).toBe(1)
    await worker.retire('ada')
    expect(await server.send('EXISTS', 'lark:{fresh}:idle', 'lark:{fresh}:offers')).toBe(0)
  })

  test('the next call returns the jobs of a lost notification under its own token, and the notification is ignored if it still arrives', async () => {
    await using proxy = await TcpProxy.start(server.port)
    await using worker = await openStore(proxy.url)
    await using web = await openStore(server.url)
    const ada = new Caller(worker, 'ada', 'lost')
    const handed = await waiting(ada, 1)
    const lost = proxy.loseNextReply()
    const given = job()
    await new Caller(web, 'web', 'lost').enqueue(given)
    await lost
    expect(await web.counts('lost')).toMatchObject({ waiting: 0, active: 1 })
    expect(await worker.wait('ada', 20_000)).toEqual(['lost'])
    const [found] = await ada.claim()
    expect(found).toMatchObject({ id: given.id, token: 'ada.2' })
    expect(handed).toEqual([])
    expect(await ada.settle(found!, completed)).toBe('settled')
  })

  test('jobs that are handed over while the caller makes another call belong to that call', async () => {
    await using store = await openStore(server.url)
    const ada = new Caller(store, 'ada', 'late')
    const web = new Caller(store, 'web', 'late')
    await web.enqueue(job())
    await ada.settle(await ada.claimOne(), completed)
    const handed = await waiting(ada, 1)
    // The job comes before the second call. The answer of this call is read before or after the ring.
    const given = job()
    const [, { jobs: claimed }] = await Promise.all([
      web.enqueue(given),
      ada.exchange([], { limit: 1, leaseMs: LEASE }),
    ])
    expect(ids(claimed)).toEqual([given.id])
    expect(claimed[0]!.token).toBe('ada.4')
    await store.now()
    expect(handed).toEqual([])
  })
})
