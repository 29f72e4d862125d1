/** Passwords: a named user logs in, and no text for people or programs contains a password. */
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { resolveSettings } from '../../src/config/config.ts'
import { connect } from '../../src/store/connect.ts'
import type { RedisServers } from '../../src/store/contract/connection/servers.ts'
import { Random } from '../conformance/random.ts'
import { App } from '../processes/app.ts'
import { freePort, type Server, startRedis } from './server.ts'
import { makeStore, openStore } from './stores.ts'

describe('a user who is named', () => {
  async function withUser(...rights: string[]): Promise<Server> {
    const server = await startRedis()
    await server.send('ACL', 'SETUSER', 'limited', 'on', ...rights, '~lark:*', '&lark:*', '+@all')
    return server
  }
  const whoIs = async (server: Server) => {
    const clients = String(await server.send('CLIENT', 'LIST', 'TYPE', 'normal'))
    return [...clients.matchAll(/ cmd=(?!client)\S+ user=(\S+)/g)].map(([, user]) => user)
  }

  test('logs in even with an empty password, and is not the default user with all permissions', async () => {
    await using server = await withUser('nopass')
    const { port } = server
    for (const servers of [
      `redis://limited:@127.0.0.1:${port}`,
      `redis://limited@127.0.0.1:${port}`,
      { username: 'limited', port },
      { username: 'limited', password: '', port },
    ]) {
      await using store = await openStore(servers)
      expect(await whoIs(server)).toEqual(['limited'])
      expect(await store.partitions()).toEqual([])
    }
  })

  test('is refused if the password is wrong', async () => {
    await using server = await withUser('>secret')
    await using store = makeStore(`redis://limited:@127.0.0.1:${server.port}`)
    await expect(store.open()).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('WRONGPASS'),
    })
  })

  test('counts as no user if the name and the password are empty', async () => {
    await using server = await startRedis()
    const { port } = server
    for (const servers of [
      `redis://:@127.0.0.1:${port}`,
      `redis://@127.0.0.1:${port}`,
      { username: '', password: '', port },
    ]) {
      await using store = await openStore(servers)
      expect(await store.partitions()).toEqual([])
      expect(await whoIs(server)).toEqual(['default'])
    }
  })
})

/**
 * Makes a random password. The password consists of parts of ten letters, separated by any characters that a
 * password may contain. The test searches for each part.
 */
function chancePassword(random: Random): { parts: string[]; text: string } {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789']
  const parts = Array.from({ length: 2 + random.below(3) }, () =>
    Array.from({ length: 10 }, () => random.pick(letters)).join(''),
  )
  const marks = [...'@/?#%:,;&=+ []{}()<>"\'`\\|^~!$*-_.\téÄ😀', '://', '=1@', '/0@', '%zz', '']
  return { parts, text: parts.reduce((text, part) => text + random.pick(marks) + part) }
}

/** Returns all forms of a connection with a password, also wrong ones. */
function shapes(raw: string, random: Random): unknown[] {
  const coded = encodeURIComponent(raw)
  const texts = [raw, coded].flatMap((password) => [
    ...[
      'redis',
      'rediss',
      'valkey',
      'redis+cluster',
      'redis-cluster',
      'redis+magic',
      'http',
      'unix',
      'REDIS',
    ].flatMap((scheme) => [
      `${scheme}://:${password}@h`,
      `${scheme}://user1:${password}@h:6379/0`,
      `${scheme}://user1:${password}@h:6379,i:6380/1`,
      `${scheme}://user1:${password}@h:99999`,
      `${scheme}://user1:${password}@h:x/y/z`,
      `${scheme}://${password}@h?tls=maybe`,
      `${scheme}://${password}:${password}@h?db=${password}`,
      `${scheme}://:${password}@`,
      `${scheme}://:${password}@h?wrong=1#end`,
      `${scheme}:user1:${password}@h`,
    ]),
    `redis+sentinel://:${password}@h,i:1/mymaster/0`,
    `redis+sentinel://:${password}@h/mymaster?sentinel_password=${password}`,
    `redis+sentinel://:${password}@h/mymaster?sentinel_pasword=${password}@x`,
    `redis+sentinel://:${password}@h`,
    `user1:${password}@h:6379`,
    `user1:${password}@h`,
    `:${password}@h`,
    `${password}@h`,
  ])
  const quoted = texts.flatMap((text) => [`"${text}"`, `'${text}'`, ` "${text}" `])
  const all = [...texts, ...quoted]
  return [
    ...all,
    ...random
      .some(texts, 4)
      .flatMap((text) => [
        [text],
        { host: text },
        { path: text },
        { cluster: [text] },
        { cluster: text },
        { cluster: ['h:1', text] },
        { sentinel: { name: 'mymaster', nodes: [text] } },
        { sentinel: { name: text, nodes: ['h'] } },
        { sentinel: text },
        { tls: text },
        { port: text },
        { database: text },
        { url: text },
      ]),
    [raw],
    ['h', raw],
    { password: [raw] },
    { username: { raw }, password: raw },
    { host: 'h', password: raw, username: 'user1', port: 0 },
    { host: 'h', password: raw, username: 'user1' },
    { cluster: ['h'], password: raw },
    { sentinel: { name: 'mymaster', nodes: ['h'], password: raw }, password: raw },
    { sentinel: { name: 'mymaster', nodes: ['h'], password: [raw] } },
    { sentinel: { name: 'mymaster', nodes: ['h'], pasword: raw } },
  ]
}

