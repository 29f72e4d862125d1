/** People see and change jobs with steps by `operate().steps`, and see why such a job does not run. */
import { expect, test } from 'vitest'
import { createJobs, defineSignal, Job, type Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record } from './bench.ts'

const approved = defineSignal<{ by: string; card?: { number: string } }>('approved')
const DAY = 86_400_000

let charges = 0
class OrderJob extends Job {
  override readonly key = 'order'
  static override redact = ['card.number']
  async handle(_payload: { card: { number: string } }) {
    await this.step('charge', () => ({ n: ++charges, card: { number: '4111' } }))
    await this.step(['mail', 7], () => undefined)
    await this.step('flaky', () => Promise.reject(new TypeError('no')), { tries: 2, backoff: 1 }).catch(
      () => {},
    )
    await this.waitFor(approved)
    await this.waitFor(approved, { name: 'second', timeout: '3d' })
    await this.sleep('cool down', '1d')
  }
}
class PollJob extends Job {
  override readonly key = 'poll'
  async handle() {
    await this.step('ask', () => Promise.reject(new Error('not yet')), { tries: 9, backoff: '5m' })
  }
}

/** Runs a worker until the given number of runs has ended. */
async function runs(bench: Bench, count: number): Promise<void> {
  const report = new Record()
  const worker = await bench.work([OrderJob, PollJob], { report })
  await report.ends(count)
  await worker.stop()
}

