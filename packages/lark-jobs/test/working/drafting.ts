import { expect, test } from 'vitest'
import { group, Job, unique } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect } from './bench.ts'

class NoteJob extends Job {
  override readonly key = 'note'
  handle(payload: { n: number }): { twice: number } {
    return { twice: 2 * payload.n }
  }
}

class MailJob extends Job {
  override readonly key = 'mail'
  override queueName = 'emails'
  override delay = '1h'
  override tries = 5
  handle(_payload: { to: string }) {}
}

/** A container makes objects of this class with a dependency. */
class CopyJob extends Job {
  override readonly key = 'copy'
  readonly #disk: { path: string }
  constructor(disk: { path: string }) {
    super()
    this.#disk = disk
  }
  handle(payload: { file: string }) {
    return `${this.#disk.path}/${payload.file}`
  }
}

class SyncJob extends Job {
  override readonly key = 'sync'
  override unique = unique((payload: { user: number }) => payload.user)
  handle(_payload: { user: number }) {}
}

class ShopJob extends Job {
  override readonly key = 'shop'
  override group = group((payload: { shop: string }) => payload.shop)
  handle(_payload: { shop: string }) {}
}

/** Notes the partition and the number of jobs of each call of a client. */
async function calls(jobs: Bench['jobs']): Promise<[partition: string, size: number][]> {
  const { store } = await insideOf(jobs).open()
  const enqueue = store.enqueue.bind(store)
  const made: [string, number][] = []
  store.enqueue = (partition, call, records) => {
    made.push([partition, records.length])
    return enqueue(partition, call, records)
  }
  return made
}