/** Returns all texts of an error, for people and for programs. */
function shown(error: unknown): string {
  const { message, stack, cause } = error as Error
  return [
    message,
    stack,
    JSON.stringify(error),
    inspect(error, { depth: 12, showHidden: true }),
    String(cause),
  ].join()
}

test.each([1, 2, 3])('no message about a connection contains its password, seed %i', async (seed) => {
  const random = new Random(seed)
  const { parts, text } = chancePassword(random)
  for (const shape of shapes(text, random)) {
    let seen: string
    try {
      const jobs = { connection: shape as string }
      const { connection } = resolveSettings({ config: { jobs }, file: undefined, folder: '/app' }, {})
      const store = await connect(connection, 'lark')
      seen = [store.name, JSON.stringify(store), inspect(store, { depth: 12, showHidden: true })].join()
      await store.close()
    } catch (error) {
      expect((error as { code: string }).code).toMatch(/STORE_INVALID|CONFIG_INVALID/)
      seen = shown(error)
    }
    const found = parts.filter((part) => seen.includes(part))
    expect(found, `${inspect(shape)}\n${seen}`).toEqual([])
  }
})

test('the message for a wrong setting does not repeat an address in the setting', () => {
  for (const jobs of [
    { prefix: 'redis://:hunter2@h/{0}' },
    { queues: ['redis://:hunter2@h'] },
    { paths: { redis: 'redis://:hunter2@h' } },
    { durability: 'user:hunter2@h' },
  ]) {
    const resolve = () =>
      resolveSettings({ config: { jobs: jobs as object }, file: undefined, folder: '/app' }, {})
    expect(resolve).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    expect(resolve).toThrow(expect.not.objectContaining({ message: expect.stringContaining('hunter2') }))
  }
})

describe('no error of a valid connection shows a password:', () => {
  async function errorOf(servers: string | RedisServers): Promise<string> {
    await using store = makeStore(servers, { patience: 300 })
    const error = await store.open().then(
      () => undefined,
      (error) => error,
    )
    expect(error).toBeInstanceOf(Error)
    return shown(error) + shown(await store.partitions().catch((error) => error))
  }

  test('no server; a wrong password; a server without AUTH; a server that repeats its input', async () => {
    const { parts, text } = chancePassword(new Random(1))
    const password = encodeURIComponent(text)
    await using locked = await startRedis({ password: 'another' })
    await using renamed = await startRedis({ args: ['--rename-command', 'AUTH', 'LOGIN'] })
    const parrot = createServer((socket) => {
      socket.on('data', (heard) => socket.write(`-ERR what is ${String(heard).replaceAll('\r\n', ' ')}\r\n`))
      socket.on('error', () => {})
    })
    await new Promise<void>((resolve) => parrot.listen(0, '127.0.0.1', resolve))
    const { port } = parrot.address() as { port: number }
    for (const at of [await freePort(), locked.port, renamed.port, port]) {
      for (const user of ['', 'user1']) {
        const seen = [
          await errorOf(`redis://${user}:${password}@127.0.0.1:${at}`),
          await errorOf(`redis+cluster://${user}:${password}@127.0.0.1:${at}`),
          await errorOf(
            `redis+sentinel://${user}:${password}@127.0.0.1:${at}/mymaster?sentinel_password=${password}`,
          ),
          await errorOf({ host: '127.0.0.1', port: at, password: text, ...(user && { username: user }) }),
        ].join()
        expect(parts.filter((part) => seen.includes(part))).toEqual([])
      }
    }
    parrot.close()
  })

  test('the error of a server that does not know scripts does not contain the job that was sent', async () => {
    await using server = await startRedis({ args: ['--rename-command', 'SADD', ''] })
    await using store = await openStore(server.url)
    const call = { caller: 'web', number: 1 }
    const job = { id: '0000000000001', key: 'k', payload: '"hunter2"' }
    const error = await store.enqueue('hunter2', call, [job]).catch((error) => error)
    expect(error).toMatchObject({ message: expect.stringContaining("unknown command 'SADD'") })
    expect(shown(error)).not.toContain('hunter2')
  })
})

test('a worker reports the problem of its connection without the password', async () => {
  await using server = await startRedis({ password: 'hunter2' })
  const url = 'redis://user1:hunter2@127.0.0.1:1'
  const told: [jobs: object, env: Record<string, string>, code: number, right: RegExp][] = [
    [{}, { REDIS_URL: `"${url}` }, 1, /a text with a quote at one end.*\n.*A quote at one end is part/],
    [{ connection: [url] }, {}, 1, /jobs.connection is a list/],
    [{}, { REDIS_URL: url }, 1, /redis:\/\/127.0.0.1:1\/0 cannot be reached/],
    [{ connection: server.url }, {}, 0, /Serving redis:\/\/127.0.0.1:\d+\/0/],
  ]
  await Promise.all(
    told.map(async ([jobs, env, code, right]) => {
      const files = {
        'lark.config.js': `export default { jobs: ${JSON.stringify(jobs)} }`,
        'jobs/NoteJob.js': '',
      }
      await using app = await App.make(files, env)
      const result = await app.run('jobs:work', '--stop-when-empty')
      expect(result).toMatchObject({ code, stderr: expect.stringMatching(right) })
      expect(result.stdout + result.stderr).not.toContain('hunter2')
    }),
  )
})
