/** The inspection of a server finds the rights of its user without changing data. */
import { readdirSync, readFileSync } from 'node:fs'
import { createClient } from '@redis/client'
import { expect, test } from 'vitest'
import type { ServersInspection } from '../../src/store/contract/inspection.ts'
import { Keys } from '../../src/store/redis/client/keys.ts'
import { factsIn, harmless, onLayout } from '../../src/store/redis/verbs/inspect.ts'
import { asLark, rights } from './rights.ts'
import { startRedis } from './server.ts'
import { openStore } from './stores.ts'

const folder = new URL('../../src/store/redis/lua/', import.meta.url)

test('the inspection tries each command that scripts use', () => {
  const keys = new Keys('lark')
  const tried = new Set(
    [...onLayout(keys), ...harmless(keys)].map(([command]) => command).concat('SET', 'GET'),
  )
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.lua'),
  )
  const calls = files.flatMap((path) => [
    ...readFileSync(new URL(path, folder), 'utf8').matchAll(/redis\.p?call\(\s*'([A-Z]+)'/g),
  ])
  expect(calls.length).toBeGreaterThan(300)
  expect([...new Set(calls.map(([, command]) => command!))].filter((command) => !tried.has(command))).toEqual(
    [],
  )
})

test('the inspection names the commands that the user may not run, and changes nothing in the store', async () => {
  await using server = await startRedis()
  const admin = createClient({ url: server.url })
  await admin.connect()
  await admin.sendCommand(rights('one server'))
  await using store = await openStore(asLark(server.url), { durability: 'normal' })
  const inspect = async () => {
    const found = (await store.inspect()) as ServersInspection
    return found.servers[0]!
  }
  const keys = async () => [await admin.dbSize(), await admin.get('lark:{meta}:layout')]
  const before = await keys()
  expect(await inspect()).toMatchObject({ refused: [], software: 'Redis', appendOnly: false, replicas: [] })
  await admin.sendCommand(['ACL', 'SETUSER', 'lark', '-hset', '-publish', '-role'])
  expect((await inspect()).refused).toEqual(['hset', 'publish', 'role'])
  await admin.sendCommand(['ACL', 'SETUSER', 'lark', '-@all', '+ping'])
  const { refused, ...rest } = await inspect()
  expect(refused).toEqual(expect.arrayContaining(['del', 'eval', 'evalsha', 'get', 'info', 'set', 'time']))
  expect(Object.keys(rest)).toEqual(['name'])
  expect(await keys()).toEqual(before)
  // Somebody empties the server.
  await admin.flushAll()
  await inspect()
  expect(await keys()).toEqual([0, null])
  await admin.sendCommand(['ACL', 'SETUSER', 'lark', '+get', '+set', '+hset'])
  await inspect()
  expect(await keys()).toEqual([1, before[1]])
  await admin.close()
})

test('for a user with all rights, the inspection reports how the append-only file is synced', async () => {
  await using server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'no'] })
  await using store = await openStore(server.url)
  const { servers } = (await store.inspect()) as ServersInspection
  expect(servers[0]).toMatchObject({
    appendOnly: true,
    appendSync: 'no',
    isAppending: true,
    needsReplicas: false,
  })
})

test('the inspection reads the replicas from INFO', () => {
  const text = [
    'redis_version:7.2.4',
    'valkey_version:8.1.1',
    'connected_slaves:2',
    'min_slaves_good_slaves:1',
    'slave0:ip=10.0.0.2,port=6379,state=online,offset=900,lag=1',
    'slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=12',
    'master_repl_offset:1000',
  ]
  expect(factsIn(text.join('\r\n'))).toEqual({
    ...{ software: 'Valkey', version: '8.1.1', isNode: false, needsReplicas: true },
    replicas: [
      { name: '10.0.0.2:6379', isOnline: true, silence: 1_000, behind: 100 },
      { name: '10.0.0.3:6379', isOnline: false, silence: 12_000, behind: 1_000 },
    ],
  })
})
