import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { noJob } from '../../src/commands/flows/flow-words.ts'
import { chain, createJobs, every, Job } from '../../src/index.ts'
import { memberId } from '../../src/model/effect.ts'
import { indexOf } from '../../src/model/flow.ts'
import { newId } from '../../src/model/id.ts'
import type { NewJob } from '../../src/model/record.ts'
import { operate } from '../../src/operate.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { Refusal } from '../../src/store/redis/client/failure.ts'
import { Caller } from '../conformance/caller.ts'
import { completed, failed, job, jobs, settlement } from '../conformance/jobs.ts'
import { alarmsOf } from '../working/alarming.ts'
import { Bench, redisPrefix } from '../working/bench.ts'
import { addressOf, command, Server, until } from './server.ts'
import { makeStore, openStore, timed } from './stores.ts'

class NoJob extends Job {
  async handle() {}
}

test('a replica refuses calls and changes nothing, and accepts calls when it has become the primary', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const caller = new Caller(store, 'ada', 'emails')
  await caller.enqueue(...jobs(2))
  const held = await caller.claimOne()
  await command(server.url, 'REPLICAOF', '127.0.0.1', '1')
  const refused = { code: 'STORE_REFUSED', hint: expect.stringContaining('replica') }
  const given = job()
  await expect(caller.enqueue(given)).rejects.toMatchObject(refused)
  await expect(caller.settle(held, completed)).rejects.toMatchObject(refused)
  await expect(caller.claim()).rejects.toThrow('READONLY')
  expect(await store.counts('emails')).toMatchObject({ waiting: 1, active: 1, completed: 0 })
  await command(server.url, 'REPLICAOF', 'NO', 'ONE')
  expect(await caller.enqueue(given)).toEqual(['queued'])
})

test('a replica that has lost its primary refuses all calls, and accepts them again later', async () => {
  await using server = await Server.start('redis-server', ['--replica-serve-stale-data', 'no'])
  await using store = await openStore(server.url)
  const caller = new Caller(store, 'ada', 'emails')
  await caller.enqueue(...jobs(2))
  // Open the connection before, because a server without its primary accepts no new connection.
  const raw = new Connection(addressOf(server.url))
  await raw.send(['REPLICAOF', '127.0.0.1', '1'])
  await expect(caller.claim()).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    message: expect.stringContaining('MASTERDOWN'),
    hint: expect.stringContaining('lost its primary'),
  })
  await raw.send(['REPLICAOF', 'NO', 'ONE'])
  raw.close()
  expect(await caller.claim(5)).toHaveLength(2)
})

/**
 * Returns the answer of a server that may still load its data. It uses a plain connection, because a
 * connection of Lark would wait until the data is loaded.
 */
