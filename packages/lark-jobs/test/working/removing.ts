import { expect, test } from 'vitest'
import { group, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class NoteJob extends Job {
  override readonly key: string = 'note'
  override tries = 1
  handle({ n }: { n: number }) {
    if (n < 0) throw new Error('no')
    return { n }
  }
}
class OtherJob extends NoteJob {
  override readonly key = 'other'
  override queueName = 'emails'
}
/** A worker must tell the class of a cancel. */
class ToldJob extends NoteJob {
  override readonly key = 'told'
  override cancelled() {}
}

const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1)

/** Tests removals of jobs from another process. */
export function removing(connect: Connect): void {
  test('a job removed by id in any state is no longer visible', async () => {
    await using bench = await Bench.make(connect)
    const [done, failed, waiting, delayed] = [new NoteJob(), new NoteJob(), new NoteJob(), new NoteJob()]
    await bench.jobs.dispatch(done, { n: 1 })
    await bench.jobs.dispatch(failed, { n: -1 })
    await (await bench.work([NoteJob], { stopWhenEmpty: true })).done
    delayed.delay = '1h'
    await bench.jobs.dispatch(waiting, { n: 3 })
    await bench.jobs.dispatch(delayed, { n: 4 })
    const all = [done, failed, waiting, delayed].map(({ id }) => id!)
    const other = bench.client()
    expect(await other.remove(all, { dryRun: true })).toEqual({ removed: 4, running: 0 })
    expect(await other.find(done.id!)).toMatchObject({ state: 'completed', result: { n: 1 } })
    expect(await other.remove(all)).toEqual({ removed: 4, running: 0 })
    for (const id of all) expect(await bench.jobs.find(id)).toBeUndefined()
    const { completed } = await (await bench.work([NoteJob], { stopWhenEmpty: true })).done
    expect(completed).toBe(0)
  })

  test.each(['remove', 'purge'] as const)(
    'a removal of a running job is refused (%s), and a filter leaves the job',
    async (what) => {
      await using bench = await Bench.make(connect)
      const [begun, end] = [signal(), signal()]
      class LongJob extends Job {
        override readonly key = 'long'
        async handle() {
          begun.resolve()
          await end.promise
        }
      }
      const [runs, waits] = [new LongJob(), new LongJob()]
      await bench.jobs.dispatch(runs)
      const report = new Record()
      const worker = await bench.work([LongJob], { report, concurrency: 1 })
      await begun.promise
      waits.delay = '1h'
      await bench.jobs.dispatch(waits)
      const other = bench.client()
      await expect(other[what]([waits.id!, runs.id!])).rejects.toMatchObject({
        code: 'JOB_NOT_REMOVABLE',
        message: `${runs.id} is active; only a job that does not run can be removed`,
      })
      expect(await other.find(waits.id!)).toBeDefined()
      expect(await other[what]({ key: 'long' })).toEqual({ removed: 1, running: 1 })
      expect(await other.find(waits.id!)).toBeUndefined()
      end.resolve()
      await report.ends(1)
      await worker.stop()
      expect(await other.find(runs.id!)).toMatchObject({ state: 'completed' })
    },
  )

  test('a filter removes by key, queue and state on all pages', async () => {
    await using bench = await Bench.make(connect)
    await bench.jobs.dispatchMany(
      new NoteJob(),
      Array.from({ length: 2_100 }, (_, n) => ({ n })),
    )
    await bench.jobs.dispatch(new OtherJob(), { n: 1 })
    await bench.jobs.dispatch(new OtherJob(), { n: -1 })
    await (await bench.work([OtherJob], { queues: 'emails', stopWhenEmpty: true })).done
    const { jobs } = bench
    expect(await jobs.remove({ queue: 'emails', state: 'failed' })).toEqual({ removed: 1, running: 0 })
    expect(await jobs.remove({ key: 'other' }, { dryRun: true })).toEqual({ removed: 1, running: 0 })
    expect(await jobs.remove({ state: 'completed' })).toEqual({ removed: 1, running: 0 })
    expect(await jobs.remove({ key: 'note' })).toEqual({ removed: 2_100, running: 0 })
    await expect(jobs.remove({ queue: 'emials' })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    expect(await jobs.remove({ all: true })).toEqual({ removed: 0, running: 0 })
  })

  test('an import brings back removed jobs in any state from their records, and a second import changes nothing', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatchMany(
      new NoteJob(),
      Array.from({ length: 120 }, (_, n) => ({ n: n - 60 })),
    )
    await (await bench.work([NoteJob], { stopWhenEmpty: true })).done
    const waits = await jobs.dispatch(NoteJob.with({ n: 7 }).delayed('1h').tagged('vip'))
    const operating = operate(bench.client())
    const kept: unknown[] = []
    const before = async (lot: readonly { id: string; payload: string }[]) => {
      for (const { id } of lot) expect(await jobs.find(id)).toBeDefined()
      kept.push(...JSON.parse(JSON.stringify(lot)))
    }
    const was = await jobs.list({ state: 'failed' }, { limit: 1_000 })
    expect(await operating.remove({ key: 'note' }, { before })).toEqual({ removed: 121, running: 0, left: 0 })
    expect(await jobs.list()).toMatchObject({ jobs: [] })
    expect(await operating.import(kept)).toEqual({ imported: 121, existing: 0 })
    expect(await operating.import(kept)).toEqual({ imported: 0, existing: 121 })
    const is = await jobs.list({ state: 'failed' }, { limit: 1_000 })
    expect(is.jobs.toSorted(byId)).toEqual(was.jobs.toSorted(byId))
    expect(await jobs.find(waits.id)).toMatchObject({
      state: 'delayed',
      options: { tags: ['vip'] },
      payload: { n: 7 },
    })
    const found: string[] = []
    for await (const lot of operating.records({ key: 'note' })) found.push(...lot.map(({ id }) => id))
    expect(found.sort()).toEqual(kept.map((each) => (each as { id: string }).id).sort())
    const wrong = operating.import([kept[0], { ...(kept[1] as object), key: 5 }])
    await expect(wrong).rejects.toMatchObject({
      code: 'IMPORT_INVALID',
      message: expect.stringContaining('its key is 5'),
    })
    const elsewhere = operating.import([{ ...(kept[0] as object), partition: 'nowhere' }])
    await expect(elsewhere).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  })

  test('a job that comes back joins its group without a change of the limits of the group', async () => {
    await using bench = await Bench.make(connect)
    class ShopJob extends NoteJob {
      override readonly key = 'shop'
      override group = group(() => 'acme', { concurrency: 1 })
    }
    await bench.jobs.dispatchMany(
      new ShopJob(),
      [1, 2, 3].map((n) => ({ n })),
    )
    const operating = operate(bench.jobs)
    const { jobs } = await bench.jobs.list({ key: 'shop' })
    const kept: unknown[] = []
    const before = async (lot: readonly object[]) => void kept.push(...lot)
    await operating.remove({ where: { n: 3 } }, { before })
    expect(await operating.import(kept)).toEqual({ imported: 1, existing: 0 })
    expect((await bench.jobs.list({ group: 'acme' })).jobs).toHaveLength(jobs.length)
    const { store } = await insideOf(bench.jobs).open()
    const call = { caller: 'ada', number: 1 }
    const claim = await store.exchange('default', call, [], { limit: 3, leaseMs: 60_000 })
    expect(claim.jobs).toHaveLength(1)
    // The store forgets the limits of a group without jobs.
    const { removed } = await operating.remove({ key: 'shop' }, { before })
    expect(removed).toBe(2)
    await store.exchange(
      'default',
      { caller: 'ada', number: 2 },
      [{ ...claim.jobs[0]!, outcome: { kind: 'completed' } }],
      { limit: 0, leaseMs: 1 },
    )
    expect(await operating.import(kept.slice(1))).toEqual({ imported: 2, existing: 0 })
    const free = await store.exchange('default', { caller: 'ada', number: 3 }, [], {
      limit: 3,
      leaseMs: 60_000,
    })
    expect(free.jobs).toHaveLength(2)
  })

  test('an aborted call ends between two lots, and reports what it did', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    await jobs.dispatchMany(
      new NoteJob(),
      Array.from({ length: 600 }, (_, n) => ({ n })),
    )
    const stopping = new AbortController()
    const onProgress = (done: number, found: number) => {
      expect(found).toBe(600)
      if (done === 250) stopping.abort()
    }
    const { signal } = stopping
    expect(await jobs.cancel({ key: 'note' }, { signal, onProgress })).toEqual({ cancelled: 250, asked: 0 })
    expect(await jobs.remove({ state: 'waiting' }, { signal })).toEqual({ removed: 0, running: 0 })
    expect((await jobs.status()).queues[0]!.counts).toMatchObject({ waiting: 350, cancelled: 250 })
  })

  test('an unknown id is refused before any removal, and a purge may be repeated', async () => {
    await using bench = await Bench.make(connect)
    const job = new NoteJob()
    await bench.jobs.dispatch(job, { n: 1 })
    await expect(bench.jobs.remove([job.id!, 'nonesuch'])).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    expect(await bench.jobs.purge([job.id!, 'nonesuch'])).toEqual({ removed: 1, running: 0 })
    expect(await bench.jobs.purge([job.id!])).toEqual({ removed: 0, running: 0 })
  })

  test('a purge by id needs a queue if another queue still has a removed job with that id', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const removed = await jobs.dispatch(ToldJob.with({ n: 1 }).withId('z'))
    await removed.cancel()
    await removed.remove()
    const waits = await jobs.dispatch(ToldJob.with({ n: 2 }).withId('z').onQueue('emails'))
    await expect(jobs.purge('z')).rejects.toMatchObject({ code: 'JOB_ID_AMBIGUOUS' })
    expect(await waits.status()).toMatchObject({ state: 'waiting' })
    expect(await jobs.purge('z', { queue: 'default' })).toEqual({ removed: 1, running: 0 })
    expect(await waits.status()).toMatchObject({ state: 'waiting' })
    const again = await jobs.dispatch(ToldJob.with({ n: 3 }).withId('z'))
    expect(again.queued).toBe(true)
  })

  test('a purge also removes the data of a removed job whose hook has not been called yet', async () => {
    await using bench = await Bench.make(connect)
    const list = [new ToldJob(), new ToldJob()]
    for (const job of list) await bench.jobs.dispatch(job, { n: 1 })
    const [one, other] = list.map(({ id }) => id!)
    const { store } = await insideOf(bench.jobs).open()
    const hasEffects = async () => (await store.recover('default')).nextEffect !== undefined
    await bench.jobs.cancel([one!, other!])
    await bench.jobs.remove([one!, other!])
    expect(await hasEffects()).toBe(true)
    expect(await bench.jobs.purge(one!)).toEqual({ removed: 1, running: 0 })
    expect(await hasEffects()).toBe(true)
    await bench.jobs.purge({ queue: 'default' })
    expect(await hasEffects()).toBe(false)
  })
}
