/** Assertions about dispatches, and the messages of failed assertions. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  batch,
  chain,
  cron,
  defineJob,
  group,
  Job,
  JobsError,
  Jobs as Ordinary,
  tags,
  unique,
  workflow,
} from '../../src/index.ts'
import { Jobs } from '../../src/testing.ts'
import { at } from './place.ts'

class SendEmailJob extends Job {
  async handle(_: { to: string; subject?: string }) {}
}
class ReportJob extends Job {
  override readonly key = 'report'
  override group = group(({ month }: { month: number }) => `month-${month}`)
  override tags = tags(() => ['reports'])
  async handle({ month }: { month: number }) {
    return { rows: month }
  }
}
class PayJob extends Job {
  static override redact = ['card.number'] as const
  async handle(_: { order: string; card: { number: string; name: string } }) {}
}
class OnceJob extends Job {
  override unique = unique()
  async handle() {}
}

const config = { queues: ['default', 'emails'] }

function errorOf(act: () => unknown): JobsError {
  try {
    act()
  } catch (error) {
    if (JobsError.is(error, 'FAKE_ASSERTION')) return error
    throw error
  }
  throw new Error('it did not throw')
}

/** Returns the lines of the message without the first line. */
const linesOf = (act: () => unknown) => errorOf(act).message.split('\n').slice(1)

test('the fake gets jobs that are dispatched in any way, with their options', async () => {
  await using fake = Jobs.fake({ config, jobs: [ReportJob] })
  fake.assertNothingDispatched()
  await new SendEmailJob().dispatch({ to: 'a@b.c', subject: 'Hi' })
  await SendEmailJob.with({ to: 'd@e.f' }).onQueue('emails').delayed('5m').prioritized(3).dispatch()
  await Ordinary.dispatchByKey('report', { month: 11 }, { id: 'r-11', tries: 7, timeout: '3s' })
  await new SendEmailJob().dispatchMany([{ to: 'x' }, { to: 'y' }])
  const { payload } = fake.assertDispatched(SendEmailJob, { to: 'a@b.c' })
  expect(payload).toEqual({ to: 'a@b.c', subject: 'Hi' })
  fake.assertDispatched(
    SendEmailJob,
    { to: 'd@e.f' },
    { queue: 'emails', delay: '5m', priority: 3, times: 1 },
  )
  fake.assertDispatched('report', { month: 11 }, { id: 'r-11', group: 'month-11', tags: ['reports'] })
  fake.assertDispatched(ReportJob, ({ month }) => month > 10, { tries: 7, timeout: '3s', delay: 0 })
  fake.assertDispatched(SendEmailJob, { to: expect.stringContaining('@') }, { times: 2 })
  fake.assertDispatched(SendEmailJob, { to: (to: string) => to.length === 1 }, { times: 2 })
  fake.assertNotDispatched(SendEmailJob, { to: 'a@b.c' }, { queue: 'emails' })
  fake.assertNotDispatched(PayJob)
  expect(fake.all(SendEmailJob).map(({ payload }) => payload.to)).toEqual(['a@b.c', 'd@e.f', 'x', 'y'])
  expect(fake.dispatched.map(({ key }) => key)).toHaveLength(5)
  fake.forget()
  fake.assertNothingDispatched()
  expect((await Jobs.list({ state: 'waiting' })).jobs).toHaveLength(4)
})

test('assertions see the payload as a worker gets it, after JSON', async () => {
  await using fake = Jobs.fake({ config })
  await new SendEmailJob().dispatch({ to: 'a', subject: undefined as never })
  expect(Object.keys(fake.dispatched[0]!.payload as object)).toEqual(['to'])
  await expect(new SendEmailJob().dispatch({ to: (() => {}) as never })).rejects.toThrow(/payload\.to/)
  await expect(
    new SendEmailJob()
      .dispatch({ to: 'a' })
      .then(() => SendEmailJob.with({ to: 'b' }).onQueue('email').dispatch()),
  ).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
})

test('values that have no properties to compare are compared as a whole', async () => {
  class BookJob extends Job {
    async handle(_: { at: object }) {}
  }
  await using fake = Jobs.fake({ config })
  await new BookJob().dispatch({ at: { day: 1 } })
  fake.assertDispatched(BookJob, { at: {} })
  // A matcher of Bun looks like this object: it has no methods.
  const any = Object.create(Object.create(null, { [Symbol.toStringTag]: { value: 'ExpectAny' } }))
  for (const at of [new Date(0), new Map(), any])
    expect(() => fake.assertDispatched(BookJob, { at } as never)).toThrow('no job of BookJob')
})

