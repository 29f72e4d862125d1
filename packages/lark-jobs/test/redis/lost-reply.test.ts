import { afterAll, beforeAll, expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { CALL_MEMORY } from '../../src/store/contract/store.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import type { ScriptName } from '../../src/store/redis/client/repetition.ts'
import { textOf } from '../../src/store/redis/client/script.ts'
import { lua } from '../../src/store/redis/scripts.generated.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { completed, failed, ids, job, jobs, settlement } from '../conformance/jobs.ts'
import { Bench } from '../working/bench.ts'
import { withoutLoss } from './cuts.ts'
import { newPrefix } from './place.ts'
import { TcpProxy } from './proxy.ts'
import { addressOf, Server } from './server.ts'
import { openStore, timed } from './stores.ts'

let server: Server
beforeAll(async () => {
  server = await Server.start()
})
afterAll(() => server[Symbol.asyncDispose]())

test('a dispatch whose reply was lost is sent again under its call number, and queued once', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using store = await openStore(proxy.url)
  const web = new Caller(store, 'web', 'dispatch')
  await web.enqueue(...jobs(1))
  const list = jobs(3)
  const lost = proxy.loseNextReply()
  await expect(web.enqueue(...list)).rejects.toMatchObject({ code: 'STORE_UNCERTAIN' })
  await lost
  expect(await store.counts('dispatch')).toMatchObject({ waiting: 4 })
  expect(await store.enqueue('dispatch', web.last(), list)).toEqual(['queued', 'queued', 'queued'])
  expect(await store.counts('dispatch')).toMatchObject({ waiting: 4 })
})

test('if the reply was lost, a job with an id of the application is queued and not rejected because its id exists', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using store = await openStore(proxy.url)
  const web = new Caller(store, 'web', 'own')
  const worker = new Caller(store, 'worker', 'own')
  await web.enqueue(...jobs(1))
  await worker.settle(await worker.claimOne(), completed)
  for (const ownId of ['new', 'reuse'] as const) {
    const [given] = jobs(1, { id: 'invoice-77', ownId })
    const lost = proxy.loseNextReply()
    await expect(web.enqueue(given!)).rejects.toMatchObject({ code: 'STORE_UNCERTAIN' })
    await lost
    // The job has run meanwhile.
    await worker.settle(await worker.claimOne(), completed)
    expect(await store.enqueue('own', web.last(), [given!])).toEqual(['queued'])
    expect(await store.counts('own')).toMatchObject({ waiting: 0, completed: 2 })
  }
})

test('an exchange whose reply was lost returns the same jobs when it is sent again', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using store = await openStore(proxy.url)
  await using other = await openStore(server.url)
  const worker = new Caller(store, 'worker', 'exchange')
  await new Caller(other, 'web', 'exchange').enqueue(...jobs(6))
  const held = await worker.claim(2)
  const settlements = held.map((claimed) => settlement(claimed, completed))
  const want = { limit: 3, leaseMs: LEASE }
  const lost = proxy.loseNextReply()
  await expect(worker.exchange(settlements, want)).rejects.toMatchObject({ code: 'STORE_UNCERTAIN' })
  await lost
  expect(await other.counts('exchange')).toMatchObject({ active: 3, completed: 2, waiting: 1 })

  const again = await store.exchange('exchange', worker.last(), settlements, want)
  expect(again.verdicts).toEqual(['settled', 'settled'])
  const { jobs: active } = await other.list('exchange', { state: 'active' })
  expect(ids(again.jobs).sort()).toEqual(ids(active).sort())
  expect(await other.counts('exchange')).toMatchObject({ active: 3, completed: 2, waiting: 1 })
})

test('a claim that is sent again after its caller was considered dead returns no jobs that other workers run now', async () => {
  const clock = { now: 1_000_000 }
  await using store = await openStore(server.url, { clock: () => clock.now })
  const dead = new Caller(store, 'dead', 'late')
  await new Caller(store, 'web', 'late').enqueue(...jobs(2))
  await dead.claim(2)
  clock.now += LEASE
  await store.recover('late')
  const taken = await new Caller(store, 'worker', 'late').claimOne()
  const again = await store.exchange('late', dead.last(), [], { limit: 2, leaseMs: LEASE })
  expect(again.jobs).toEqual([])
  expect(await store.get('late', taken.id)).toMatchObject({ holder: 'worker' })
})

test('a late call from a connection that the client has given up changes nothing', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using store = await openStore(proxy.url)
  const web = new Caller(store, 'web', 'ghost')
  await web.enqueue(...jobs(1))
  proxy.cut()
  while ((await timed(web.enqueue(...jobs(1)))).error) await timed(store.counts('ghost'))
  const { waiting } = await store.counts('ghost')
  const raw = new Connection(addressOf(server.url))
  const ghost = ['', 'web', '1', '1', 'ghost-job', '', '', '|k|1']
  // The call has number 1, like the first call of this process on its first connection, but another job.
  const sent = raw.send(['EVALSHA', lua.scripts.enqueue.sha1, '1', 'lark:{ghost}:jobs', ...ghost])
  await expect(sent).rejects.toThrow('a connection that was given up')
  raw.close()
  expect(await store.counts('ghost')).toMatchObject({ waiting })
})

