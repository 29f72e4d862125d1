/**
 * `operate().incidents()` on a virtual clock: which queues stand still or fail, since when, why, and what
 * helps.
 */
import { afterAll, expect, test } from 'vitest'
import type { Settings } from '../../src/config/config.ts'
import { createJobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { AnnouncedWorker } from '../../src/model/record.ts'
import { RunCounts } from '../../src/model/run/run-counts.ts'
import { incidentsOf, kindOf } from '../../src/operate/incidents/incidents.ts'
import { status } from '../../src/operate/measures/status.ts'
import type { QueueIncident } from '../../src/operate.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, job, jobError, jobs, retried, settlement } from './jobs.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

/** @param queue only the incident of this queue */
async function foundWith(settings: Settings, { store }: Harness, queue?: string): Promise<QueueIncident[]> {
  const open = { store, queues: settings.partitions }
  const all = await incidentsOf({ store, settings }, await status(open, settings.targets, queue), [])
  return all.flatMap((each) => (each.kind === 'finding' ? [] : each))
}

function worker(more: Partial<AnnouncedWorker> = {}): AnnouncedWorker {
  return {
    ...{ id: 'w1', host: 'web-1', pid: 1, queues: ['emails'], strict: false, concurrency: 4, running: 0 },
    ...{ keys: ['send-email'], startedAt: 1, state: 'running' as const },
    ...more,
  }
}

export function incidents(make: Make): void {
  const client = createJobs({ connection: 'sqlite::memory:', queues: { emails: { target: '5m' } } })
  afterAll(() => client.close())
  const found = async (harness: Harness, queue?: string) =>
    await foundWith(await insideOf(client).settings(), harness, queue)

  test('a queue without a worker has an incident since its last run ended, or since its first job was due', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(job())
    const due = clock.now
    clock.advance(5 * SECOND)
    expect(await found(harness)).toEqual([])
    clock.advance(10 * SECOND)
    expect(await found(harness)).toMatchObject([
      {
        ...{ kind: 'still', level: 'error', queue: 'emails', jobs: 1, since: due },
        because: { kind: 'no-worker' },
        action: { do: 'start-worker', queue: 'emails' },
      },
    ])
    // A worker runs one of two jobs, and dies.
    await caller.enqueue(job())
    await store.announce(worker(), 15 * SECOND)
    const [held] = await caller.claim(1)
    clock.advance(SECOND)
    await caller.settle(held!, completed)
    const ended = clock.now
    clock.advance(20 * MINUTE)
    const [incident] = await found(harness)
    expect(incident).toMatchObject({ kind: 'still', since: ended, jobs: 1 })
    expect(incident?.died).toMatchObject({ count: 1, worker: 'w1', host: 'web-1' })
  })

  test('the incident of a paused queue says who paused the queue, when and why', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await harness.caller().enqueue(job())
    clock.advance(MINUTE)
    await store.configure('emails', { paused: true, because: 'the bank is closed', by: 'ada' })
    const at = clock.now
    clock.advance(MINUTE)
    expect(await found(harness)).toMatchObject([
      {
        ...{ kind: 'paused', level: 'warning', since: at, jobs: 1 },
        pause: { by: 'ada', at, because: 'the bank is closed' },
        action: { do: 'resume', queue: 'emails' },
      },
    ])
  })

  test('the incident of a queue whose slots all hang names the jobs and the workers to inspect', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller('w1')
    await caller.enqueue(...jobs(3))
    const due = clock.now
    await caller.claim(2, 60 * MINUTE)
    clock.advance(3 * MINUTE)
    const blocks = { by: ['ReportJob'], since: clock.now - MINUTE }
    await store.announce(worker({ concurrency: 2, running: 2 }), 15 * SECOND)
    expect(await found(harness)).toMatchObject([
      {
        ...{ kind: 'still', level: 'warning', jobs: 1, since: due, because: { kind: 'busy-workers' } },
        action: { do: 'see-active', queue: 'emails' },
      },
    ])
    await store.announce(worker({ concurrency: 2, running: 2, blocks }), 15 * SECOND)
    expect(await found(harness)).toMatchObject([
      {
        ...{ kind: 'still', blocked: { worker: 'w1', by: ['ReportJob'], since: blocks.since } },
        action: { do: 'restart-worker', worker: 'w1' },
      },
    ])
  })

  test('a queue is late since the first minute in which its runs had waited for longer than the target', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller('w1')
    const counts = new RunCounts()
    /** Each minute, a run ends that had waited for `wait`. */
    const runs = async (minutes: number, wait: number) => {
      for (let i = 0; i < minutes; i++) {
        counts.ended('completed', 10)
        counts.observe('wait', wait)
        const all = { 'emails send-email': counts.pack() }
        await store.announce(worker({ runs: { all, lately: {}, arrived: {} } }), 90 * SECOND)
        await caller.run(job(), completed)
        clock.advance(MINUTE)
      }
    }
    await runs(20, SECOND)
    await caller.enqueue(job({ priority: -1 }))
    const late = clock.now
    await runs(10, 8 * MINUTE)
    const [incident] = await found(harness)
    expect(incident).toMatchObject({ kind: 'late', level: 'error', target: 5 * MINUTE })
    expect(Math.abs(incident!.since! - late)).toBeLessThanOrEqual(MINUTE)
    // The incident still begins at the same time when the queue has been late for over an hour, although the
    // store no longer keeps those minutes.
    await runs(90, 8 * MINUTE)
    const [after] = await found(harness)
    expect(Math.abs(after!.since! - late)).toBeLessThanOrEqual(60 * MINUTE)
  })

  test('the incident of a failing queue names the first failure, the most frequent kind of failure, and the release that was deployed before', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller('w1')
    const announce = (release: string, startedAt: number) =>
      store.announce(worker({ release, startedAt, runs: { all: {}, lately: {}, arrived: {} } }), 90 * SECOND)
    for (let i = 0; i < 30; i++) {
      await announce('r1', 1)
      for (let n = 0; n < 10; n++) await caller.run(job(), completed)
      clock.advance(MINUTE)
    }
    const deployed = clock.now
    await announce('r2', deployed)
    clock.advance(20 * SECOND)
    const first = clock.now
    const wrong = (n: number) =>
      ({
        kind: 'failed',
        error: { run: 1, name: 'TypeError', message: `no price of ${n}`, release: 'r2' },
      }) as const
    for (let i = 0; i < 4; i++) {
      for (let n = 0; n < 8; n++) await caller.run(job(), wrong(n))
      await caller.run(job(), failed)
      await caller.run(job(), completed)
      clock.advance(MINUTE)
      await announce('r2', deployed)
    }
    const [incident] = await found(harness)
    expect(incident).toMatchObject({
      ...{ kind: 'failing', level: 'error', jobs: 36, since: first },
      failure: { key: 'send-email', name: 'TypeError', count: 32, of: 36, first, releases: ['r2'] },
      release: { name: 'r2', at: deployed },
      action: { do: 'see-failures', queue: 'emails' },
    })
    expect(incident?.because).toBeUndefined()
    // Failures from an hour ago are no incident.
    clock.advance(30 * MINUTE)
    for (let n = 0; n < 10; n++) await caller.run(job(), completed)
    expect(await found(harness)).toEqual([])
  })

  test('a queue has an incident, too, if its runs fail and are retried again and again', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const first = harness.clock.now
    for (let n = 0; n < 12; n++) await caller.run(job(), retried(60 * MINUTE))
    expect(await found(harness)).toMatchObject([
      {
        ...{ kind: 'retrying', level: 'warning', jobs: 12, of: 12, since: first },
        failure: { key: 'send-email', name: 'Error', message: 'mailbox full', count: 12 },
        action: { do: 'see-retrying', queue: 'emails' },
      },
    ])
  })

  test('without an incident, no further call to the store is made', async () => {
    await using harness = await make()
    const { store } = harness
    await store.announce(worker(), 15 * SECOND)
    await harness.caller('w1').run(job(), completed)
    const settings = await insideOf(client).settings()
    const measured = await status({ store, queues: settings.partitions }, settings.targets)
    expect(measured.queues.map(kindOf)).toEqual([undefined])
    const asked: string[] = []
    const watched = new Proxy(store, {
      get: (target, name) => {
        asked.push(String(name))
        return Reflect.get(target, name)
      },
    })
    expect(await incidentsOf({ store: watched, settings }, measured, [])).toEqual([])
    expect(asked).toEqual([])
  })

  test('the incident of one queue has its causes, however many queues are worse', async () => {
    await using harness = await make()
    const worse = Array.from({ length: 11 }, (_, n) => `worse-${n}`)
    for (const queue of worse) await harness.caller('ada', queue).enqueue(...jobs(2))
    await harness.caller().enqueue(job())
    const due = harness.clock.now
    harness.clock.advance(MINUTE)
    const known = { kind: 'still', since: due, because: { kind: 'no-worker' } }
    const all = await found(harness)
    expect(all).toHaveLength(12)
    for (const incident of all.slice(0, 10)) expect(incident).toMatchObject(known)
    expect(all.at(-1)).toMatchObject({ kind: 'still', queue: 'emails', jobs: 1 })
    expect(all.at(-1)).not.toHaveProperty('since')
    expect(await found(harness, 'emails')).toMatchObject([{ ...known, queue: 'emails', jobs: 1 }])
    expect(await found(harness, 'worse-10')).toMatchObject([{ ...known, queue: 'worse-10', jobs: 2 }])
    await expect(found(harness, 'nowhere')).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  })

  test('the incident of a failing queue counts the failures of all its partitions', async () => {
    await using harness = await make({
      retention: {
        completed: { count: 1_000, age: 60 * MINUTE },
        failed: { count: 10_000, age: 60 * MINUTE, whole: 10_000, ofKind: 10_000 },
        cancelled: { count: 1_000, age: 60 * MINUTE },
      },
    })
    /** Jobs of one partition fail with a message, a hundred at a time. */
    const fail = async (partition: string, count: number, message: string) => {
      const caller = harness.caller('w1', partition)
      await caller.enqueue(...jobs(count))
      const outcome = { kind: 'failed', error: jobError({ message }) } as const
      for (let held = await caller.claim(100); held.length > 0; held = await caller.claim(100))
        await caller.exchange(
          held.map((each) => settlement(each, outcome)),
          { limit: 0, leaseMs: MINUTE },
        )
    }
    const first = harness.clock.now
    await fail('emails/1', 600, 'the bank is down')
    harness.clock.advance(SECOND)
    await fail('emails/2', 600, 'the bank is down')
    await fail('emails', 1_000, 'mailbox full')
    const [incident] = await found(harness, 'emails')
    expect(incident).toMatchObject({ kind: 'failing', jobs: 2_200, failure: { message: 'the bank is down' } })
    // Not all failed jobs were read, so it is not known which job failed first.
    expect(incident?.failure).not.toHaveProperty('first')
    expect(incident!.since).toBeLessThanOrEqual(first)
    harness.clock.advance(10 * MINUTE)
    for (let n = 0; n < 10; n++) await harness.caller().run(job(), completed)
    harness.clock.advance(10 * MINUTE)
    const again = harness.clock.now
    await fail('emails/1', 8, 'the disk is full')
    harness.clock.advance(SECOND)
    await fail('emails/2', 8, 'the disk is full')
    const [later] = await found(harness, 'emails')
    expect(later).toMatchObject({
      ...{ kind: 'failing', since: again },
      failure: { message: 'the disk is full', count: 16, of: 16, first: again },
    })
  })
}
