/**
 * A primary that Sentinels watch dies, hangs, or is replaced by a command. The clients must use the new
 * primary by themselves.
 */
import { describe, expect, test } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { completed, job, jobs } from '../conformance/jobs.ts'
import { withoutLoss } from './cuts.ts'
import { MASTER, startSentinel } from './sentinel.ts'
import { until } from './server.ts'
import { makeStore, openStore, timed } from './stores.ts'
import { Traffic } from './traffic.ts'

/** Sentinels need ten seconds after a failover, so every test has its own Sentinels. */
describe('a primary that changes', () => {
  test.concurrent('if the primary is killed during calls, the replica takes over, and no write that the replica had confirmed is lost', async () => {
    await using fleet = await startSentinel()
    await using web = await openStore(fleet.url, { durability: 'replicated' })
    await using worker = await openStore(fleet.url)
    const traffic = new Traffic(web, worker, ['emails', 'reports'])
    await traffic.more(200)
    const dead = await fleet.primary()
    await dead.kill()
    await fleet.left(dead)
    // The old primary restarts as a primary, and no client uses it. Within ten seconds, the Sentinels turn it
    // into a replica of the new primary, and after that it can confirm dispatches.
    await dead.start()
    await traffic.more(200)
    await traffic.finish()
    expect(traffic.missing).toEqual([])
    expect(traffic.errors.STORE_UNCERTAIN).toBeGreaterThan(0)
    // A claim or settle that the replica did not have is repeated, so jobs that were running at the failover
    // may run twice, and no other jobs.
    expect(traffic.doubled.length).toBeLessThan(100)
    expect(String(await dead.send('INFO', 'commandstats'))).not.toContain('cmdstat_eval')
  })

  test.concurrent('nothing fails while the connections are cut with each call', async () => {
    await using fleet = await startSentinel()
    await withoutLoss(fleet.url, fleet.servers)
  })

  test.concurrent('a failover that a person starts during calls loses nothing', async () => {
    await using fleet = await startSentinel()
    await using web = await openStore(fleet.url, { durability: 'replicated' })
    await using worker = await openStore(fleet.url)
    const traffic = new Traffic(web, worker, ['emails', 'reports'])
    await traffic.more(200)
    await fleet.failover()
    await traffic.more(200)
    await traffic.finish()
    expect(traffic.missing).toEqual([])
    expect(traffic.doubled.length).toBeLessThan(100)
  })

  test.concurrent('clients leave a primary that hangs only when the Sentinels have chosen another one, and not because its answers are late', async () => {
    await using fleet = await startSentinel()
    await using store = await openStore(fleet.url)
    const caller = new Caller(store, 'ada', 'emails')
    await caller.enqueue(...jobs(2))
    const held = await caller.claimOne()
    const hung = await fleet.primary()
    await until(async () => String(await hung.send('INFO', 'replication')).includes('lag=0'))
    hung.signal('SIGSTOP')
    const { ms, error } = await timed(caller.settle(held, completed))
    expect(error).toMatchObject({ code: 'STORE_UNCERTAIN', message: expect.stringContaining('has moved') })
    expect(ms).toBeLessThan(4_400)
    expect(await caller.claim(5)).toHaveLength(1)
    hung.signal('SIGCONT')
    expect(await caller.enqueue(job())).toEqual(['queued'])
  })

  test.concurrent('a waiting caller gets notifications before and after a failover', async () => {
    await using fleet = await startSentinel()
    await using store = await openStore(fleet.url)
    const ada = new Caller(store, 'ada', 'emails')
    expect(await ada.claim()).toEqual([])
    await fleet.failover()
    // The wait ends, because a ring (the notification that a job may have come) may have been lost during the
    // failover.
    expect(await store.wait('ada', 20_000)).toEqual(['emails'])
    expect(await ada.claim()).toEqual([])
    await new Caller(store, 'web', 'emails').enqueue(job())
    expect(await store.wait('ada', 20_000)).toEqual(['emails'])
  })

  test.concurrent('clients leave a server that answers READONLY, and send the call again', async () => {
    await using fleet = await startSentinel({ sentinels: 1 })
    await using store = await openStore(fleet.url)
    const caller = new Caller(store, 'ada', 'emails')
    await caller.enqueue(job())
    const [primary, other] = fleet.servers
    const rejected = async () =>
      /rejected_calls=[1-9]/.test(String(await primary!.send('INFO', 'commandstats')))
    await primary!.send('REPLICAOF', '127.0.0.1', String(other!.port))
    const queued = caller.enqueue(job())
    // The client asks the server that the Sentinel names for its role, and tries again until the role is
    // primary.
    await until(async () => String(await primary!.send('INFO', 'commandstats')).includes('cmdstat_role'))
    await primary!.send('REPLICAOF', 'NO', 'ONE')
    expect(await queued).toEqual(['queued'])
    expect(await rejected()).toBe(true)
  })

  test.concurrent('if all servers and Sentinels are killed and restarted, clients go on by themselves', async () => {
    await using fleet = await startSentinel()
    await using store = await openStore(fleet.url, { patience: 1_000 })
    const ada = new Caller(store, 'ada', 'emails')
    expect(await ada.claim()).toEqual([])
    const all = [...fleet.servers, ...fleet.sentinels]
    await Promise.all(all.map((server) => server.kill()))
    expect((await timed(ada.claim())).error?.code).toMatch(/STORE_(UNREACHABLE|UNCERTAIN)/)
    await Promise.all(all.map((server) => server.start()))
    const again = () => store.exchange('emails', ada.last(), [], { limit: 1, leaseMs: 1_000 })
    await until(async () => (await timed(again())).value !== undefined)
    expect(await new Caller(store, 'web', 'emails').enqueue(job())).toEqual(['queued'])
    expect(await ada.claim()).toHaveLength(1)
  })
})

describe('Sentinels that are asked', () => {
  test('Sentinels and servers may have different passwords', async () => {
    await using fleet = await startSentinel({
      password: 'server',
      sentinelPassword: 'sentinel',
      sentinels: 1,
    })
    expect(fleet.url).toMatch(/^redis\+sentinel:\/\/:server@127.*\?sentinel_password=sentinel$/)
    await using store = await openStore(fleet.url)
    expect(await new Caller(store, 'ada', 'emails').enqueue(job())).toEqual(['queued'])
    expect(store.name).toBe(`redis+sentinel://${fleet.sentinels[0]!.address}/${MASTER}/0`)
    for (const wrong of [fleet.url.replace('=sentinel', '=x'), fleet.url.replace(':server@', ':x@')]) {
      await using other = makeStore(wrong)
      const { ms, error } = await timed(other.open())
      expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('WRONGPASS') })
      expect(ms).toBeLessThan(2_000)
    }
  })

  test('the error says whether the Sentinels do not know the name of the primary, or do not run', async () => {
    await using fleet = await startSentinel({ replicas: 0, sentinels: 1 })
    await using other = makeStore(fleet.url.replace(MASTER, 'nobody'), { patience: 500 })
    await expect(other.open()).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining("knows no 'nobody'"),
    })
    // It is enough that some of the Sentinels run.
    await using store = makeStore(fleet.url.replace('//', '//127.0.0.1:1,'))
    await store.open()
    await using none = makeStore(`redis+sentinel://127.0.0.1:1,127.0.0.1:2/${MASTER}`, { patience: 500 })
    await expect(none.open()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })
})
