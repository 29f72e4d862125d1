/** Tests the connections to the Redis of BullMQ by ioredis, and calls without an answer. */
import { expect, inject, test } from 'vitest'
import { makeCertificates } from '../../../lark-jobs/test/redis/certificates.ts'
import { newPrefix } from '../../../lark-jobs/test/redis/place.ts'
import { TcpProxy } from '../../../lark-jobs/test/redis/proxy.ts'
import { MASTER, startSentinel } from '../../../lark-jobs/test/redis/sentinel.ts'
import { command, freePort, startRedis } from '../../../lark-jobs/test/redis/server.ts'
import { ForeignRedis } from '../../src/import/foreign-redis.ts'

const url = inject('redisUrl')
const port = Number(new URL(url).port)

/** Opens a Redis for a test. */
async function opened(...from: Parameters<typeof ForeignRedis.open>) {
  const redis = await ForeignRedis.open(...from)
  return { redis, [Symbol.dispose]: () => redis.close() }
}

test('when a connection ends, reading calls are sent again, but changing calls are not', async () => {
  const key = newPrefix()
  await using proxy = await TcpProxy.start(port)
  using foreign = await opened(proxy.url)
  const { redis } = foreign
  expect(await redis.read(['GET', key])).toBeNull()
  proxy.loseRepliesTo('LRANGE', 'EVAL')
  expect(await redis.read(['LRANGE', key, '0', '-1'])).toEqual([])
  await expect(redis.run("return redis.call('INCR', KEYS[1])", key, [])).rejects.toMatchObject({
    code: 'STORE_UNCERTAIN',
  })
  expect(proxy.unlost).toEqual([])
  expect(await redis.read(['GET', key])).toBe('1')
  await command(url, 'DEL', key)
})

test('the messages about an absent or refusing server do not contain the password', async () => {
  using nobody = await opened(`redis://:secret@127.0.0.1:${await freePort()}/3`)
  const away = await nobody.redis.read(['PING']).catch((error) => error)
  expect(away).toMatchObject({ code: 'STORE_UNREACHABLE', message: expect.stringContaining('ECONNREFUSED') })
  await using server = await startRedis({ password: 'right' })
  using stranger = await opened(`redis://127.0.0.1:${server.port}`)
  const refused = await stranger.redis.read(['GET', 'a']).catch((error) => error)
  expect(refused).toMatchObject({ code: 'STORE_REFUSED', hint: expect.stringContaining('password') })
  for (const { message, hint } of [away, refused] as { message: string; hint: string }[])
    expect(`${message} ${hint}`).not.toContain('secret')
  expect(nobody.redis.name).toBe(`redis://127.0.0.1:${nobody.redis.name.match(/:(\d+)\/3$/)![1]}/3`)
})

test('a connection may use TLS, a database, and a function for the password', async () => {
  const tls = makeCertificates()
  await using server = await startRedis({ tls, password: 'right' })
  const place = { host: '127.0.0.1', port: server.port, database: 2, tls: { ca: tls.ca } }
  using foreign = await opened({ ...place, credentials: () => ({ password: 'right' }) })
  await foreign.redis.run("redis.call('SET', KEYS[1], 'there')", 'key', [])
  expect(await foreign.redis.read(['GET', 'key'])).toBe('there')
  using other = await opened({ ...place, database: 0, password: 'right' })
  expect(await other.redis.read(['GET', 'key'])).toBeNull()
})

test('a primary and its Sentinels may have different passwords', async () => {
  await using fleet = await startSentinel({
    ...{ replicas: 0, sentinels: 1, password: 'right', sentinelPassword: 'watch' },
  })
  using foreign = await opened(fleet.url)
  expect(foreign.redis.name).toContain(MASTER)
  expect((await foreign.redis.read(['ROLE'])) as unknown[]).toContain('master')
  expect(await foreign.redis.each((read) => read(['PING']))).toEqual(['PONG'])
})
