import { expect, test } from 'vitest'
import { batch, chain, every, group, Job, type Jobs, unique } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { ScheduleBook } from '../../src/schedule/book.ts'
import { Bench, type Connect, Record } from './bench.ts'

let ran: string[] = []

class MailJob extends Job {
  override readonly key: string = 'mail'
  override tries = 2
  handle({ to }: { to: string }): string {
    ran.push(to)
    return `sent to ${to}`
  }
}
class OnceJob extends MailJob {
  override readonly key = 'once'
  override unique = unique(({ to }: { to: string }) => to, { until: 'done' })
}
class ShopJob extends MailJob {
  override readonly key = 'shop'
  override group = group(() => 'acme', { strict: true })
}
class LostJob extends MailJob {
  override readonly key = 'lost'
  override queueName = 'emials'
}

class BrokenJob extends Job {
  override readonly key = 'broken'
  override tries = 1
  handle(): void {
    throw new Error('no')
  }
}

const classes = [MailJob, OnceJob, ShopJob, LostJob]
const misnamed = { queues: ['default', 'emials'] }

/** Runs all waiting jobs of the queue `emails`. */
async function run(bench: Bench): Promise<void> {
  const worker = await bench.work(classes, { queues: ['emails'], concurrency: 1, stopWhenEmpty: true })
  await worker.done
}

async function counts(jobs: Jobs, queue: string) {
  const { queues } = await jobs.status()
  return queues.find((each) => each.queue === queue)?.counts
}

