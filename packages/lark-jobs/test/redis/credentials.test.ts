/**
 * Credentials that a function returns, on servers whose users change under load. In
 * each round, a new user is made and the user before the last one is deleted. The deletion ends every
 * connection that is still logged in as this user. So a lost connection shows that it has not logged in again
 * in time.
 */
import { inspect } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createJobs, Job, type JobsConfig } from '../../src/index.ts'
import { sourceOf } from '../../src/store/contract/connection/credentials.ts'
import type { Credentials, RedisServers } from '../../src/store/contract/connection/servers.ts'
import { dial } from '../../src/store/redis/client/link.ts'
import { parseLocation } from '../../src/store/redis/client/location.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { Record } from '../working/bench.ts'
import { startCluster } from './cluster.ts'
import { MASTER, startSentinel } from './sentinel.ts'
import { type Server, startRedis, until } from './server.ts'
import { makeStore, openStore } from './stores.ts'

afterEach(() => vi.restoreAllMocks())

interface Client {
  id: string
  name: string
  user: string
}

/** Returns the connections of stores to these servers. */
async function clientsOf(servers: readonly Server[]): Promise<Client[]> {
  const lists = await Promise.all(servers.map((server) => server.send('CLIENT', 'LIST')))
  return lists.flatMap((list, i) =>
    [...String(list).matchAll(/^id=(\d+) .* name=(lark:\S+) .* user=(\S+)/gm)].map(([, id, name, user]) => ({
      id: `${i}/${id}`,
      name: name!,
      user: user!,
    })),
  )
}

/** Users, each of which exists for two rounds. */
class Rotation {
  round = 0
  asked = 0
  readonly #servers: readonly Server[]

  constructor(servers: readonly Server[]) {
    this.#servers = servers
  }

  static async on(servers: readonly Server[]): Promise<Rotation> {
    const rotation = new Rotation(servers)
    await rotation.begin()
    return rotation
  }

  /** Makes the next user. The function returns this user from now on. */
  async begin(): Promise<void> {
    const next = this.round + 1
    const rights = ['on', `>secret-${next}`, '~*', '&*', '+@all']
    await Promise.all(
      this.#servers.map((server) => server.send('ACL', 'SETUSER', `token-${next}`, ...rights)),
    )
    this.round = next
  }

  /** Deletes the last user but one, which ends its connections. */
  async end(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.send('ACL', 'DELUSER', `token-${this.round - 1}`)))
  }

  /** Makes one round: all connections log in as the next user before the earlier user is deleted. */
  async turn(): Promise<void> {
    await this.begin()
    await until(async () => {
      const clients = await clientsOf(this.#servers)
      return clients.every(({ user }) => user === `token-${this.round}`)
    })
    await this.end()
  }

  /** The function that an application would configure. */
  readonly give = async (): Promise<Credentials> => {
    this.asked++
    await null
    return { username: `token-${this.round}`, password: `secret-${this.round}`, expiresIn: '1s' }
  }
}

class CountJob extends Job {
  override readonly key = 'count'
  static readonly seen = new Map<number, number>()
  handle({ n }: { n: number }) {
    CountJob.seen.set(n, (CountJob.seen.get(n) ?? 0) + 1)
  }
}