test('a call is remembered as long as the contract says, and not for ever', async () => {
  await using store = await openStore(server.url)
  await new Caller(store, 'web', 'memory').enqueue(...jobs(1))
  const raw = new Connection(addressOf(server.url))
  const ttl = (await raw.send(['PTTL', 'lark:{memory}:call:web'])) as number
  raw.close()
  expect(ttl).toBeGreaterThan(CALL_MEMORY - 5_000)
  expect(ttl).toBeLessThanOrEqual(CALL_MEMORY)
})

/** Every call that changes the store, except dispatches and the calls of workers. */
test('a change whose reply was lost is sent again under its number, made once, and gets the answer of the first call', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using store = await openStore(proxy.url)
  const raw = new Connection(addressOf(server.url))
  // Load the scripts first, because otherwise the lost reply would be the error about an unknown script.
  for (const name of Object.keys(lua.scripts) as ScriptName[])
    await raw.send(['SCRIPT', 'LOAD', textOf(name)])
  raw.close()
  const lost = async <T>(call: () => Promise<T>): Promise<T> => {
    const isLost = proxy.loseNextReply()
    const answer = await call()
    await isLost
    return answer
  }
  const web = new Caller(store, 'web', 'changes')
  await web.enqueue(...jobs(3))
  const held = await web.claimOne()
  await web.settle(held, failed)
  const record = (await lost(() => store.get('changes', held.id)))!
  expect(record).toMatchObject({ state: 'failed' })

  expect(await lost(() => store.alter('changes', [held.id, 'none'], { kind: 'retry' }))).toEqual([
    'done',
    'missing',
  ])
  expect(await lost(() => store.undo('changes', [record]))).toEqual(['done'])
  expect(await lost(() => store.alter('changes', [held.id], { kind: 'remove' }))).toEqual(['done'])
  expect(await lost(() => store.restore('changes', [record]))).toEqual(['restored'])
  const moved = job()
  await web.enqueue(moved)
  const taken = await lost(() => store.moves.take('changes', [moved.id], ['elsewhere']))
  expect(taken).toMatchObject({ verdicts: ['taken'], jobs: [{ id: moved.id }] })
  await lost(() => store.moves.put('elsewhere', taken.jobs))
  await lost(() => store.moves.settle('changes', taken.jobs))
  await lost(() => store.moves.revoke('elsewhere', taken.jobs))
  expect(await lost(() => store.moves.where('changes', [moved.id]))).toEqual([
    { kind: 'moved', to: 'elsewhere', movedAt: taken.jobs[0]!.movedAt },
  ])
  expect((await store.counts('elsewhere')).waiting).toBe(1)
  expect(await lost(() => store.pause('changes', 'acme'))).toEqual({ wasPaused: false, hasJobs: false })
  expect(await lost(() => store.configure('changes', { paused: true }))).toMatchObject({ paused: true })
  expect(await lost(() => store.counts('changes'))).toMatchObject({ waiting: 2, failed: 1 })
  expect(await lost(() => store.clear('changes', 'waiting'))).toBe(2)
  expect(await lost(() => store.partitions())).toContain('changes')
  expect(await lost(() => store.now())).toBeGreaterThan(0)

  const [tick] = jobs(1)
  const schedule = {
    id: 'nightly',
    rev: 0,
    definition: '{}',
    state: '',
    next: Date.now() + 60_000,
    jobs: [tick!],
  }
  const { written } = await lost(() => store.schedules.write('changes', [schedule]))
  expect(written).toMatchObject([{ isWritten: true, jobs: ['queued'] }])
  expect(await lost(() => store.schedules.move('nightly', undefined, 'changes'))).toBe('changes')
  expect((await lost(() => store.schedules.get('changes', ['nightly']))).found).toMatchObject([
    { rev: written[0]!.rev },
  ])

  const [step] = jobs(1)
  const flow = { id: 'flow', rev: 0, definition: '{}', state: '', jobs: [step!], crowd: { reserved: 2 } }
  expect(await lost(() => store.flows.write('changes', flow))).toMatchObject({
    isWritten: true,
    jobs: ['queued'],
  })
  const end = { flow: 'flow', index: 1, state: 'failed', at: 1 } as const
  await store.flows.apply('changes', [end])
  expect(await lost(() => store.flows.reopen('changes', 'flow', [1]))).toBe(1)
  expect((await lost(() => store.flows.get('changes', 'flow'))).found).toMatchObject({ crowd: { failed: 0 } })
  expect(await store.counts('changes')).toMatchObject({ waiting: 2 })
})

test('a store opens and accepts its first dispatch although replies are lost', async () => {
  await using proxy = await TcpProxy.start(server.port)
  await using bench = await Bench.make(async () => ({
    connection: proxy.url,
    prefix: newPrefix(),
    remove: async () => {},
  }))
  class NoteJob extends Job {
    override readonly key = 'note'
    handle(_payload: { n: number }): void {}
  }
  proxy.loseRepliesTo('PING', 'INFO', ':layout', ':layout', 'partitions', 'EVALSHA')
  const job = new NoteJob()
  await bench.jobs.dispatch(job, { n: 1 })
  expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting' })
  expect(proxy.unlost).toEqual([])
})

test('nothing fails while the connections are cut with each call', () => withoutLoss(server.url, [server]))
