import { expect, test } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { group, Job, tags } from '../../src/index.ts'
import { Bench, type Connect } from './bench.ts'

class NoteJob extends Job {
  override readonly key: string = 'note'
  override tries = 1
  handle(): void {
    throw new Error('no')
  }
}
class OtherJob extends NoteJob {
  override readonly key = 'other'
  override queueName = 'emails'
}

/** Each call has a wrong filter, as JavaScript or a request body may contain it. */
const refused: [call: string, make: (jobs: Untyped) => Promise<unknown>, message: string][] = [
  ['cancel({})', (jobs) => jobs.cancel({}), 'Jobs.cancel(): the filter has no condition'],
  ['cancel({ id: {} })', (jobs) => jobs.cancel({ id: {} }), 'Jobs.cancel(): id is not an option'],
  [
    'cancel({ key, qeue })',
    (jobs) => jobs.cancel({ key: 'note', qeue: 'emails' }),
    'Jobs.cancel(): qeue is not an option',
  ],
  [
    'cancel({ key: undefined })',
    (jobs) => jobs.cancel({ key: undefined }),
    'Jobs.cancel(): key is undefined; it must be the key of a job class',
  ],
  [
    'cancel({ key, queue: undefined })',
    (jobs) => jobs.cancel({ key: 'note', queue: undefined }),
    'Jobs.cancel(): queue is undefined; it must be the name of a queue',
  ],
  [
    'cancel({ queue: [] })',
    (jobs) => jobs.cancel({ queue: [] }),
    'Jobs.cancel(): queue is []; it must be the name of a queue, or a list of these',
  ],
  [
    'cancel({ tag, group: undefined })',
    (jobs) => jobs.cancel({ tag: 'vip', group: undefined }),
    'Jobs.cancel(): group is undefined; it must be the name of a group',
  ],
  [
    'remove({ where: {} })',
    (jobs) => jobs.remove({ where: {} }),
    'Jobs.remove(): where is {}; it must be an object with one to 10 paths of the payload',
  ],
  [
    'remove({ state: [failed, active] })',
    (jobs) => jobs.remove({ state: ['failed', 'active'] }),
    "Jobs.remove(): state is [ 'failed', 'active' ]; it must be 'waiting', 'delayed',",
  ],
  [
    'cancel(id, { becuse })',
    (jobs) => jobs.cancel('a', { becuse: 'sold out' }),
    'Jobs.cancel(): becuse is not an option',
  ],
  [
    'purge(filter, { ifNotBegun })',
    (jobs) => jobs.purge({ tag: 'vip' }, { ifNotBegun: true }),
    'Jobs.purge(): ifNotBegun is not an option',
  ],
  [
    'prioritize({ state: active }, 5)',
    (jobs) => jobs.prioritize({ state: 'active' }, 5),
    "Jobs.prioritize(): state is 'active'; it must be 'waiting' or 'delayed'",
  ],
  [
    'prioritize({ tag }, text)',
    (jobs) => jobs.prioritize({ tag: 'vip' }, '5'),
    "Jobs.prioritize(): priority is '5'; it must be a whole number from",
  ],
  ['edit({}, payload)', (jobs) => jobs.edit({}, { to: 'ada' }), 'Jobs.edit(): the filter has no condition'],
  [
    'edit({ all })',
    (jobs) => jobs.edit({ all: true }),
    'Jobs.edit(): payload is undefined; it must be a payload',
  ],
  [
    'tag({ all }, undefined)',
    (jobs) => jobs.tag({ all: true }, undefined),
    'Jobs.tag(): tags is undefined; it must be a list of up to 10 texts',
  ],
  [
    'untag({ all }, [])',
    (jobs) => jobs.untag({ all: true }, []),
    'Jobs.untag(): tags is []; it must be a list of up to 10 texts',
  ],
  ['retry({})', (jobs) => jobs.retry({}), 'Jobs.retry(): the filter has no condition'],
  [
    'retry({ state: waiting })',
    (jobs) => jobs.retry({ state: 'waiting' }),
    "Jobs.retry(): state is 'waiting'; it must be 'failed', 'cancelled' or 'completed'",
  ],
  [
    'retry({ key }, queue)',
    (jobs) => jobs.retry({ key: 'note' }, 'emails'),
    "Jobs.retry(): the option 'queue' cannot be used together with a filter",
  ],
  [
    'retry(failed, { dryrun })',
    (jobs) => jobs.retry('failed', { dryrun: true }),
    'Jobs.retry(): dryrun is not an option',
  ],
  [
    'cancel({ state: completed })',
    (jobs) => jobs.cancel({ state: 'completed' }),
    "Jobs.cancel(): state is 'completed'; it must be 'waiting', 'delayed', 'blocked' or 'active'",
  ],
  ['cancel({ all: false })', (jobs) => jobs.cancel({ all: false }), 'Jobs.cancel(): all is false'],
  [
    'cancel({ all, key })',
    (jobs) => jobs.cancel({ all: true, key: 'note' }),
    'Jobs.cancel(): all must be the only condition, but key came',
  ],
  [
    'cancel({ __proto__ })',
    (jobs) => jobs.cancel(JSON.parse('{"__proto__": {"key": "note"}}')),
    'Jobs.cancel(): __proto__ is not an option',
  ],
  [
    'cancel({ constructor })',
    (jobs) => jobs.cancel({ constructor: 'note' }),
    'Jobs.cancel(): constructor is not an option',
  ],
  [
    'cancel(filter, 5)',
    (jobs) => jobs.cancel({ queue: 'emails' }, 5),
    'Jobs.cancel(): the last argument is 5; it must be an object',
  ],
  ['pause()', (jobs) => jobs.pause(), 'Jobs.pause(): the filter is undefined; it must be an object'],
  [
    'pause(text)',
    (jobs) => jobs.pause('emails'),
    "Jobs.pause(): the filter is 'emails'; it must be an object",
  ],
  ['pause({})', (jobs) => jobs.pause({}), 'Jobs.pause(): the filter has no condition'],
  [
    'pause({ queue: undefined })',
    (jobs) => jobs.pause({ queue: undefined }),
    'Jobs.pause(): queue is undefined; it must be the name of a queue',
  ],
  ['pause({ group })', (jobs) => jobs.pause({ group: 'acme' }), 'Jobs.pause(): the filter has no condition'],
  [
    'pause({ queue, group: undefined })',
    (jobs) => jobs.pause({ queue: 'emails', group: undefined }),
    'Jobs.pause(): group is undefined; it must be the name of a group',
  ],
  [
    'pause({ queue, group: NaN })',
    (jobs) => jobs.pause({ queue: 'emails', group: Number.NaN }),
    'Jobs.pause(): group is NaN; it must be the name of a group',
  ],
  [
    'pause({ queue, gruop })',
    (jobs) => jobs.pause({ queue: 'emails', gruop: 'acme' }),
    'Jobs.pause(): gruop is not an option',
  ],
  [
    'pause({ queue, group, for: undefined })',
    (jobs) => jobs.pause({ queue: 'emails', group: 'acme', for: undefined }),
    'Jobs.pause(): for is undefined; it must be milliseconds',
  ],
  ['resume({})', (jobs) => jobs.resume({}), 'Jobs.resume(): the filter has no condition'],
  [
    'resume({ queue, group: empty })',
    (jobs) => jobs.resume({ queue: 'emails', group: '' }),
    "Jobs.resume(): group is ''; it must be the name of a group",
  ],
  [
    'failed({ queue: undefined })',
    (jobs) => jobs.failed({ queue: undefined }),
    'Jobs.failed(): queue is undefined; it must be the name of a queue',
  ],
  ['failed({ key })', (jobs) => jobs.failed({ key: 'note' }), 'Jobs.failed(): key is not an option'],
  [
    'failed({ limit: text })',
    (jobs) => jobs.failed({ limit: '20' }),
    "Jobs.failed(): limit is '20'; it must be a whole number from 1",
  ],
  ['failed(null)', (jobs) => jobs.failed(null), 'Jobs.failed(): the filter is null; it must be an object'],
  ['runNow({})', (jobs) => jobs.runNow({}), 'Jobs.runNow(): the filter has no condition'],
  [
    'runNow({ state: active })',
    (jobs) => jobs.runNow({ state: 'active' }),
    "Jobs.runNow(): state is 'active'; it must be 'waiting' or 'delayed'",
  ],
  [
    'reschedule({ queue: undefined })',
    (jobs) => jobs.reschedule({ queue: undefined }, '1h'),
    'Jobs.reschedule(): queue is undefined; it must be the name of a queue',
  ],
  [
    'reschedule({ all }, soon)',
    (jobs) => jobs.reschedule({ all: true }, 'soon'),
    "Jobs.reschedule(): delay is 'soon'; it must be milliseconds, or a text like",
  ],
  [
    'reschedule({ all })',
    (jobs) => jobs.reschedule({ all: true }),
    'Jobs.reschedule(): delay is undefined; it must be milliseconds',
  ],
  ['list(null)', (jobs) => jobs.list(null), 'Jobs.list(): the filter is null; it must be an object'],
  ['list({ tenant })', (jobs) => jobs.list({ tenant: 7 }), 'Jobs.list(): tenant is not an option'],
  [
    'list({ queue: undefined })',
    (jobs) => jobs.list({ queue: undefined }),
    'Jobs.list(): queue is undefined; it must be the name of a queue, or a list of these',
  ],
  [
    'list({ queue: [] })',
    (jobs) => jobs.list({ queue: [] }),
    'Jobs.list(): queue is []; it must be the name of a queue, or a list of these',
  ],
  [
    'list({ state: [done] })',
    (jobs) => jobs.list({ state: ['failed', 'done'] }),
    "Jobs.list(): state is [ 'failed', 'done' ]; it must be 'waiting', 'delayed', 'blocked', 'active',",
  ],
  [
    'list({ where: {} })',
    (jobs) => jobs.list({ where: {} }),
    'Jobs.list(): where is {}; it must be an object with one to 10 paths of the payload',
  ],
  [
    'list({ where: undefined value })',
    (jobs) => jobs.list({ where: { tenant: undefined } }),
    'Jobs.list(): where is { tenant: undefined }; it must be an object with one to 10 paths',
  ],
  [
    'list({ where: Date })',
    (jobs) => jobs.list({ where: { at: new Date(0) } }),
    'Jobs.list(): where is { at: 1970-01-01T00:00:00.000Z }; it must be an object',
  ],
  [
    'list({ since: Invalid Date })',
    (jobs) => jobs.list({ since: new Date('soon') }),
    'Jobs.list(): since is Invalid Date; it must be a Date, or milliseconds',
  ],
  [
    'list({}, { limit: 1_001 })',
    (jobs) => jobs.list({}, { limit: 1_001 }),
    'Jobs.list(): limit is 1001; it must be a whole number from 1 to 1000',
  ],
  [
    'list({}, { cursor: undefined })',
    (jobs) => jobs.list({}, { cursor: undefined }),
    'Jobs.list(): cursor is undefined; it must be the cursor of a page',
  ],
  ['list({}, 5)', (jobs) => jobs.list({}, 5), 'Jobs.list(): the second argument is 5; it must be an object'],
  [
    'retry(failed, undefined)',
    (jobs) => jobs.retry('failed', undefined),
    'Jobs.retry(): queue is undefined; it must be the name of a queue',
  ],
  [
    'retry(failed, [])',
    (jobs) => jobs.retry('failed', []),
    'Jobs.retry(): the last argument is []; it must be an object',
  ],
  [
    'retry(ids, undefined)',
    (jobs) => jobs.retry([], undefined),
    'Jobs.retry(): queue is undefined; it must be the name of a queue',
  ],
  [
    'cancel(filter, { queue })',
    (jobs) => jobs.cancel({ key: 'note' }, { queue: 'emails' }),
    "Jobs.cancel(): the option 'queue' cannot be used together with a filter",
  ],
  [
    'cancel(ids, { queue: undefined })',
    (jobs) => jobs.cancel(['a'], { queue: undefined }),
    'Jobs.cancel(): queue is undefined; it must be the name of a queue',
  ],
  ['find(id, { qeue })', (jobs) => jobs.find('a', { qeue: 'emails' }), 'Jobs.find(): qeue is not an option'],
  [
    'find(id, queue)',
    (jobs) => jobs.find('a', 'emails'),
    "Jobs.find(): the second argument is 'emails'; it must be an object",
  ],
]

