import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class NoteJob extends Job {
  override readonly key = 'note'
  handle(payload: { n: number }): { twice: number } {
    this.info(`Twice ${payload.n}`)
    return { twice: 2 * payload.n }
  }
}

let entered = signal()

class LongJob extends Job {
  override readonly key = 'long'
  async handle() {
    entered.resolve()
    await new Promise((_, reject) => this.signal.addEventListener('abort', () => reject(this.signal.reason)))
  }
}

/** A handle stands for one job in the store, and is used outside of its run. */
export function handling(connect: Connect): void {
  test('a handle returns the state of its job, and finds the job with its payload and its log', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(new NoteJob().with({ n: 21 }))
    expect(await handle.status()).toMatchObject({ id: handle.id, state: 'waiting', queue: 'default' })
    const report = new Record()
    const worker = await bench.work([NoteJob], { report })
    await report.ends(1)
    await worker.stop()
    const status = await handle.status()
    expect(status).toMatchObject({ state: 'completed', runs: 1, result: { twice: 42 } })
    expect(Object.keys(status!)).not.toContain('payload')
    const found = await handle.find()
    expect(found).toMatchObject({ state: 'completed', payload: { n: 21 }, result: { twice: 42 } })
    expect(found!.log.map(({ text }) => text)).toEqual(['Twice 21'])
  })

  test('another process makes a handle from the class and the id, in whichever partition the job is', async () => {
    await using bench = await Bench.make(connect)
    const queues = { default: { partitions: 4 }, low: {} }
    const drafts = Array.from({ length: 8 }, (_, n) => new NoteJob().with({ n }))
    const ids: string[] = []
    // Separate dispatches go to several partitions.
    for (const draft of drafts) ids.push((await bench.client({ queues }).dispatch(draft)).id)
    const other = bench.client({ queues })
    const handles = ids.map((id) => other.handle(NoteJob, id))
    expect(handles[3]).toMatchObject({ id: ids[3], queue: 'default', queued: true, rejection: undefined })
    const found = await Promise.all(handles.map((handle) => handle.find()))
    expect(found.map((each) => each?.payload?.n)).toEqual(drafts.map((_, n) => n))
    expect(new Set(found.map((each) => each?.partition)).size).toBeGreaterThan(1)
    expect(await Promise.all(handles.map((handle) => handle.cancel()))).toEqual(drafts.map(() => true))
    const states = await Promise.all(handles.map((handle) => handle.status()))
    expect(new Set(states.map((status) => status?.state))).toEqual(new Set(['cancelled']))
  })

  test('a handle looks only in the queue of its class, or in the queue that the call names', async () => {
    await using bench = await Bench.make(connect)
    const { id } = await bench.jobs.dispatch(new NoteJob().with({ n: 1 }).onQueue('low'))
    expect(await bench.jobs.handle(NoteJob, id).status()).toBeUndefined()
    expect((await bench.jobs.handle(NoteJob, id, { queue: 'low' }).status())?.state).toBe('waiting')
    const nowhere = bench.jobs.handle(NoteJob, id, { queue: 'nowhere' })
    await expect(nowhere.status()).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  })

  test('a handle makes a delayed job due, delays it again, and removes it', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(new NoteJob().with({ n: 1 }).delayed('1h'))
    expect(await handle.reschedule('2h')).toBe(true)
    const { dueAt, queuedAt } = (await handle.status())!
    expect(dueAt! - queuedAt).toBeGreaterThan(5_400_000)
    expect(await handle.runNow()).toBe(true)
    expect((await handle.status())?.state).toBe('waiting')
    expect(await handle.runNow()).toBe(false)
    expect(await handle.remove()).toBe(true)
    expect([await handle.status(), await handle.find()]).toEqual([undefined, undefined])
    const gone = [handle.remove(), handle.cancel(), handle.runNow(), handle.reschedule(5)]
    expect(await Promise.all(gone)).toEqual([false, false, false, false])
    await expect(handle.reschedule('soon')).rejects.toMatchObject({
      code: 'JOB_INVALID',
      id: handle.id,
      message: expect.stringContaining("reschedule(): delay is 'soon'"),
    })
  })

  test('a handle asks a running job to end, and neither removes nor delays it', async () => {
    await using bench = await Bench.make(connect)
    entered = signal()
    const report = new Record()
    const worker = await bench.work([LongJob], { report })
    const handle = await bench.jobs.dispatch(new LongJob().with())
    await entered.promise
    expect(await Promise.all([handle.remove(), handle.reschedule('1m'), handle.runNow()])).toEqual([
      false,
      false,
      false,
    ])
    expect(await handle.cancel()).toBe(true)
    await report.ends(1)
    await worker.stop()
    expect(await handle.status()).toMatchObject({ state: 'cancelled', reason: 'user' })
    expect(await handle.cancel()).toBe(false)
  })

  test('the queue distinguishes jobs with one id, and the id alone is refused because it means both', async () => {
    await using bench = await Bench.make(connect)
    const draft = new NoteJob().with({ n: 1 }).withId('invoice-77')
    await bench.jobs.dispatch([draft, NoteJob.with({ n: 2 }).withId('invoice-77').onQueue('low')])
    const message = 'There is a job invoice-77 in each of the queues default, low'
    const ambiguous = { code: 'JOB_ID_AMBIGUOUS', id: 'invoice-77', message }
    const { jobs } = bench
    await expect(jobs.find('invoice-77')).rejects.toMatchObject(ambiguous)
    await expect(jobs.cancel('invoice-77')).rejects.toMatchObject(ambiguous)
    await expect(jobs.cancel(['invoice-77'], { dryRun: true })).rejects.toMatchObject(ambiguous)
    await expect(jobs.retry('invoice-77')).rejects.toMatchObject(ambiguous)
    await expect(jobs.remove('invoice-77')).rejects.toMatchObject(ambiguous)
    await expect(jobs.purge('invoice-77')).rejects.toMatchObject(ambiguous)
    const some = { queue: 'low', dryRun: true }
    expect(await jobs.remove('invoice-77', some)).toEqual({ removed: 1, running: 0 })
    expect(await jobs.purge(['invoice-77'], some)).toEqual({ removed: 1, running: 0 })
    expect((await jobs.find<NoteJob>('invoice-77', { queue: 'low' }))?.payload).toEqual({ n: 2 })
    expect(await jobs.cancel('invoice-77', { queue: 'low', dryRun: true })).toEqual({
      cancelled: 1,
      asked: 0,
    })
    expect(await jobs.cancel(['invoice-77'], { queue: 'low' })).toEqual({ cancelled: 1, asked: 0 })
    expect((await jobs.handle(NoteJob, 'invoice-77').status())?.state).toBe('waiting')
    expect((await jobs.handle(NoteJob, 'invoice-77', { queue: 'low' }).status())?.state).toBe('cancelled')
    expect(await jobs.retry('invoice-77', 'low')).toBe(1)
    expect((await jobs.find('invoice-77', { queue: 'low' }))?.state).toBe('waiting')
    expect(await jobs.handle(NoteJob, 'invoice-77').remove()).toBe(true)
    // Now only one job has the id.
    expect((await jobs.find('invoice-77'))?.queue).toBe('low')
    expect(await jobs.find('invoice-77', { queue: 'default' })).toBeUndefined()
    await expect(jobs.find('invoice-77', { queue: 'nowhere' })).rejects.toMatchObject({
      code: 'UNKNOWN_QUEUE',
    })
  })

  test('after a queue got more partitions, a handle means the job in the partition that the id now decides', async () => {
    await using bench = await Bench.make(connect)
    const names = Array.from({ length: 16 }, (_, i) => `order-${i}`)
    const drafts = (n: number) => names.map((name) => new NoteJob().with({ n }).withId(name))
    await bench.jobs.dispatch(drafts(1))
    const jobs = bench.client({ queues: { default: { partitions: 4 }, low: {}, emails: {} } })
    expect(
      (await Promise.all(names.map((id) => jobs.handle(NoteJob, id).find()))).map((each) => each?.payload?.n),
    ).toEqual(names.map(() => 1))
    const again = await jobs.dispatch(drafts(2))
    const moved = again.filter(({ queued }) => queued).map(({ id }) => id)
    expect(moved.length).toBeGreaterThan(0)
    expect(moved.length).toBeLessThan(names.length)
    for (const name of names) {
      const n = moved.includes(name) ? 2 : 1
      expect((await jobs.find<NoteJob>(name))?.payload).toEqual({ n })
      expect((await jobs.handle(NoteJob, name).find())?.payload).toEqual({ n })
    }
  })

  test.each([[''], [7], [undefined], ['a\nb'], ['x'.repeat(101)]])('%j is no id of a job', async (id) => {
    await using bench = await Bench.make(connect)
    expect(() => bench.jobs.handle(NoteJob, id as string)).toThrow(
      expect.objectContaining({ code: 'JOB_ID_INVALID' }),
    )
  })
}
