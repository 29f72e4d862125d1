/**
 * Dispatches and steps that wait for the disk, or for a replica.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { Caller } from '../conformance/caller.ts'
import { job, jobs } from '../conformance/jobs.ts'
import { Record } from '../working/bench.ts'
import { type Server, type ServerOptions, startRedis, until } from './server.ts'
import { makeStore, openStore, timed } from './stores.ts'

class StepsJob extends Job {
  override readonly key = 'steps'
  async handle() {
    return [await this.step('one', () => 1), await this.step('two', () => 2)]
  }
}

const servers: Server[] = []
async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await startRedis(options)
  servers.push(server)
  return server
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server[Symbol.asyncDispose]()))
})

const appendonly = ['--appendonly', 'yes', '--appendfsync']

describe.each(['redis-server', 'valkey-server'])('durability strict, on %s', (binary) => {
  test('a dispatch is answered when the job is on disk, and a hundred simultaneous dispatches take no longer than one', async () => {
    const server = await start({ binary, args: [...appendonly, 'everysec'] })
    await using store = await openStore(server.url, { durability: 'strict' })
    const partitions = Array.from({ length: 100 }, (_, i) => `queue-${i}`)
    // If they waited for the disk one after the other, each dispatch would take a second, and some would
    // exceed the time limit of a verb.
    const verdicts = await Promise.all(
      partitions.map((partition) => new Caller(store, 'web', partition).enqueue(job())),
    )
    expect(verdicts.flat()).toEqual(partitions.map(() => 'queued'))
    expect(String(await server.send('INFO', 'commandstats'))).toMatch(/cmdstat_waitaof:calls=[1-9]/)
    await server.restart()
    for (const partition of partitions) expect(await store.counts(partition)).toMatchObject({ waiting: 1 })
  })

  test('a dispatch whose job is not on disk in time is uncertain, and is not queued twice when it is sent again', async () => {
    const server = await start({ binary, args: [...appendonly, 'always'] })
    await using store = await openStore(server.url, { durability: 'strict' })
    const web = new Caller(store, 'web', 'emails')
    await web.enqueue(job())
    await server.send('CONFIG', 'SET', 'appendonly', 'no')
    const list = jobs(3)
    await expect(web.enqueue(...list)).rejects.toMatchObject({
      code: 'STORE_UNCERTAIN',
      message: expect.stringContaining('not surely on disk'),
    })
    await server.send('CONFIG', 'SET', 'appendonly', 'yes')
    await until(async () =>
      String(await server.send('INFO', 'persistence')).includes('aof_rewrite_in_progress:0'),
    )
    expect(await store.enqueue('emails', web.last(), list)).toEqual(['queued', 'queued', 'queued'])
    expect(await store.counts('emails')).toMatchObject({ waiting: 4 })
  })

  test('a recorded step is answered when it is on disk, or the answer says that it is not on disk', async () => {
    const server = await start({ binary, args: [...appendonly, 'always'] })
    await using store = await openStore(server.url, { durability: 'strict' })
    const ada = new Caller(store, 'ada', 'emails')
    await ada.enqueue(job())
    const { id, token } = await ada.claimOne()
    const notes = [{ id, token, steps: { at: 0, entries: ['rone\n1'] } }]
    expect(await store.journals.record('emails', notes)).toEqual({ lost: [] })
    await server.send('CONFIG', 'SET', 'appendonly', 'no')
    const unsafe = { code: 'STORE_UNCERTAIN', message: expect.stringContaining('not surely on disk') }
    expect(await store.journals.record('emails', notes)).toMatchObject({ lost: [], unsafe })
    expect((await store.journals.read('emails', id, 0))!.count).toBe(1)
  })

  test('a server that keeps no append-only file is refused when the store is opened', async () => {
    const server = await start({ binary })
    await using store = makeStore(server.url, { durability: 'strict' })
    await expect(store.open()).rejects.toMatchObject({
      code: 'STORE_INVALID',
      message: `${server.url}/0 cannot keep durability 'strict': it keeps no append-only file`,
      hint: expect.stringContaining('appendonly yes'),
    })
  })
})

describe.each(['redis-server', 'valkey-server'])('durability replicated, on %s', (binary) => {
  test('a dispatch is answered when a replica has the job', async () => {
    const primary = await start({ binary, args: ['--repl-diskless-sync-delay', '0'] })
    const replica = await start({ binary, args: ['--replicaof', '127.0.0.1', String(primary.port)] })
    await until(async () =>
      String(await replica.send('INFO', 'replication')).includes('master_link_status:up'),
    )
    await using store = await openStore(primary.url, { durability: 'replicated' })
    const web = new Caller(store, 'web', 'emails')
    for (let i = 0; i < 20; i += 1) {
      const given = job()
      expect(await web.enqueue(given)).toEqual(['queued'])
      expect(await replica.send('HEXISTS', 'lark:{emails}:jobs', given.id)).toBe(1)
    }
    replica.signal('SIGSTOP')
    const list = jobs(3)
    const { ms, error } = await timed(store.enqueue('emails', { ...web.next(), patience: 600 }, list))
    expect(error).toMatchObject({ code: 'STORE_UNCERTAIN', message: expect.stringContaining('on a replica') })
    expect(ms).toBeLessThan(1_500)
    // Other calls go on meanwhile, because the wait uses a second connection.
    const waiting = timed(store.enqueue('emails', { ...web.last(), patience: 2_000 }, list))
    expect((await timed(store.counts('emails'))).ms).toBeLessThan(1_000)
    replica.signal('SIGCONT')
    expect((await waiting).value).toEqual(['queued', 'queued', 'queued'])
    expect(await store.counts('emails')).toMatchObject({ waiting: 23 })
  })

  test('a recorded step is answered when a replica has it, and the replica has it after a failover', async () => {
    const primary = await start({ binary, args: ['--repl-diskless-sync-delay', '0'] })
    const replica = await start({ binary, args: ['--replicaof', '127.0.0.1', String(primary.port)] })
    await until(async () =>
      String(await replica.send('INFO', 'replication')).includes('master_link_status:up'),
    )
    await using store = await openStore(primary.url, { durability: 'replicated' })
    const ada = new Caller(store, 'ada', 'emails')
    await ada.enqueue(job())
    const { id, token } = await ada.claimOne()
    const record = (at: number) => {
      const steps = { at, entries: [`r${at}\n1`] }
      return store.journals.record('emails', [{ id, token, steps }])
    }
    for (let at = 0; at < 20; at++) {
      expect(await record(at)).not.toHaveProperty('unsafe')
      expect(await replica.send('LLEN', `lark:{emails}:steps:${id}`)).toBe(at + 2)
    }
    replica.signal('SIGSTOP')
    const plain = await timed(store.extend('emails', 'ada', [{ id, token }], 60_000))
    expect(plain.value).toEqual({ lost: [], notices: [] })
    const held = record(20)
    replica.signal('SIGCONT')
    expect(await held).not.toHaveProperty('unsafe')
    await primary.send('CLIENT', 'KILL', 'TYPE', 'replica')
    await replica.send('REPLICAOF', 'NO', 'ONE')
    await using other = await openStore(replica.url)
    expect((await other.journals.read('emails', id, 0))!.count).toBe(21)
    await using brief = await openStore(primary.url, { durability: 'replicated', patience: 1_500 })
    const steps = { at: 21, entries: ['r21\n1'] }
    const lonely = await brief.journals.record('emails', [{ id, token, steps }])
    expect(lonely).toMatchObject({ lost: [], unsafe: { code: 'STORE_UNCERTAIN' } })
    expect((await brief.journals.read('emails', id, 0))!.count).toBe(22)
  })

  test('without a replica, the record of a step waits until there is a replica', async () => {
    const primary = await start({ binary, args: ['--repl-diskless-sync-delay', '0'] })
    await using plain = createJobs({ connection: primary.url })
    await using jobs = createJobs({ connection: primary.url, durability: 'replicated' })
    const handle = await plain.dispatch(new StepsJob().with())
    await jobs.work({ jobs: [StepsJob], report: new Record() })
    // The first element of the list says how many bytes the entries have.
    const kept = (server: Server) => server.send('LLEN', `lark:{default}:steps:${handle.id}`)
    await until(async () => (await kept(primary)) === 2)
    const replica = await start({ binary, args: ['--replicaof', '127.0.0.1', String(primary.port)] })
    expect(await handle.result({ timeout: '60s' })).toEqual([1, 2])
    await until(async () => (await kept(replica)) === 3)
  })

  test('without a replica, the store warns when it is opened, and every dispatch is uncertain', async () => {
    const server = await start({ binary })
    await using store = makeStore(server.url, { durability: 'replicated' })
    expect((await store.open()).join()).toContain('no replica is there')
    const call = { caller: 'web', number: 1, patience: 500 }
    await expect(store.enqueue('emails', call, jobs(1))).rejects.toMatchObject({ code: 'STORE_UNCERTAIN' })
  })
})

test('durability normal needs no second connection', async () => {
  const server = await start()
  await using store = await openStore(server.url)
  await new Caller(store, 'web', 'emails').enqueue(job())
  // The connection of the store, and the connection of this test.
  expect(
    String(await server.send('CLIENT', 'LIST'))
      .trim()
      .split('\n'),
  ).toHaveLength(2)
})
