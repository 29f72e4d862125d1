import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record } from './bench.ts'

/** With `retryUntil`, Lark retries a job for a time instead of a number of times. */
export function retryUntil(connect: Connect): void {
  test('within its time, a job is retried whatever its number of tries', async () => {
    await using bench = await Bench.make(connect)
    class StubbornJob extends Job {
      override tries = 1
      override retryUntil = '1h'
      override backoff = 0
      handle() {
        return this.attempt === 5
      }
    }
    const job = new StubbornJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([StubbornJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', runs: 5, failures: 4 })
  })

  test('a job fails if its next attempt would begin after the time', async () => {
    await using bench = await Bench.make(connect)
    class LateJob extends Job {
      override tries = 10
      override retryUntil = '1h'
      override backoff = [0, '61m']
      handle() {
        return false
      }
    }
    const job = new LateJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([LateJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'failed', failures: 2 })
  })

  test('the time of a delayed job begins when the job is due, and a single job may have its own time', async () => {
    await using bench = await Bench.make(connect)
    class DelayedJob extends Job {
      override delay = 20
      override retryUntil: string | number | undefined = '1h'
      override backoff = '59m'
      handle() {
        return false
      }
    }
    const later = new DelayedJob()
    later.delay = 120_000
    const short = new DelayedJob()
    short.retryUntil = '58m'
    const none = new DelayedJob()
    none.retryUntil = undefined
    none.tries = 1
    const plain = new DelayedJob()
    for (const job of [later, short, none, plain]) await bench.jobs.dispatch(job)
    const { store } = await insideOf(bench.jobs).open()
    const kept = async (job: Job) => (await store.get('default', job.id!))?.options
    expect(await kept(later)).toEqual({ retryUntil: 3_720_000 })
    expect(await kept(none)).toEqual({ tries: 1, retryUntil: 0 })
    expect(await kept(plain)).toBeUndefined()
    const report = new Record()
    await bench.work([DelayedJob], { report })
    await report.ends(3)
    await bench.jobs.close()
    const stateOf = async (job: Job) => (await bench.jobs.find(job.id!))?.state
    expect(await stateOf(short)).toBe('failed')
    expect(await stateOf(none)).toBe('failed')
    expect(await stateOf(plain)).toBe('delayed')
  })

  test('the clock of the store measures the time', async () => {
    await using bench = await Bench.make(connect)
    class HourJob extends Job {
      override retryUntil = '1h'
      override backoff = 0
      handle() {
        return false
      }
    }
    const job = new HourJob()
    await bench.jobs.dispatch(job)
    const { store } = await insideOf(bench.jobs).open()
    const survey = store.survey.bind(store)
    vi.spyOn(store, 'survey').mockImplementation(async (...args) => {
      const answer = await survey(...args)
      return { ...answer, at: answer.at + 7_200_000 }
    })
    await (await bench.work([HourJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'failed', failures: 1 })
  })

  test('a job that a person retries has its whole time again', async () => {
    await using bench = await Bench.make(connect)
    class AgainJob extends Job {
      override retryUntil = '1h'
      override backoff = '2h'
      handle() {
        return this.attempt > 1
      }
    }
    const job = new AgainJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([AgainJob], { stopWhenEmpty: true })).done
    const before = (await bench.jobs.find(job.id!))!.queuedAt
    expect(await bench.jobs.retry([job.id!])).toBe(1)
    const after = await bench.jobs.find(job.id!)
    expect(after).toMatchObject({ state: 'waiting', failures: 0 })
    expect(after!.queuedAt).toBeGreaterThan(before)
  })
}
