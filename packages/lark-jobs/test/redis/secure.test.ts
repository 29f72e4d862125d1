/** TLS, passwords, and Redis users with only the necessary permissions. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import type { WorkerRecord } from '../../src/model/record.ts'
import { erase } from '../../src/store/connect.ts'
import { Caller } from '../conformance/caller.ts'
import { completed, failed, job, jobs, line, retried } from '../conformance/jobs.ts'
import { Record } from '../working/bench.ts'
import { makeCertificates } from './certificates.ts'
import { startCluster } from './cluster.ts'
import { newPrefix } from './place.ts'
import { asLark, expectNoRefusals, rights } from './rights.ts'
import { MASTER, startSentinel } from './sentinel.ts'
import { startRedis } from './server.ts'
import { makeStore, openStore, timed } from './stores.ts'

describe('TLS', () => {
  test('TLS works with a password and a configured certificate authority', async () => {
    const tls = makeCertificates()
    await using server = await startRedis({ tls, password: 'secret' })
    for (const host of ['127.0.0.1', 'localhost']) {
      const servers = { host, port: server.port, password: 'secret', tls: { ca: tls.ca } }
      await using store = await openStore(servers, { prefix: newPrefix() })
      const ada = new Caller(store, 'ada', 'emails')
      expect(await ada.claim()).toEqual([])
      await new Caller(store, 'web', 'emails').enqueue(job())
      expect(await store.wait('ada', 20_000)).toEqual(['emails'])
      expect(await ada.claim()).toHaveLength(1)
      expect(store.name).toBe(`rediss://${host}:${server.port}/0`)
    }
  })

  test('a certificate of an unknown authority is refused with a hint, and accepted with NODE_EXTRA_CA_CERTS', async () => {
    const tls = makeCertificates()
    await using server = await startRedis({ tls, password: 'secret' })
    await using store = makeStore(server.url, { patience: 500 })
    await expect(store.open()).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining('certificate'),
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    })
    const file = join(server.folder, 'authority.pem')
    await writeFile(file, tls.ca)
    const built = new URL('../../dist/redis-store.js', import.meta.url).href
    const script = `
      import { RedisStore } from '${built}'
      const kept = { count: 0, age: 1 }
      const retention = { completed: kept, failed: kept, cancelled: kept }
      const store = new RedisStore(process.argv[1], { retention })
      await store.open()
      console.log(await store.partitions())`
    const run = [process.execPath, ['--input-type=module', '-e', script, server.url]] as const
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: file }
    expect((await promisify(execFile)(...run, { env })).stdout).toBe('[]\n')
  })

  test('a server without TLS, and a certificate for another name, are refused', async () => {
    await using plain = await startRedis()
    await using store = makeStore(plain.url.replace('redis:', 'rediss:'), { patience: 500 })
    await expect(store.open()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    const tls = makeCertificates()
    await using server = await startRedis({ tls })
    const servers = { host: '127.0.0.2', port: server.port, tls: { ca: tls.ca, servername: 'elsewhere' } }
    await using other = makeStore({ ...servers, host: '127.0.0.1' }, { patience: 500 })
    await expect(other.open()).rejects.toMatchObject({ message: expect.stringContaining('elsewhere') })
  })

  test('a function that checks the certificate: a worker uses it, and has no lease thread', async () => {
    const tls = makeCertificates()
    await using server = await startRedis({ tls })
    const checked: string[] = []
    const servers = (answer: Error | undefined) => ({
      host: '127.0.0.1',
      port: server.port,
      tls: {
        ca: tls.ca,
        checkServerIdentity(host: string) {
          checked.push(host)
          return answer
        },
      },
    })
    class NoteJob extends Job {
      override readonly key = 'note'
      handle() {}
    }
    await using jobs = createJobs({ connection: servers(undefined) })
    await jobs.dispatch(new NoteJob())
    const report = new Record()
    const worker = await jobs.work({ jobs: [NoteJob], report, stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 1 })
    expect(report.warnings.join()).toContain('The lease thread cannot use tls.checkServerIdentity')
    expect(checked).toContain('127.0.0.1')
    await using other = makeStore(servers(new Error('not the one')), { patience: 500 })
    await expect(other.open()).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining('not the one'),
    })
  })

  test('TLS works on a cluster with a password', async () => {
    const tls = makeCertificates()
    await using cluster = await startCluster({ replicas: 0, tls, password: 'secret' })
    const nodes = cluster.nodes.map(({ address }) => address)
    await using store = await openStore({ cluster: nodes, password: 'secret', tls: { ca: tls.ca } })
    for (const queue of ['a', 'b', 'c', 'd']) {
      expect(await new Caller(store, 'ada', queue).enqueue(job())).toEqual(['queued'])
      expect(await new Caller(store, 'bob', queue).claim()).toHaveLength(1)
    }
    expect(store.name).toBe(`rediss+cluster://${nodes.join(',')}`)
  })
})

const workerRecord: WorkerRecord = {
  id: 'worker',
  host: 'here',
  pid: 1,
  queues: ['emails'],
  strict: false,
  concurrency: 10,
  running: 0,
  keys: ['send-email'],
  startedAt: 1,
  state: 'running',
}

/** Lets jobs go through all states, with notifications and all changes that people can make. */
async function liveThrough(servers: string): Promise<void> {
  await using store = await openStore(servers)
  await using other = await openStore(servers)
  expect((await store.open()).join()).toContain('append-only file')
  const worker = new Caller(store, 'worker', 'emails')
  await store.announce(workerRecord, 10_000)
  expect(await worker.claim()).toEqual([])
  const wait = store.wait('worker', 20_000)
  await new Caller(other, 'web', 'emails').enqueue(...jobs(5), job({ delay: 60_000 }), job({ priority: 5 }))
  expect(await wait).toEqual(['emails'])
  const held = await worker.claim(4)
  expect(held).toHaveLength(4)
  expect(await store.extend('emails', 'worker', [{ ...held[0]!, log: [line('on it')] }], 15_000)).toEqual({
    lost: [],
    notices: [],
  })
  expect(await worker.settle(held[0]!, { kind: 'completed', result: '1', log: [line('done')] })).toBe(
    'settled',
  )
  expect(await worker.settle(held[1]!, failed)).toBe('settled')
  expect(await worker.settle(held[2]!, retried(0))).toBe('settled')
  expect(await worker.settle(held[3]!, completed)).toBe('settled')
  expect(await store.log('emails', held[0]!.id)).toHaveLength(2)
  expect(await store.get('emails', held[0]!.id)).toMatchObject({ state: 'completed' })
  for (const state of ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const) {
    await store.list('emails', { state })
  }
  const counts = { waiting: 3, delayed: 1, active: 0, completed: 2, failed: 1 }
  expect(await store.counts('emails')).toMatchObject(counts)
  await store.minutes('emails')
  expect(await store.alter('emails', [held[1]!.id], { kind: 'retry' })).toEqual(['done'])
  expect(await store.configure('emails', { paused: true })).toMatchObject({ paused: true })
  await store.configure('emails', { paused: false })
  await store.recover('emails')
  await store.prune('emails')
  await store.wake('emails', 'worker')
  expect(await store.workers()).toHaveLength(1)
  expect(await store.keys()).toEqual(['send-email'])
  expect(await store.partitions()).toEqual(['emails'])
  expect(await store.now()).toBeGreaterThan(0)
  expect(await store.clear('emails', 'waiting')).toBe(4)
  await store.retire('worker')
}

