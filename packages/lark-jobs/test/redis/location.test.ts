/**
 * The forms of a connection.
 */
import { expect, test } from 'vitest'
import { type JobsConfig, resolveSettings } from '../../src/config/config.ts'
import { connect } from '../../src/store/connect.ts'
import { parseLocation } from '../../src/store/redis/client/location.ts'

test('one server', () => {
  expect(parseLocation('redis://app:p%40ss@example.com:7000/3')).toEqual({
    kind: 'server',
    name: 'redis://example.com:7000/3',
    address: { host: 'example.com', port: 7000, database: 3, username: 'app', password: 'p@ss' },
  })
  expect(parseLocation({ port: 7000, password: 'p@ss', tls: { ca: 'PEM' } })).toEqual({
    kind: 'server',
    name: 'rediss://127.0.0.1:7000/0',
    address: { host: '127.0.0.1', port: 7000, database: 0, password: 'p@ss', tls: { ca: 'PEM' } },
  })
  expect(parseLocation({ path: '/run/redis.sock', database: 1 }).name).toBe('unix:/run/redis.sock?db=1')
})

test('parameters of a URL set TLS and the database', () => {
  const address = (text: string) => (parseLocation(text) as { address: object }).address
  for (const text of ['redis://h?tls=true', 'redis://h?ssl=1', 'rediss://h?tls=TRUE&ssl=yes', 'valkeys://h'])
    expect(address(text), text).toMatchObject({ host: 'h', tls: true })
  for (const text of ['redis://h?tls=false', 'redis://h?ssl=0&tls=no', 'redis://h?'])
    expect(address(text), text).not.toHaveProperty('tls')
  for (const text of ['redis://h/2', 'redis://h?db=2', 'redis://h/2?db=2', 'unix:/s?db=2', 'unix:///s?db=2'])
    expect(address(text), text).toMatchObject({ database: 2 })
  const sentinels = parseLocation('redis+sentinel://h/p?ssl=true&db=3')
  expect(sentinels).toMatchObject({ address: { tls: true, database: 3 }, sentinels: [{ tls: true }] })
  expect(parseLocation('redis+cluster://h?tls=true')).toMatchObject({ nodes: [{ tls: true }] })
})

test('characters that are unambiguous need not be percent-encoded', () => {
  const one = { host: 'h', username: 'u', password: 'p@:s"s' }
  expect(parseLocation('redis://u:p@:s"s@h')).toMatchObject({ address: one })
  expect(parseLocation('redis://')).toMatchObject({ name: 'redis://127.0.0.1:6379/0' })
  expect(parseLocation('redis://:p@/1')).toMatchObject({ name: 'redis://127.0.0.1:6379/1' })
  expect(parseLocation('redis://[::1]:7000')).toMatchObject({ name: 'redis://[::1]:7000/0' })
})

test('a cluster', () => {
  const one = parseLocation('redis+cluster://:p%40ss@one:7000,[::1]:7001,three')
  expect(one).toEqual({
    kind: 'cluster',
    name: 'redis+cluster://one:7000,[::1]:7001,three:6379',
    nodes: [
      { host: 'one', port: 7000, database: 0, password: 'p@ss' },
      { host: '::1', port: 7001, database: 0, password: 'p@ss' },
      { host: 'three', port: 6379, database: 0, password: 'p@ss' },
    ],
  })
  expect(parseLocation({ cluster: ['one:7000', '[::1]:7001', 'three'], password: 'p@ss' })).toEqual(one)
  for (const scheme of ['redis-cluster', 'valkey+cluster', 'REDIS+CLUSTER']) {
    expect(parseLocation(`${scheme}://:p%40ss@one:7000,[::1]:7001,three/0`)).toEqual(one)
  }
  const secure = parseLocation('rediss+cluster://one')
  expect(secure).toMatchObject({ name: 'rediss+cluster://one:6379', nodes: [{ tls: true }] })
})

test('Sentinels', () => {
  const text =
    'redis+sentinel://app:p%40ss@one,two:26380/my-primary/2?sentinel_username=s&sentinel_password=t%26'
  const one = parseLocation(text)
  expect(one).toEqual({
    kind: 'sentinel',
    name: 'redis+sentinel://one:26379,two:26380/my-primary/2',
    primary: 'my-primary',
    sentinels: [
      { host: 'one', port: 26379, database: 0, username: 's', password: 't&' },
      { host: 'two', port: 26380, database: 0, username: 's', password: 't&' },
    ],
    address: { host: '127.0.0.1', port: 6379, database: 2, username: 'app', password: 'p@ss' },
  })
  const sentinel = { name: 'my-primary', nodes: ['one', 'two:26380'], username: 's', password: 't&' }
  expect(parseLocation({ sentinel, username: 'app', password: 'p@ss', database: 2 })).toEqual(one)
  expect(parseLocation(text.replace('redis+', 'redis-'))).toEqual(one)
  const secure = parseLocation('rediss+sentinel://one/p')
  expect(secure).toMatchObject({ sentinels: [{ tls: true }], address: { tls: true }, name: /^rediss/ })
  const half = parseLocation({ sentinel: { ...sentinel, tls: false }, tls: { ca: 'PEM' } })
  expect(half).toMatchObject({ address: { tls: { ca: 'PEM' } } })
  expect((half as { sentinels: object[] }).sentinels[0]).not.toHaveProperty('tls')
})

