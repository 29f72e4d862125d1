/** The names that the connections of each kind of process have in `CLIENT LIST`. */
import { expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { Caller } from '../conformance/caller.ts'
import { App } from '../processes/app.ts'
import { Record } from '../working/bench.ts'
import { startCluster } from './cluster.ts'
import { asLark, expectNoRefusals, rights } from './rights.ts'
import { MASTER, startSentinel } from './sentinel.ts'
import { type Server, startRedis, until } from './server.ts'
import { openStore } from './stores.ts'

/** Returns the sorted names of the connections of stores. */
async function namesOn(server: Server): Promise<string[]> {
  const clients = String(await server.send('CLIENT', 'LIST'))
  return [...clients.matchAll(/ name=((?:lark|shop|mail):\S+) /g)].map(([, name]) => name!).sort()
}

class WaitJob extends Job {
  override readonly key = 'wait'
  handle() {}
}

test('in a process that dispatches and works, the connections for calls, for notifications and for the lease thread have names', async () => {
  await using server = await startRedis()
  await using jobs = createJobs({ connection: server.url })
  await jobs.dispatch(new WaitJob())
  expect(await namesOn(server)).toEqual(['lark:web'])
  await jobs.work({ jobs: [WaitJob], report: new Record() })
  await until(async () => (await namesOn(server)).length === 3)
  expect(await namesOn(server)).toEqual(['lark:lease-thread', 'lark:worker', 'lark:worker'])
})

test('the name that the application sets, in a URL or in an object, is in the names of the connections', async () => {
  await using server = await startRedis()
  await using one = await openStore(`${server.url}?clientName=shop`)
  await using other = await openStore({ url: server.url, clientName: 'mail' }, { role: 'worker' })
  await Promise.all([one.partitions(), other.partitions()])
  expect(await namesOn(server)).toEqual(['mail:worker', 'shop:web'])
})

test('the connections of a command, and of a supervisor and its processes, have names', async () => {
  await using server = await startRedis()
  const look = `
    import { Command } from '@s18i/lark'
    import { Jobs } from '@s18i/lark-jobs'
    export class LookCommand extends Command {
      key = 'look'
      async handle() {
        await Jobs.status()
        this.info('has looked')
        await new Promise((resolve) => setTimeout(resolve, 60_000))
      }
    }`
  const files = { 'commands/LookCommand.js': look, 'jobs/NoteJob.js': '' }
  await using app = await App.make(files, { REDIS_URL: server.url })
  const looking = app.lark('look')
  await looking.says('has looked')
  expect(await namesOn(server)).toEqual(['lark:command'])
  looking.child.kill('SIGKILL')
  await looking.result
  const working = app.lark('jobs:work', '--processes=1')
  await until(async () => new Set(await namesOn(server)).size === 3)
  expect([...new Set(await namesOn(server))]).toEqual(['lark:lease-thread', 'lark:supervisor', 'lark:worker'])
  working.child.kill('SIGTERM')
  expect(await working.result).toMatchObject({ code: 0 })
})

test.each(['redis-server', 'valkey-server'])(
  'the connections of the Redis user of the manual have names, too, on %s',
  async (binary) => {
    await using server = await startRedis({ binary })
    await server.send(...rights('one server'))
    await using store = await openStore(asLark(server.url))
    await new Caller(store, 'ada', 'emails').claim()
    expect(await namesOn(server)).toEqual(['lark:web', 'lark:web'])
    await expectNoRefusals([server])
  },
)

test('the connections to each node of a cluster have names', async () => {
  await using cluster = await startCluster({ replicas: 0 })
  await using store = await openStore(cluster.url)
  for (const partition of await cluster.spread()) await store.counts(partition)
  for (const node of cluster.nodes) expect(await namesOn(node)).toContain('lark:web')
})

test('the connections to a Sentinel and to its primary have names', async () => {
  await using fleet = await startSentinel({ sentinels: 1, replicas: 0 })
  const [sentinel] = fleet.sentinels
  await using store = await openStore(`redis+sentinel://${sentinel!.address}/${MASTER}`)
  await store.partitions()
  expect(await namesOn(fleet.servers[0]!)).toEqual(['lark:web'])
  await until(async () => (await namesOn(sentinel!)).includes('lark:web'))
})

test('on a server without HELLO, connections have no name', async () => {
  await using server = await startRedis({ args: ['--rename-command', 'HELLO', ''], password: 'secret' })
  await using store = await openStore(server.url)
  expect(await store.partitions()).toEqual([])
  expect(await namesOn(server)).toEqual([])
})
