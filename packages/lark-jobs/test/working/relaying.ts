/**
 * The relay of the outbox makes jobs of rows of a table in the application's database. These tests use
 * SQLite; `test/outbox` tests the differences between databases.
 */
import { expect, test, vi } from 'vitest'
import { batch, chain, Job } from '../../src/index.ts'
import { OUTBOX } from '../../src/outbox/table.ts'
import { Application, mail } from '../outbox/application.ts'
import { Bench, type Connect, Record as Report } from './bench.ts'

const LONG = { timeout: 20_000, interval: 10 }

class MailJob extends Job {
  static runs: number[] = []
  override readonly key = 'mail'
  handle({ n }: { n: number }) {
    MailJob.runs.push(n)
  }
}

export function relaying(connect: Connect): void {
  async function setting() {
    MailJob.runs = []
    const bench = await Bench.make(connect)
    const application = new Application()
    const report = new Report()
    const work = () =>
      bench.work([MailJob], { concurrency: 1, report }, bench.client({ outbox: application.outbox }))
    return { bench, application, report, work, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() }
  }

  test('rows become jobs in their order, and are removed', async () => {
    await using at = await setting()
    at.application.write(...Array.from({ length: 25 }, (_, n) => mail(n)))
    await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toHaveLength(25), LONG)
    at.application.write(mail(25))
    await vi.waitFor(() => expect(MailJob.runs).toHaveLength(26), LONG)
    expect(MailJob.runs).toEqual(Array.from({ length: 26 }, (_, n) => n))
    await vi.waitFor(() => expect(at.application.rows).toEqual([]), LONG)
    expect(at.report.warnings.filter((text) => text.includes('outbox'))).toEqual([])
  })

  test('no job runs twice if a relay dies before it removes its rows, even if ended jobs are not kept', async () => {
    await using at = await setting()
    const rows = Array.from({ length: 10 }, (_, n) => mail(n))
    at.application.write(...rows)
    const worker = await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toHaveLength(10), LONG)
    await vi.waitFor(() => expect(at.application.rows).toEqual([]), LONG)
    await worker.stop()
    await at.bench.jobs.purge(rows.map(({ id }) => id))
    for (const { id } of rows) expect(await at.bench.jobs.find(id)).toBeUndefined()
    at.application.write(...rows, mail(10))
    await at.work()
    await vi.waitFor(() => expect(at.application.rows).toEqual([]), LONG)
    await vi.waitFor(() => expect(MailJob.runs).toContain(10), LONG)
    expect(MailJob.runs).toEqual(Array.from({ length: 11 }, (_, n) => n))
  })

  test('a flow and a batch begin once although their rows are sent several times', async () => {
    await using at = await setting()
    const { application } = at
    const tx = {
      for: 'sqlite',
      execute: (...words: Parameters<typeof application.run>) => application.run(...words),
    } as const
    const client = at.bench.client()
    const n = (n: number) => new MailJob().with({ n })
    const flow = await client.dispatch(chain([n(0), n(1), n(2)]), { tx })
    const all = await client.dispatch(batch([3, 4, 5, 6].map(n)), { tx })
    expect([flow.inTransaction, all.inTransaction]).toEqual([true, true])
    expect(await flow.status()).toBeUndefined()
    const { rows } = application
    expect(rows).toMatchObject([
      { kind: 'flow', id: flow.id },
      { kind: 'flow', id: all.id },
    ])
    await at.work()
    await vi.waitFor(async () => expect(await all.status()).toMatchObject({ state: 'completed' }), LONG)
    await vi.waitFor(async () => expect(await flow.status()).toMatchObject({ state: 'completed' }), LONG)
    await vi.waitFor(() => expect(application.rows).toEqual([]), LONG)
    expect(await all.progress()).toEqual({ total: 4, done: 4, failed: 0 })
    application.restore(rows)
    application.write(mail(7))
    await vi.waitFor(() => expect(application.rows).toEqual([]), LONG)
    await vi.waitFor(() => expect(MailJob.runs).toContain(7), LONG)
    expect([...MailJob.runs].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(at.report.warnings.filter((text) => text.includes('outbox'))).toEqual([])
  })

  test('a flow that is not kept, and a batch whose members were removed, begin only once although a relay has died', async () => {
    await using at = await setting()
    const { application } = at
    const tx = { for: 'sqlite', execute: application.run.bind(application) } as const
    const client = at.bench.client()
    const n = (n: number) => new MailJob().with({ n })
    const none = { completed: false, failed: false, cancelled: false } as const
    await client.dispatch(chain([n(0), n(1)]).keep(none), { tx })
    const all = await client.dispatch(batch([2, 3].map(n)), { tx })
    const { rows } = application
    await at.work()
    await vi.waitFor(() => expect([...MailJob.runs].sort()).toEqual([0, 1, 2, 3]), LONG)
    await vi.waitFor(async () => expect(await all.status()).toMatchObject({ state: 'completed' }), LONG)
    await vi.waitFor(() => expect(application.rows).toEqual([]), LONG)
    const { jobs } = await client.list({ state: 'completed' })
    await at.bench.jobs.purge(
      jobs.flatMap(({ id, payload }) => ((payload as { n: number }).n > 1 ? [id] : [])),
    )
    application.restore(rows)
    application.run(`UPDATE ${OUTBOX} SET place = place - 2`)
    application.write(mail(4))
    await vi.waitFor(() => expect(application.rows).toEqual([]), LONG)
    await vi.waitFor(() => expect(MailJob.runs).toContain(4), LONG)
    expect([...MailJob.runs].sort()).toEqual([0, 1, 2, 3, 4])
  })

  test('a caller that awaits the result at once waits for the relay, for as long as its timeout allows', async () => {
    await using at = await setting()
    const { application } = at
    const tx = { for: 'sqlite', execute: application.run.bind(application) } as const
    const client = at.bench.client()
    const job = await client.dispatch(MailJob.with({ n: 1 }), { tx })
    const flow = await client.dispatch(batch([MailJob.with({ n: 2 }), MailJob.with({ n: 3 })]), { tx })
    const results = [job.result({ timeout: '1m' }), flow.result({ timeout: '1m' })]
    const brief = [job.result({ timeout: 50 }), flow.result({ timeout: 50 })]
    for (const each of brief) await expect(each).rejects.toMatchObject({ code: 'RESULT_TIMEOUT' })
    await at.work()
    expect(await Promise.all(results)).toEqual([undefined, { completed: 2, failed: 0, total: 2 }])
  })

  test('a delay begins at the dispatch', async () => {
    await using at = await setting()
    const [soon, late] = at.application.write(mail(1, { delay: 60_000 }), mail(2, { delay: 3_600_000 }))
    at.application.run(`UPDATE ${OUTBOX} SET written = written - 120000`)
    await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toEqual([1]), LONG)
    expect(await at.bench.jobs.find(soon!)).toMatchObject({ state: 'completed' })
    const job = await at.bench.jobs.find(late!)
    expect(job).toMatchObject({ state: 'delayed' })
    expect(job!.dueAt! - job!.queuedAt).toBeLessThanOrEqual(3_480_000)
  })

  test('damaged rows, rows in a later format and rows of unknown classes stop no other rows', async () => {
    await using at = await setting()
    const [damaged, later, unknown] = at.application.write(
      { ...mail(1), body: '{"key":' },
      { ...mail(2), form: 9 },
      mail(3, { key: 'nobody-knows' }),
      mail(4),
    )
    await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toEqual([4]), LONG)
    await vi.waitFor(() => expect(at.application.rows).toHaveLength(2), LONG)
    expect(at.application.rows).toMatchObject([
      { id: damaged, error: 'its body is not a JSON object', tries: 1 },
      { id: later, error: expect.stringContaining('its form is 9') },
    ])
    expect(await at.bench.jobs.find(unknown!)).toMatchObject({ state: 'waiting', key: 'nobody-knows' })
    expect(at.report.warnings).toContainEqual(expect.stringContaining(`Row ${damaged} `))
  })

  test('rows with escape sequences stop no other rows, and a terminal shows their text escaped', async () => {
    await using at = await setting()
    const body = (text: string) => ({ ...mail(0), body: text })
    const evil = '\u001b[2J\u0000'
    at.application.write(
      { ...mail(0), id: evil },
      { ...mail(0), queue: evil },
      { ...mail(0), queue: 'emails/7' },
      body(`{"key":"mail","payload":"{}","__proto__":{"delay":1}}`),
      body(`{"key":"mail","payload":"{}","toString":1}`),
      body(JSON.stringify({ key: 'mail', payload: '{}', [evil]: 1 })),
      body('x'.repeat(2 * 8_388_608)),
      { ...mail(0), kind: 'flow', body: '{"home":"emails","definition":{"nodes":[null]}}' },
      mail(1, {}, 'nobody-configured-it'),
      mail(2),
    )
    await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toEqual([2]), LONG)
    await vi.waitFor(
      () => expect(at.application.rows.map(({ error }) => typeof error)).toEqual(Array(8).fill('string')),
      LONG,
    )
    for (const { error } of at.application.rows) expect(error).not.toMatch(/\p{Cc}/u)
    for (const text of at.report.warnings) expect(text).not.toMatch(/\p{Cc}/u)
  })

  test('find() with the id of a job that the store refuses returns the reason', async () => {
    await using at = await setting()
    const lock = { name: 'once', until: 'done' } as const
    const [first, second] = at.application.write(
      mail(1, { lock, delay: 3_600_000 }),
      mail(2, { lock, options: { tags: ['a'] } }),
    )
    await at.work()
    await vi.waitFor(() => expect(at.application.rows).toEqual([]), LONG)
    expect(await at.bench.jobs.find(second!)).toMatchObject({
      ...{ state: 'cancelled', reason: 'rejected', payload: { n: 2 }, options: { tags: ['a'] }, runs: 0 },
      because: `it is unique, and job ${first} has not ended`,
    })
  })

  test('from the commit on, find() with the id of the job finds the row, even if the row cannot become a job', async () => {
    await using at = await setting()
    const client = at.bench.client({ outbox: at.application.outbox })
    const [id, late] = at.application.write(mail(7), mail(8, { delay: 60_000, priority: 3 }))
    expect(await client.find(id!)).toMatchObject({
      ...{ id, key: 'mail', queue: 'emails', state: 'waiting', payload: { n: 7 }, log: [] },
      inOutbox: { age: expect.any(Number) },
    })
    const [secret] = at.application.write(mail(9, { delay: 60_000, options: { redact: ['n'] } }))
    expect((await client.find(secret!))?.payload).toEqual({ n: '[redacted]' })
    expect(await client.find(late!)).toMatchObject({ state: 'delayed', priority: 3 })
    expect(await client.find(id!, { queue: 'low' })).toBeUndefined()
    expect(await client.find('nobody')).toBeUndefined()
    await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toEqual([7]), LONG)
    expect(await client.find(id!)).not.toHaveProperty('inOutbox')
  })

  test('a worker that stops also stops listening to the database, even if the listening began late or its end fails', async () => {
    await using at = await setting()
    let begin = (_: () => void) => {}
    let ended = 0
    const listen = () => new Promise<() => void>((resolve) => (begin = resolve))
    const unlisten = () => {
      ended += 1
      throw new Error('the connection is gone')
    }
    const late = await at.bench.work(
      [],
      {},
      at.bench.client({ outbox: { ...at.application.outbox, listen } }),
    )
    await late.stop()
    begin(unlisten)
    await vi.waitFor(() => expect(ended).toBe(1), LONG)
    const outbox = { ...at.application.outbox, listen: () => unlisten }
    const failing = await at.bench.work([], {}, at.bench.client({ outbox }))
    await failing.stop()
    expect(ended).toBe(2)
  })

  test('while the database cannot be reached, the worker goes on and reports this once', async () => {
    await using at = await setting()
    at.application.write(mail(1))
    at.application.isAway = true
    await at.work()
    const said = () => at.report.warnings.filter((text) => text.includes('database of the outbox'))
    await vi.waitFor(() => expect(said()).toHaveLength(1), LONG)
    await at.bench.jobs.dispatch([])
    at.application.isAway = false
    await vi.waitFor(() => expect(MailJob.runs).toEqual([1]), LONG)
    await vi.waitFor(() => expect(said()).toHaveLength(2), LONG)
    expect(said()).toEqual([
      'The database of the outbox does not answer: the server is going down. The worker goes on trying.',
      'The database of the outbox answers again',
    ])
  })
}
