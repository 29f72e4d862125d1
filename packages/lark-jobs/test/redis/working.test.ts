/**
 * Workers and dispatchers whose server hangs, is down, or is full.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { defineSignal, Job, withoutOverlapping } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { Bench, type Connect, Record, signal } from '../working/bench.ts'
import { TcpProxy } from './proxy.ts'
import { addressOf, Server } from './server.ts'
import { timed } from './stores.ts'

/** Connects to a server that only this test uses, and ends the server after the test. */
function on(server: Server): Connect {
  return async () => ({ connection: server.url, remove: async () => {} })
}

class NoteJob extends Job {
  handle(_payload: { n: number }) {}
}

test('if a server was stopped for longer than a lease, the jobs of two living workers go on, and run once', async () => {
  await using server = await Server.start()
  await using bench = await Bench.make(on(server))
  const runs: number[] = []
  const full = signal()
  const go = signal()
  class LongJob extends Job {
    async handle({ n }: { n: number }) {
      if (runs.push(n) === 20) full.resolve()
      await go.promise
    }
  }
  const job = new LongJob()
  await bench.jobs.dispatchMany(
    job,
    Array.from({ length: 20 }, (_, n) => ({ n })),
  )
  const clients = [bench.jobs, bench.client()]
  const workers = await Promise.all(
    clients.map((client) => bench.work([LongJob], { lease: 1_000, concurrency: 10 }, client)),
  )
  await full.promise
  // Stop the server at the worst moment: when one worker is about to search for ended leases.
  const { store } = await insideOf(bench.jobs).open()
  const frozen = signal()
  const freeze = () => {
    server.signal('SIGSTOP')
    frozen.resolve()
  }
  const [survey, recover] = [store.survey.bind(store), store.recover.bind(store)]
  vi.spyOn(store, 'survey').mockImplementationOnce((...args) => {
    freeze()
    return survey(...args)
  })
  vi.spyOn(store, 'recover').mockImplementationOnce((...args) => {
    freeze()
    return recover(...args)
  })
  await frozen.promise
  vi.restoreAllMocks()
  await pause(3_000)
  server.signal('SIGCONT')
  // Wait until each worker has renewed its leases and has searched for ended leases.
  for (const client of clients) {
    const survey = vi.spyOn((await insideOf(client).open()).store, 'survey')
    await vi.waitFor(() => expect(survey.mock.calls.length).toBeGreaterThan(3), 20_000)
  }
  go.resolve()
  await Promise.all(workers.map((worker) => worker.stop()))
  expect(runs).toHaveLength(20)
  expect(workers.map(({ summary }) => summary)).toMatchObject([
    { completed: 10, lost: 0 },
    { completed: 10, lost: 0 },
  ])
  for (const id of job.ids) expect(await bench.jobs.find(id)).toMatchObject({ runs: 1, crashes: 0 })
})

test('if the server and then the worker are down while a job waits for its children, each step runs once', async () => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await using bench = await Bench.make(on(server))
  const approved = defineSignal<string>('approved')
  const called: string[] = []
  const go = signal()
  class PartJob extends Job {
    override queueName = 'emails'
    async handle({ n }: { n: number }) {
      await this.step('begin', () => void called.push(`begin ${n}`))
      if (n === 1) await go.promise
      const answer = n === 2 ? await this.waitFor(approved) : undefined
      await this.step('end', () => void called.push(`end ${n}`))
      return answer?.value ?? n
    }
  }
  class WholeJob extends Job {
    handle() {
      return Promise.all([1, 2, 3].map((n) => this.runJob(['part', n], new PartJob().with({ n }))))
    }
  }
  const all = [PartJob, WholeJob]
  const handle = await bench.jobs.dispatch(new WholeJob().with())
  const first = await bench.work(all)
  const suspended = async (queue: string) =>
    (await bench.jobs.list({ state: 'delayed', queue })).jobs
      .filter((job) => job.suspended)
      .map(({ id }) => id)
  await vi.waitFor(() => expect(called).toHaveLength(4), 20_000)
  await vi.waitFor(async () => expect(await suspended('emails')).toHaveLength(1), 20_000)
  await vi.waitFor(async () => expect(await suspended('default')).toEqual([handle.id]), 20_000)
  await server.kill()
  // One child ends during the outage, and the call that would report its end fails.
  go.resolve()
  await server.start()
  await vi.waitFor(() => expect(called).toContain('end 1'), 20_000)
  await vi.waitFor(async () => expect(await suspended('default')).toEqual([handle.id]), 20_000)
  await first.stop()
  const [asking] = await suspended('emails')
  expect(await bench.jobs.handle(PartJob, asking!).send(approved, 'ada')).toBe(true)
  await bench.work(all)
  expect(await handle.result({ timeout: '20s' })).toEqual([1, 'ada', 3])
  expect(called.sort()).toEqual(['begin 1', 'begin 2', 'begin 3', 'end 1', 'end 2', 'end 3'])
})