test.each([
  ['redis://one,two', 'several hosts'],
  ['redis+cluster://one/1', 'database 0'],
  ['redis+cluster://one,', 'host is missing'],
  ['redis+cluster://one:x', 'the form host:port'],
  ['redis+cluster://one:70000', 'the port is not a number from 1 to 65535'],
  ['redis+sentinel://one', 'name of the primary'],
  ['redis+sentinel://one/p/x', 'database'],
  ['redis+cluster://:%zz@one', '%25'],
  ['redis://h?tls=maybe', '"?tls=" must be true or false'],
  ['redis://h?TLS=true', 'parameter 1 after the ? is unknown; known are ?tls=, ?db='],
  ['redis://h?tls=true&certs=none', 'parameter 2 after'],
  ['rediss://h?tls=false', 'contradicts'],
  ['redis://h?tls=true&ssl=false', 'contradicts'],
  ['redis://h?tls=true&tls=true', 'twice'],
  ['redis://h/1?db=2', 'two databases'],
  ['redis://h/one', 'database must be a whole number'],
  ['redis://h/0x1', 'database must be a whole number'],
  ['redis://u:a/b@h', '%2F'],
  ['redis://u:a?b@h', '%3F'],
  ['redis://u:a#b@h', '%23'],
  ['redis:h:6379', 'does not begin with'],
  ['unix://host/path', 'unix:/path'],
  ['unix:socket', 'unix:/path'],
  [{ host: 'redis://one' }, 'the host is neither'],
  [{ host: 'one:6379' }, 'a port does not belong there'],
  [{ port: '6379' }, 'the port is a string, not a number'],
  [{ password: 5 }, 'password is number, not a text'],
  [{ path: 'socket' }, 'must be absolute'],
  [{ tls: 'true' }, 'tls must be true, false, or an object'],
  [
    { tls: true, sentinel: { name: 'p', nodes: ['one'], tls: null } },
    'tls must be true, false, or an object',
  ],
  [{ host: 'one', path: '/socket' }, 'give only one of path and host and port'],
  [{ cluster: 'one' }, 'a list of'],
  [{ sentinel: { name: 'p', nodes: ['one'], pass: 'x' } }, '"pass" is not one of'],
  [{ cluster: [] }, 'one node'],
  [{ cluster: ['one'], database: 2 }, 'database 0'],
  [{ cluster: ['one'], sentinel: { name: 'p', nodes: ['one'] } }, 'give only one of cluster and sentinel'],
  [{ sentinel: { name: '', nodes: ['one'] } }, 'name of the primary'],
  [{ sentinel: { name: 'p', nodes: [] } }, 'one Sentinel'],
  [{ hots: 'one' }, '"hots" is not one of'],
] as const)('%j is refused', (given, why) => {
  expect(() => parseLocation(given as string)).toThrow(
    expect.objectContaining({ code: 'STORE_INVALID', message: expect.stringContaining(why) }),
  )
})

test('an error does not repeat the refused text, because it may contain a password', () => {
  for (const text of ['redis+cluster://:hunter2@one/1', 'redis://:hunter2@one,two', 'http://:hunter2@one']) {
    expect(() => parseLocation(text)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
    )
  }
})

test('the configuration accepts each of these forms', async () => {
  const settings = (jobs: JobsConfig) => {
    return resolveSettings({ config: { jobs }, file: '/app/lark.config.js', folder: '/app' }, {})
  }
  for (const [connection, name] of [
    ['redis+cluster://one,two', 'redis+cluster://one:6379,two:6379'],
    ['redis-sentinel://one/p', 'redis+sentinel://one:26379/p/0'],
    ['valkeys+cluster://one', 'rediss+cluster://one:6379'],
    [{ cluster: ['one'] }, 'redis+cluster://one:6379'],
    [{ sentinel: { name: 'p', nodes: ['one'] } }, 'redis+sentinel://one:26379/p/0'],
    [{ port: 7000 }, 'redis://127.0.0.1:7000/0'],
  ] as const) {
    const { prefix, ...found } = settings({ connection })
    await using store = await connect(found.connection, prefix)
    expect(store.name).toBe(name)
  }
  await expect(connect('redis+magic://one', 'lark')).rejects.toMatchObject({ code: 'STORE_INVALID' })
  expect(settings({}).durability).toBe('normal')
  expect(settings({ durability: 'strict' }).durability).toBe('strict')
  expect(() => settings({ durability: 'always' as 'strict' })).toThrow(
    "jobs.durability is 'always'; it must be 'normal', 'strict' or 'replicated'",
  )
  expect(() => settings({ connection: 5 as never })).toThrow('an object with Redis servers')
})