/** Dispatches jobs and runs them until the test ends. @returns the number of jobs */
async function load(
  config: JobsConfig,
  during: () => Promise<void>,
): Promise<{ jobs: number; report: Record }> {
  CountJob.seen.clear()
  await using web = createJobs(config)
  await using ada = createJobs(config)
  const report = new Record()
  const worker = await ada.work({ jobs: [CountJob], report })
  let isOver = false
  let jobs = 0
  const dispatching = (async () => {
    while (!isOver) {
      const some = Array.from({ length: 20 }, () => web.dispatch(new CountJob(), { n: jobs++ }))
      expect(await Promise.all(some)).not.toContain(false)
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  try {
    await Promise.race([during(), dispatching])
  } finally {
    isOver = true
    await dispatching
  }
  await until(() => CountJob.seen.size === jobs)
  await worker.stop()
  return { jobs, report }
}

/** Expects that rounds under load lose no connection, no job and no dispatch. */
async function expectSmoothRounds(
  servers: readonly Server[],
  rotation: Rotation,
  config: JobsConfig,
  kinds: readonly string[],
): Promise<void> {
  let before: Client[] = []
  const { jobs, report } = await load(config, async () => {
    await until(async () => {
      before = await clientsOf(servers)
      return kinds.every((kind) => before.some(({ name }) => name === kind))
    })
    // The connections of a cluster are made when they are needed.
    await until(async () => {
      const last = before.length
      before = await clientsOf(servers)
      return before.length === last
    })
    const lost = async () => {
      const ids = new Set((await clientsOf(servers)).map(({ id }) => id))
      return before.filter(({ id }) => !ids.has(id))
    }
    // After a slow answer, the client asks other nodes about the primary, on separate connections that are
    // closed after that.
    await until(async () => {
      before = await clientsOf(servers)
      await rotation.turn()
      const passing = new Set(await lost())
      before = before.filter((client) => !passing.has(client))
      return kinds.every((kind) => before.some(({ name }) => name === kind))
    })
    for (let round = 0; round < 5; round++) await rotation.turn()
    expect(await lost()).toEqual([])
  })
  expect(jobs).toBeGreaterThan(100)
  expect([...CountJob.seen.values()].every((runs) => runs === 1)).toBe(true)
  expect(report.warnings.filter((warning) => !/^Serving|append-only/.test(warning))).toEqual([])
}

const kinds = ['lark:web', 'lark:worker', 'lark:lease-thread']

describe('tokens that expire, while jobs are dispatched and run', () => {
  test.each(['redis-server', 'valkey-server'])(
    'no connection, job or dispatch is lost on %s, including the connections for notifications and for the lease thread',
    async (binary) => {
      await using server = await startRedis({ binary })
      const rotation = await Rotation.on([server])
      const connection: RedisServers = { port: server.port, credentials: rotation.give }
      await expectSmoothRounds([server], rotation, { connection }, kinds)
      // The dispatcher, the worker and its thread share one function. It is called a few times in each round,
      // and not once for each connection.
      expect(rotation.asked).toBeLessThan(3 * (rotation.round + 1))
    },
  )

  test('no connection, job or dispatch is lost on a cluster', async () => {
    await using cluster = await startCluster({ replicas: 0 })
    const rotation = await Rotation.on(cluster.nodes)
    const nodes = cluster.nodes.map(({ address }) => address)
    const connection: RedisServers = { cluster: nodes, credentials: rotation.give }
    const config: JobsConfig = { connection, queues: { default: { partitions: 6 } } }
    await expectSmoothRounds(cluster.nodes, rotation, config, kinds)
  })

  test('no connection, job or dispatch is lost behind a Sentinel that has its own users', async () => {
    await using fleet = await startSentinel({ sentinels: 1, replicas: 0 })
    const rotation = await Rotation.on(fleet.servers)
    const ofSentinel = await Rotation.on(fleet.sentinels)
    const nodes = fleet.sentinels.map(({ address }) => address)
    const sentinel = { name: MASTER, nodes, credentials: ofSentinel.give }
    const connection: RedisServers = { sentinel, credentials: rotation.give }
    await expectSmoothRounds(fleet.servers, rotation, { connection }, kinds)
    await ofSentinel.turn()
    expect(new Set((await clientsOf(fleet.sentinels)).map(({ user }) => user)).size).toBeLessThan(2)
  })
})

test('if the password changes without notice and all connections end, no call fails', async () => {
  await using server = await startRedis()
  let password: Promise<string>
  const change = async (n: number) => {
    const rights = ['on', 'resetpass', `>secret-${n}`, '~*', '&*', '+@all']
    // A connection that asks for credentials while the server changes the password gets the new password.
    password = server.send('ACL', 'SETUSER', 'app', ...rights).then(() => `secret-${n}`)
    await password
    await server.send('CLIENT', 'KILL', 'USER', 'app')
  }
  await change(0)
  const credentials = async () => ({ username: 'app', password: await password })
  const { jobs } = await load({ connection: { port: server.port, credentials } }, async () => {
    const isThere = async () => {
      const names = new Set((await clientsOf([server])).map(({ name }) => name))
      return kinds.every((kind) => names.has(kind))
    }
    await until(isThere)
    for (let n = 1; n <= 5; n++) {
      await change(n)
      await until(isThere)
    }
  })
  expect(CountJob.seen.size).toBe(jobs)
})

test('a waiting worker gets notifications after it has logged in again', async () => {
  await using server = await startRedis()
  const rotation = await Rotation.on([server])
  const servers: RedisServers = { port: server.port, credentials: rotation.give }
  await using store = await openStore(servers)
  const ada = new Caller(store, 'ada', 'emails')
  expect(await ada.claim()).toEqual([])
  for (let round = 0; round < 3; round++) {
    await rotation.turn()
    // The wait ends, because a notification may have been lost during the new login.
    expect(await store.wait('ada', 20_000)).toEqual(['emails'])
    expect(await ada.claim()).toEqual([])
    const wait = store.wait('ada', 20_000)
    await new Caller(store, `web-${round}`, 'emails').enqueue(job())
    expect(await wait).toEqual(['emails'])
    expect(await ada.claim()).toHaveLength(1)
    expect(await ada.claim()).toEqual([])
  }
})

test('a link that has subscribed logs in again, and gets later messages', async () => {
  await using server = await startRedis()
  await server.send('ACL', 'SETUSER', 'app', 'on', '>pw', '&*', '+@all')
  const location = parseLocation(server.url)
  if (location.kind !== 'server') throw new Error('one server')
  const link = await dial(location.address, 2_000, new AbortController().signal)
  const heard: string[] = []
  await link.subscribe(
    'a',
    (message) => heard.push(message),
    () => heard.push('missed'),
  )
  await link.authenticate('app', 'pw')
  await server.send('PUBLISH', 'a', 'x')
  await until(() => heard.length === 2)
  expect(heard).toEqual(['missed', 'x'])
  await expect(link.authenticate('app', 'wrong')).rejects.toMatchObject({ word: 'WRONGPASS' })
  expect(String(await server.send('CLIENT', 'LIST', 'TYPE', 'pubsub'))).toContain('user=app')
  await server.send('PUBLISH', 'a', 'y')
  await until(() => heard.at(-1) === 'y')
  link.destroy(new Error('done'))
})

test.each(['redis-server', 'valkey-server'])(
  'a login that %s refuses does not change the answers of other calls',
  async (binary) => {
    await using server = await startRedis({ binary })
    await server.send('ACL', 'SETUSER', 'app', 'on', '>pw', '~*', '+@all')
    const location = parseLocation(server.url)
    if (location.kind !== 'server') throw new Error('one server')
    const link = await dial(location.address, 2_000, new AbortController().signal)
    const echo = (word: string) => expect(link.send(['ECHO', word])).resolves.toBe(word)
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        echo(`a${round}`),
        expect(link.authenticate('app', 'wrong')).rejects.toMatchObject({ word: 'WRONGPASS' }),
        echo(`b${round}`),
        link.authenticate('app', 'pw'),
        echo(`c${round}`),
      ])
    }
    expect(link.pending).toBe(0)
    link.destroy(new Error('done'))
  },
)