/** A draft is a job with its payload that is not dispatched yet. */
export function drafting(connect: Connect): void {
  test('a dispatch applies all settings of the draft, and returns a handle', async () => {
    await using bench = await Bench.make(connect)
    const draft = new MailJob().with({ to: 'a' }).onQueue('low').delayed('1m').prioritized(7).withTries(2)
    const handle = await bench.jobs.dispatch(
      draft.withTimeout('5s').withBackoff(['1s', 2_000]).expiresIn('2m').retryUntil('10m'),
    )
    expect(handle).toMatchObject({ queue: 'low', queued: true, rejection: undefined })
    const found = await bench.jobs.find(handle.id)
    expect(found).toMatchObject({ key: 'mail', queue: 'low', payload: { to: 'a' }, priority: 7 })
    expect(found!.dueAt! - found!.queuedAt).toBe(60_000)
    const { tries, timeout, backoff, expiresIn, retryUntil } = found!.options!
    expect({ tries, timeout, backoff }).toEqual({ tries: 2, timeout: 5_000, backoff: [1_000, 2_000] })
    // Both times begin when the job is due.
    expect({ expiresIn, retryUntil }).toEqual({ expiresIn: 180_000, retryUntil: 660_000 })
  })

  test('a draft without changes has the settings of its class, and stores no options', async () => {
    await using bench = await Bench.make(connect)
    const found = await bench.jobs.find((await bench.jobs.dispatch(new MailJob().with({ to: 'a' }))).id)
    expect(found).toMatchObject({ queue: 'emails', state: 'delayed' })
    expect(found!.options).toBeUndefined()
  })

  test('neither the methods of a draft nor changes of the original job change the draft', async () => {
    await using bench = await Bench.make(connect)
    const job = new MailJob()
    job.priority = 3
    const draft = job.with({ to: 'a' })
    job.priority = 9
    const other = draft.prioritized(5)
    expect(() => Object.assign(draft, { more: 1 })).toThrow(TypeError)
    const handles = await Promise.all([draft, other, draft].map((each) => bench.jobs.dispatch(each)))
    expect(new Set(handles.map(({ id }) => id)).size).toBe(3)
    const found = await Promise.all(handles.map(({ id }) => bench.jobs.find(id)))
    expect(found.map((each) => each!.priority)).toEqual([3, 5, 3])
    // Only the handles have the ids, so that dispatches at the same time do not overwrite each other.
    expect([job.id, job.ids]).toEqual([undefined, []])
  })

  test('a class whose constructor takes parameters makes drafts too', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(CopyJob.with({ file: 'a' }))
    expect(await bench.jobs.find(handle.id)).toMatchObject({ key: 'copy', payload: { file: 'a' } })
  })

  test('drafts of several classes and queues travel together, in as few calls as possible', async () => {
    await using bench = await Bench.make(connect)
    const made = await calls(bench.jobs)
    const [note, mail, late, shop] = await bench.jobs.dispatch([
      new NoteJob().with({ n: 1 }),
      MailJob.with({ to: 'a' }),
      new NoteJob().with({ n: 2 }).delayed('5m').prioritized(4),
      ShopJob.with({ shop: 'acme' }),
    ])
    expect(made.sort()).toEqual([
      ['default', 3],
      ['emails', 1],
    ])
    expect(await note.find()).toMatchObject({ payload: { n: 1 }, state: 'waiting', queue: 'default' })
    expect(await mail.find()).toMatchObject({ payload: { to: 'a' }, state: 'delayed', queue: 'emails' })
    expect(await late.find()).toMatchObject({ payload: { n: 2 }, state: 'delayed', priority: 4 })
    expect(await shop.find()).toMatchObject({ payload: { shop: 'acme' }, group: 'acme' })
  })

  test('drafts beyond the limit of one call are queued in further calls, and an empty list queues nothing', async () => {
    await using bench = await Bench.make(connect)
    const made = await calls(bench.jobs)
    const drafts = Array.from({ length: 2_001 }, (_, n) => new NoteJob().with({ n }))
    const handles = await bench.jobs.dispatch(drafts)
    expect(made.map(([, size]) => size)).toEqual([1_000, 1_000, 1])
    expect(new Set(handles.map(({ id }) => id)).size).toBe(2_001)
    expect((await handles[1_234]!.find())?.payload).toEqual({ n: 1_234 })
    expect(await bench.jobs.dispatch([])).toEqual([])
    expect(made).toHaveLength(3)
  })

  test('drafts spread over the partitions of a queue, and each handle finds its job', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { default: { partitions: 3 } } })
    const shops = Array.from({ length: 20 }, (_, i) => ShopJob.with({ shop: `shop ${i}` }))
    const handles = await jobs.dispatch([...shops, NoteJob.with({ n: 1 })])
    const found = await Promise.all(handles.map((handle) => handle.find()))
    expect(found.every((each, i) => each?.id === handles[i]!.id)).toBe(true)
    expect(new Set(found.map((each) => each!.partition)).size).toBe(3)
  })

  test('all drafts are checked before any is sent', async () => {
    await using bench = await Bench.make(connect)
    const made = await calls(bench.jobs)
    const good = new NoteJob().with({ n: 1 })
    // biome-ignore lint/suspicious/noExplicitAny: values that the compiler would refuse
    const wrong: [any, object][] = [
      [good.onQueue('nowhere'), { code: 'UNKNOWN_QUEUE' }],
      [good.prioritized(1_000_000), { code: 'JOB_INVALID', message: expect.stringContaining('priority') }],
      [good.delayed('soon'), { code: 'JOB_INVALID', message: expect.stringContaining('NoteJob: delay') }],
      [good.withBackoff((() => 1) as never), { code: 'JOB_INVALID' }],
      [new NoteJob().with({ n: new Date() } as never), { code: 'PAYLOAD_NOT_JSON' }],
      [new NoteJob(), { code: 'JOB_INVALID', message: expect.stringContaining('it must be a draft') }],
      [undefined, { code: 'JOB_INVALID', message: expect.stringContaining('undefined') }],
    ]
    for (const [draft, error] of wrong)
      await expect(bench.jobs.dispatch([good, draft, good])).rejects.toMatchObject(error)
    expect(made).toEqual([])
  })

  test('the handle of a rejected draft says why, and names the job that caused it', async () => {
    await using bench = await Bench.make(connect)
    const [first, second, note] = await bench.jobs.dispatch([
      SyncJob.with({ user: 1 }),
      SyncJob.with({ user: 1 }),
      NoteJob.with({ n: 1 }),
    ])
    expect(first).toMatchObject({ queued: true, rejection: undefined })
    expect(second).toMatchObject({
      queued: false,
      id: first.id,
      rejection: { reason: 'unique', by: first.id },
    })
    expect((await second.status())?.state).toBe('waiting')
    expect(note.queued).toBe(true)
  })

  test('a draft with its own id is queued once, and its handle stands for the job with that id', async () => {
    await using bench = await Bench.make(connect)
    const draft = new NoteJob().with({ n: 1 }).withId('invoice-77')
    const first = await bench.jobs.dispatch(draft)
    expect(first).toMatchObject({ id: 'invoice-77', queued: true })
    const second = await bench.client().dispatch(NoteJob.with({ n: 2 }).withId('invoice-77').delayed('1h'))
    const rejection = { reason: 'exists', by: 'invoice-77', state: 'waiting' }
    expect(second).toMatchObject({ id: 'invoice-77', queued: false, rejection })
    expect((await second.find())?.payload).toEqual({ n: 1 })
    await first.cancel()
    expect((await bench.jobs.dispatch(draft)).rejection).toEqual({ ...rejection, state: 'cancelled' })
    const third = await bench.jobs.dispatch(
      new NoteJob().with({ n: 3 }).withId('invoice-77', { reuse: 'ended' }),
    )
    expect(third).toMatchObject({ id: 'invoice-77', queued: true, rejection: undefined })
    expect(await first.find()).toMatchObject({ state: 'waiting', payload: { n: 3 } })
    // Another queue may use the same id.
    expect((await bench.jobs.dispatch(draft.onQueue('low'))).queued).toBe(true)
  })

  test('a thousand dispatches of one id by several clients at once queue one job', async () => {
    await using bench = await Bench.make(connect)
    const clients = Array.from({ length: 4 }, () => bench.client({ queues: { default: { partitions: 3 } } }))
    const drafts = Array.from({ length: 250 }, (_, n) => new NoteJob().with({ n }).withId('once'))
    const all = await Promise.all(clients.map((jobs) => jobs.dispatch(drafts)))
    const handles = all.flat()
    expect(handles.filter(({ queued }) => queued)).toHaveLength(1)
    expect(new Set(handles.map(({ id }) => id))).toEqual(new Set(['once']))
    const { queues } = await clients[0]!.status()
    expect(queues.find(({ queue }) => queue === 'default')?.counts.waiting).toBe(1)
  })

  test('the id decides the partition, in every process', async () => {
    await using bench = await Bench.make(connect)
    const queues = { default: { partitions: 4 } }
    const names = Array.from({ length: 12 }, (_, i) => `order-${i}`)
    const drafts = names.map((name, n) => new NoteJob().with({ n }).withId(name))
    await bench.client({ queues }).dispatch(drafts)
    const other = bench.client({ queues })
    const made = await calls(other)
    const again = await Promise.all(drafts.map((draft) => other.dispatch(draft)))
    expect(again.every(({ rejection }) => rejection?.reason === 'exists')).toBe(true)
    // Each partition got one call, although each draft was dispatched alone.
    expect(new Set(made.map(([partition]) => partition)).size).toBe(made.length)
    const found = await Promise.all(names.map((name) => other.handle(NoteJob, name).find()))
    expect(found.map((each) => each?.payload?.n)).toEqual(names.map((_, n) => n))
    expect(new Set(found.map((each) => each?.partition)).size).toBeGreaterThan(1)
  })

  test('with several partitions, an id is refused if its group or unique name belongs to another partition', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { default: { partitions: 3 } } })
    const made = await calls(jobs)
    const names = Array.from({ length: 20 }, (_, i) => `acme-${i}`)
    const dispatched = await Promise.allSettled(
      names.map((id) => jobs.dispatch(ShopJob.with({ shop: 'acme' }).withId(id))),
    )
    const errors = dispatched.flatMap((each) => (each.status === 'rejected' ? each.reason : []))
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.length).toBeLessThan(20)
    for (const error of errors) expect(error).toMatchObject({ code: 'JOB_INVALID' })
    expect(errors[0].message).toMatch(
      /^ShopJob: the id 'acme-\d+' and the group of the job belong to different/,
    )
    // An id equal to the name of the group is always accepted.
    expect((await jobs.dispatch(ShopJob.with({ shop: 'acme' }).withId('acme'))).queued).toBe(true)
    const shops = (await jobs.status()).queues[0]!.partitions.filter(({ counts }) => counts.waiting > 0)
    expect(shops).toHaveLength(1)
    const unique = names.map((id) => jobs.dispatch(SyncJob.with({ user: 1 }).withId(id)))
    const refused = (await Promise.allSettled(unique)).flatMap((each) =>
      each.status === 'rejected' ? each.reason.message : [],
    )
    expect(refused[0]).toContain('and the unique option of the job')
    // With one partition, an id and a group may be used together.
    const one = await bench.jobs.dispatch(ShopJob.with({ shop: 'acme' }).withId('x').onQueue('low'))
    expect(await one.find()).toMatchObject({ id: 'x', group: 'acme' })
    expect(made.length).toBeGreaterThan(0)
  })

  test.each([
    '',
    ' ',
    'a b',
    'a\u00a0b',
    'flow.home:1',
    'a\nb',
    'a\0',
    '\ud83d',
    'failed',
    'x'.repeat(101),
    7,
    null,
    undefined,
  ])('%j is refused as an id, before anything is sent', async (id) => {
    await using bench = await Bench.make(connect)
    const made = await calls(bench.jobs)
    const good = new NoteJob().with({ n: 1 })
    await expect(bench.jobs.dispatch([good, good.withId(id as string)])).rejects.toMatchObject({
      code: 'JOB_ID_INVALID',
      message: expect.stringContaining('NoteJob: withId() was given '),
    })
    expect(made).toEqual([])
  })

  test('the options of an id are checked', async () => {
    await using bench = await Bench.make(connect)
    for (const options of [{ reuse: 'always' }, { resue: 'ended' }, null, 'ended'])
      await expect(
        bench.jobs.dispatch(new NoteJob().with({ n: 1 }).withId('a', options as never)),
      ).rejects.toMatchObject({
        code: 'JOB_INVALID',
        message: expect.stringContaining('NoteJob: withId()'),
      })
  })

  test('an object of options acts like the methods, and undefined options count as missing', async () => {
    await using bench = await Bench.make(connect)
    const draft = new NoteJob().with({ n: 1 })
    const options = { id: 'mine', reuse: 'ended', delay: '1h', priority: 7, tries: undefined } as const
    const [handle] = await bench.jobs.dispatch([draft.withTries(9).withOptions(options)])
    expect(await handle.find()).toMatchObject({
      id: 'mine',
      state: 'delayed',
      priority: 7,
      options: { tries: 9 },
    })
    expect((await bench.jobs.dispatch([draft.withId('mine').withOptions({ delay: 5 })]))[0].queued).toBe(
      false,
    )
    for (const wrong of [{ dealy: 5 }, { reuse: 'ended' }] as object[])
      expect(() => draft.withOptions(wrong)).toThrow(expect.objectContaining({ code: 'JOB_INVALID' }))
  })
}
