import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { defineSignal, type Hooks, Job, type JobEvent } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Makes hooks that note their arguments, without values that differ between runs. */
function listener(): { hooks: Hooks; heard: unknown[] } {
  const heard: unknown[] = []
  const hear = (what: string) => (event: JobEvent & { took?: number; error?: unknown }) => {
    const { id: _, key: __, queuedAt, waited, took, error, ...rest } = event
    if (what !== 'started') expect(took).toBeGreaterThanOrEqual(0)
    expect(waited).toBeGreaterThanOrEqual(0)
    expect(Date.now() - queuedAt).toBeLessThan(60_000)
    heard.push([what, { ...rest, ...(error !== undefined && { error: (error as Error).message }) }])
  }
  const hooks = {
    started: hear('started'),
    completed: hear('completed'),
    failed: hear('failed'),
    released: hear('released'),
    suspended: hear('suspended'),
    cancelled: hear('cancelled'),
  }
  return { hooks, heard }
}

/** Hooks of the application are called for all of its jobs. */
export function hooks(connect: Connect): void {
  test('hooks are called when each run begins and ends', async () => {
    await using bench = await Bench.make(connect)
    const { hooks, heard } = listener()
    const jobs = bench.client({ hooks })
    class ManyJob extends Job {
      override queueName = 'emails'
      override tries = 2
      override backoff = 0
      handle({ how }: { how: string }) {
        if (how === 'throw') throw new Error(`no ${this.attempt}`)
        if (how === 'release') this.release('2h')
      }
    }
    for (const how of ['fine', 'release', 'throw']) await jobs.dispatch(new ManyJob(), { how })
    await (await bench.work([ManyJob], { stopWhenEmpty: true, concurrency: 1 }, jobs)).done
    const event = { name: 'ManyJob', queue: 'emails', attempt: 1, tries: 2, crashes: 0 }
    const again = { ...event, attempt: 2 }
    expect(heard).toEqual([
      ['started', event],
      ['completed', event],
      ['started', event],
      ['released', { ...event, in: 7_200_000 }],
      ['started', event],
      ['failed', { ...event, error: 'no 1', retryIn: 0, last: false }],
      ['started', again],
      ['failed', { ...again, error: 'no 2', last: true }],
    ])
  })

  test('the suspended hook is called for a suspended job, and the hook of its next run says that the job goes on', async () => {
    await using bench = await Bench.make(connect)
    const { hooks, heard } = listener()
    const jobs = bench.client({ hooks })
    const approved = defineSignal('approved')
    class SteppingJob extends Job {
      async handle() {
        await this.step('one', () => 1)
        await this.sleep('nap', 1_100)
        await this.waitFor(approved)
      }
    }
    const handle = await jobs.dispatch(new SteppingJob().with())
    const report = new Record()
    const worker = await bench.work([SteppingJob], { report }, jobs)
    await report.ends(2)
    await handle.send(approved)
    await handle.result()
    await worker.stop()
    const event = { name: 'SteppingJob', queue: 'default', attempt: 1, tries: 15, crashes: 0 }
    const resumed = { ...event, isResumed: true }
    const about = expect.closeTo(1_000, -3)
    expect(heard).toEqual([
      ['started', event],
      ['suspended', { ...event, in: about, signals: [] }],
      ['started', resumed],
      ['suspended', { ...resumed, signals: ['approved'] }],
      ['started', resumed],
      ['completed', resumed],
    ])
    expect(worker.summary).toMatchObject({ completed: 1, suspended: 2, released: 0 })
  })

  test('hooks are called for a timeout and for a job that its worker gives back, but not for an unknown key', async () => {
    await using bench = await Bench.make(connect)
    const { hooks, heard } = listener()
    const jobs = bench.client({ hooks })
    const began = signal()
    let runs = 0
    class WaitingJob extends Job {
      override tries = 1
      async handle() {
        const aborted = once(this.signal, 'abort')
        if (++runs === 2) began.resolve()
        await aborted
        throw this.signal.reason
      }
    }
    class StrangeJob extends Job {
      handle() {}
    }
    await jobs.dispatch(new StrangeJob())
    const late = new WaitingJob()
    late.timeout = 30
    await jobs.dispatch(late)
    const report = new Record()
    const worker = await bench.work([WaitingJob], { report }, jobs)
    await report.ends(2)
    await jobs.dispatch(new WaitingJob())
    await began.promise
    await worker.stop(0)
    const event = { name: 'WaitingJob', queue: 'default', attempt: 1, tries: 1, crashes: 0 }
    expect(heard).toEqual([
      ['started', event],
      ['failed', { ...event, error: 'WaitingJob took longer than its timeout of 0.03 s', last: true }],
      ['started', event],
      ['released', { ...event, in: 0 }],
    ])
  })

  test('hooks get the payload, the result, the waiting time of a job and the reason of a cancel', async () => {
    await using bench = await Bench.make(connect)
    const heard: unknown[] = []
    const waits: number[] = []
    let shown = ''
    const jobs = bench.client({
      hooks: {
        started: ({ queuedAt, waited }) => waits.push(Date.now() - queuedAt - waited),
        completed: (event) => {
          heard.push([event.payload, event.result])
          shown += JSON.stringify(event)
        },
        cancelled: ({ name, reason, payload }) => heard.push([name, reason, payload]),
      },
    })
    class SumJob extends Job {
      override keepResult = '1m'
      handle(payload: { list: number[]; secret: string }) {
        const sum = payload.list.reduce((all, n) => all + n, 0)
        payload.list.length = 0
        return sum === 0 ? undefined : { sum }
      }
    }
    class StaleJob extends Job {
      override expiresIn = 1
      handle(_: { n: number }) {}
    }
    const sum = (list: number[]) => new SumJob().with({ list, secret: 'pin' })
    await jobs.dispatch([sum([1, 2]), sum([]), sum([5]).delayed('2s'), new StaleJob().with({ n: 1 })])
    await new Promise((resolve) => setTimeout(resolve, 10))
    await (await bench.work([SumJob, StaleJob], { stopWhenEmpty: true, concurrency: 1 }, jobs)).done
    expect(heard).toHaveLength(4)
    expect(heard).toContainEqual([{ list: [1, 2], secret: 'pin' }, { sum: 3 }])
    expect(heard).toContainEqual([{ list: [], secret: 'pin' }, undefined])
    expect(heard).toContainEqual([{ list: [5], secret: 'pin' }, { sum: 5 }])
    expect(heard).toContainEqual(['StaleJob', 'expired', { n: 1 }])
    expect(shown).not.toContain('pin')
    // The delay of a job does not count as waiting.
    expect(waits.filter((ms) => ms > 1_000)).toHaveLength(1)
  })

  test('crashed is called for the jobs of a dead worker, with the cause and with whether they have failed', async () => {
    await using bench = await Bench.make(connect)
    const heard: unknown[] = []
    const jobs = bench.client({
      hooks: {
        crashed: ({ name, attempt, crashes, cause, last, payload }) =>
          heard.push({ name, attempt, crashes, cause, last, payload }),
      },
    })
    class TransferJob extends Job {
      override maxCrashes = 1
      handle(_: { n: number }) {}
    }
    class OtherJob extends Job {
      handle(_: { n: number }) {}
    }
    await jobs.dispatch([new TransferJob().with({ n: 1 }), new OtherJob().with({ n: 2 })])
    const { store } = await insideOf(jobs).open()
    const { jobs: held } = await store.exchange('default', { caller: 'dead', number: 1 }, [], {
      limit: 2,
      leaseMs: 1,
    })
    expect(held).toHaveLength(2)
    await using _worker = await bench.work([TransferJob, OtherJob], { lease: 300 }, jobs)
    await vi.waitFor(() => expect(heard).toHaveLength(2), 10_000)
    const event = { attempt: 1, crashes: 1, cause: 'its worker died' }
    expect(heard).toContainEqual({ ...event, name: 'TransferJob', last: true, payload: { n: 1 } })
    expect(heard).toContainEqual({ ...event, name: 'OtherJob', last: false, payload: { n: 2 } })
  })

  test('no job waits for a hook, and a hook that throws only causes one warning', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({
      hooks: {
        started() {
          throw new Error('no metrics')
        },
        completed: () => new Promise(() => {}),
        failed: async () => {
          throw new Error('no mail')
        },
      },
    })
    class EitherJob extends Job {
      override tries = 1
      handle({ fine }: { fine: boolean }) {
        return fine
      }
    }
    await jobs.dispatchMany(
      new EitherJob(),
      [true, false, true, false].map((fine) => ({ fine })),
    )
    const report = new Record()
    const worker = await bench.work([EitherJob], { stopWhenEmpty: true, report }, jobs)
    expect(await worker.done).toMatchObject({ completed: 2, failed: 2 })
    expect(report.warnings.filter((text) => text.includes('hook'))).toEqual([
      'The hook started threw, and may again: no metrics',
      'The hook failed threw, and may again: no mail',
    ])
  })

  test('hooks are called for dispatchNow', async () => {
    await using bench = await Bench.make(connect)
    const { hooks, heard } = listener()
    const jobs = bench.client({ hooks })
    class HereJob extends Job {
      handle({ how }: { how: string }) {
        if (how === 'release') this.release('1m')
        if (how === 'fail') this.fail('no')
        return how !== 'false'
      }
    }
    expect(await jobs.dispatchNow(new HereJob(), { how: 'fine' })).toBe(true)
    expect(await jobs.dispatchNow(new HereJob(), { how: 'false' })).toBe(false)
    await expect(jobs.dispatchNow(new HereJob(), { how: 'fail' })).rejects.toThrow('no')
    await expect(jobs.dispatchNow(new HereJob(), { how: 'release' })).rejects.toThrow('released')
    const event = { name: 'HereJob', queue: 'default', attempt: 1, tries: 1, crashes: 0 }
    expect(heard.filter((_, i) => i % 2 === 1)).toEqual([
      ['completed', event],
      ['failed', { ...event, error: 'handle() returned false', last: true }],
      ['failed', { ...event, error: 'no', last: true }],
      ['released', { ...event, in: 60_000 }],
    ])
  })
}