export function seeingSteps(connect: Connect): void {
  test('people see each recorded step of a job, and why the job waits', async () => {
    await using bench = await Bench.make(connect)
    const { steps, why } = reading(bench)
    const { id } = await bench.jobs.dispatch(OrderJob.with({ card: { number: '4111' } }))
    expect(await steps.list(id)).toBeUndefined()
    await expect(steps.list('nobody')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    expect(await steps.send(id, approved, { by: 'ada', card: { number: '4111' } })).toMatchObject({
      wakes: false,
    })
    expect(await steps.list(id)).toMatchObject({
      ...{ state: 'waiting', steps: [], size: 0 },
      signals: [{ name: 'approved', isTaken: false, size: 37 }],
    })
    await runs(bench, 1)
    const soon = expect.closeTo(Date.now() + 3 * DAY, -6)
    const [took, ended] = [expect.any(Number), { at: expect.closeTo(Date.now(), -6) }]
    expect(await steps.list(id)).toEqual({
      ...{ id, queue: 'default', state: 'delayed', waitsFor: ['approved'], size: expect.any(Number) },
      steps: [
        { key: 'charge', name: 'charge', state: 'done', isWait: false, size: 32, ...ended, took },
        { key: '["mail",7]', name: 'mail 7', state: 'done', isWait: false, ...ended, took },
        expect.objectContaining({ key: 'flaky', state: 'failed', failed: 1, isWait: false, ...ended, took }),
        { key: 'approved', name: 'approved', state: 'done', isWait: true, signal: 'approved', ...ended },
        { key: 'second', name: 'second', state: 'waiting', isWait: true, until: soon },
      ],
      signals: [{ name: 'approved', isTaken: true, size: 37 }],
    })
    const shown = await steps.list(id, { values: true })
    expect(shown!.steps[0]!.value).toEqual({ n: expect.any(Number), card: { number: '[redacted]' } })
    expect(shown!.steps[2]!.value).toMatchObject({ name: 'TypeError', message: 'no' })
    expect(shown!.signals[0]!.value).toEqual({ by: 'ada', card: { number: '[redacted]' } })
    expect(await why(id)).toEqual([
      {
        kind: 'suspended',
        text: expect.stringMatching(
          /^It is suspended: it waits for the signal approved \(second\), for at most (3 d|2 d 23 h)/,
        ),
        until: soon,
        remedy: { do: 'send-signal', job: id, signal: 'approved' },
      },
    ])
    expect(await steps.send(id, 'approved', { by: 'bob' }, { dryRun: true })).toEqual({
      ...{ sent: true, state: 'delayed', wakes: true },
    })
    expect(await steps.send(id, 'approved', { by: 'bob' }, { id: 'a' })).toMatchObject({
      sent: true,
      wakes: true,
    })
    await runs(bench, 1)
    expect(await why(id)).toMatchObject([
      {
        kind: 'suspended',
        text: expect.stringMatching(/^It is suspended: it sleeps \(cool down\), and goes on in /),
      },
    ])
  })

  test('people see a step between two tries', async () => {
    await using bench = await Bench.make(connect)
    const { steps, why } = reading(bench)
    const { id } = await bench.jobs.dispatch(PollJob.with())
    await runs(bench, 1)
    expect((await steps.list(id))!.steps).toEqual([
      { key: 'ask', name: 'ask', state: 'retrying', isWait: false, failed: 1, until: expect.any(Number) },
    ])
    expect(await why(id)).toMatchObject([
      {
        kind: 'suspended',
        text: expect.stringMatching(/^It is suspended: step ask failed, and is tried again in /),
      },
    ])
  })

  test('people see undone steps, steps whose undo is tried again, and steps whose undo waits', async () => {
    await using bench = await Bench.make(connect)
    const { steps } = reading(bench)
    class TripJob extends Job {
      override tries = 1
      async handle() {
        await this.step('flight', () => 1, { undo: () => {} })
        const down = () => Promise.reject(new Error('down'))
        await this.step('hotel', () => 2, { backoff: '1h', undo: down })
        await this.step('car', () => 3, { undo: () => {} })
        throw new Error('sold out')
      }
    }
    const { id } = await bench.jobs.dispatch(new TripJob().with())
    const report = new Record()
    const worker = await bench.work([TripJob], { report })
    await report.ends(2)
    await worker.stop()
    const found = await steps.list(id)
    expect(found).toMatchObject({ state: 'delayed', undoing: true })
    expect(found!.steps).toEqual([
      expect.objectContaining({ name: 'flight', state: 'done' }),
      { key: 'car', name: 'car', state: 'undone', isWait: false },
      { key: 'hotel', name: 'hotel', state: 'undoing', isWait: false, failed: 1, until: expect.any(Number) },
    ])
  })

  test('only a forgotten step runs again, and a running job forgets no step', async () => {
    await using bench = await Bench.make(connect)
    const { steps } = reading(bench)
    const { id } = await bench.jobs.dispatch(OrderJob.with({ card: { number: '4111' } }))
    await runs(bench, 1)
    const before = charges
    expect(await steps.forget(id, ['charge', 'mail 7'], { dryRun: true })).toEqual(['charge', 'mail 7'])
    expect((await steps.list(id))!.steps[0]).toMatchObject({ name: 'charge', state: 'done' })
    expect(await steps.forget(id, ['charge', 'mail 7'])).toEqual(['charge', 'mail 7'])
    const forgotten = (await steps.list(id))!.steps.filter(({ state }) => state === 'forgotten')
    expect(forgotten.map(({ name }) => name)).toEqual(['charge', 'mail 7'])
    await expect(steps.forget(id, ['chrge'])).rejects.toMatchObject({
      ...{ code: 'STEP_INVALID', hint: expect.stringContaining('charge') },
    })
    await steps.send(id, approved, { by: 'ada' })
    await runs(bench, 1)
    expect(charges).toBe(before + 1)
    const entries = (await operate(bench.jobs).audit({ what: 'forget-steps' })).entries
    expect(entries.map(({ on, count, outcome }) => [on, count, outcome])).toEqual([
      [`steps chrge of job ${id}`, 0, 'failed'],
      [`steps charge, mail 7 of job ${id}`, 2, 'done'],
    ])
    const [sent] = (await operate(bench.jobs).audit({ what: 'send' })).entries
    expect(sent).toMatchObject({ on: `signal approved to job ${id}`, count: 1, outcome: 'done' })
    await bench.jobs.cancel(id)
    expect(await steps.send(id, approved, { by: 'late' })).toEqual({
      ...{ sent: false, state: 'cancelled', wakes: false },
    })
  })

  test('for a job whose workers died, people see the step at which they died', async () => {
    await using bench = await Bench.make(connect)
    const { steps, why } = reading(bench)
    let runs = 0
    class DeadlyJob extends Job {
      async handle() {
        await this.step('load', () => 1)
        await this.step('transcode', () => {
          runs += 1
          return new Promise(() => {})
        })
      }
    }
    const { id } = await bench.jobs.dispatch(new DeadlyJob().with())
    const { store } = await insideOf(bench.jobs).open()
    for (let deaths = 1; deaths <= 3; deaths++) {
      const worker = await bench.work([DeadlyJob])
      await expect.poll(() => runs, { timeout: 10_000 }).toBe(deaths)
      const { holder } = (await bench.jobs.find(id))!
      worker.die()
      await store.recover('default', { holder: holder!, by: 'heir', fromWithin: true })
    }
    expect(await bench.jobs.find(id)).toMatchObject({ state: 'failed', crashes: 3 })
    expect((await steps.list(id))!.steps).toMatchObject([
      { name: 'load', state: 'done' },
      { name: 'transcode', state: 'begun', runs: [2, 3] },
    ])
    expect((await why(id))[0]!.text).toContain(
      'Its worker died 3 times while it ran, the last 2 times at step transcode: if you retry it',
    )
  })

  test('a suspended job exported to a file goes on in another store, comes back, and undoes its steps', async () => {
    await using bench = await Bench.make(connect)
    await using other = createJobs({ connection: 'sqlite::memory:' })
    const calls: unknown[] = []
    class TripJob extends Job {
      override readonly key = 'trip'
      override tries = 1
      async handle() {
        await this.step('book', () => calls.push('book'), { undo: (got) => void calls.push(`undo ${got}`) })
        for (const name of ['first', 'second']) calls.push((await this.waitFor(approved, { name }))?.value.by)
        await this.sleep('nap', '1h')
      }
    }
    const work = async (jobs: Jobs, count: number) => {
      const report = new Record()
      const worker = await jobs.work({ jobs: [TripJob], report })
      await report.ends(count)
      await worker.stop()
    }
    const file = async (jobs: Jobs) => {
      const records: unknown[] = []
      for await (const lot of operate(jobs).records({ key: 'trip' })) records.push(...lot)
      return JSON.parse(JSON.stringify(records))
    }
    const { id } = await bench.jobs.dispatch(new TripJob().with())
    await bench.jobs.handle(TripJob, id).send(defineSignal('unheard'))
    await work(bench.jobs, 1)
    const exported = await file(bench.jobs)
    expect(exported[0].journal).toMatchObject({ undo: '', signals: [{ name: 'unheard', text: '' }] })
    expect(await operate(bench.jobs).import(exported)).toEqual({ imported: 0, existing: 1 })
    await bench.jobs.purge(id)

    expect(await operate(other).import(exported)).toEqual({ imported: 1, existing: 0 })
    expect(await operate(other).import(exported)).toEqual({ imported: 0, existing: 1 })
    await other.handle(TripJob, id).send(approved, { by: 'ada' }, { id: 'a' })
    await work(other, 1)
    expect(calls).toEqual(['book', 'ada'])
    expect((await other.find(id))!.suspended).toEqual(['approved'])

    expect(await operate(bench.jobs).import(await file(other))).toEqual({ imported: 1, existing: 0 })
    await bench.jobs.handle(TripJob, id).send(approved, { by: 'twice' }, { id: 'a' })
    await bench.jobs.handle(TripJob, id).send(approved, { by: 'bob' }, { id: 'b' })
    await work(bench.jobs, 1)
    expect(calls).toEqual(['book', 'ada', 'ada', 'bob'])
    const { signals, steps } = (await operate(bench.jobs).steps.list(id))!
    expect(signals.map(({ name, isTaken }) => [name, isTaken])).toEqual([
      ...[['unheard', false]],
      ...[['approved', true]],
      ...[['approved', true]],
    ])
    const { until } = steps.at(-1)!

    const asleep = await file(bench.jobs)
    await bench.jobs.purge(id)
    await operate(bench.jobs).import(asleep)
    await work(bench.jobs, 1)
    expect(await bench.jobs.find(id)).toMatchObject({ suspended: [], dueAt: expect.closeTo(until!, -5) })
    await bench.jobs.cancel(id)
    await work(bench.jobs, 1)
    // The functions that undo steps are in the handler. So the handler runs again for an undo, and may run
    // past a wait.
    expect(calls.filter((call) => `${call}`.startsWith('undo'))).toEqual(['undo 1'])
    expect(await bench.jobs.find(id)).toMatchObject({ state: 'cancelled' })
    // A job with the largest number of children has more signals than others may send it.
    const ends = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ name: `$child:${n}`, text: '{}' }))
    const parent = { ...exported[0], id: 'parent', journal: { entries: [], signals: ends(9_000) } }
    expect(await operate(bench.jobs).import([parent])).toEqual({ imported: 1, existing: 0 })
    for (const journal of [
      [],
      { entries: [7], signals: [] },
      { entries: [], signals: [{ name: 'a' }] },
      { entries: [], signals: ends(11_001) },
    ])
      await expect(operate(other).import([{ ...exported[0], id: 'new', journal }])).rejects.toMatchObject({
        code: 'IMPORT_INVALID',
      })
  })

  test('of a damaged journal, people see the readable entries, and that more entries exist', async () => {
    await using bench = await Bench.make(connect)
    const { steps } = reading(bench)
    const { id } = await bench.jobs.dispatch(OrderJob.with({ card: { number: '4111' } }))
    await runs(bench, 1)
    const { store } = await insideOf(bench.jobs).open()
    const { count } = (await store.journals.read('default', id, 0))!
    await store.journals.append('default', id, {
      at: count,
      entries: ['no entry', 'rlast\n1', 'r[broken\n{'],
    })
    const found = await steps.list(id, { values: true })
    expect(found!.damaged).toBe(1)
    expect(found!.steps.slice(-2)).toMatchObject([
      { name: 'last', state: 'done', value: 1 },
      { name: '[broken', state: 'done', value: '[redacted]' },
    ])
  })
}

function reading(bench: Bench) {
  const operating = operate(bench.jobs, { actor: 'ada' })
  const why = async (id: string) =>
    (await operating.why(id))!.reasons.filter(({ kind }) => kind !== 'no-worker')
  return { steps: operating.steps, why }
}
