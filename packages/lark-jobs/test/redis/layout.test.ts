/**
 * An earlier layout is brought forward. Large payloads are kept apart, and are removed with their jobs.
 */
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { LAYOUT } from '../../src/store/redis/client/keys.ts'
import { Caller } from '../conformance/caller.ts'
import { goesOn } from '../conformance/earlier.ts'
import { completed, ids, job } from '../conformance/jobs.ts'
import { addressOf, Server } from './server.ts'
import { openStore } from './stores.ts'

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
beforeEach(async () => {
  await raw.send(['FLUSHALL'])
})

test('jobs of layout 4 go on', async () => {
  // The dump is a list of commands. The version of Lark with this layout made it.
  const packed = await readFile(new URL('layouts/4.json.gz', import.meta.url))
  for (const command of JSON.parse(gunzipSync(packed).toString()) as string[][]) await raw.send(command)
  const [store, other] = await Promise.all([
    openStore(server.url, { prefix: 'old' }),
    openStore(server.url, { prefix: 'old' }),
  ])
  await using _ = store
  await using __ = other
  expect(await raw.send(['GET', 'old:{meta}:layout'])).toBe(LAYOUT)
  await goesOn(store, other)
})

test('a claim does not touch jobs that it does not hand out, and a payload is removed with its job', async () => {
  await using store = await openStore(server.url)
  const ada = new Caller(store, 'ada', 'emails')
  const list = Array.from({ length: 9 }, () => job({ payload: 'x'.repeat(400_000) }))
  for (const given of list) await ada.enqueue(given)
  const line = 'lark:{emails}:line'
  for (let left = 7; left > 0; left -= 2) {
    for (const held of await ada.claim(100)) await ada.settle(held, completed)
    expect(await raw.send(['LLEN', line])).toBe(left)
    // Jobs that were put back would be under this key.
    expect(await raw.send(['EXISTS', 'lark:{emails}:due'])).toBe(0)
  }
  const record = (await raw.send(['HGET', 'lark:{emails}:jobs', list[0]!.id])) as string
  expect(record.length).toBeLessThan(100)
  expect(await raw.send(['HLEN', 'lark:{emails}:payloads'])).toBe(9)
  expect(await raw.send(['HGET', 'lark:{emails}:settings', 'large'])).toBe('1')
  await store.alter('emails', ids(list.slice(0, 4)), { kind: 'remove' })
  await store.clear('emails', 'completed')
  await store.clear('emails', 'waiting')
  const keys = (await raw.send(['KEYS', 'lark:{emails}:*'])) as string[]
  expect(keys.filter((key) => !/:(call:|minutes:|holders$)/.test(key))).toEqual([])
})
