import { expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { cancellable, operate, retention } from '../../src/operate.ts'
import { Bench, type Connect, Record } from './bench.ts'

class FailJob extends Job {
  override readonly key: string = 'fail'
  override tries = 1
  handle(payload: { n: number }): void {
    throw new Error(`no ${payload.n}`)
  }
}
class OtherJob extends FailJob {
  override readonly key = 'other'
}

export function operating(connect: Connect): void {
  test('an instance of Jobs is operated from another process, by its store alone', async () => {
    await using bench = await Bench.make(connect)
    const operating = operate(bench.client())
    const job = new FailJob()
    await bench.jobs.dispatch(job, { n: 1 })
    expect((await operating.find(job.id!))?.state).toBe('waiting')
    const report = new Record()
    const worker = await bench.work([FailJob, OtherJob], { report })
    expect(await operating.workers()).toMatchObject([{ id: worker.id, keys: ['fail', 'other'] }])
    await report.ends(1)
    await worker.stop()
    const [failed] = await operating.failed<FailJob>()
    expect(failed).toMatchObject({ id: job.id, payload: { n: 1 }, state: 'failed' })
    expect(await operating.retry('failed', 'default')).toBe(1)
    expect(await operating.pause({ queue: 'default' })).toEqual({ wasPaused: false })
    expect((await operating.status()).queues[0]).toMatchObject({ queue: 'default', paused: true })
    expect(await operating.resume({ queue: 'default' })).toEqual({ wasPaused: true })
    expect(await operating.cancel({ key: 'fail' }, { dryRun: true })).toEqual({ cancelled: 1, asked: 0 })
    expect(await operating.cancel(job.id!)).toEqual({ cancelled: 1, asked: 0 })
    expect(await operating.keys()).toEqual(['fail', 'other'])
  })

  test('a ping is the time of one question', async () => {
    await using bench = await Bench.make(connect)
    const began = performance.now()
    expect(await operate(bench.jobs).name()).toBe((await bench.jobs.status()).store)
    const ping = await operate(bench.jobs).ping()
    expect(ping).toBeGreaterThan(0)
    expect(ping).toBeLessThan(performance.now() - began)
  })

  test('a message calls a condition what its caller calls it', async () => {
    await using bench = await Bench.make(connect)
    const operating = operate(bench.jobs, { names: { key: '--job', limit: 'The number of jobs' } })
    await expect(operating.cancel({ key: '' })).rejects.toMatchObject({
      code: 'FILTER_INVALID',
      message: "--job is ''; it must be the key of a job class",
    })
    await expect(operating.failed({ limit: 0 })).rejects.toThrow('The number of jobs is 0; it must be')
    await expect(operating.failed({ queue: '' })).rejects.toThrow("queue is ''; it must be")
  })

  test('where it is, without opening it; erasing removes all of it, and nothing else', async () => {
    await using bench = await Bench.make(connect)
    const place = await operate(bench.jobs).place()
    expect(place).toMatchObject({ durability: 'normal' })
    const { connection, prefix } = place
    const beside =
      typeof connection === 'string' && connection.startsWith('sqlite:')
        ? { connection: connection.replace('.db', '-beside.db'), prefix }
        : { connection, prefix: `${prefix}-beside` }
    await using other = createJobs(beside)
    await other.dispatch(new FailJob(), { n: 1 })
    await bench.jobs.dispatch(new FailJob(), { n: 2 })
    await expect(operate(other).erase({} as { all: true })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await other.close()
    await operate(other).erase({ all: true })
    const waiting = async (jobs: typeof other) => (await jobs.status()).queues[0]?.counts.waiting
    expect(await waiting(bench.jobs)).toBe(1)
    expect(await waiting(other)).toBe(0)
    await other.close()
    await operate(other).erase({ all: true })
  })

  test('what commands and dashboards need to know beside it', () => {
    expect(cancellable).toEqual(['waiting', 'delayed', 'blocked', 'active'])
    expect(retention.failed).toEqual({ count: 10_000, age: 30 * 86_400_000 })
  })
}
