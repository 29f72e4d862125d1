/**
 * Connections in the forms that providers print, that other clients accept, and that people paste. Each form
 * is used as the table says, or refused with one sentence that says what to write instead. No part is
 * ignored.
 */
import { createServer, type Socket, type Server as TcpServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { resolveSettings } from '../../src/config/config.ts'
import type { JobsError } from '../../src/model/errors.ts'
import { connect } from '../../src/store/connect.ts'
import type { RedisServers } from '../../src/store/contract/connection/servers.ts'
import { parseLocation } from '../../src/store/redis/client/location.ts'
import { makeCertificates } from './certificates.ts'
import { startRedis } from './server.ts'
import { makeStore, openStore } from './stores.ts'

type Given = string | RedisServers

const settings = (connection: Given | undefined, env: Record<string, string> = {}) =>
  resolveSettings({ config: { jobs: { connection } }, file: '/app/lark.config.js', folder: '/app' }, env)

/** Returns the address of the server, of the first node of a cluster, or of the primary. */
function addressOf(given: Given): object {
  const location = parseLocation(settings(given).connection)
  return location.kind === 'cluster' ? location.nodes[0]! : location.address
}

/** Returns the code, the message and the hint of the error in one line. */
async function refusalOf(given: Given): Promise<string> {
  const error = await (async () => connect(settings(given).connection, 'lark'))().then(
    () => undefined,
    (error: JobsError) => error,
  )
  return error === undefined ? 'it is not refused' : `${error.code}: ${error.message}. ${error.hint}`
}

const unchecked = { rejectUnauthorized: false }

describe('a form of a connection is used:', () => {
  test.each<[of: string, given: Given, address: object]>([
    ['Heroku', 'rediss://:p123@ec2-1-2-3-4.compute-1.amazonaws.com:12345', { tls: true, port: 12345 }],
    [
      'Heroku, unchecked',
      'rediss://:p123@ec2-1-2.amazonaws.com:12345?ssl_cert_reqs=none',
      { tls: unchecked },
    ],
    ['Celery on Heroku', 'rediss://:p@h:1?ssl_cert_reqs=CERT_NONE', { tls: unchecked }],
    ['checked, as by default', 'rediss://h?ssl_cert_reqs=required', { tls: true }],
    ['TLS by a parameter, unchecked', 'redis://h?ssl=true&ssl_cert_reqs=none', { tls: unchecked }],
    [
      'Upstash',
      'rediss://default:AbCd==@usable-cat-12345.upstash.io:6379',
      { tls: true, username: 'default', password: 'AbCd==', host: 'usable-cat-12345.upstash.io' },
    ],
    ['Fly', 'redis://default:pw@fly-app.upstash.io:6379', { host: 'fly-app.upstash.io', password: 'pw' }],
    ['Fly, private', 'redis://default:pw@[fdaa:0:1::3]:6379', { host: 'fdaa:0:1::3', port: 6379 }],
    ['Render, internal', 'redis://red-abc123:6379', { host: 'red-abc123', port: 6379 }],
    [
      'Render, external',
      'rediss://red-abc123:pw@oregon-keyvalue.render.com:6379',
      { tls: true, username: 'red-abc123', password: 'pw' },
    ],
    ['Railway', 'redis://default:pw@redis.railway.internal:6379?family=0', { family: 0 }],
    ['Railway, public', 'redis://default:pw@roundhouse.proxy.rlwy.net:31415', { port: 31415 }],
    ['IPv6 alone', 'redis://h?family=6', { family: 6 }],
    ['IPv4 alone', { host: 'h', family: 4 }, { family: 4 }],
    [
      'ElastiCache',
      'rediss://app:pw@master.my-cache.abc123.use1.cache.amazonaws.com:6379',
      { tls: true, username: 'app' },
    ],
    [
      'ElastiCache, cluster',
      'rediss+cluster://:pw@clustercfg.my-cache.abc123.use1.cache.amazonaws.com:6379',
      { tls: true, host: 'clustercfg.my-cache.abc123.use1.cache.amazonaws.com' },
    ],
    [
      'MemoryDB',
      'rediss+cluster://app:pw@clustercfg.my.abc123.memorydb.us-east-1.amazonaws.com:6379',
      { tls: true, username: 'app' },
    ],
    [
      'Azure',
      'rediss://:Key+With/slash=@name.redis.cache.windows.net:6380'.replace('/slash', '%2Fslash'),
      { tls: true, port: 6380, password: 'Key+With/slash=' },
    ],
    [
      'Azure Managed Redis',
      'rediss://:key=@name.eastus.redis.azure.net:10000',
      { port: 10000, password: 'key=' },
    ],
    ['DigitalOcean, Aiven', 'rediss://default:pw@db-1.db.ondigitalocean.com:25061', { tls: true }],
    ['a password as a parameter', 'redis://h?password=p%40ss', { password: 'p@ss' }],
    ['a user as a parameter', 'redis://h?username=app&password=pw', { username: 'app', password: 'pw' }],
    ['a password said twice alike', 'redis://:pw@h?password=pw', { password: 'pw' }],
    ['a password beside a user', 'redis://app@h?password=pw', { username: 'app', password: 'pw' }],
    ['a database as a parameter', 'redis://h?db=3', { database: 3 }],
    ['a database by its other name', 'redis://h?database=3', { database: 3 }],
    ['no database of a cluster', 'redis+cluster://h?db=0', { database: 0 }],
    ['redis+ssl', 'redis+ssl://h', { tls: true }],
    ['redis+tls', 'redis+tls://:pw@h:7000', { tls: true, password: 'pw', port: 7000 }],
    ['valkey+tls', 'valkey+tls://h', { tls: true }],
    ['redis-socket', 'redis-socket:///run/redis.sock', { path: '/run/redis.sock' }],
    ['redis+socket with a database', 'redis+socket:///run/redis.sock?database=2', { database: 2 }],
    [
      'redis+unix with a user',
      'redis+unix://app:p%40ss@/run/redis.sock',
      { path: '/run/redis.sock', username: 'app', password: 'p@ss' },
    ],
    ['unix with a password', 'unix:///run/redis.sock?password=pw&db=1', { password: 'pw', database: 1 }],
    ['valkey+unix', 'valkey+unix:/run/redis.sock', { path: '/run/redis.sock' }],
    ['blanks', '  redis://h:7000\n', { host: 'h', port: 7000 }],
    ['double quotes', '"redis://:pw@h:7000"', { host: 'h', password: 'pw' }],
    ['single quotes and blanks', " 'rediss://h' ", { tls: true, host: 'h' }],
    ['backquotes', '`redis://h`', { host: 'h' }],
    ['a time to connect', 'redis://h?connectTimeout=10000', { connectTimeout: 10_000 }],
    ['a time to connect, with its unit', 'redis://h?connectTimeout=10s', { connectTimeout: 10_000 }],
    ['a time to connect, in an object', { host: 'h', connectTimeout: '7s' }, { connectTimeout: 7_000 }],
    ['a name', 'redis://h?clientName=shop', { clientName: 'shop' }],
    ['a name, as in Python and Go', 'redis://h?client_name=shop', { clientName: 'shop' }],
    ['a name, as with ioredis', 'redis://h?connectionName=shop', { clientName: 'shop' }],
    ['a password of the primary', 'redis+sentinel://s/p?password=pw', { password: 'pw' }],
    [
      'a url with TLS options',
      { url: 'rediss://:pw@h:7000/2', tls: { ca: 'PEM' } },
      { host: 'h', port: 7000, database: 2, password: 'pw', tls: { ca: 'PEM' } },
    ],
    ['TLS beside a url', { url: 'redis://h', tls: true }, { tls: true }],
    [
      'TLS options of both',
      { url: 'rediss://h?ssl_cert_reqs=none', tls: { ca: 'PEM' } },
      { tls: { ...unchecked, ca: 'PEM' } },
    ],
    [
      'a url with quotes',
      { url: ' "redis://h/1" ', clientName: 'shop' },
      { database: 1, clientName: 'shop' },
    ],
    [
      'a password beside a url',
      { url: 'redis://app@h', password: 'pw' },
      { username: 'app', password: 'pw' },
    ],
    [
      'a natMap',
      { cluster: ['localhost:7001'], natMap: { '172.18.0.2:6379': 'localhost:7001' } },
      { natMap: new Map([['172.18.0.2:6379', { host: 'localhost', port: 7001 }]]) },
    ],
  ])('%s: %j', async (_, given, address) => {
    expect(addressOf(given)).toMatchObject(address)
    await using store = await connect(settings(given).connection, 'lark')
    expect(store.name).toMatch(/^(rediss?(\+(cluster|sentinel))?:\/\/|unix:)/)
  })

  test.each<[given: Given | undefined, env: Record<string, string>, connection: Given]>([
    [' "sqlite:jobs.db" ', {}, 'sqlite:/app/jobs.db'],
    [undefined, { REDIS_URL: ' "redis://h" ' }, 'redis://h'],
    [undefined, { LARK_JOBS_URL: '""', REDIS_URL: 'redis://h' }, 'redis://h'],
    [{ url: undefined, tls: true }, {}, 'sqlite:/app/.lark/jobs.db'],
    [{ url: '', tls: true }, { REDIS_URL: "'redis://h'" }, { url: 'redis://h', tls: true }],
    [{ url: 'redis://c', tls: true }, { REDIS_URL: 'redis://h' }, { url: 'redis://c', tls: true }],
    [{ url: undefined, host: 'c' }, { REDIS_URL: 'redis://h' }, { url: undefined, host: 'c' }],
  ])('%j with %j is the connection %j', (given, env, connection) => {
    expect(settings(given, env).connection).toEqual(connection)
  })
})

describe('a form of a connection is refused:', () => {
  test.each<[given: Given, sentence: string]>([
    [
      'redis://h?keyPrefix=app',
      '"?keyPrefix=" is not a parameter of Lark: the prefix of the keys is jobs.prefix',
    ],
    ['redis://h?maxRetriesPerRequest=3', '"?maxRetriesPerRequest=" is not a parameter of Lark: leave it out'],
    ['redis://h?protocol=3', '"?protocol=" is not a parameter of Lark'],
    ['redis://h?socket_connect_timeout=5', 'it is ?connectTimeout='],
    ['redis://h?timeout=5s', 'how long a call may take is fixed'],
    ['redis://h?pool_size=10', 'one connection for all its calls'],
    ['rediss://h?rejectUnauthorized=false', '?ssl_cert_reqs=none'],
    ['rediss://h?ssl_check_hostname=false', '?ssl_cert_reqs=none'],
    ['rediss://h?ssl_ca_certs=/ca.pem', 'give tls: { ca, cert, key } in the object form'],
    ['rediss://h?ssl_cert_reqs=optional', '"?ssl_cert_reqs=" must be none or required'],
    ['redis://h?ssl_cert_reqs=none', 'write rediss:// instead of redis://'],
    ['redis://h?family=5', '"?family=" must be 4, 6, or 0 for both'],
    ['redis://h?db=one', 'the database must be a whole number'],
    ['redis+cluster://h?db=2', 'a cluster has database 0 only, not 2'],
    ['redis://h?sentinel_password=x', 'it is for redis+sentinel://'],
    ['redis+cluster://h?natMap=x', 'give natMap in the object form'],
    ['redis://h?addr=h2:6379', 'several nodes are redis+cluster://'],
    ['redis+sentinel://h:26379?master=mymaster', 'redis+sentinel://host:port/NAME'],
    ['redis-sentinel://h:26379,i:26379/0#mymaster', 'the name of the primary is written as a path'],
    ['redis://h?connectTimeout=soon', 'the connectTimeout must be milliseconds'],
    ['redis://h?connectTimeout=1', 'from 10 ms to 10 minutes'],
    ['redis://h?clientName=my%20shop', 'the clientName must be'],
    ['redis://:pw@h?password=other', '"?password=" is not what stands before the host'],
    ['redis://h?user=a&username=b', '"?username=" contradicts "?user="'],
    ['redis://h?what=ever', 'parameter 1 after the ? is unknown; known are ?tls='],
    ['redis://abc?password=def@h', 'a password with / ? or # in it'],
    ['rediss+unix:///s', 'without TLS'],
    ['redis+unix://host/s', 'without a host'],
    ['unix:/s?tls=true', '"?tls=" is for a host, and the connection is a Unix socket'],
    ['redis+srv://h', 'it does not begin with redis://'],
    ['"redis://h', 'a text with a quote at one end, which names no store'],
    ['redis-cli --tls -u redis://default:pw@h:6379', 'It is a command of redis-cli'],
    ['REDIS_URL=redis://h:6379', 'The name of a variable stands before the connection'],
    ['https://usable-cat-12345.upstash.io', "It is an HTTP address, such as that of Upstash's REST API"],
    [
      'name.redis.cache.windows.net:6380,password=key=,ssl=True,abortConnect=False',
      'as Azure shows. Write rediss://',
    ],
    [
      'master.my-cache.abc123.use1.cache.amazonaws.com:6379',
      'It is a host without a scheme. Write redis://HOST:PORT',
    ],
    ['clustercfg.my.abc123.memorydb.us-east-1.amazonaws.com:6379', 'Write redis+cluster://HOST:PORT'],
    ['localhost:6379', 'It is a host without a scheme'],
    [{ url: 'redis://h', host: 'i' }, '"host" is set twice: in the url, and beside it'],
    [{ url: 'redis://:a@h', password: 'b' }, '"password" is set twice: in the url, and beside it'],
    [{ url: 'rediss://h', tls: false }, '"tls" contradicts the url'],
    [{ url: 'redis://h?tls=false', tls: { ca: 'PEM' } }, '"tls" contradicts the url'],
    [{ url: 'redis+cluster://h', host: 'i' }, 'give only one of cluster and host and port'],
    [{ host: 'h', natMap: { 'a:1': 'b:2' } }, '"natMap" is for a cluster or Sentinels'],
    [{ cluster: ['h'], natMap: { a: 'b:2' } }, 'key 1 of natMap needs a port'],
    [{ cluster: ['h'], natMap: { 'a:1': 'redis://b:2' } }, 'value 1 of natMap must have the form host:port'],
    [{ path: '/s', family: 4 }, '"family" is for a host'],
    [{ host: 'h', connectTimeout: -1 }, 'the connectTimeout must be milliseconds'],
    [{ host: 'h', clientName: '' }, 'the clientName must be'],
    [{ host: 'h', family: '6' as never }, 'the family must be 4, 6, or 0'],
  ])('%j', async (given, sentence) => {
    const refusal = await refusalOf(given)
    expect(refusal).toContain(sentence)
    expect(refusal).toMatch(/^STORE_INVALID: /)
    expect(refusal).not.toContain('\n')
  })
})

describe('a setting of a connection works:', () => {
  test('a certificate of an unknown authority is accepted with ?ssl_cert_reqs=none', async () => {
    await using server = await startRedis({ tls: makeCertificates(), password: 'secret' })
    await using store = await openStore(`${server.url}?ssl_cert_reqs=none`)
    expect(await store.partitions()).toEqual([])
    await using strict = makeStore(server.url, { patience: 500 })
    await expect(strict.open()).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      hint: expect.stringContaining('?ssl_cert_reqs=none'),
    })
  })

  test('options of TLS can be given together with a URL', async () => {
    const tls = makeCertificates()
    await using server = await startRedis({ tls, password: 'secret' })
    await using store = await openStore({ url: server.url, tls: { ca: tls.ca } })
    expect(await store.partitions()).toEqual([])
  })

  test('TLS on one side only, and plain text on one side only, have different errors', async () => {
    await using secure = await startRedis({ tls: makeCertificates() })
    await using plain = await startRedis()
    await using one = makeStore(secure.url.replace('rediss', 'redis'), { patience: 500 })
    await expect(one.open()).rejects.toMatchObject({ hint: expect.stringContaining('rediss://') })
    // The server takes the TLS greeting for the beginning of a command, and waits for the rest without an
    // answer.
    const waiting = `${plain.url.replace('redis', 'rediss')}?connectTimeout=100`
    await using other = makeStore(waiting, { patience: 500 })
    await expect(other.open()).rejects.toMatchObject({ hint: expect.stringContaining('write redis://') })
  })

  test('`family` limits the kind of addresses (IPv4 or IPv6)', async () => {
    await using server = await startRedis()
    await using four = await openStore(`redis://localhost:${server.port}?family=4`)
    expect(await four.partitions()).toEqual([])
    // The server listens only on 127.0.0.1.
    await using six = makeStore(`redis://localhost:${server.port}?family=6`, { patience: 300 })
    await expect(six.open()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })

  test('a Unix socket with a user', async () => {
    await using server = await startRedis({ args: ['--unixsocket', 'redis.sock'] })
    await server.send('ACL', 'SETUSER', 'app', 'on', '>p@ss', '~*', '&*', '+@all')
    await using store = await openStore(`redis+unix://app:p%40ss@${server.folder}/redis.sock`)
    await store.partitions()
    expect(await server.send('CLIENT', 'LIST')).toContain('user=app')
  })

  test('with connectTimeout, the client gives up a server that does not answer within this time', async () => {
    const sockets: Socket[] = []
    const silent: TcpServer = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    await using store = makeStore(`redis://127.0.0.1:${port}?connectTimeout=50`, { patience: 1_500 })
    await expect(store.open()).rejects.toMatchObject({ message: expect.stringContaining('ETIMEDOUT') })
    // With the default of 2 seconds, there would be only one attempt in this time.
    expect(sockets.length).toBeGreaterThan(1)
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
})