async function asked(port: number, words: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${words}\r\n`)
  const [answer] = await once(socket, 'data')
  socket.destroy()
  return String(answer)
}

test('calls wait for a server that loads its data, and a call whose deadline is earlier fails with the reason', async () => {
  // Loading takes 2 ms for each of 20,000 keys, unless the test ends it.
  const slowly = ['--key-load-delay', '2000', '--loading-process-events-interval-bytes', '1024']
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', ...slowly])
  await using store = await openStore(server.url)
  await new Caller(store, 'ada', 'emails').enqueue(...jobs(2))
  const fillers = Array.from({ length: 20_000 }, (_, i) => [`filler-${i}`, 'x'.repeat(100)])
  await command(server.url, 'MSET', ...fillers.flat())
  await command(server.url, 'BGREWRITEAOF')
  await until(async () => {
    const info = String(await command(server.url, 'INFO', 'persistence'))
    return /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)
  })
  await server.kill()
  const started = server.start()
  await until(async () => (await asked(server.port, 'PING').catch(String)).includes('LOADING'))
  await using hasty = makeStore(server.url, { patience: 2_000 })
  const hurried = await timed(hasty.open())
  expect(hurried.error?.message).toContain('LOADING')
  const claimed = new Caller(store, 'bob', 'emails').claim(5)
  await asked(server.port, 'CONFIG SET key-load-delay 0')
  expect(await claimed).toHaveLength(2)
  await started
})

test('a full server refuses new jobs, and still accepts the end of running jobs, which makes room', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const caller = new Caller(store, 'ada', 'emails')
  await caller.enqueue(...jobs(20))
  await command(server.url, 'CONFIG', 'SET', 'maxmemory', '1')
  await expect(caller.enqueue(job())).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    message: expect.stringContaining('OOM'),
    hint: expect.stringContaining('maxmemory'),
  })
  expect(await store.counts('emails')).toMatchObject({ waiting: 20 })

  const held = await caller.claim(20)
  expect(held).toHaveLength(20)
  const settlements = held.map((claimed) => settlement(claimed, completed))
  const { verdicts } = await caller.exchange(settlements, { limit: 5, leaseMs: 1_000 })
  expect(new Set(verdicts)).toEqual(new Set(['settled']))
  expect(await caller.claim()).toEqual([])
})

test('a full server allows reads, and changes that need no memory', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const caller = new Caller(store, 'ada', 'emails')
  const worker = {
    ...{ id: 'ada', host: 'h', pid: 1, queues: ['emails'], strict: true, concurrency: 1, running: 0 },
    ...{ keys: ['send-email'], startedAt: 1, state: 'running' as const },
  }
  const [first, second] = jobs(2) as [NewJob, NewJob]
  const queue = 'emails'
  const group = 'acme'
  const { id } = first
  await caller.enqueue(first, second, job({ group: { name: group } }))
  await caller.settle(await caller.claimOne(), failed)
  await store.announce(worker, 60_000)
  await using client = createJobs({ connection: server.url, queues: ['default', 'emails'] })
  class NightlyJob extends Job {
    async handle() {}
  }
  await client.schedules.set('nightly', NightlyJob.with(), every('1h'))
  const before = [await store.get(queue, id)]
  const rule = { failures: 1, per: 1_000, pause: 1 }
  await store.limiters.circuit('stripe', rule, { kind: 'failed', id: '1', opening: undefined })
  const people = operate(client, { actor: 'Ada' })
  await people.pause({ queue })
  await people.pause({ queue, group })
  await command(server.url, 'CONFIG', 'SET', 'maxmemory', '1')

  const calls: Record<string, () => Promise<unknown>> = {
    resume: () => people.resume({ queue }),
    'resume a group': () => people.resume({ queue, group }),
    pause: () => people.pause({ queue, because: 'the server is full' }),
    'pause for a while': () => people.pause({ queue, for: '1h' }),
    'pause a group': () => people.pause({ queue, group }),
    'pause a schedule': () => people.schedules.pause('nightly'),
    'resume a schedule': () => people.schedules.resume('nightly'),
    quiet: () => people.workers.quiet({ all: true }),
    retry: () => people.retry(id),
    reschedule: () => people.reschedule(second.id, '1h'),
    'run now': () => people.runNow(second.id),
    prioritize: () => people.prioritize(second.id, 5),
    cancel: () => people.cancel(second.id),
    remove: () => people.remove(id),
    purge: () => people.purge(second.id),
    undo: () => people.undo(before),
    'try a circuit': () => store.limiters.circuit('stripe', rule, { kind: 'begins' }),
    status: () => people.status(),
    doctor: () => people.doctor(),
    overview: () => people.overview(),
    why: () => people.why(id),
    list: () => people.list({ queue }),
    limiters: () => people.limiters(),
    failures: () => people.failures(),
  }
  const refused: string[] = []
  for (const [name, call] of Object.entries(calls))
    await call().catch((error: unknown) => refused.push(`${name}: ${error}`))
  expect(refused).toEqual([])
})

test.each([
  {
    ...{
      code: 'memory',
      policy: 'noeviction',
      bytes: '1',
      why: 'uses .+ of 1 bytes \\(maxmemory\\): \\d+ %',
    },
    means: 'Its store takes no new jobs and signals when it is full, and begins the jobs that it has',
    lost: '',
  },
  {
    ...{ code: 'eviction', policy: 'allkeys-lru', bytes: '1gb', means: 'Its store may lose it' },
    why: 'drops jobs when its memory is full: maxmemory-policy is allkeys-lru',
    lost: '\\. Or the store has lost it: redis://.+ drops jobs when .+: see lark jobs:doctor',
  },
])('if a server answers $code ($policy), every health check fails and gives the reason', async (each) => {
  const { code, policy, bytes, why, means, lost } = each
  await using server = await Server.start()
  await using bench = await Bench.make(redisPrefix(server.url))
  const [waits, late] = await bench.jobs.dispatch([NoJob.with(), NoJob.with().delayed('1h')])
  const flow = await bench.jobs.dispatch(chain([NoJob.with(), NoJob.with()]))
  const { home } = (await operate(bench.jobs).flows.get(flow.id))!
  const blocked = memberId({ flow: flow.id, home, index: indexOf(1, 0) })
  const reasons = async (id: string) => (await operate(bench.jobs).why(id))!.reasons
  await command(server.url, 'CONFIG', 'SET', 'maxmemory-policy', policy, 'maxmemory', bytes)
  const { remarks, slo, levels, ...found } = await alarmsOf(bench)
  expect(found).toEqual({
    ...{ alarms: [`error ${code}`], monitor: false, gauges: [`store_errors{code="${code}"} 1`] },
  })
  expect(remarks).toEqual([expect.stringMatching(`^warn: redis://.+: ${why}: lark jobs:doctor$`)])
  const unserved = 'default: jobs wait, and no worker serves it\n'
  expect(slo).toEqual({ status: 503, text: expect.stringMatching(`^redis://.+: ${why}\n${unserved}$`) })
  expect(levels).toEqual({ errors: [code], late: 0, paused: 0 })
  for (const [id, kind] of [
    [waits!.id, 'no-worker'],
    [late!.id, 'no-worker'],
    [blocked, 'blocked'],
  ] as const) {
    const found = await reasons(id)
    expect(found[0]?.kind).toBe(kind)
    expect(found.at(-1)).toEqual({
      ...{ kind: 'store', text: expect.stringMatching(`^${means}: redis://.+ ${why}$`) },
      remedy: { do: 'see-doctor' },
    })
  }
  expect(await noJob(operate(bench.jobs), newId())).toMatchObject({
    hint: expect.stringMatching(`^Jobs that have ended .+: see lark jobs:failed${lost}$`),
  })
  await command(server.url, 'CONFIG', 'SET', 'maxmemory', '0')
  expect((await reasons(waits!.id)).map(({ kind }) => kind)).not.toContain('store')
  await bench.jobs.cancel({ all: true })
  expect(await alarmsOf(bench)).toMatchObject({ alarms: [], monitor: true, slo: { status: 200 }, gauges: [] })
})

