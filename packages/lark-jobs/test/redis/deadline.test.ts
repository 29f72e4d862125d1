/**
 * Every verb ends within 5 s, whatever the network does, unless the server still answers earlier calls.
 */
import { createServer } from 'node:net'
import { expect, inject, test } from 'vitest'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { newPrefix } from './place.ts'
import { addressOf, Server } from './server.ts'
import { makeStore, openStore, timed } from './stores.ts'

const call = { caller: 'web', number: 1 }

test.concurrent('if no server listens, a call fails with STORE_UNREACHABLE and the address', async () => {
  const server = await Server.start()
  await server[Symbol.asyncDispose]()
  await using store = makeStore(server.url)
  const verbs = [store.open(), store.enqueue('emails', call, [job()]), store.counts('emails')]
  for (const { ms, error } of await Promise.all(verbs.map((verb) => timed<unknown>(verb)))) {
    expect(error).toMatchObject({ code: 'STORE_UNREACHABLE', hint: expect.stringContaining('Redis') })
    expect(error?.message).toContain(`connect ECONNREFUSED 127.0.0.1:${server.port}`)
    expect(ms).toBeGreaterThan(4_000)
    expect(ms).toBeLessThan(5_000)
  }
})

test.concurrent('if a server accepts the connection and does not answer, a call fails with STORE_UNREACHABLE', async () => {
  const silent = createServer((socket) => socket.resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  await using store = makeStore(`redis://127.0.0.1:${port}`)
  const { ms, error } = await timed(store.exchange('emails', call, [], { limit: 1, leaseMs: 1_000 }))
  expect(error).toMatchObject({ code: 'STORE_UNREACHABLE' })
  expect(error?.message).toContain('ETIMEDOUT')
  expect(ms).toBeLessThan(5_000)
  await store.close()
  await new Promise((resolve) => silent.close(resolve))
})

test.concurrent('if a server hangs, calls fail with STORE_UNCERTAIN and then STORE_UNREACHABLE, and succeed again later', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(job())
  server.signal('SIGSTOP')
  const hung = await timed(web.enqueue(job()))
  expect(hung.error).toMatchObject({
    code: 'STORE_UNCERTAIN',
    message: expect.stringContaining('no answer within'),
  })
  expect(hung.ms).toBeLessThan(5_000)
  const next = await timed(store.counts('emails'))
  expect(next.error).toMatchObject({ code: 'STORE_UNREACHABLE' })
  expect(next.ms).toBeLessThan(5_000)
  server.signal('SIGCONT')
  expect((await store.counts('emails')).waiting).toBeGreaterThanOrEqual(1)
})

test.concurrent('calls that wait for earlier calls are not given up while the server answers', async () => {
  const patience = 3_000
  const connection = new Connection(addressOf(inject('redisUrl')), { patience })
  // Each call keeps the connection busy for half a second, and all of them together take longer than one call
  // may.
  const waits = Array.from({ length: 8 }, () => connection.send(['BLPOP', newPrefix(), '0.5']))
  expect(await Promise.all(waits)).toEqual(waits.map(() => null))
  // The verb has several commands, and its first command uses up the time of the verb.
  expect(await connection.send(['BLPOP', newPrefix(), '0.1'], performance.now() - 1)).toBe(null)
  connection.close()
})

test.concurrent('close() of a store that never reached its server returns at once', async () => {
  const server = await Server.start()
  await server[Symbol.asyncDispose]()
  const store = makeStore(server.url)
  const opened = timed(store.open())
  expect((await timed(store.close())).ms).toBeLessThan(50)
  const { ms, error } = await opened
  expect(error).toMatchObject({ code: 'STORE_UNREACHABLE', message: expect.stringContaining('closed') })
  expect(ms).toBeLessThan(500)
})
