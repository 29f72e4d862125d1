/**
 * Dispatches that wait for the disk, or for a replica.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { job, jobs } from '../conformance/jobs.ts'
import { type Server, type ServerOptions, startRedis, until } from './server.ts'
import { makeStore, openStore, timed } from './stores.ts'

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

describe.each(['redis-server', 'valkey-server'])('strict, on %s', (binary) => {
  test('a dispatch is answered when it is on disk; a hundred at the same time take no longer than one', async () => {
    const server = await start({ binary, args: [...appendonly, 'everysec'] })
    await using store = await openStore(server.url, { durability: 'strict' })
    const partitions = Array.from({ length: 100 }, (_, i) => `queue-${i}`)
    // One after another they would take a second each, which is too long for a verb.
    const verdicts = await Promise.all(
      partitions.map((partition) => new Caller(store, 'web', partition).enqueue(job())),
    )
    expect(verdicts.flat()).toEqual(partitions.map(() => 'queued'))
    expect(String(await server.send('INFO', 'commandstats'))).toMatch(/cmdstat_waitaof:calls=[1-9]/)
    await server.restart()
    for (const partition of partitions) expect(await store.counts(partition)).toMatchObject({ waiting: 1 })
  })

  test('a dispatch that the disk does not confirm is uncertain, and is not queued twice when it is sent again', async () => {
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

describe.each(['redis-server', 'valkey-server'])('replicated, on %s', (binary) => {
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

  test('without a replica, opening warns and every dispatch is uncertain', async () => {
    const server = await start({ binary })
    await using store = makeStore(server.url, { durability: 'replicated' })
    expect((await store.open()).join()).toContain('no replica is there')
    const call = { caller: 'web', number: 1, patience: 500 }
    await expect(store.enqueue('emails', call, jobs(1))).rejects.toMatchObject({ code: 'STORE_UNCERTAIN' })
  })
})

test('normal opens no further connection', async () => {
  const server = await start()
  await using store = await openStore(server.url)
  await new Caller(store, 'web', 'emails').enqueue(job())
  // The connection of the store, and the one of this test.
  expect(
    String(await server.send('CLIENT', 'LIST'))
      .trim()
      .split('\n'),
  ).toHaveLength(2)
})