test('a failed assertion shows the most similar dispatch with its differences, lists all dispatches, and its stack begins at the line of the test', async () => {
  await using fake = Jobs.fake({ config })
  await new SendEmailJob().dispatch({ to: 'a@b.c', subject: 'Hi' })
  await SendEmailJob.with({ to: 'd@e.f' }).delayed('5m').dispatch()
  await new ReportJob().dispatch({ month: 11 })
  const error = errorOf(() =>
    fake.assertDispatched(SendEmailJob, { to: 'x@y.z', subject: 'Hi' }, { queue: 'emails' }),
  )
  const page = readFileSync(new URL('../../../../docs/testing.md', import.meta.url), 'utf8')
  expect(page).toContain(`\n${error.message}\n`)
  const [frame] = error.stack!.split('\n').filter((line) => /^ {4}at /.test(line))
  expect(frame).toContain('asserting.test.ts')
  expect(linesOf(() => fake.assertNotDispatched('report'))).toEqual(['  ReportJob  default  { month: 11 }'])
  expect(errorOf(() => fake.assertDispatched(SendEmailJob, {}, { times: 3 })).message).toContain(
    'not 3, but 2 of SendEmailJob',
  )
  const any = errorOf(() => fake.assertDispatched(SendEmailJob, { to: expect.any(Number) }))
  expect(any.message).toContain("  to  is 'a@b.c'  expected: Any<Number>")
  await new ReportJob().dispatch({ month: 12 })
  expect(errorOf(() => fake.assertNotDispatched(ReportJob)).message).toContain('2 jobs of ReportJob were')
  expect(linesOf(() => fake.assertDispatched('reprot'))[0]).toBe('Did you mean ReportJob?')
})

test('a failed assertion shows no redacted parts, and shortens long values', async () => {
  await using fake = Jobs.fake({ config })
  const card = { number: '4111111111111111', name: 'Ada' }
  await new PayJob().dispatch({ order: 'x'.repeat(2_000), card })
  const { message } = errorOf(() =>
    fake.assertDispatched(PayJob, { order: 'o-1', card: { number: '4222222222222222' } }),
  )
  expect(message).not.toMatch(/4111|4222/)
  expect(message).toContain('card.number  is [redacted]')
  expect(Math.max(...message.split('\n').map((line) => line.length))).toBeLessThan(400)
  fake.assertDispatched(PayJob, { card })
})

test('a rejected job does not count as dispatched, and a failed assertion has the reason', async () => {
  await using fake = Jobs.fake({ config })
  const [first, second] = [new OnceJob(), new OnceJob()]
  expect([await first.dispatch(), await second.dispatch()]).toEqual([true, false])
  fake.assertDispatched(OnceJob, undefined, { times: 1 })
  const lines = linesOf(() => fake.assertDispatched(OnceJob, undefined, { times: 2 }))
  expect(lines.at(-1)).toBe(`  OnceJob  default    rejected: unique, because of ${first.id}`)
})

test('unique jobs of one test do not affect the next test', async () => {
  for (let i = 0; i < 2; i++) {
    await using fake = Jobs.fake({ config })
    expect(await new OnceJob().dispatch()).toBe(true)
    fake.assertDispatched(OnceJob)
  }
})

test('an assertion can check the order of dispatches', async () => {
  await using fake = Jobs.fake({ config })
  await new ReportJob().dispatch({ month: 1 })
  await new OnceJob().dispatch()
  await new SendEmailJob().dispatch({ to: 'a' })
  fake.assertOrder([ReportJob, [SendEmailJob, { to: 'a' }]])
  const { message } = errorOf(() => fake.assertOrder([OnceJob, ReportJob]))
  expect(message).toMatch(/^assertOrder\(\): no job of ReportJob was dispatched after OnceJob\n/)
})

test('a failed assertion says that a dispatch which is not awaited may not have been queued yet', async () => {
  await using fake = Jobs.fake({ config })
  const dispatched = new OnceJob().dispatch()
  expect(linesOf(() => fake.assertDispatched(OnceJob)).at(-1)).toMatch(/^1 dispatch has no answer yet/)
  await Jobs.flush()
  fake.assertDispatched(OnceJob)
  await dispatched
})

test('chains, batches and workflows can be asserted', async () => {
  await using fake = Jobs.fake({ config })
  await chain([new ReportJob().with({ month: 1 }), SendEmailJob.with({ to: 'a' })])
    .onFailed(new OnceJob().with())
    .dispatch()
  await batch([1, 2, 3].map((month) => ReportJob.with({ month })))
    .name('year')
    .dispatch()
  await workflow('order', (w) => {
    const report = w.add(ReportJob.with({ month: 7 }))
    w.add(SendEmailJob.with({ to: 'b' }), { after: report })
  }).dispatch()
  fake.assertChain([ReportJob, [SendEmailJob, { to: 'a' }]])
  fake.assertBatch(ReportJob, { name: 'year', size: 3, match: ({ month }) => month < 4 })
  const { nodes } = fake.assertWorkflow('order', { ReportJob: [], SendEmailJob: ['ReportJob'] })
  expect(nodes.map(({ key }) => key)).toEqual(['report', 'SendEmailJob'])
  fake.assertDispatched(SendEmailJob, { to: 'b' }, { node: 'SendEmailJob', times: 1 })
  fake.assertDispatched(ReportJob, {}, { times: 5 })
  expect(linesOf(() => fake.assertChain([SendEmailJob]))).toEqual([
    '3 flows were dispatched:',
    '  chain of ReportJob → SendEmailJob, OnceJob when failed',
    `  batch 'year' of 3 ReportJob`,
    `  workflow 'order' of ReportJob; SendEmailJob after ReportJob`,
  ])
  expect(errorOf(() => fake.assertBatch(ReportJob, { size: 2 })).message).toContain(
    'no batch of 2 ReportJob was dispatched',
  )
})