describe('a user with only the permissions of the manual', () => {
  test.each(['redis-server', 'valkey-server'])('can run the whole life of a job, on %s', async (binary) => {
    await using server = await startRedis({ binary })
    await server.send(...rights('one server'))
    await liveThrough(asLark(server.url))
    await expectNoRefusals([server])
    await using store = makeStore(asLark(server.url), { prefix: 'other' })
    await expect(store.open()).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      hint: expect.stringContaining('ACL'),
    })
  })

  test.each(['redis-server', 'valkey-server'])('cannot change foreign data, on %s', async (binary) => {
    await using server = await startRedis({ binary })
    await server.send(...rights('one server'))
    const may = async (...words: string[]) => String(await server.send('ACL', 'DRYRUN', 'lark', ...words))
    expect(await may('GET', 'lark:{emails}:jobs')).toBe('OK')
    expect(await may('EVAL', 'return 1', '1', 'lark:{emails}:jobs')).toBe('OK')
    for (const words of [
      ['FUNCTION', 'LOAD', 'x'],
      ['FUNCTION', 'FLUSH'],
      ['FCALL', 'f', '0'],
      ['SCRIPT', 'FLUSH'],
      ['SCRIPT', 'LOAD', 'return 1'],
      ['SCRIPT', 'KILL'],
      ['KEYS', '*'],
      ['SCAN', '0'],
      ['RANDOMKEY'],
      ['DBSIZE'],
      ['FLUSHDB'],
      ['FLUSHALL'],
      ['SWAPDB', '0', '1'],
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
      ['CLIENT', 'LIST'],
      ['MONITOR'],
      ['DEBUG', 'SLEEP', '0'],
      ['SHUTDOWN'],
      ['REPLICAOF', 'NO', 'ONE'],
      ['MIGRATE', 'h', '1', 'lark:x', '0', '1'],
      ['SORT', 'lark:x'],
      ['BLPOP', 'lark:x', '0'],
      ['SUBSCRIBE', 'other'],
      ['PSUBSCRIBE', '*'],
      ['PUBLISH', 'other', 'x'],
      ['GET', 'other'],
      ['GET', 'lark'],
      ['EVAL', 'return 1', '1', 'other'],
      ['RENAME', 'lark:x', 'lark:y'],
    ])
      expect(await may(...words), words.join(' ')).toMatch(/no permissions/i)
  })

  test('needs the further permissions of the manual for durability and the benchmark', async () => {
    await using server = await startRedis()
    await server.send(...rights('one server', ["`durability: 'replicated'`", '`lark jobs:bench`']))
    expect(await server.send('ACL', 'DRYRUN', 'lark', 'WAIT', '1', '100')).toBe('OK')
    await using store = await openStore(asLark(server.url), { prefix: 'lark:bell:bench' })
    await new Caller(store, 'web', 'emails').enqueue(...jobs(3))
    await erase(asLark(server.url), 'lark:bell:bench')
    expect(await server.send('KEYS', '*')).toEqual([])
    await expectNoRefusals([server])
  })

  test('needs the further permissions of the manual for durability', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    await server.send(...rights('one server', ["`durability: 'strict'`"]))
    const url = asLark(server.url)
    await using store = await openStore(url, { durability: 'strict' })
    expect(await new Caller(store, 'web', 'emails').enqueue(job())).toEqual(['queued'])
    await expectNoRefusals([server])
  })

  test('can do the same on a cluster', async () => {
    await using cluster = await startCluster({ replicas: 0 })
    for (const node of cluster.nodes) await node.send(...rights('a cluster'))
    await liveThrough(asLark(cluster.url))
    await expectNoRefusals(cluster.nodes)
  })

  test('can do the same behind Sentinels that have their own user', async () => {
    await using fleet = await startSentinel({ sentinels: 1 })
    for (const server of fleet.servers) await server.send(...rights('one server'))
    await fleet.sentinels[0]!.send(...rights('a Sentinel'))
    const query = '?sentinel_username=lark&sentinel_password=secret'
    const { address } = fleet.sentinels[0]!
    await liveThrough(`redis+sentinel://lark:secret@${address}/${MASTER}${query}`)
    await expectNoRefusals([...fleet.servers, ...fleet.sentinels])
  })

  test('gets an error at once if the password is wrong', async () => {
    await using server = await startRedis()
    await server.send(...rights('one server'))
    await using store = makeStore(server.url.replace('//', '//lark:wrong@'))
    const { ms, error } = await timed(store.open())
    expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('WRONGPASS') })
    expect(ms).toBeLessThan(2_000)
  })
})
