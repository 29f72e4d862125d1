import { expect, test, vi } from 'vitest'
import { batch, chain, cron, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { ClaimedJob } from '../../src/model/record.ts'
import { type AuditEntry, type Operate, operate } from '../../src/operate.ts'
import { Caller } from '../conformance/caller.ts'
import { retried } from '../conformance/jobs.ts'
import { Bench, type Connect, Record } from './bench.ts'

const MANY = 300

let ran: number[] = []
let isBroken = false

class ChargeJob extends Job {
  override readonly key = 'charge'
  override tries = 1
  handle({ n }: { n: number }): void {
    if (isBroken) throw new Error(`Card ${n} was declined`)
    ran.push(n)
  }
}

const numbers = Array.from({ length: MANY }, (_, n) => n)

/** Fills a store with jobs that have failed. */
async function broken(bench: Bench): Promise<void> {
  ran = []
  isBroken = true
  await bench.jobs.dispatchMany(
    new ChargeJob(),
    numbers.map((n) => ({ n })),
  )
  const worker = await bench.work([ChargeJob], { concurrency: 50, stopWhenEmpty: true })
  await worker.done
  isBroken = false
}

const sorted = (all: readonly number[]) => [...all].sort((one, other) => one - other)
const words = ({ what, on, count, outcome }: AuditEntry) => `${what} ${on}: ${count} ${outcome}`
const entries = async (operating: Operate) => (await operating.audit()).entries

/** Tests that people mend many jobs while workers run, and that the audit shows this. */
export function mending(connect: Connect): void {
  test('the audit says who made each change from where, which change it was, which jobs it selected, and how many it changed', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const actor = { name: 'ada', host: 'web-1', from: 'dashboard' } as const
    const operating = operate(bench.client(), { actor })
    const [a, b] = await jobs.dispatch([ChargeJob.with({ n: 1 }), ChargeJob.with({ n: 2 }).delayed('1h')])
    const flow = await jobs.dispatch(
      chain([ChargeJob.with({ n: 3 }).delayed('1h'), ChargeJob.with({ n: 4 })]),
    )
    await jobs.schedules.set('nightly', ChargeJob.with({ n: 5 }), cron('0 3 * * *'))
    const before = Date.now() - 60_000
    await operating.pause({ queue: 'default', because: 'a deploy' })
    await operating.pause({ queue: 'default', group: 'acme' })
    await operating.resume({ queue: 'default' })
    await operating.runNow([b!.id])
    await operating.reschedule({ key: 'charge', where: { n: 2 } }, '1h')
    await operating.prioritize(a!.id, 3)
    await operating.edit(a!.id, { n: 9 })
    await operating.tag(a!.id, 'looked at')
    await operating.untag([a!.id], 'looked at', { queue: 'default' })
    await operating.cancel([a!.id, b!.id])
    await operating.retry({ state: 'cancelled', where: { n: 9 } })
    const records = []
    for await (const some of operating.records({ state: 'cancelled' })) records.push(...some)
    await operating.remove({ state: 'cancelled' })
    await operating.import(records, { source: 'a file' })
    await operating.purge({ where: { n: 2 } })
    await operating.flows.cancel(flow.id)
    await operating.flows.retry(flow.id)
    await operating.schedules.pause('nightly')
    await operating.schedules.resume('nightly')
    await operating.schedules.runNow('nightly')
    await operating.schedules.remove('nightly')
    await operating.workers.quiet({ all: true })
    await operating.workers.restart({ queue: 'default', host: 'web-2' })
    // A dry run changes nothing, and a change that an application makes itself is not in the audit.
    await operating.cancel({ all: true }, { dryRun: true })
    await jobs.retry('failed')
    const all = await entries(operating)
    expect(all.map(words).reverse()).toEqual([
      'pause queue default: 1 done',
      'pause group acme of queue default: 1 done',
      'resume queue default: 1 done',
      `run-now job: ${b!.id}: 1 done`,
      'reschedule jobs of key charge where n is …: 1 done',
      `prioritize job: ${a!.id}: 1 done`,
      `edit job: ${a!.id}: 1 done`,
      `tag job: ${a!.id}: 1 done`,
      `untag job of queue default: ${a!.id}: 1 done`,
      `cancel 2 jobs: ${a!.id}, ${b!.id}: 2 done`,
      'retry jobs of state cancelled where n is …: 1 done',
      'remove jobs of state cancelled: 1 done',
      'import jobs of a file: 1 done',
      'purge jobs where n is …: 1 done',
      `cancel-flow flow ${flow.id}: 1 done`,
      `retry-flow flow ${flow.id}: 1 done`,
      'pause-schedule schedule nightly: 1 done',
      'resume-schedule schedule nightly: 1 done',
      'run-schedule schedule nightly: 1 done',
      'remove-schedule schedule nightly: 1 done',
      'quiet-workers every worker: 0 done',
      'restart-workers workers of queue default, host web-2: 0 done',
    ])
    for (const { who, host, from, at, endedAt } of all) {
      expect({ who, host, from }).toEqual({ who: 'ada', host: 'web-1', from: 'dashboard' })
      expect(at).toBeGreaterThan(before)
      expect(endedAt).toBeGreaterThanOrEqual(at)
    }
    expect((await operating.audit({ what: 'pause', who: 'ada@web-1', since: '1h' })).entries).toHaveLength(2)
    for (const none of [
      { who: 'bob' },
      { what: 'resume-workers' },
      { since: new Date(Date.now() + 60_000) },
    ] as const)
      expect(await operating.audit(none)).toEqual({ entries: [] })
    const pages: AuditEntry[] = []
    let cursor: string | undefined
    do {
      const page = await operating.audit({ who: 'ada', limit: 7, ...(cursor && { cursor }) })
      pages.push(...page.entries)
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(pages).toEqual(all)
  })

  test('the audit says who made a pause, and how many jobs a failed or interrupted change has changed', async () => {
    await using bench = await Bench.make(connect)
    await broken(bench)
    const operating = operate(bench.client(), { actor: 'ada' })
    await operating.pause({ queue: 'default', for: '1h', because: 'a deploy' })
    const [{ pausedBy, pausedAt, pausedBecause } = {}] = (await operating.status()).queues
    expect([pausedBy, pausedBecause]).toEqual([expect.stringMatching(/^ada at \S+$/), 'a deploy'])
    expect(Math.abs(Date.now() - pausedAt!)).toBeLessThan(60_000)
    const [failed] = await operating.failed({ limit: 1 })
    await operating.retry(failed!.id)
    const { reasons } = (await operating.why(failed!.id))!
    expect(reasons[0]?.text).toMatch(/^Its queue default is paused by ada at \S+ .* ago \(a deploy\): for/)
    const over = new AbortController()
    const done = await operating.retry(
      { key: 'charge' },
      { signal: over.signal, onProgress: (done) => done >= 100 && over.abort() },
    )
    expect(done).toBeGreaterThanOrEqual(100)
    await expect(operating.retry('0123456789abc')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    expect((await entries(operating)).slice(0, 2)).toMatchObject([
      { outcome: 'failed', count: 0, error: expect.stringMatching(/^JOB_NOT_FOUND: /) },
      { outcome: 'interrupted', count: done },
    ])
  })

  test('the audit keeps as many changes as the configuration says, or none', async () => {
    await using bench = await Bench.make(connect)
    const few = operate(bench.client({ audit: { count: 2 } }))
    for (const queue of ['default', 'emails', 'low']) await few.pause({ queue })
    expect((await entries(few)).map(({ on }) => on)).toEqual(['queue low', 'queue emails'])
    await operate(bench.client({ audit: false })).resume({ queue: 'low' })
    expect(await entries(few)).toHaveLength(2)
  })

  test('when two people retry all failed jobs while workers run, each job runs once more', async () => {
    await using bench = await Bench.make(connect)
    await broken(bench)
    const report = new Record()
    await bench.work([ChargeJob], { concurrency: 20, report })
    const [one, other] = [operate(bench.client()), operate(bench.client())]
    const counts = await Promise.all([one.retry({ key: 'charge' }), other.retry('failed')])
    await report.ends(MANY)
    // A job that one person has retried and that has ended meanwhile no longer counts as failed.
    expect(counts[0]! + counts[1]!).toBe(MANY)
    expect(sorted(ran)).toEqual(numbers)
    const none = { waiting: 0, active: 0, failed: 0 }
    await vi.waitFor(async () =>
      expect((await one.status()).queues[0]!.counts).toMatchObject({ ...none, completed: MANY }),
    )
  })

  test('a completed job that another person had retried is not retried again', async () => {
    for (const isNamed of [false, true]) {
      await using bench = await Bench.make(connect)
      await broken(bench)
      const report = new Record()
      await bench.work([ChargeJob], { concurrency: 20, report })
      const [late, other] = [bench.client(), operate(bench.client())]
      const failed = (await other.list({ state: 'failed' }, { limit: MANY })).jobs.map(({ id }) => id)
      const { store } = await insideOf(late).open()
      const alter = store.alter.bind(store)
      vi.spyOn(store, 'alter').mockImplementationOnce(async (...call) => {
        expect(await other.retry('failed')).toBe(MANY)
        await report.ends(MANY)
        await vi.waitFor(async () => expect((await other.list({ state: 'completed' })).jobs).not.toEqual([]))
        return alter(...call)
      })
      if (isNamed)
        await expect(operate(late).retry(failed)).rejects.toMatchObject({
          code: 'JOB_NOT_RETRIABLE',
          message: expect.stringMatching(/ has completed meanwhile$/),
        })
      else expect(await operate(late).retry({ key: 'charge' })).toBe(0)
      expect(sorted(ran)).toEqual(numbers)
    }
  })

  test('a filter changes no job that another person retried after the filter found it', async () => {
    for (const make of [
      (late: Operate) => late.remove({ key: 'charge', state: 'failed' }),
      (late: Operate) => late.purge({ state: 'failed' }),
      (late: Operate) => late.edit({ key: 'charge', state: 'failed' }, { n: -1 }),
    ]) {
      await using bench = await Bench.make(connect)
      await broken(bench)
      const [late, other] = [bench.client(), operate(bench.client())]
      const { store } = await insideOf(late).open()
      const alter = store.alter.bind(store)
      vi.spyOn(store, 'alter').mockImplementationOnce(async (...call) => {
        expect(await other.retry('failed')).toBe(MANY)
        return alter(...call)
      })
      const { running, ...changed } = await make(operate(late))
      expect([Object.values(changed), running]).toEqual([[0], MANY])
      const report = new Record()
      await bench.work([ChargeJob], { concurrency: 20, report })
      await report.ends(MANY)
      expect(sorted(ran)).toEqual(numbers)
    }
  })

  test('if a person retries a flow after the filter of a purge has found its jobs, the purge does not remove the jobs that start again', async () => {
    // A node that starts again gets another job, and a member of a batch keeps its job.
    for (const [flow, removed] of [
      [chain, 1],
      [batch, 0],
    ] as const) {
      await using bench = await Bench.make(connect)
      ran = []
      isBroken = true
      const { id } = await bench.jobs.dispatch(flow([ChargeJob.with({ n: 1 })]))
      await (await bench.work([ChargeJob], { stopWhenEmpty: true })).done
      isBroken = false
      const [late, other] = [bench.client(), operate(bench.client())]
      const { store } = await insideOf(late).open()
      const list = store.list.bind(store)
      vi.spyOn(store, 'list').mockImplementationOnce(async (...call) => {
        const page = await list(...call)
        await other.flows.retry(id)
        await vi.waitFor(async () =>
          expect((await other.list({ state: 'waiting' })).jobs.map(({ key }) => key)).toEqual(['charge']),
        )
        return page
      })
      expect(await operate(late).purge({ key: 'charge', state: 'failed', since: '1h' })).toMatchObject({
        removed,
      })
      const report = new Record()
      await bench.work([ChargeJob], { report })
      await report.ends(1)
      expect(ran).toEqual([1])
    }
  })

  test('a cancel of waiting jobs asks no running job to end, and a cancel of running jobs also reaches jobs between attempts', async () => {
    await using bench = await Bench.make(connect)
    ran = []
    await bench.jobs.dispatchMany(
      new ChargeJob(),
      numbers.map((n) => ({ n })),
    )
    const late = bench.client()
    const { store } = await insideOf(late).open()
    const alter = store.alter.bind(store)
    const worker = new Caller(store, 'ada', 'default')
    let held: ClaimedJob[] = []
    vi.spyOn(store, 'alter').mockImplementationOnce(async (...call) => {
      held = await worker.claim(MANY / 2)
      return alter(...call)
    })
    const half = { cancelled: MANY / 2, asked: 0 }
    expect(await operate(late).cancel({ state: 'waiting' })).toEqual(half)
    vi.spyOn(store, 'alter').mockImplementationOnce(async (...call) => {
      for (const job of held) await worker.settle(job, retried(0))
      return alter(...call)
    })
    expect(await operate(late).cancel({ state: 'active' })).toEqual(half)
  })

  test('jobs that are removed and put back while workers run each run once', async () => {
    await using bench = await Bench.make(connect)
    ran = []
    await bench.jobs.dispatchMany(
      new ChargeJob(),
      numbers.map((n) => ({ n })),
    )
    const operating = operate(bench.client())
    const file: unknown[] = []
    const report = new Record()
    await bench.work([ChargeJob], { concurrency: 5, report })
    const { removed, left } = await operating.remove(
      { state: 'waiting' },
      { before: (jobs) => file.push(...jobs.map((job) => JSON.parse(JSON.stringify(job)))) },
    )
    expect(removed + left!).toBeLessThanOrEqual(MANY)
    await report.ends(MANY - removed)
    expect(ran).toHaveLength(MANY - removed)
    // The file has a record of a job that began in between. The import leaves this job alone, because it
    // exists.
    const { imported, existing } = await operating.import(file)
    expect([imported, imported + existing]).toEqual([removed, file.length])
    await report.ends(MANY)
    expect(sorted(ran)).toEqual(numbers)
    expect(await operating.import(file)).toEqual({ imported: 0, existing: file.length })
  })
}