test('if a server was stopped for longer than a lease, no other worker gets the permit of a living worker', async () => {
  await using server = await Server.start()
  await using bench = await Bench.make(on(server))
  const began = signal()
  const go = signal()
  const runs: string[] = []
  class SoleJob extends Job {
    override middleware() {
      return [withoutOverlapping({ releaseAfter: 20 })]
    }
    async handle({ n }: { n: number }) {
      runs.push(`begins ${n}`)
      if (n === 0) began.resolve()
      if (n === 0) await go.promise
      runs.push(`ends ${n}`)
    }
  }
  const lease = 2_000
  await bench.jobs.dispatch(new SoleJob(), { n: 0 })
  const first = await bench.work([SoleJob], { lease, queues: ['default'] })
  await began.promise
  const others = bench.client()
  const second = await bench.work([SoleJob], { lease, queues: ['emails'] }, others)
  // Stop the server at the worst moment: the first call that it gets after the stop is a request for a
  // permit.
  const { limiters } = (await insideOf(others).open()).store
  const permit = limiters.permit.bind(limiters)
  const asked = vi.spyOn(limiters, 'permit').mockImplementationOnce((...args) => {
    server.signal('SIGSTOP')
    return permit(...args)
  })
  const job = new SoleJob()
  job.queueName = 'emails'
  await bench.jobs.dispatchMany(job, [{ n: 1 }, { n: 2 }])
  await vi.waitFor(() => expect(asked).toHaveBeenCalled(), 10_000)
  await pause(2 * lease)
  server.signal('SIGCONT')
  // Wait until the worker has asked again and got no permit.
  const wants = () => asked.mock.calls.filter(([, { wanted }]) => wanted > 0).length
  await vi.waitFor(() => expect(wants()).toBeGreaterThan(3), 20_000)
  expect(runs).toEqual(['begins 0'])
  go.resolve()
  await vi.waitFor(() => expect(runs).toHaveLength(6), 20_000)
  expect(runs.slice(0, 2)).toEqual(['begins 0', 'ends 0'])
  await Promise.all([first.stop(), second.stop()])
})

test('if a server is full, a living worker keeps its job and its entry in the list of workers', async () => {
  await using server = await Server.start()
  await using bench = await Bench.make(on(server))
  const began = signal()
  const go = signal()
  class LongJob extends Job {
    async handle() {
      this.info('a line')
      began.resolve()
      await go.promise
    }
  }
  const job = new LongJob()
  await bench.jobs.dispatch(job)
  const report = new Record()
  const worker = await bench.work([LongJob], { lease: 300, report })
  await began.promise
  const admin = new Connection(addressOf(server.url))
  await admin.send(['CONFIG', 'SET', 'maxmemory', '1'])
  admin.close()
  const { store } = await insideOf(bench.jobs).open()
  await expect(bench.jobs.dispatch(new NoteJob(), { n: 1 })).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  const leaseEnds = performance.now() + 300
  const survey = vi.spyOn(store, 'survey')
  await vi.waitFor(() => {
    expect(performance.now()).toBeGreaterThan(leaseEnds)
    expect(survey.mock.calls.length).toBeGreaterThan(8)
  }, 10_000)
  worker.quiet()
  await vi.waitFor(async () =>
    expect(await store.workers()).toMatchObject([{ id: worker.id, state: 'quiet', running: 1 }]),
  )
  go.resolve()
  await report.ends(1)
  await worker.stop()
  expect(worker.summary).toMatchObject({ completed: 1, lost: 0 })
  expect(await bench.jobs.find(job.id!)).toMatchObject({
    state: 'completed',
    runs: 1,
    crashes: 0,
    log: [{ text: 'a line' }],
  })
  expect(await store.workers()).toEqual([])
})