type Untyped = {
  [Verb in
    | 'cancel'
    | 'edit'
    | 'find'
    | 'pause'
    | 'prioritize'
    | 'purge'
    | 'resume'
    | 'failed'
    | 'list'
    | 'remove'
    | 'reschedule'
    | 'runNow'
    | 'retry'
    | 'tag'
    | 'untag']: (...args: unknown[]) => Promise<unknown>
}

/** Counts the jobs of each queue and state, and lists the paused queues. */
async function standing(jobs: Jobs) {
  const { queues } = await jobs.status()
  return queues.map(({ queue, counts, paused }) => ({ queue, counts, paused }))
}

/** Tests filters that select many jobs at once. */
export function filtering(connect: Connect): void {
  test('a filter without a condition, or with an unknown one, is refused, and no job changes', async () => {
    await using bench = await Bench.make(connect)
    await bench.jobs.dispatchMany(new NoteJob(), [undefined, undefined])
    await (await bench.work([NoteJob], { stopWhenEmpty: true })).done
    await bench.jobs.dispatchMany(new NoteJob(), [undefined, undefined])
    await bench.jobs.dispatch(new OtherJob())
    const before = await standing(bench.jobs)
    for (const [call, make, message] of refused) {
      const error: Error = await make(bench.jobs as unknown as Untyped).then(
        () => new Error('it was done'),
        (thrown) => thrown,
      )
      expect(error, call).toMatchObject({ code: 'FILTER_INVALID' })
      expect(error.message, call).toContain(message)
    }
    expect(await standing(bench.jobs)).toEqual(before)
  })

  test('a wrong filter is refused before the store is opened, and the error names the known conditions', async () => {
    const connection = 'sqlite:/nowhere/jobs.db'
    await using bench = await Bench.make(connect)
    const nowhere = bench.client({ connection })
    await expect(nowhere.cancel({} as never)).rejects.toMatchObject({
      code: 'FILTER_INVALID',
      hint: 'Give queue or state or idPrefix or key or group or tag or kind or since or until or where, or { all: true } for everything.',
    })
    await expect(nowhere.cancel({ keys: 'note' } as never)).rejects.toMatchObject({
      hint: 'Did you mean key?',
    })
    await expect(nowhere.cancel({ payload: 1 } as never)).rejects.toMatchObject({
      hint: 'Options: queue, state, idPrefix, key, group, tag, kind, since, until, where, all',
    })
  })

  test('{ all: true } selects every job of every queue', async () => {
    await using bench = await Bench.make(connect)
    await bench.jobs.dispatchMany(new NoteJob(), [undefined, undefined])
    await bench.jobs.dispatch(new OtherJob())
    const paused = async () => (await standing(bench.jobs)).map((queue) => queue.paused)
    await bench.jobs.pause({ all: true })
    expect(await paused()).toEqual([true, true, true])
    await bench.jobs.resume({ all: true })
    expect(await paused()).toEqual([false, false, false])
    await expect(bench.jobs.pause({ all: true, for: '5m' } as never)).rejects.toMatchObject({
      code: 'FILTER_INVALID',
    })
    expect(await bench.jobs.cancel({ all: true })).toEqual({ cancelled: 3, asked: 0 })
  })

  test('every change accepts every condition, and changes only jobs that meet all conditions', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    class ShopJob extends Job {
      override readonly key: string = 'shop'
      override tries = 1
      override group = group((payload: { shop: number; fails?: boolean }) => payload.shop)
      override tags = tags((payload: { shop: number; fails?: boolean }) => [`shop ${payload.shop}`])
      handle({ fails }: { shop: number; fails?: boolean }): void {
        if (fails) throw new Error('no')
      }
    }
    const drafts = [1, 1, 2].map((shop) => ShopJob.with({ shop, fails: true }).onQueue('emails'))
    const handles = await jobs.dispatch(drafts)
    await (await bench.work([ShopJob], { stopWhenEmpty: true })).done
    expect(await jobs.retry({ tag: 'shop 1', where: { shop: 2 } })).toBe(0)
    expect(await jobs.retry({ state: ['failed', 'cancelled'], group: 2 }, { dryRun: true })).toBe(1)
    expect(await jobs.retry({ since: new Date(Date.now() + 60_000) })).toBe(0)
    const last = Math.max(...(await jobs.failed()).map(({ finishedAt }) => finishedAt!))
    const until = new Date(last)
    const before = (await jobs.failed()).filter(({ finishedAt }) => finishedAt! < last)
    expect(await jobs.retry({ until }, { dryRun: true })).toBe(before.length)
    expect(await jobs.retry({ until: new Date(last + 1) }, { dryRun: true })).toBe(3)
    expect(await jobs.retry({ since: '1h', until: '30m' })).toBe(0)
    expect(await jobs.purge({ until: '1h' })).toEqual({ removed: 0, running: 0 })
    for (const order of ['newest', 'oldest'] as const) {
      const filter = { state: 'failed', since: new Date(last), until: new Date(last + 1) } as const
      const page = await jobs.list(filter, { order })
      expect(page.jobs.map(({ finishedAt }) => finishedAt)).toEqual(Array(3 - before.length).fill(last))
    }
    expect(await jobs.retry({ tag: 'shop 1', where: { shop: 1 }, queue: ['default', 'emails'] })).toBe(2)
    expect(await Promise.all(handles.map(async (each) => (await each.status())?.state))).toEqual([
      'waiting',
      'waiting',
      'failed',
    ])
    expect(await jobs.reschedule({ group: 1 }, '1h', { dryRun: true })).toEqual({ rescheduled: 2 })
    expect(await jobs.reschedule({ where: { shop: 1 } }, '1h')).toEqual({ rescheduled: 2 })
    expect(await jobs.runNow({ tag: 'shop 1', since: '1h' })).toEqual({ rescheduled: 2 })
    expect(await jobs.cancel({ group: 1, where: { fails: false } })).toEqual({ cancelled: 0, asked: 0 })
    expect(await jobs.cancel({ group: 1 }, { dryRun: true })).toEqual({ cancelled: 2, asked: 0 })
    expect(await jobs.cancel({ group: 1 })).toEqual({ cancelled: 2, asked: 0 })
    expect(await jobs.remove({ tag: 'shop 2' }, { dryRun: true })).toEqual({ removed: 1, running: 0 })
    expect(await jobs.remove({ tag: 'shop 2' })).toEqual({ removed: 1, running: 0 })
    expect((await jobs.list()).jobs).toHaveLength(2)
    expect(await jobs.purge({ where: { shop: 1 }, state: ['cancelled', 'failed'] })).toEqual({
      removed: 2,
      running: 0,
    })
    expect((await jobs.list()).jobs).toEqual([])
  })

  test('a filter that reads payloads changes thousands of jobs, each once', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    class SizeJob extends Job {
      override readonly key: string = 'size'
      handle(_: { odd: boolean }): void {}
    }
    const payloads = Array.from({ length: 2_500 }, (_, n) => ({ odd: n % 2 === 1 }))
    await jobs.dispatchMany(new SizeJob(), payloads)
    expect(await jobs.reschedule({ where: { odd: true } }, '1h')).toEqual({ rescheduled: 1_250 })
    expect(await jobs.reschedule({ where: { odd: true } }, '2h')).toEqual({ rescheduled: 1_250 })
    expect(await jobs.cancel({ where: { odd: true } })).toEqual({ cancelled: 1_250, asked: 0 })
    expect((await jobs.status()).queues.find(({ queue }) => queue === 'default')?.counts).toMatchObject({
      waiting: 1_250,
      delayed: 0,
    })
  })

  test('a worker with `queues: undefined` is refused, because it would serve all queues', async () => {
    await using bench = await Bench.make(connect)
    for (const [queues, shown] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [{ emails: true }, '{ emails: true }'],
      [['emails', undefined], "[ 'emails', undefined ]"],
    ])
      await expect(bench.work([NoteJob], { queues: queues as never })).rejects.toMatchObject({
        code: 'WORKER_INVALID',
        message: `Jobs.work(): queues is ${shown}; it must be the name of a queue, or a list of at least one; leave it out for every queue`,
      })
  })
}
