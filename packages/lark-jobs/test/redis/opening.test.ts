import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createJobs } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { parseLocation } from '../../src/store/redis/client/location.ts'
import { Caller } from '../conformance/caller.ts'
import { failed, job, jobs, line, retried } from '../conformance/jobs.ts'
import { addressOf, Server } from './server.ts'
import { makeStore, openStore } from './stores.ts'

let server: Server
let raw: Connection
beforeAll(async () => {
  server = await Server.start()
  raw = new Connection(addressOf(server.url))
})
afterAll(async () => {
  raw.close()
  await server[Symbol.asyncDispose]()
})

test('the store warns of an eviction policy that drops jobs if the server has a memory limit', async () => {
  const eviction = 'maxmemory-policy is allkeys-lru'
  await raw.send(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'])
  await using unbounded = makeStore(server.url)
  expect((await unbounded.open()).join()).not.toContain(eviction)
  await raw.send(['CONFIG', 'SET', 'maxmemory', '100mb'])
  await using bounded = makeStore(server.url)
  expect((await bounded.open()).join()).toContain(eviction)
  await raw.send(['CONFIG', 'SET', 'maxmemory', '0'])
})

test('the store warns of a server that keeps no append-only file', async () => {
  await using store = makeStore(server.url)
  expect((await store.open()).join()).toContain('appendonly yes')
  await using durable = await Server.start('redis-server', ['--appendonly', 'yes'])
  await using safe = makeStore(durable.url)
  expect(await safe.open()).toEqual([])
})

test('the store does not warn of settings that only the provider of a server can change', async () => {
  const servers = { url: server.url, managed: true }
  await using store = makeStore(servers)
  expect(await store.open()).toEqual([])
  await using strict = makeStore(servers, { durability: 'strict' })
  await expect(strict.open()).rejects.toMatchObject({
    code: 'STORE_INVALID',
    hint: expect.stringContaining("A provider runs it. Take durability 'replicated'"),
  })
})

test.each([
  ['rediss://master.my.abc123.use1.cache.amazonaws.com', true],
  ['rediss+cluster://clustercfg.my.abc123.memorydb.us-east-1.amazonaws.com', true],
  ['rediss://name.redis.cache.windows.net:6380', true],
  ['rediss://name.eastus.redis.azure.net:10000', true],
  ['rediss://usable-cat-1.upstash.io', true],
  ['redis://red-abcdefghij0123456789:6379', true],
  ['redis://red-hat:6379', undefined],
  ['rediss://ec2-1-2-3-4.compute-1.amazonaws.com', undefined],
  ['redis://redis.railway.internal', undefined],
  ['redis://upstash.io.example.com', undefined],
  ['unix:/s', undefined],
  [{ host: 'usable-cat-1.upstash.io', managed: false }, undefined],
  [{ path: '/s', managed: true }, true],
  [{ url: 'redis://h', managed: true }, true],
])('the connection %j shows whether a provider runs the server: %s', (given, managed) => {
  expect(parseLocation(given).managed).toBe(managed)
})

test('on a node of a cluster, every verb uses only keys in the slot of its partition', async () => {
  await using node = await Server.start('redis-server', ['--cluster-enabled', 'yes'])
  const admin = new Connection(addressOf(node.url))
  await admin.send(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
  // A node takes a moment until its cluster is ready.
  while (!String(await admin.send(['CLUSTER', 'INFO'])).includes('cluster_state:ok')) await setTimeout(5)
  await using store = await openStore(node.url)
  expect((await store.open()).join()).toContain('write redis+cluster://')
  for (const partition of ['emails/0', 'emails/1']) {
    const caller = new Caller(store, 'ada', partition)
    await caller.enqueue(...jobs(6), job({ priority: 7, delay: 60_000 }), job({ priority: -7 }))
    const [first, second, third, fourth] = await caller.claim(4)
    await caller.settle(first!, { kind: 'completed', result: '1', log: [line('x')] })
    await caller.settle(second!, failed)
    await caller.settle(third!, retried(0))
    expect(await store.alter(partition, [first!.id, second!.id], { kind: 'retry' })).toEqual(['done', 'done'])
    await store.extend(partition, 'ada', [fourth!], 1)
    await store.recover(partition)
    await store.prune(partition)
    await store.wake(partition, 'ada')
    await store.clear(partition, 'waiting')
    expect(await store.counts(partition)).toMatchObject({ delayed: 1 })
  }
  expect(await store.partitions()).toEqual(['emails/0', 'emails/1'])
  await store.retire('ada')
  admin.close()
})

test('connection strings', () => {
  const name = (url: string) => makeStore(url).name
  expect(name('redis://localhost')).toBe('redis://localhost:6379/0')
  expect(name('rediss://app:p%40ss@example.com:7000/3')).toBe('rediss://example.com:7000/3')
  expect(name('redis://[::1]:7000')).toBe('redis://[::1]:7000/0')
  expect(name('unix:/run/redis.sock?db=2')).toBe('unix:/run/redis.sock?db=2')
  for (const url of ['http://localhost', 'redis://localhost/x', 'redis', '']) {
    expect(() => makeStore(url), url).toThrow(expect.objectContaining({ code: 'STORE_INVALID' }))
  }
  expect(() => makeStore('redis://x', { prefix: 'a{b}' })).toThrow('without braces')
})

test('a connection can name another database or a Unix socket', async () => {
  await using second = await openStore(`${server.url}/1`)
  await new Caller(second, 'ada', 'emails').enqueue(job())
  await using first = await openStore(server.url)
  expect((await first.counts('emails')).waiting).toBe(0)

  const socket = `${server.folder}/redis.sock`
  await using local = await Server.start('redis-server', ['--unixsocket', socket])
  await using store = await openStore(`unix:${socket}`)
  await new Caller(store, 'ada', 'emails').enqueue(job())
  await using tcp = await openStore(local.url)
  expect((await tcp.counts('emails')).waiting).toBe(1)
})

test('if a server is too full to be opened, the doctor names its eviction policy', async () => {
  await using full = await Server.start('redis-server', [
    ...['--maxmemory', '1', '--maxmemory-policy', 'allkeys-lru'],
  ])
  await using jobs = createJobs({ connection: full.url })
  const found = await operate(jobs).doctor()
  const errors = found.filter(({ level }) => level === 'error').map(({ code, text }) => [code, text])
  expect(errors[0]).toMatchObject(['store-opens', expect.stringContaining('OOM')])
  expect(errors).toContainEqual(['eviction', expect.stringContaining('maxmemory-policy is allkeys-lru')])
})