test.concurrent('after a server was down for more than 10 s, an idle worker and a busy worker go on, and each job runs once', async ({
  expect,
}) => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await using bench = await Bench.make(on(server))
  const began = signal()
  const runs: string[] = []
  class OutageJob extends Job {
    async handle({ name, ms }: { name: string; ms: number }) {
      runs.push(name)
      began.resolve()
      await pause(ms)
    }
  }
  const reports = { busy: new Record(), idle: new Record() }
  const busy = await bench.work([OutageJob], { queues: 'default', report: reports.busy })
  await bench.work([OutageJob], { queues: 'emails', report: reports.idle }, bench.client())
  // One job ends while the server is down, and another when it is back.
  const during = new OutageJob()
  await bench.jobs.dispatchMany(during, [
    { name: 'ends meanwhile', ms: 5_000 },
    { name: 'ends after', ms: 13_000 },
  ])
  await began.promise
  server.signal('SIGKILL')
  await pause(11_000)
  await server.start()
  const after = new OutageJob()
  after.queueName = 'emails'
  expect(await bench.jobs.dispatch(after, { name: 'comes after', ms: 0 })).toBe(true)
  await Promise.all([reports.idle.ends(1), reports.busy.ends(2)])
  await busy.stop()
  expect(runs.sort()).toEqual(['comes after', 'ends after', 'ends meanwhile'])
  for (const id of [...during.ids, after.id!])
    expect(await bench.jobs.find(id)).toMatchObject({ state: 'completed', runs: 1, crashes: 0 })
})

test.concurrent.each(['cut', 'silence'] as const)(
  'an idle worker whose connections have this fault (%s) runs jobs from before, during and after the fault once each',
  async (does) => {
    await using server = await Server.start()
    await using proxy = await TcpProxy.start(server.port)
    await using web = await Bench.make(on(server))
    await using bench = await Bench.make(async () => ({ connection: proxy.url, remove: async () => {} }))
    const runs: number[] = []
    class NumberJob extends Job {
      handle({ n }: { n: number }) {
        runs.push(n)
      }
    }
    const report = new Record()
    await bench.work([NumberJob], { report })
    await web.jobs.dispatch(new NumberJob(), { n: 1 })
    await report.ends(1)
    proxy[does]()
    await web.jobs.dispatch(new NumberJob(), { n: 2 })
    await report.ends(2)
    await web.jobs.dispatch(new NumberJob(), { n: 3 })
    await report.ends(3)
    await bench.jobs.close()
    expect(runs).toEqual([1, 2, 3])
  },
)

describe.concurrent.each(['SIGKILL', 'SIGSTOP'] as const)('a server that cannot be reached (%s)', (away) => {
  test('each dispatch is answered within 5 s after its own start, however many dispatches wait', async ({
    expect,
  }) => {
    await using server = await Server.start()
    await using bench = await Bench.make(on(server))
    await bench.jobs.dispatch(new NoteJob(), { n: 0 })
    server.signal(away)
    const outcomes: Promise<{ ms: number; error?: { code: string } }>[] = []
    for (let n = 1; n <= 3; n++) {
      outcomes.push(timed(bench.jobs.dispatch(new NoteJob(), { n })))
      await pause(1_000)
    }
    for (const { ms, error } of await Promise.all(outcomes)) {
      expect(['STORE_UNREACHABLE', 'DISPATCH_UNCERTAIN']).toContain(error?.code)
      expect(ms).toBeLessThan(5_200)
    }
  })

  test('an idle worker can still be stopped', async ({ expect }) => {
    await using server = await Server.start()
    await using bench = await Bench.make(on(server))
    const worker = await bench.work([NoteJob])
    server.signal(away)
    // Wait until the worker has asked for jobs and got no answer. The worker asks by itself every few
    // seconds.
    const exchange = vi.spyOn((await insideOf(bench.jobs).open()).store, 'exchange')
    await vi.waitFor(() => expect(exchange).toHaveBeenCalled(), 10_000)
    expect((await timed(worker.stop())).ms).toBeLessThan(10_000)
  })

  test('a worker that runs a job also stops when its deadline has passed', async ({ expect }) => {
    await using server = await Server.start()
    await using bench = await Bench.make(on(server))
    const began = signal()
    class DeafJob extends Job {
      handle() {
        began.resolve()
        return new Promise(() => {})
      }
    }
    await bench.jobs.dispatch(new DeafJob())
    const worker = await bench.work([DeafJob])
    await began.promise
    server.signal(away)
    expect((await timed(worker.stop(100))).ms).toBeLessThan(15_000)
  })
})
