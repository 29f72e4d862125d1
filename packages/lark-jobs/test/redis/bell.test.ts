/**
 * This folder has more than 25 files: one for each condition of a server or a connection, and files that
 * start servers and proxies.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { TcpProxy } from './proxy.ts'
import { addressOf, Server, until } from './server.ts'
import { openStore } from './stores.ts'

let server: Server
beforeAll(async () => {
  server = await Server.start()
})
afterAll(() => server[Symbol.asyncDispose]())

test('if a notification is lost with its connection, the caller looks for jobs again', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using worker = await openStore(proxy.url)
  await using web = await openStore(server.url)
  const ada = new Caller(worker, 'ada', 'cut')
  expect(await ada.claim()).toEqual([])
  const wait = worker.wait('ada', 20_000)
  proxy.cut()
  await new Caller(web, 'web', 'cut').enqueue(job())
  expect(await wait).toEqual(['cut'])
  expect(await ada.claim()).toHaveLength(1)
})

test('a caller that lost its connection gets notifications again', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using worker = await openStore(proxy.url)
  const ada = new Caller(worker, 'ada', 'again')
  await ada.claim()
  proxy.cut()
  expect(await worker.wait('ada', 20_000)).toEqual(['again'])
  expect(await ada.claim()).toEqual([])
  const wait = worker.wait('ada', 20_000)
  await new Caller(worker, 'web', 'again').enqueue(job())
  expect(await wait).toEqual(['again'])
})

test('no notification goes to a worker that died while it waited', async () => {
  const dead = await openStore(server.url)
  await new Caller(dead, 'dead', 'ring').claim()
  await dead.close()
  await using store = await openStore(server.url)
  await new Caller(store, 'ada', 'ring').claim()
  await new Caller(store, 'web', 'ring').enqueue(job())
  expect(await store.wait('ada', 20_000)).toEqual(['ring'])
})

test('if the worker whose lease ends last does not listen, another worker with jobs gets the notice about effects', async () => {
  const dead = await openStore(server.url)
  await using store = await openStore(server.url)
  const given = job({ hooked: true, delay: 60_000 })
  await new Caller(store, 'web', 'told').enqueue(given, job(), job(), job())
  const ada = new Caller(store, 'ada', 'told')
  await ada.claimOne()
  await new Caller(dead, 'dead', 'told').claimOne()
  await dead.close()
  const raw = new Connection(addressOf(server.url))
  await until(async () => {
    const bells = (await raw.send(['PUBSUB', 'CHANNELS', '*bell:*'])) as string[]
    return !bells.some((bell) => bell.endsWith(':dead'))
  })
  raw.close()
  const told = new Promise((resolve) => void store.wait('ada', 20_000, undefined, resolve))
  await store.alter('told', [given.id], { kind: 'cancel', reason: 'user' })
  expect(await told).toBe('told')
})

test('a store that only dispatches opens one connection; a store that claims opens a second', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using store = await openStore(proxy.url)
  await new Caller(store, 'web', 'count').enqueue(job())
  expect(proxy.connections).toBe(1)
  for (const partition of ['count', 'count/1', 'other']) await new Caller(store, 'ada', partition).claim()
  await new Caller(store, 'bob', 'count').claim()
  expect(proxy.connections).toBe(2)
})

test('a dispatch writes nothing for workers when none waits', async () => {
  await using store = await openStore(server.url)
  const caller = new Caller(store, 'ada', 'busy')
  await caller.enqueue(job(), job())
  await caller.claim(1)
  const raw = new Connection(addressOf(server.url))
  const keys = (await raw.send(['KEYS', 'lark:{busy}:*'])) as string[]
  raw.close()
  expect(keys.map((key) => key.slice('lark:{busy}:'.length)).sort()).toEqual([
    'call:ada',
    'claims',
    'holders',
    'jobs',
    'leases',
    'line',
  ])
})