describe('a function that returns credentials', () => {
  const wrong: [what: string, give: () => unknown, message: string][] = [
    ['throws', () => Promise.reject(new Error('no network')), 'credentials() failed: no network'],
    [
      'reads a password as JSON',
      async () => JSON.parse('hunter2'),
      'credentials() failed with a SyntaxError',
    ],
    ['returns nothing', () => undefined, 'credentials() returned undefined, not { username, password }'],
    ['returns no password', () => ({ username: 'x' }), 'a password that is undefined, not a text'],
    ['returns an empty password', () => ({ password: '' }), 'a password that is empty'],
    [
      'returns a user that is no text',
      () => ({ username: 5, password: 'hunter2' }),
      'a username that is number',
    ],
    [
      'returns a wrong duration',
      () => ({ password: 'hunter2', expiresIn: 'soon' }),
      'an expiresIn that is not',
    ],
    [
      'returns a wrong instant',
      () => ({ password: 'hunter2', expiresAt: 'soon' }),
      'an expiresAt that is neither',
    ],
    ['returns both', () => ({ password: 'hunter2', expiresIn: 1, expiresAt: 1 }), 'give only one of them'],
    ['returns what has expired', () => ({ password: 'hunter2', expiresAt: new Date(0) }), 'that has expired'],
    [
      'returns what the server refuses',
      () => ({ password: 'hunter2' }),
      'the server refuses what credentials()',
    ],
  ]
  test.each(wrong)('causes an error if it %s', async (_, give, message) => {
    await using server = await startRedis({ password: 'another' })
    const credentials = give as () => Credentials
    await using store = makeStore({ port: server.port, credentials }, { patience: 300 })
    const error = await store.open().catch((error) => error)
    expect(error).toMatchObject({ code: 'STORE_UNREACHABLE', message: expect.stringContaining(message) })
    expect(inspect(error, { depth: 12, showHidden: true })).not.toContain('hunter2')
  })

  test('is called again after it has failed for some time, and the process warns once', async () => {
    await using server = await startRedis()
    const rotation = await Rotation.on([server])
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    let fails = 0
    const credentials = () => {
      if (rotation.asked > 0 && fails < 3) {
        fails++
        throw new Error('no network')
      }
      return rotation.give()
    }
    await using store = await openStore({ port: server.port, credentials })
    await rotation.begin()
    await until(async () => (await clientsOf([server])).every(({ user }) => user === 'token-2'))
    expect(fails).toBe(3)
    expect(warnings.mock.calls).toEqual([
      [expect.stringContaining('credentials() failed: no network'), { code: 'LARK_CREDENTIALS' }],
    ])
    expect(await store.partitions()).toEqual([])
  })

  test('is called more and more rarely if one of several servers refuses its credentials, and the process warns', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      let asked = 0
      const source = sourceOf(() => ({ password: `pw-${++asked}` }))
      const logIn = async (server: string, isAccepted: boolean) => {
        const { number } = await source.current()
        if (isAccepted) source.accepted(server)
        else source.refused(number, server)
        return number
      }
      await logIn('b', false)
      // The credentials on the server may have changed, so the function is called at once.
      expect(await logIn('b', false)).toBe(2)
      for (let second = 0; second < 600; second++) {
        await logIn('a', true)
        await logIn('b', false)
        await vi.advanceTimersByTimeAsync(1_000)
      }
      // Without this pause, there were 1,200 calls.
      expect(asked).toBeLessThan(40)
      expect(warnings.mock.calls).toEqual([
        [expect.stringContaining('b refuses what credentials() returned'), { code: 'LARK_CREDENTIALS' }],
      ])
      expect(await logIn('a', true)).toBe(asked)
    } finally {
      warnings.mockRestore()
      vi.useRealTimers()
    }
  })

  test('is called again after four fifths of the time, unless no connection is logged in', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    try {
      let asked = 0
      const source = sourceOf(() => ({
        password: `pw-${++asked}`,
        expiresAt: new Date(Date.now() + 900_000),
      }))
      const first = await source.current()
      expect(first).toMatchObject({ number: 1, password: 'pw-1', username: undefined })
      expect(await source.current()).toBe(first)
      const told: string[] = []
      const leave = source.follow(({ password }) => told.push(password))
      await vi.advanceTimersByTimeAsync(719_000)
      expect(told).toEqual([])
      await vi.advanceTimersByTimeAsync(2_000)
      expect(told).toEqual(['pw-2'])
      leave()
      await vi.advanceTimersByTimeAsync(3_600_000)
      expect(asked).toBe(2)
      // No connection gets the expired password.
      expect(await source.current()).toMatchObject({ password: 'pw-3' })
    } finally {
      vi.useRealTimers()
    }
  })

  test('is refused together with a password', () => {
    const credentials = () => ({ password: 'x' })
    for (const servers of [
      { password: 'hunter2', credentials },
      { url: 'redis://:hunter2@h', credentials },
      { sentinel: { name: 'p', nodes: ['h'], password: 'hunter2', credentials } },
    ])
      expect(() => parseLocation(servers)).toThrow('"credentials" says who logs in')
    expect(() => parseLocation({ credentials: 'x' as never })).toThrow(
      'credentials is string, not a function',
    )
  })

  test('is not in the text of errors, and neither are its credentials', async () => {
    await using server = await startRedis()
    await server.send('ACL', 'SETUSER', 'app', 'on', '>hunter2', '~*', '&*', '+@all')
    const credentials = () => ({ username: 'app', password: 'hunter2', expiresIn: '1h' })
    await using store = await openStore({ port: server.port, credentials })
    expect(inspect(store, { depth: 20, showHidden: true })).not.toContain('hunter2')
  })
})
