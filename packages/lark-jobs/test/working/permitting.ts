import { expect, test, vi } from 'vitest'
import { group, Job, type JobConstructor, limiter } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'
import { Meter } from './meter.ts'

const limiters = { stripe: { concurrency: 2 } }

/**
 * Tests limits of a class, and limiters that classes share. A job that waits for a permit occupies no slot.
 */
export function permitting(connect: Connect): void {
  test('the limit of a class applies over all queues and workers, and waiting jobs use up no attempt', async () => {
    await using bench = await Bench.make(connect)
    const meter = new Meter()
    class ChargeJob extends Job {
      override readonly key = 'charge'
      override limiter = limiter({ concurrency: 2 })
      handle(n: number) {
        return meter.run(String(n))
      }
    }
    await bench.jobs.dispatchMany(new ChargeJob(), [1, 2, 3, 4, 5, 6])
    const low = new ChargeJob()
    low.queueName = 'low'
    await bench.jobs.dispatchMany(low, [7, 8, 9])
    const report = new Record()
    const workers = await Promise.all([
      bench.work([ChargeJob], { stopWhenEmpty: true, report }),
      bench.work([ChargeJob], { stopWhenEmpty: true, report }, bench.client()),
    ])
    await Promise.all(workers.map((worker) => worker.done))
    expect(meter.most).toBe(2)
    expect(meter.begun).toHaveLength(9)
    expect(meter.begun.filter((n) => Number(n) <= 6)).toEqual(['1', '2', '3', '4', '5', '6'])
    expect(report.endings.every(({ job, outcome }) => job.runs === 1 && outcome.kind === 'completed')).toBe(
      true,
    )
  })

  test('classes in several queues share a limiter, and jobs of each class run', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ limiters })
    const meter = new Meter()
    class CardJob extends Job {
      override readonly key = 'card'
      override limiter = 'stripe'
      handle(n: number) {
        return meter.run(`card ${n}`)
      }
    }
    class RefundJob extends Job {
      override readonly key = 'refund'
      override queueName = 'emails'
      override limiter = 'stripe'
      handle(n: number) {
        return meter.run(`refund ${n}`)
      }
    }
    const many = Array.from({ length: 40 }, (_, n) => n)
    await client.dispatchMany(new CardJob(), many)
    await client.dispatchMany(new RefundJob(), [0, 1, 2])
    await (await bench.work([CardJob, RefundJob], { stopWhenEmpty: true }, client)).done
    expect(meter.most).toBe(2)
    expect(meter.begun).toHaveLength(43)
    expect(meter.begun.lastIndexOf('refund 2')).toBeLessThan(40)
  })

  test('jobs that need no permit run while others wait for one', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ limiters: { stripe: { concurrency: 1 } } })
    const gate = signal()
    const started = signal()
    const ran: string[] = []
    class CardJob extends Job {
      override readonly key = 'card'
      override limiter = 'stripe'
      async handle(n: number) {
        ran.push(`card ${n}`)
        started.resolve()
        await gate.promise
      }
    }
    class PlainJob extends Job {
      override readonly key = 'plain'
      handle(n: number) {
        ran.push(`plain ${n}`)
      }
    }
    const report = new Record()
    await client.dispatchMany(new CardJob(), [1, 2])
    await using _worker = await bench.work([CardJob, PlainJob], { report, concurrency: 2 }, client)
    await started.promise
    await client.dispatchMany(new PlainJob(), [1, 2])
    await report.ends(2)
    expect(ran).toEqual(['card 1', 'plain 1', 'plain 2'])
    expect((await client.status()).queues.find(({ queue }) => queue === 'default')).toMatchObject({
      counts: { waiting: 1 },
    })
    gate.resolve()
    await report.ends(4)
    expect(ran.at(-1)).toBe('card 2')
  })

  test.each([
    ['at a time', 'default', undefined, 1],
    ['at a time, four slots', 'default', undefined, 4],
    ['of a queue of their own', 'emails', undefined, 1],
    ['of a queue that goes first', 'emails', ['emails', 'default'], 2],
  ] as const)(
    'jobs that need a permit get their turn among many jobs without one: %s',
    async (_, queue, queues, concurrency) => {
      await using bench = await Bench.make(connect)
      const client = bench.client({ limiters: { stripe: { concurrency: 5 } } })
      const ran: string[] = []
      class CardJob extends Job {
        override readonly key = 'card'
        override queueName = queue as string
        override limiter = 'stripe'
        handle() {
          ran.push('card')
        }
      }
      class PlainJob extends Job {
        override readonly key = 'plain'
        async handle() {
          ran.push('plain')
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      await client.dispatchMany(new PlainJob(), Array(300).fill(undefined))
      await client.dispatchMany(new CardJob(), Array(10).fill(undefined))
      const options = { stopWhenEmpty: true, concurrency, ...(queues && { queues: [...queues] }) }
      await (await bench.work([CardJob, PlainJob], options, client)).done
      expect(ran).toHaveLength(310)
      expect(ran.lastIndexOf('card')).toBeLessThan(150)
    },
  )

  test('a worker of another queue gets permits although one worker takes all its returned permits again', async () => {
    await using bench = await Bench.make(connect)
    const [one, other] = [1, 2].map(() => bench.client({ limiters: { stripe: { concurrency: 1 } } })) as [
      ReturnType<typeof bench.client>,
      ReturnType<typeof bench.client>,
    ]
    const ran: string[] = []
    class CardJob extends Job {
      override readonly key = 'card'
      override limiter = 'stripe'
      async handle(name: string) {
        ran.push(name)
        await new Promise((resolve) => setTimeout(resolve, 4))
      }
    }
    const refund = new CardJob()
    refund.queueName = 'emails'
    await one.dispatchMany(new CardJob(), Array(900).fill('card'))
    await using _first = await bench.work([CardJob], { queues: ['default'] }, one)
    await one.dispatchMany(refund, ['refund', 'refund'])
    const report = new Record()
    await using _second = await bench.work([CardJob], { queues: ['emails'], report }, other)
    await report.ends(2)
    expect(ran.length).toBeLessThan(900)
  })

  test('with a rate, jobs begin as the rate allows, also if several classes take turns', async () => {
    await using bench = await Bench.make(connect)
    const ran: string[] = []
    const classes = ['a', 'b', 'c'].map(
      (key) =>
        class CallJob extends Job {
          override readonly key = key
          override limiter = limiter({ rate: { limit: 20, per: '1h' } })
          handle(_n: number) {
            ran.push(key)
          }
        },
    )
    for (const CallJob of classes)
      await bench.jobs.dispatchMany(
        new CallJob(),
        Array.from({ length: 20 }, (_, n) => n),
      )
    await (await bench.work(classes, { stopWhenEmpty: true, concurrency: 3 })).done
    expect(ran).toHaveLength(60)
  })

  test('with a rate, as many jobs begin as allowed although claims also bring other jobs', async () => {
    await using bench = await Bench.make(connect)
    const begun: string[] = []
    class CallJob extends Job {
      override readonly key = 'call'
      override limiter = limiter({ rate: { limit: 10, per: '1h' } })
      handle() {
        begun.push('call')
      }
    }
    class PlainJob extends Job {
      override readonly key: string = 'plain'
      async handle(_n: number) {
        begun.push('plain')
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
    class GroupJob extends PlainJob {
      override readonly key = 'grouped'
      override group = group((n: number) => String(n))
    }
    const numbers = Array.from({ length: 30 }, (_, n) => n)
    await bench.jobs.dispatchMany(new PlainJob(), numbers)
    await bench.jobs.dispatchMany(new GroupJob(), numbers)
    await bench.jobs.dispatchMany(new CallJob(), Array(10).fill(undefined))
    const report = new Record()
    await using _worker = await bench.work([CallJob, PlainJob, GroupJob], { concurrency: 2, report })
    await report.ends(70)
    expect(begun.filter((name) => name === 'call')).toHaveLength(10)
    expect(begun.lastIndexOf('call')).toBeLessThan(60)
  })

  test('with a rate, a job that is given back or cancelled before its start uses no permit', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({
      limiters: { stripe: { rate: { limit: 1, per: '1h' } }, sms: { rate: { limit: 1, per: '1h' } } },
    })
    class CardJob extends Job {
      override readonly key = 'card'
      override limiter = 'stripe'
      override expiresIn: number | undefined = undefined
      handle() {}
    }
    class CodeJob extends Job {
      override readonly key = 'code'
      override limiter = 'sms'
      handle() {}
    }
    class OldJob extends Job {
      override readonly key = 'old'
      override limiter = 'sms'
      handle() {}
    }
    const late = new CardJob()
    late.expiresIn = 1
    await client.dispatchMany(late, [undefined, undefined])
    await client.dispatch(new OldJob())
    await new Promise((resolve) => setTimeout(resolve, 2))
    await client.dispatch(new CardJob())
    await client.dispatch(new CodeJob())
    const report = new Record()
    await using _worker = await bench.work([CardJob, CodeJob], { report }, client)
    await report.ends(5)
    expect(report.endings.map(({ name, outcome }) => `${name} ${outcome.kind}`).sort()).toEqual([
      'CardJob cancelled',
      'CardJob cancelled',
      'CardJob completed',
      'CodeJob completed',
      'old released',
    ])
  })

  test('a worker that is quiet for a moment during a claim keeps the permits of this claim', async () => {
    await using bench = await Bench.make(connect)
    const rate = { limit: 1, per: 3_600_000, kind: 'sliding', burst: 1 } as const
    const client = bench.client({ limiters: { stripe: { rate: { limit: 1, per: '1h' } } } })
    class CardJob extends Job {
      override readonly key = 'card'
      override limiter = 'stripe'
      handle() {}
    }
    await client.dispatchMany(new CardJob(), [undefined, undefined])
    const { store } = await insideOf(client).open()
    const exchange = store.exchange.bind(store)
    const [claimed, answered] = [signal(), signal()]
    vi.spyOn(store, 'exchange').mockImplementation(async (...args) => {
      const reply = await exchange(...args)
      if (args[3].permits === undefined) return reply
      claimed.resolve()
      await answered.promise
      return reply
    })
    const report = new Record()
    await using worker = await bench.work([CardJob], { report }, client)
    await claimed.promise
    worker.quiet()
    worker.resume()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const free = async () => (await store.limiters.look('stripe', { limits: { rate }, each: 1 })).free
    expect(await free()).toBe(0)
    answered.resolve()
    await report.ends(1)
    expect(await free()).toBe(0)
  })

  test('a class that has a new name or no limits any more runs jobs that were dispatched before', async () => {
    await using bench = await Bench.make(connect)
    const ran: number[] = []
    const jobOf = (key: string, option?: ReturnType<typeof limiter>, aliases: string[] = []) =>
      class CallJob extends Job {
        override readonly key = key
        override aliases = aliases
        override limiter = option
        handle(n: number) {
          ran.push(n)
        }
      }
    await bench.jobs.dispatch(new (jobOf('old', limiter({ concurrency: 2 })))(), 1)
    await bench.jobs.dispatch(new (jobOf('free', limiter({ concurrency: 2 })))(), 2)
    const classes = [jobOf('new', limiter({ concurrency: 1 }), ['old']), jobOf('free')]
    await (await bench.work(classes, { stopWhenEmpty: true })).done
    expect(ran.sort()).toEqual([1, 2])
  })

  test('with a rate, no job begins too early, and no job is released', async () => {
    await using bench = await Bench.make(connect)
    const times: number[] = []
    class CallJob extends Job {
      override readonly key = 'call'
      override limiter = limiter({ rate: { limit: 2, per: 300 } })
      handle() {
        times.push(performance.now())
      }
    }
    await bench.jobs.dispatchMany(
      new CallJob(),
      Array.from({ length: 6 }, () => undefined),
    )
    const report = new Record()
    await (await bench.work([CallJob], { stopWhenEmpty: true, report })).done
    expect(times).toHaveLength(6)
    // A job may begin a little after its permit was granted.
    for (let i = 2; i < times.length; i++) expect(times[i]! - times[i - 2]!).toBeGreaterThan(200)
    expect(report.endings.filter(({ outcome }) => outcome.kind !== 'completed')).toEqual([])
  })

  test('a worker that ends gives its permits back before its lease ends', async () => {
    await using bench = await Bench.make(connect)
    const [one, other] = [bench.client({ limiters }), bench.client({ limiters })]
    const started = signal()
    let stuck = 0
    class CardJob extends Job {
      override readonly key = 'card'
      override limiter = 'stripe'
      handle(_n: number): Promise<void> | undefined {
        if (stuck === 2) return undefined
        if (++stuck === 2) started.resolve()
        return new Promise((_, reject) => {
          this.signal.addEventListener('abort', () => reject(this.signal.reason))
        })
      }
    }
    await one.dispatchMany(new CardJob(), [1, 2, 3, 4])
    const worker = await bench.work([CardJob], { lease: 600_000 }, one)
    await started.promise
    const report = new Record()
    await using _second = await bench.work([CardJob], { report }, other)
    await worker.stop(0)
    expect(worker.summary.released).toBe(2)
    await report.ends(4)
  })

  test('a dispatch is refused if the limiter is unknown or has fewer permits than the job needs', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ limiters })
    const jobOf = (option: unknown): JobConstructor =>
      class CardJob extends Job {
        override readonly key = 'card'
        override limiter = option as string
        handle(_n: number) {}
      }
    const dispatch = (option: unknown) => insideOf(client).enqueue(new (jobOf(option))(), [1])
    await expect(dispatch('strip')).rejects.toMatchObject({
      code: 'UNKNOWN_LIMITER',
      message: "CardJob: 'strip' is not a configured limiter",
      hint: 'Did you mean stripe?',
    })
    await expect(dispatch(limiter('stripe', { weight: 3 }))).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: "CardJob: limiter.weight is 3; it must be at most 2, which is all that 'stripe' gives out",
    })
    for (const [option, message] of [
      [7, 'CardJob: limiter is 7; it must be the name of a limiter'],
      [limiter({ concurrency: -1 }), 'CardJob: limiter.concurrency is -1; it must be a whole number from 1'],
      [limiter('stripe', { weight: 0 }), 'CardJob: limiter.weight is 0; it must be a whole number from 1'],
      [limiter({}), 'CardJob: limiter is {}; it must be limiter() with concurrency, rate, or both'],
    ] as const)
      await expect(dispatch(option)).rejects.toMatchObject({
        code: 'JOB_INVALID',
        message: expect.stringContaining(message),
      })
  })
}
