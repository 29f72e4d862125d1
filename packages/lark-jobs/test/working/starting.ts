import { expect, test, vi } from 'vitest'
import type { WorkOptions } from '../../src/api/work.ts'
import { Job, JobsError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class IdleJob extends Job {
  handle() {}
}

/** Tests how a worker starts, from `Jobs.work` until it serves its queues. */
export function starting(connect: Connect): void {
  test.each<[WorkOptions, string]>([
    [{ concurrency: 0 }, 'concurrency is 0; it must be a whole number from 1'],
    [{ concurrency: Number.NaN }, 'concurrency is NaN; it must be a whole number from 1'],
    [{ concurrency: 1.5 }, 'concurrency is 1.5; it must be a whole number from 1'],
    [{ concurrency: -1 }, 'concurrency is -1; it must be a whole number from 1'],
    [{ maxJobs: 0 }, 'maxJobs is 0; it must be a whole number from 1'],
    [{ lease: 5 }, 'lease is 5; it must be milliseconds, from 100'],
    [{ preset: 'fast' as 'spread' }, "preset is 'fast'; it must be 'balanced', 'throughput' or 'spread'"],
    [
      { queues: [] },
      'queues is []; it must be the name of a queue, or a list of at least one; leave it out for every queue',
    ],
  ])('%o is refused', async (options, message) => {
    await using bench = await Bench.make(connect)
    await expect(bench.work([IdleJob], options)).rejects.toMatchObject({
      code: 'WORKER_INVALID',
      message: `Jobs.work(): ${message}`,
    })
    expect((await bench.jobs.status()).workers).toEqual([])
  })

  test('a class with a queue that is not configured causes a warning, but its jobs run', async () => {
    await using bench = await Bench.make(connect)
    class LostJob extends Job {
      override queueName = 'nope'
      handle() {}
    }
    const report = new Record()
    await bench.work([IdleJob, LostJob], { report })
    const about = report.warnings.filter((text) => text.includes('queueName'))
    expect(about).toEqual([
      "LostJob has queueName = 'nope', which is not a configured queue: its dispatches are refused. The configured queues are default, emails, low",
    ])
    const moved = Object.assign(new LostJob(), { queueName: 'low' })
    await bench.jobs.dispatch(moved)
    await report.ends(1)
  })

  test('in production, a warning names classes without a key', async () => {
    await using bench = await Bench.make(connect)
    class FirstJob extends Job {
      handle() {}
    }
    class SecondJob extends FirstJob {}
    class NamedJob extends Job {
      override readonly key = 'named'
      handle() {}
    }
    const keyless = async (...classes: (new () => Job)[]) => {
      const report = new Record()
      await (await bench.work(classes, { report })).stop()
      return report.warnings.filter((text) => text.includes('key'))
    }
    const { NODE_ENV } = process.env
    expect(await keyless(FirstJob, NamedJob)).toEqual([])
    process.env.NODE_ENV = 'production'
    try {
      expect(await keyless(NamedJob)).toEqual([])
      const advice = "a bundler may change. Give it a key, such as readonly key = 'send-email'"
      expect(await keyless(FirstJob, NamedJob)).toEqual([
        `FirstJob has no key: its jobs are stored under the name of the class, which ${advice}`,
      ])
      expect(await keyless(FirstJob, SecondJob)).toEqual([
        expect.stringMatching(/^FirstJob, SecondJob have no key: .* Give each a key/),
      ])
    } finally {
      process.env.NODE_ENV = NODE_ENV
    }
  })

  test('a queue given twice is served once', async () => {
    await using bench = await Bench.make(connect)
    const ran: number[] = []
    class MailJob extends Job {
      override queueName = 'emails'
      handle({ n }: { n: number }) {
        ran.push(n)
      }
    }
    await bench.jobs.dispatchMany(
      new MailJob(),
      Array.from({ length: 50 }, (_, n) => ({ n })),
    )
    const worker = await bench.work([MailJob], { queues: ['emails', 'emails'], stopWhenEmpty: true })
    expect((await bench.jobs.status()).workers).toMatchObject([{ queues: ['emails'] }])
    expect(await worker.done).toMatchObject({ completed: 50, lost: 0 })
    expect(ran.sort((one, other) => one - other)).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })

  test.each([
    ['is refused', new JobsError('STORE_REFUSED', 'no memory')],
    ['fails for a reason that nobody knows', new Error('odd')],
  ])('a worker whose first claim %s reports this, and works', async (_, error) => {
    await using bench = await Bench.make(connect)
    await bench.jobs.dispatch(new IdleJob())
    const { store } = await insideOf(bench.jobs).open()
    vi.spyOn(store, 'exchange').mockRejectedValueOnce(error)
    const report = new Record()
    const worker = await bench.work([IdleJob], { report, queues: 'default' })
    await report.ends(1)
    await worker.stop()
    expect(report.warnings).toEqual(expect.arrayContaining([expect.stringContaining(error.message)]))
    expect(worker.summary).toMatchObject({ completed: 1, lost: 0 })
  })

  test('each of 300 jobs wakes an idle worker', async () => {
    await using bench = await Bench.make(connect)
    let ran = signal()
    class NextJob extends Job {
      handle() {
        ran.resolve()
      }
    }
    await bench.work([NextJob])
    let longest = 0
    for (let n = 0; n < 300; n++) {
      ran = signal()
      const before = performance.now()
      // The worker settles the previous job and asks for more jobs in the same call.
      void bench.jobs.dispatch(new NextJob())
      await ran.promise
      longest = Math.max(longest, performance.now() - before)
    }
    // Without a notification, the worker checks again by itself after 3.75 s at the earliest.
    expect(longest).toBeLessThan(3_000)
  })

  test('a client that closes while its worker starts also stops the worker', async () => {
    await using bench = await Bench.make(connect)
    for (const opened of [false, true]) {
      const client = bench.client()
      if (opened) await insideOf(client).open()
      const starting = bench.work([IdleJob], {}, client)
      await client.close()
      await (await starting).done
      expect((await bench.jobs.status()).workers).toEqual([])
    }
  })
}
