/** `operate().figures()` shows figures that workers gather from their runs, and figures of waiting jobs. */

import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { RunCounts } from '../../src/model/run/run-counts.ts'
import { operate } from '../../src/operate.ts'
import { SLOW } from '../../src/worker/run-tally.ts'
import { Bench, type Connect, Record } from './bench.ts'

class CountedJob extends Job {
  override readonly key = 'counted'
  override queueName = 'emails'
  override tries = 1
  handle({ fails }: { fails: boolean }) {
    if (fails) throw new Error('no')
  }
}

class SlowCountedJob extends Job {
  override readonly key = 'slow-counted'
  async handle() {
    await pause(SLOW + 20)
  }
}

export function measuring(connect: Connect): void {
  test('every queue has figures, which stay when the worker has ended', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: {}, emails: { target: '30s' } } })
    const figures = () => operate(client).figures()
    const nothing = { wait: { count: 0 }, process: { count: 0 }, in: 0, out: 0 }
    expect((await figures()).queues).toEqual([
      { queue: 'default', ...nothing },
      { queue: 'emails', ...nothing, target: 30_000 },
    ])
    for (const fails of [true, false, false]) await client.dispatch(new CountedJob(), { fails })
    const [, waiting] = (await figures()).queues
    expect(waiting).toMatchObject({ in: 3, out: 0, oldest: expect.any(Number) })
    expect(waiting!.oldest).toBeLessThan(60_000)
    const report = new Record()
    const ended = report.ends(3)
    const worker = await bench.work([CountedJob], { report }, client)
    await ended
    await worker.stop()
    const emails = (await operate(client).figures({ queue: 'emails' })).queues[0]!
    const times = { count: 3, p50: expect.any(Number), p95: expect.any(Number), p99: expect.any(Number) }
    expect(emails).toEqual({
      queue: 'emails',
      wait: times,
      process: times,
      in: expect.any(Number),
      out: expect.any(Number),
      target: 30_000,
    })
    const [row] = (await operate(client).status()).queues.filter(({ queue }) => queue === 'emails')
    const overview = await operate(client).overview()
    expect(overview.queues.find(({ queue }) => queue === 'emails')).toEqual({
      ...row,
      ...emails,
      // The counts of the last minute change all the time.
      ...{ in: expect.any(Number), out: expect.any(Number), lastMinute: expect.any(Object) },
    })
    // A new minute may have begun meanwhile.
    expect([2, 3]).toContain(emails.in)
    expect([2, 3]).toContain(emails.out)
    const [history] = (await operate(client).history({ queue: 'emails' })).queues
    for (const unit of ['minutes', 'hours', 'days'] as const) {
      const all = history![unit].reduce(
        (sum, each) => [sum[0]! + each.completed, sum[1]! + each.failed],
        [0, 0],
      )
      expect(all, unit).toEqual([2, 1])
    }
    const later = await operate(client).history({ since: new Date(Date.now() + 2 * 86_400_000) })
    expect(later.queues.map(({ days }) => days)).toEqual([[], []])
    await expect(operate(client).history({ since: 'x' as never })).rejects.toMatchObject({
      code: 'FILTER_INVALID',
    })
    const { store } = await insideOf(client).open()
    const { workers } = await store.workerRuns()
    const counts = RunCounts.read(workers[0]!.all['emails counted'])
    expect([counts.ends('completed'), counts.ends('failed')]).toEqual([2, 1])
    expect(await store.workers()).toEqual([])
    await expect(operate(client).figures({ queue: 'email' })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    await expect(operate(client).figures({ job: 'a' } as never)).rejects.toMatchObject({
      code: 'FILTER_INVALID',
    })
  })

  test('each class has its runs by hour, day and release, which outlive the workers', async () => {
    await using bench = await Bench.make(connect)
    for (const [release, fails] of [
      ['r1', [false, false, true]],
      ['r2', [true]],
    ] as const) {
      const client = bench.client({ queues: ['emails', 'default'], release })
      const report = new Record()
      const ended = report.ends(fails.length + 1)
      for (const each of fails) await client.dispatch(new CountedJob(), { fails: each })
      await client.dispatch(new SlowCountedJob())
      const worker = await bench.work([CountedJob, SlowCountedJob], { report }, client)
      await ended
      await worker.stop()
    }
    const later = bench.client({ queues: ['emails', 'default'] })
    const operating = operate(later)
    for (const unit of ['hours', 'days'] as const) {
      const { classes } = await operating.classRuns({ unit })
      expect(classes.map(({ key }) => key).sort()).toEqual(['counted', 'slow-counted'])
      const counted = classes.find(({ key }) => key === 'counted')!
      expect(counted.total).toMatchObject({ completed: 2, failed: 2, retried: 0, process: { count: 4 } })
      expect(counted.releases).toMatchObject([
        { release: 'r2', completed: 0, failed: 1 },
        { release: 'r1', completed: 2, failed: 1 },
      ])
      expect(counted.steps.reduce((sum, { failed }) => sum + failed, 0)).toBe(2)
      expect(counted.steps.at(-1)!.releases!.map(({ release }) => release)).toContain('r2')
      expect(counted.slowest).toEqual([])
      expect('compared' in counted).toBe(unit === 'hours')
    }
    const [slow] = (await operating.classRuns({ key: 'slow-counted' })).classes
    const run = { id: expect.any(String), queue: 'default', took: expect.any(Number), at: expect.any(Number) }
    expect(slow!.slowest).toEqual([run, run])
    expect(slow!.slowest[0]!.took).toBeGreaterThanOrEqual(SLOW)
    expect((await later.find(slow!.slowest[0]!.id))?.key).toBe('slow-counted')
    expect(slow!.total.busy).toBeGreaterThanOrEqual(SLOW)
    expect((await operating.classRuns({ key: 'nobody' })).classes).toEqual([])
    await expect(operating.classRuns({ job: 'a' } as never)).rejects.toMatchObject({ code: 'FILTER_INVALID' })
  })

  test('a living worker sends the figures of its runs', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    await bench.work([CountedJob])
    await bench.jobs.dispatch(new CountedJob(), { fails: false })
    await vi.waitFor(
      async () =>
        expect((await operate(bench.jobs).figures({ queue: 'emails' })).queues[0]!.process.count).toBe(1),
      { timeout: 10_000, interval: 100 },
    )
    expect((await store.workerRuns()).workers[0]!.endedAt).toBeUndefined()
  })
}
