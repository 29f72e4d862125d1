/**
 * The relay of the outbox: rows of a table in the application's database become jobs. The database is here SQLite; what
 * differs between databases is tested in `test/outbox`.
 */
import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
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

  test('rows become jobs in their order, and go', async () => {
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

  test('a relay that died before it removed its rows doubles nothing, though nothing of the jobs is kept', async () => {
    await using at = await setting()
    const rows = Array.from({ length: 10 }, (_, n) => mail(n, { keep: { completed: 0 } }))
    at.application.write(...rows)
    const worker = await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toHaveLength(10), LONG)
    await worker.stop()
    at.application.write(...rows, mail(10))
    await at.work()
    await vi.waitFor(() => expect(at.application.rows).toEqual([]), LONG)
    await vi.waitFor(() => expect(MailJob.runs).toHaveLength(11), LONG)
    expect(MailJob.runs.at(-1)).toBe(10)
  })

  test('a delay counts from the dispatch', async () => {
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

  test('a damaged row, one of a later form, and one of an unknown class stop nobody', async () => {
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

  test('a job that the store does not take is found under its id, with the reason', async () => {
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

  test('a row is found under the id of its job from the commit on, and while it cannot become one', async () => {
    await using at = await setting()
    const client = at.bench.client({ outbox: at.application.outbox })
    const [id, late] = at.application.write(mail(7), mail(8, { delay: 60_000, priority: 3 }))
    expect(await client.find(id!)).toMatchObject({
      ...{ id, key: 'mail', queue: 'emails', state: 'waiting', payload: { n: 7 }, log: [] },
      inOutbox: { age: expect.any(Number) },
    })
    expect(await client.find(late!)).toMatchObject({ state: 'delayed', priority: 3 })
    expect(await client.find(id!, { queue: 'low' })).toBeUndefined()
    expect(await client.find('nobody')).toBeUndefined()
    await at.work()
    await vi.waitFor(() => expect(MailJob.runs).toEqual([7]), LONG)
    expect(await client.find(id!)).not.toHaveProperty('inOutbox')
  })

  test('while the database is away, this is said once, and the worker goes on', async () => {
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