/** Tests that people move jobs to another queue from another process. */
export function moving(connect: Connect): void {
  test('jobs are moved by id, by filter and by handle, a dry run moves no job, and handles still find their jobs', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    ran = []
    const other = bench.client()
    const handles = await jobs.dispatch(['a', 'b', 'c', 'd'].map((to) => MailJob.with({ to })))
    const [a, b, c, d] = handles
    const result = d!.result({ timeout: '60s' })
    expect(await other.move({ where: { to: 'b' } }, 'emails', { dryRun: true })).toEqual({
      moved: 1,
      left: 0,
    })
    expect(await other.move({ queue: 'default' }, 'emails', { dryRun: true })).toEqual({ moved: 4, left: 0 })
    expect((await counts(jobs, 'default'))?.waiting).toBe(4)
    expect(await other.move({ where: { to: 'b' } }, 'emails')).toEqual({ moved: 1, left: 0 })
    expect(await other.move([a!.id], 'emails', { queue: 'default' })).toEqual({ moved: 1, left: 0 })
    expect(await c!.move('emails')).toBe(true)
    expect(await c!.move('emails')).toBe(false)
    // The move leaves out jobs that are already in the queue.
    expect(await other.move({ all: true }, 'emails')).toEqual({ moved: 1, left: 0 })
    expect(await b!.status()).toMatchObject({
      queue: 'emails',
      state: 'waiting',
      options: { movedAt: expect.any(Number) },
    })
    expect((await jobs.find(a!.id))?.queue).toBe('emails')
    expect(await b!.prioritize(3)).toBe(true)
    expect(await a!.reschedule('1h')).toBe(true)
    expect((await a!.find())?.state).toBe('delayed')
    expect(await a!.runNow()).toBe(true)
    await run(bench)
    expect(ran).toEqual(['b', 'c', 'd', 'a'])
    expect(await result).toBe('sent to d')
    expect(await c!.result()).toBe('sent to c')
    expect((await jobs.find(c!.id))?.queue).toBe('emails')
  })

  test('a move of unsuitable jobs is refused with a code that says why', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const [a, b] = await jobs.dispatch([MailJob.with({ to: 'a' }), MailJob.with({ to: 'b' })])
    await jobs.cancel(a!.id)
    const refused = (of: Promise<unknown>) => expect(of).rejects
    await refused(jobs.move(a!.id, 'emails')).toMatchObject({
      code: 'JOB_NOT_MOVABLE',
      message: `${a!.id} is cancelled; only a job that waits or is delayed can be moved`,
      hint: 'To run it again, retry it first, and then move it.',
    })
    await refused(jobs.move(b!.id, 'default')).toMatchObject({
      code: 'JOB_NOT_MOVABLE',
      message: `${b!.id} is in the queue default already`,
    })
    await refused(jobs.move(b!.id, 'emial')).toMatchObject({
      code: 'UNKNOWN_QUEUE',
      hint: expect.stringContaining('Did you mean emails?'),
    })
    await refused(jobs.move({ queue: 'default' }, 'default')).toMatchObject({ code: 'FILTER_INVALID' })
    await refused(jobs.move({ queue: 'default' }, '')).toMatchObject({ code: 'FILTER_INVALID' })
    await refused(jobs.move({} as never, 'emails')).toMatchObject({ code: 'FILTER_INVALID' })
    await refused(jobs.move({ state: 'failed' } as never, 'emails')).toMatchObject({ code: 'FILTER_INVALID' })
    await refused(b!.move(7 as never)).toMatchObject({ code: 'JOB_INVALID' })
    await refused(b!.move('nowhere')).toMatchObject({ code: 'UNKNOWN_QUEUE' })
    expect(await a!.move('emails')).toBe(false)
    expect((await counts(jobs, 'default'))?.waiting).toBe(1)
  })

  test('jobs of a queue that is not configured, paused or not, run in their new queue', async () => {
    await using bench = await Bench.make(connect)
    ran = []
    const wrong = bench.client(misnamed)
    const { jobs } = bench
    await wrong.dispatchMany(
      new LostJob(),
      ['a', 'b', 'c'].map((to) => ({ to })),
    )
    await wrong.dispatch(LostJob.with({ to: 'later' }).delayed('1h'))
    await wrong.pause({ queue: 'emials' })
    await jobs.pause({ queue: 'emails' })
    expect(await jobs.move({ queue: 'emials', state: 'waiting' }, 'emails')).toEqual({ moved: 3, left: 0 })
    await jobs.resume({ queue: 'emails' })
    await run(bench)
    expect(ran).toEqual(['a', 'b', 'c'])
    expect(await jobs.move({ queue: 'emials' }, 'emails')).toEqual({ moved: 1, left: 0 })
    expect(await counts(jobs, 'emails')).toMatchObject({ delayed: 1, completed: 3 })
    expect(await jobs.runNow({ queue: 'emails' })).toEqual({ rescheduled: 1 })
    await run(bench)
    expect(ran).toEqual(['a', 'b', 'c', 'later'])
  })

  test('a unique job stays if the new queue has its duplicate', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    ran = []
    const [a, b] = await jobs.dispatch([OnceJob.with({ to: 'ada' }), OnceJob.with({ to: 'bob' })])
    const there = await jobs.dispatch(OnceJob.with({ to: 'ada' }).onQueue('emails'))
    expect(there.queued).toBe(true)
    expect(await jobs.move({ queue: 'default' }, 'emails')).toEqual({ moved: 1, left: 1 })
    expect(await a!.move('emails')).toBe(false)
    expect((await a!.status())?.queue).toBe('default')
    // The lock of the job is in the new queue.
    expect((await jobs.dispatch(OnceJob.with({ to: 'bob' }).onQueue('emails'))).queued).toBe(false)
    expect(await there.cancel()).toBe(true)
    expect(await a!.move('emails')).toBe(true)
    await run(bench)
    expect(ran.sort()).toEqual(['ada', 'bob'])
    expect(await b!.result()).toBe('sent to bob')
  })

  test('jobs of a strict group keep their order, and all go to one partition', async () => {
    await using bench = await Bench.make(connect)
    ran = []
    const queues = { default: {}, emails: { partitions: 4 }, low: {} }
    const jobs = bench.client({ queues })
    await jobs.dispatchMany(
      new ShopJob(),
      ['1', '2', '3', '4', '5'].map((to) => ({ to })),
    )
    expect(await jobs.move({ group: 'acme' }, 'emails')).toEqual({ moved: 5, left: 0 })
    const worker = await bench.work([ShopJob], { queues: ['emails'], stopWhenEmpty: true }, jobs)
    await worker.done
    expect(ran).toEqual(['1', '2', '3', '4', '5'])
  })

  test('an id of the application is found in the new queue, and is free again in the old queue', async () => {
    await using bench = await Bench.make(connect)
    const queues = { default: {}, emails: { partitions: 3 } }
    const jobs = bench.client({ queues })
    const draft = () => MailJob.with({ to: 'ada' }).withId('order-7')
    const handle = await jobs.dispatch(draft())
    expect(await jobs.move('order-7', 'emails')).toEqual({ moved: 1, left: 0 })
    expect((await jobs.dispatch(draft().onQueue('emails'))).queued).toBe(false)
    expect((await handle.status())?.queue).toBe('emails')
    expect((await jobs.dispatch(draft())).queued).toBe(true)
    expect(await jobs.move('order-7', 'emails', { queue: 'default' })).toEqual({ moved: 0, left: 1 })
    expect(await jobs.purge('order-7', { queue: 'default' })).toMatchObject({ removed: 1 })
    expect((await jobs.find('order-7'))?.queue).toBe('emails')
  })

  test('flows go on after a waiting step of a chain or a waiting member of a batch was moved', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    ran = []
    const flow = await jobs.dispatch(
      chain([MailJob.with({ to: 'first' }), MailJob.with({ to: 'second' }).onQueue('emails')]),
    )
    const many = await jobs.dispatch(batch([MailJob.with({ to: 'x' }), MailJob.with({ to: 'y' })]))
    expect(await jobs.move({ queue: 'default' }, 'emails')).toEqual({ moved: 3, left: 0 })
    const worker = await bench.work(classes, { queues: ['emails'] })
    expect(await flow.result({ timeout: '60s' })).toBe('sent to second')
    await many.result({ timeout: '60s' })
    await worker.stop()
    expect(ran.sort()).toEqual(['first', 'second', 'x', 'y'])
  })

  test('a flow whose job was moved can be cancelled and purged', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const steps = () => chain([MailJob.with({ to: 'of ada' }).delayed('1h'), MailJob.with({ to: 'x' })])
    const [one, other] = [await jobs.dispatch(steps()), await jobs.dispatch(steps())]
    expect(await jobs.move({ key: 'mail' }, 'emails')).toEqual({ moved: 2, left: 0 })
    const worker = await bench.work(classes)
    expect(await one.cancel()).toBe(true)
    await expect(one.result({ timeout: '60s' })).rejects.toMatchObject({ code: 'FLOW_CANCELLED' })
    await worker.stop()
    expect(await counts(jobs, 'emails')).toMatchObject({ delayed: 1, cancelled: 1 })
    await operate(jobs).flows.purge(other.id)
    expect(await counts(jobs, 'emails')).toMatchObject({ delayed: 0, cancelled: 1 })
  })

  test('a moved job of a schedule still counts as running, so no second job begins', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.schedules.set('nightly', MailJob.with({ to: 'n' }), every('1d', { overlap: 'skip' }))
    await jobs.schedules.runNow('nightly')
    const { store } = await insideOf(jobs).open()
    const book = new ScheduleBook(store)
    const plan = async () => book.plan((await book.get('nightly'))!, 86_400_000)
    expect(await jobs.move({ key: 'mail' }, 'emails')).toEqual({ moved: 1, left: 0 })
    expect(await plan()).toMatchObject({ ticks: [], skipped: 1 })
    await run(bench)
    expect((await plan()).ticks).toHaveLength(1)
  })

  test('a move is in the audit, and can be undone', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const operating = operate(jobs)
    const [a, b] = await jobs.dispatch([MailJob.with({ to: 'a' }), MailJob.with({ to: 'b' }).delayed('1h')])
    const records: unknown[] = []
    for await (const some of operating.records()) records.push(...some)
    expect(await operating.move({ queue: 'default' }, 'emails')).toEqual({ moved: 2, left: 0 })
    const { entries } = await operating.audit()
    expect(entries[0]).toMatchObject({
      what: 'move',
      on: 'jobs of queue default to queue emails',
      count: 2,
      outcome: 'done',
    })
    expect(await operating.undo(records)).toEqual({ undone: 2, left: 0 })
    expect(await a!.status()).toMatchObject({ queue: 'default', state: 'waiting' })
    expect(await b!.status()).toMatchObject({ queue: 'default', state: 'delayed' })
    expect(await counts(jobs, 'emails')).toMatchObject({ waiting: 0, delayed: 0 })
    // A job that has run cannot go back.
    expect(await operating.move(a!.id, 'emails')).toEqual({ moved: 1, left: 0 })
    await run(bench)
    expect(await operating.undo(records)).toEqual({ undone: 1, left: 1 })
  })

  test('an interrupted move reports how far it came, and a second call continues it', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatchMany(
      new MailJob(),
      Array.from({ length: 250 }, (_, n) => ({ to: String(n) })),
    )
    const ending = new AbortController()
    const { moved } = await jobs.move({ queue: 'default' }, 'emails', {
      signal: ending.signal,
      onProgress: () => ending.abort(),
    })
    expect(moved).toBe(100)
    expect((await jobs.move({ queue: 'default' }, 'emails')).moved).toBe(150)
    expect((await counts(jobs, 'emails'))?.waiting).toBe(250)
  })

  test('a worker of any queue, or the next move, completes the move of jobs whose process died', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    ran = []
    const wrong = bench.client(misnamed)
    const [a, b] = await wrong.dispatch([LostJob.with({ to: 'a' }), LostJob.with({ to: 'b' })])
    const { store } = await insideOf(jobs).open()
    await store.moves.take('emials', [a!.id], ['emails'])
    const report = new Record()
    await bench.work(classes, { queues: ['emails'], report })
    await report.ends(1)
    expect(ran).toEqual(['a'])
    expect(await a!.result({ timeout: '60s' })).toBe('sent to a')
    expect((await b!.status())?.queue).toBe('emials')
  })

  test.each<[string, (jobs: Jobs, ids: string[]) => Promise<{ removed: number }>]>([
    ['by id', (jobs, ids) => jobs.purge(ids)],
    ['by a filter', (jobs) => jobs.purge({ queue: 'emails', key: 'mail' })],
  ])('a purge %s leaves nothing of jobs that were moved, also if who moved them died', async (_, purge) => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const handles = await jobs.dispatch(['a', 'b', 'c'].map((to) => MailJob.with({ to: `of ada ${to}` })))
    const [a, b, c] = handles.map(({ id }) => id) as [string, string, string]
    const { store } = await insideOf(jobs).open()
    expect(await jobs.move([a], 'low')).toEqual({ moved: 1, left: 0 })
    expect(await jobs.move([a], 'emails')).toEqual({ moved: 1, left: 0 })
    expect(await jobs.move([c], 'emails')).toEqual({ moved: 1, left: 0 })
    const taken = await store.moves.take('default', [b], ['emails'])
    await store.moves.put('emails', taken.jobs)
    expect(await purge(jobs, [a, b, c])).toMatchObject({ removed: 3 })
    await store.moves.put('emails', taken.jobs)
    expect(await counts(jobs, 'emails')).toMatchObject({ waiting: 0 })
    for (const partition of ['default', 'low'])
      expect(await store.moves.where(partition, [a, b, c])).toEqual(Array(3).fill({ kind: 'here' }))
  })

  test.each<[string, (jobs: Jobs) => Promise<{ removed: number }>]>([
    ['of all jobs', (jobs) => jobs.purge({ all: true })],
    ['of the queue that they leave', (jobs) => jobs.purge({ queue: 'default' })],
    ['of the queue to which they go', (jobs) => jobs.purge({ queue: 'emails' })],
    ['by what they have', (jobs) => jobs.purge({ where: { to: 'of ada' } })],
  ])('a purge %s holds between the steps of a move that goes on', async (_, purge) => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const handles = await jobs.dispatch(
      [1, 2, 3].map((n) => MailJob.with({ to: 'of ada' }).withId(`ada-${n}`)),
    )
    const ids = handles.map(({ id }) => id)
    const { moves } = (await insideOf(jobs).open()).store
    const taken = await moves.take(
      'default',
      ids,
      ids.map(() => 'emails'),
    )
    expect(taken.jobs).toHaveLength(3)
    expect(await purge(jobs)).toMatchObject({ removed: 3 })
    await moves.put('emails', taken.jobs)
    await moves.settle('default', taken.jobs)
    expect(await bench.place.mentions?.('of ada')).toEqual(bench.place.mentions && [])
    expect(await counts(jobs, 'emails')).toMatchObject({ waiting: 0 })
  })

  test('a purge removes jobs that cannot arrive, and leaves jobs that do not match its filter', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const [ada, bob] = await jobs.dispatch(
      ['ada', 'bob'].map((to) => MailJob.with({ to }).withOptions({ id: to })),
    )
    const { moves } = (await insideOf(jobs).open()).store
    const taken = await moves.take('default', [ada!.id, bob!.id], ['emails', 'emails'])
    // Another job takes the id in the new queue.
    await jobs.dispatch(MailJob.with({ to: 'eve' }).withId('ada').onQueue('emails'))
    expect(await jobs.purge({ where: { to: 'nobody' } })).toEqual({ removed: 0, running: 0 })
    expect((await moves.where('default', [ada!.id, bob!.id])).map(({ kind }) => kind)).toEqual([
      'moving',
      'moved',
    ])
    expect(await jobs.purge({ queue: 'default' })).toEqual({ removed: 1, running: 0 })
    await moves.put('emails', taken.jobs)
    expect((await moves.where('default', [ada!.id]))[0]).toEqual({ kind: 'here' })
    const { jobs: left } = await jobs.list({ queue: 'emails' })
    expect(left.map(({ payload }) => payload)).toEqual(expect.arrayContaining([{ to: 'bob' }, { to: 'eve' }]))
    expect(left).toHaveLength(2)
  })

  test('a caller that follows a job continues in the new queue, and listeners get an event for the move', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    ran = []
    const operating = operate(bench.client())
    const handle = await jobs.dispatch(MailJob.with({ to: 'a' }))
    const events = await bench
      .client()
      .events({ kinds: ['moved', 'queued'] })
      .ready()
    const news = operating.tail(handle.id)
    expect((await news.next()).value).toMatchObject({ kind: 'state', job: { queue: 'default' } })
    expect(await handle.move('emails')).toBe(true)
    expect((await news.next()).value).toMatchObject({ kind: 'state', job: { queue: 'emails' } })
    const heard = [(await events.next()).value, (await events.next()).value]
    expect(heard).toContainEqual(expect.objectContaining({ kind: 'moved', id: handle.id, queue: 'default' }))
    expect(heard).toContainEqual(expect.objectContaining({ kind: 'queued', id: handle.id, queue: 'emails' }))
    await run(bench)
    let last: unknown
    for await (const each of news) last = each
    expect(last).toMatchObject({ kind: 'state', job: { queue: 'emails', state: 'completed' } })
    await events.return?.()
  })

  test('a job exported before a move and imported after it does not exist twice', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const operating = operate(jobs)
    const handle = await jobs.dispatch(MailJob.with({ to: 'a' }))
    const records: unknown[] = []
    for await (const some of operating.records()) records.push(...some)
    expect(await handle.move('emails')).toBe(true)
    expect(await operating.import(records)).toEqual({ imported: 0, existing: 1 })
    const moved: unknown[] = []
    for await (const some of operating.records({ queue: 'emails' })) moved.push(...some)
    await jobs.remove(handle.id)
    expect(await operating.import(moved)).toEqual({ imported: 1, existing: 0 })
    expect((await jobs.find(handle.id))?.queue).toBe('emails')
  })

  test('a failed job that is retried and then moved keeps its errors and runs', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const handle = await jobs.dispatch(BrokenJob.with())
    await (await bench.work([BrokenJob], { queues: ['default'], stopWhenEmpty: true, report: new Record() }))
      .done
    expect(await handle.move('emails')).toBe(false)
    expect(await jobs.retry(handle.id)).toBe(1)
    expect(await handle.move('emails')).toBe(true)
    expect(await handle.status()).toMatchObject({
      queue: 'emails',
      runs: 1,
      failures: 0,
      errors: [{ message: 'no' }],
    })
    expect(await jobs.purge(handle.id)).toMatchObject({ removed: 1 })
    expect(await handle.status()).toBeUndefined()
    const mentioned = await bench.place.mentions!(handle.id)
    expect(mentioned.filter((place) => place.includes('{'))).toEqual(
      mentioned.filter((place) => /:(line|void|call:\S*|audit)$/.test(place)),
    )
  })

  test('jobs:doctor and jobs:why advise to move jobs from a misspelled queue to the right queue', async () => {
    await using bench = await Bench.make(connect)
    const wrong = bench.client(misnamed)
    const operating = operate(bench.jobs)
    const lost = await wrong.dispatch(LostJob.with({ to: 'a' }))
    const move = { do: 'move', queue: 'emials', to: 'emails' }
    const findings = await operating.doctor()
    const advice = findings.filter(({ subject }) => subject === 'emials').map((finding) => finding.advice)
    expect(advice).toContainEqual(expect.arrayContaining(['Move them: ', move]))
    expect(advice).toContainEqual(expect.arrayContaining(['Move its jobs: ', move]))
    const { reasons } = (await operating.why(lost.id))!
    expect(reasons[0]).toMatchObject({ kind: 'no-worker', remedy: { ...move, job: lost.id } })
  })
}