test('nodes and members that are added to a flow can be asserted', async () => {
  await using fake = Jobs.fake({ config })
  const flow = await chain([ReportJob.with({ month: 1 })]).dispatch()
  await flow.add(SendEmailJob.with({ to: 'later' }))
  fake.assertDispatched(SendEmailJob, { to: 'later' }, { times: 1 })
  fake.assertChain([ReportJob, SendEmailJob])
})

test('flows inside of flows can be asserted', async () => {
  await using fake = Jobs.fake({ config })
  await chain([
    batch([ReportJob.with({ month: 1 }), ReportJob.with({ month: 2 })]),
    chain([SendEmailJob.with({ to: 'a' })]),
  ]).dispatch()
  fake.assertDispatched(ReportJob, {}, { times: 2 })
  fake.assertDispatched(SendEmailJob)
  expect(linesOf(() => fake.assertChain([ReportJob]))[1]).toBe(
    '  chain of (batch of 2 ReportJob) → (chain of SendEmailJob)',
  )
  await fake.drain()
  fake.assertDispatched(ReportJob, {}, { times: 2 })
})

test('a job that is dispatched by key never belongs to a second copy of the application', async () => {
  await using fake = Jobs.fake({ config: { queues: ['default'] } })
  await expect(Ordinary.dispatchByKey('in-a-folder', {})).rejects.toMatchObject({
    code: 'UNKNOWN_JOB',
    message: "Jobs.dispatchByKey(): this test knows no job with the key 'in-a-folder'",
    hint: expect.stringContaining('name it: Jobs.fake({ jobs: [SendEmailJob] })'),
  })
  const greet = defineJob<{ name: string }>({ key: 'greet' })
  greet.handle(async () => {})
  await Ordinary.dispatchByKey('greet', { name: 'Ada' })
  fake.assertDispatched(greet, { name: 'Ada' })
})

test('schedules that the code sets can be asserted', async () => {
  await using fake = Jobs.fake({ config, now: new Date('2026-11-27T07:00:00Z') })
  await Jobs.schedules.set('report-7', ReportJob.with({ month: 7 }), cron('0 8 * * *'))
  const { next } = fake.assertScheduled('report-7', {
    when: '0 8 * * *',
    key: 'report',
    payload: { month: 7 },
  })
  expect(at(next!)).toBe('2026-11-27T08:00')
  expect(linesOf(() => fake.assertScheduled('report-7', { when: '0 9 * * *' }))).toEqual([
    `  when  is '0 8 * * *'  expected: '0 9 * * *'`,
  ])
  expect(errorOf(() => fake.assertScheduled('report-8')).message).toContain("did you mean 'report-7'?")
  await Jobs.schedules.remove('report-7')
  expect(fake.schedules).toEqual([])
})

test('dispatchNow runs at once, and hooks and middleware of the configuration apply', async () => {
  const seen: string[] = []
  await using fake = Jobs.fake({
    config: {
      ...config,
      middleware: [
        (job, next) => {
          seen.push(job.key)
          return next()
        },
      ],
      hooks: { completed: ({ key }) => seen.push(`${key} completed`) },
    },
  })
  expect(await new ReportJob().dispatchNow({ month: 3 })).toEqual({ rows: 3 })
  expect((await fake.spy(ReportJob).completed({ month: 3 })).result).toEqual({ rows: 3 })
  expect(seen).toEqual(['report', 'report completed'])
  fake.assertNothingDispatched()
})

test('a job that is dispatched in a transaction is queued at once, because a test has no relay', async () => {
  await using fake = Jobs.fake({ config, jobs: [ReportJob] })
  const tx = { for: 'sqlite' as const, execute: () => expect.unreachable() }
  await new ReportJob().dispatch({ month: 1 }, { tx })
  await ReportJob.with({ month: 2 }).in(tx).dispatch()
  await chain([ReportJob.with({ month: 3 })]).dispatch({ tx })
  fake.assertDispatched(ReportJob, { month: 1 })
  fake.assertDispatched(ReportJob, { month: 2 })
  fake.assertDispatched(ReportJob, { month: 3 })
  await expect(new ReportJob().dispatch({ month: 4 }, { trx: tx } as never)).rejects.toThrow('not { tx }')
})

test('Jobs.transaction() holds back its dispatches, and drops them if it throws', async () => {
  await using fake = Jobs.fake({ config, jobs: [ReportJob] })
  await Ordinary.transaction(async () => {
    await new ReportJob().dispatch({ month: 1 })
    fake.assertNothingDispatched()
  })
  fake.assertDispatched(ReportJob, { month: 1 })
  const declined = Ordinary.transaction(async () => {
    await new ReportJob().dispatch({ month: 2 })
    throw new Error('declined')
  })
  await expect(declined).rejects.toThrow('declined')
  fake.assertNotDispatched(ReportJob, { month: 2 })
})
