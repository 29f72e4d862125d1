import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record } from './bench.ts'

/** A job or a person pauses a whole queue for a time. */
export function pausing(connect: Connect): void {
  /** Makes a class whose first job pauses its queue once. */
  function mail(delay: number) {
    const begun: number[] = []
    class MailJob extends Job {
      override readonly key = 'mail'
      async handle({ n }: { n: number }) {
        begun.push(n)
        if (begun.length === 1) this.pauseQueue(delay, 'the mail server is down')
      }
    }
    return { MailJob, begun }
  }

  test('pauseQueue() releases the job and pauses all partitions of its queue until the time is over', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: { partitions: 3 } } })
    const { MailJob, begun } = mail(60_000)
    await client.dispatch(new MailJob(), { n: 1 })
    const report = new Record()
    const worker = await bench.work([MailJob], { report }, client)
    await report.ends(1)
    await vi.waitFor(async () => {
      const { queues } = await client.status()
      expect(queues[0]).toMatchObject({ paused: true, pausedBecause: 'the mail server is down' })
      const { store } = await insideOf(client).open()
      const settings = await Promise.all(
        ['default', 'default/1', 'default/2'].map((each) => store.configure(each, {})),
      )
      expect(settings.map(({ paused }) => paused)).toEqual([true, true, true])
    })
    for (let n = 2; n < 8; n++) await client.dispatch(new MailJob(), { n })
    expect(begun).toEqual([1])
    expect(report.endings[0]!.outcome).toMatchObject({
      kind: 'released',
      in: 60_000,
      because: 'the mail server is down',
    })
    // A person may resume the queue sooner.
    expect(await client.resume({ queue: 'default' })).toMatchObject({ wasPaused: true })
    await report.ends(7)
    expect([...begun].sort()).toEqual([1, 2, 3, 4, 5, 6, 7])
    await worker.stop()
  })

  test('after pauseQueue, no prefetched job of the worker begins', async () => {
    await using bench = await Bench.make(connect)
    const begun: number[] = []
    let before = 0
    class FastJob extends Job {
      override readonly key = 'fast'
      async handle({ n }: { n: number }) {
        begun.push(n)
        if (n !== 2_000) return
        before = begun.length
        this.pauseQueue(60_000)
      }
    }
    const jobs = Array.from({ length: 4_000 }, (_, n) => ({ n }))
    await bench.jobs.dispatchMany(new FastJob(), jobs)
    const worker = await bench.work([FastJob], { concurrency: 1 })
    await vi.waitFor(async () => {
      const [queue] = (await bench.jobs.status()).queues
      expect(queue).toMatchObject({ paused: true, counts: { active: 0 } })
    }, 10_000)
    expect(begun.length).toBe(before)
    await worker.stop()
  })

  test('a queue paused for a time goes on by itself, also with other workers', async () => {
    await using bench = await Bench.make(connect)
    const { MailJob, begun } = mail(300)
    await bench.jobs.dispatchMany(new MailJob(), [{ n: 1 }, { n: 2 }])
    const report = new Record()
    const first = await bench.work([MailJob], { report, concurrency: 1 })
    await report.ends(1)
    await first.stop()
    expect(begun).toEqual([1])
    await using _second = await bench.work([MailJob], { report })
    await report.ends(3)
    expect(begun.slice(1).sort()).toEqual([1, 2])
    await bench.jobs.pause({ queue: 'default', for: 200, because: 'maintenance' })
    const [queue] = (await bench.jobs.status()).queues
    expect(queue).toMatchObject({
      paused: true,
      pausedBecause: 'maintenance',
      pausedUntil: expect.any(Number),
    })
    await bench.jobs.dispatch(new MailJob(), { n: 3 })
    await report.ends(4)
    expect((await bench.jobs.status()).queues[0]).not.toHaveProperty('pausedUntil')
  })
}