test('a missing or wrong password is an error at once, which does not repeat the password', async () => {
  await using server = await Server.start('redis-server', ['--requirepass', 'secret'])
  for (const [url, word] of [
    [server.url, 'NOAUTH'],
    [server.url.replace('//', '//:wrong@'), 'WRONGPASS'],
  ] as const) {
    await using store = makeStore(url)
    const { ms, error } = await timed(store.open())
    expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining(word) })
    expect(error?.hint).toContain('password')
    expect(JSON.stringify([error?.message, error?.hint, store.name])).not.toContain('wrong@')
    expect(ms).toBeLessThan(2_000)
  }
  await using store = await openStore(server.url.replace('//', '//:secret@'))
  expect(store.name).toBe(`${server.url}/0`)
})

test('a user without permission to publish or subscribe can queue and claim', async () => {
  await using server = await Server.start()
  const rights = ['on', '>pw', '~lark:*', '+@all', '-publish', '-subscribe', '-info', 'resetchannels']
  await command(server.url, 'ACL', 'SETUSER', 'app', ...rights)
  await using store = await openStore(server.url.replace('//', '//app:pw@'))
  expect(await store.open()).toEqual([])
  const worker = new Caller(store, 'worker', 'emails')
  expect(await worker.claim()).toEqual([])
  await using other = await openStore(server.url)
  await new Caller(other, 'listener', 'emails').claim()
  await new Caller(store, 'web', 'emails').enqueue(job())
  expect(await worker.claim()).toHaveLength(1)
})

test('the error for a user whose ACL is too narrow says so', async () => {
  await using server = await Server.start()
  await command(server.url, 'ACL', 'SETUSER', 'app', 'on', '>pw', '~other:*', '+@all')
  await using store = makeStore(server.url.replace('//', '//app:pw@'))
  await expect(store.open()).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    hint: expect.stringContaining('ACL'),
  })
})

test('the client knows the first word of refusals of all server versions', () => {
  const words = [
    "READONLY You can't write against a read only replica. script: ab12, on @user_script:9.",
    "ERR Error running script (call to f_ab12): @user_script:9: @user_script: 9: -READONLY You can't write",
    'NOSCRIPT No matching script. Please use EVAL.',
    'ERR max number of clients reached',
    'something else',
  ].map((message) => new Refusal(message).word)
  expect(words).toEqual(['READONLY', 'READONLY', 'NOSCRIPT', 'ERR', 'ERR'])
})
