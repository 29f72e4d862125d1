import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import type { FlowDraft } from '../../src/api/flows/flow-draft.ts'
import type { FlowHandle } from '../../src/api/flows/flow-handle.ts'
import {
  batch,
  circuitBreaker,
  defineSignal,
  group,
  Job,
  type Jobs,
  type JobsConfig,
  limiter,
  unique,
  type WorkOptions,
  workflow,
} from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { memberId } from '../../src/model/effect.ts'
import { indexOf } from '../../src/model/flow.ts'
import { newId } from '../../src/model/id.ts'
import type { WorkerRecord } from '../../src/model/record.ts'
import { heldReason } from '../../src/operate/why/reasons-of-state.ts'
import { operate, type Reason, reasonKinds } from '../../src/operate.ts'
import { MAX_CRASHES } from '../../src/store/contract/store.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

const program = fileURLToPath(new URL('dying.js', import.meta.url))
const HOUR = 3_600_000
const LEASE = 15_000

let begun = signal()
let go = signal()
afterEach(() => go.resolve())

/** Runs until a test ends it. */
abstract class HeldJob extends Job {
  override tries = 1
  async handle(_payload: { shop?: string } = {}): Promise<unknown> {
    begun.resolve()
    return go.promise
  }
}
class PlainJob extends HeldJob {
  override readonly key = 'plain'
}
class ShopJob extends HeldJob {
  override readonly key = 'shop'
  override group = group((payload: { shop?: string }) => payload.shop ?? 'acme', { concurrency: 1 })
}
class RatedJob extends HeldJob {
  override readonly key = 'rated'
  override group = group(() => 'slow', { rate: { limit: 1, per: '1h' } })
}
class StrictJob extends HeldJob {
  override readonly key = 'strict'
  override group = group(() => 'ledger', { strict: true })
}
class KeepLastJob extends HeldJob {
  override readonly key = 'keep-last'
  override unique = unique({ keepLast: true })
}
class OnceJob extends HeldJob {
  override readonly key = 'once'
  override unique = unique()
}
class OwnLimitJob extends HeldJob {
  override readonly key = 'own-limit'
  override limiter = limiter({ concurrency: 1 })
}
class OwnRateJob extends HeldJob {
  override readonly key = 'own-rate'
  override limiter = limiter({ rate: { limit: 1, per: '1h' } })
}
class StripeJob extends HeldJob {
  override readonly key = 'stripe'
  override limiter = 'stripe'
}
class MailJob extends HeldJob {
  override readonly key = 'mail'
  override limiter = limiter('mail', { weight: 2 })
}
class DyingJob extends HeldJob {
  override readonly key = 'dying'
}
class FailJob extends Job {
  override readonly key: string = 'fail'
  override tries = 2
  override backoff = '1h'
  override group = group(() => 'books', { strict: true })
  handle() {
    throw new Error('mailbox full\nline two')
  }
}
class OpenJob extends Job {
  override readonly key: string = 'open'
  override tries = 1
  override middleware() {
    return [circuitBreaker({ failures: 1, pause: '1h' })]
  }
  handle() {
    throw new Error('503')
  }
}
class NamedJob extends OpenJob {
  override readonly key = 'named'
  override middleware() {
    return [circuitBreaker({ failures: 1, pause: '1h', name: 'stripe' })]
  }
}

const everyClass = [
  ...[PlainJob, ShopJob, RatedJob, StrictJob, KeepLastJob, OnceJob, OwnLimitJob, StripeJob, MailJob],
  ...[OwnRateJob, FailJob, OpenJob, NamedJob],
]

/** Removes the durations from a text. */
function timeless(text: string): string {
  return text.replace(/\d[\d.]* (ms|s|min|h)\b( \d+ \w+)?/g, '…')
}

/** Tests which reasons a waiting job has. */
export function explaining(connect: Connect): void {
  const seen = new Set<string>()

  async function make(config: JobsConfig = {}) {
    ;[begun, go] = [signal(), signal()]
    const bench = await Bench.make(connect)
    const jobs = bench.client(config)
    const reasons = async (id: string | null | undefined): Promise<Reason[]> => {
      const found = (await operate(jobs).why(id!))?.reasons ?? []
      for (const { kind } of found) seen.add(kind)
      return found
    }
    return {
      jobs,
      reasons,
      place: bench.place,
      client: (config: JobsConfig) => bench.client(config),
      /** Returns the reasons as kinds and texts, without ids and times. */
      told: async (id: string | null | undefined) =>
        (await reasons(id)).map(({ kind, text }) => `${kind}: ${timeless(text)}`),
      work: (concurrency = 10, options: WorkOptions = {}) =>
        bench.work(everyClass, { concurrency, ...options }, jobs),
      /** Starts a worker that dies in a job of the key `dying`. */
      async dies() {
        const { connection, prefix = '' } = bench.place
        const dying = spawn(process.execPath, [program, connection, prefix], { stdio: 'ignore' })
        expect(await once(dying, 'exit')).toEqual([null, 'SIGKILL'])
      },
      [Symbol.asyncDispose]: async () => {
        go.resolve()
        await bench[Symbol.asyncDispose]()
      },
    }
  }
  const queued = async (jobs: Jobs, ...all: Job[]) =>
    (await jobs.dispatch(all.map((each) => (each as PlainJob).with({})))).map(({ id }) => id)
  /** Waits until a worker has done something. */
  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { interval: 20 })

  test('the reasons are pauses, a missing worker, or other jobs that run first', async () => {
    await using bench = await make({ queues: ['default'] })
    const { jobs, told, reasons } = bench
    const [first, second] = await queued(jobs, new PlainJob(), new ShopJob())
    expect(await told(first)).toEqual(['no-worker: No living worker serves its queue default'])
    await jobs.pause({ queue: 'default', because: 'a deploy', for: '5m' })
    await jobs.pause({ queue: 'default', group: 'acme' })
    const all = await reasons(second)
    expect(all).toEqual([
      {
        kind: 'paused-queue',
        text: expect.stringMatching(/^Its queue default is paused \(a deploy\): for [\d. a-z]+$/),
        until: expect.any(Number),
        remedy: { do: 'resume', queue: 'default' },
      },
      {
        kind: 'paused-group',
        text: 'Its group acme is paused: until somebody resumes it',
        remedy: { do: 'resume', queue: 'default', group: 'acme' },
      },
      {
        kind: 'no-worker',
        text: 'No living worker serves its queue default',
        remedy: { do: 'start-worker', queue: 'default' },
      },
    ])
    await jobs.resume({ queue: 'default' })
    const [vip] = await jobs.dispatch([new PlainJob().with({}).withOptions({ priority: 5 })])
    expect(await told(first)).toContain('behind: 1 job of queue default goes before it, 1 by priority')
    expect((await told(vip!.id)).join()).not.toContain('behind')
  })

  test('for a delayed job, a pause that ends before the job is due is no reason', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const [later] = await jobs.dispatch([new PlainJob().with({}).delayed('1h')])
    await jobs.pause({ queue: 'default', for: '5m' })
    const none = 'no-worker: No living worker serves its queue default'
    expect(await told(later!.id)).toEqual([none, 'delayed: It is delayed: due in …'])
    expect((await reasons(later!.id))[1]?.until).toBeGreaterThan(Date.now() + HOUR / 2)
    await jobs.pause({ queue: 'default' })
    expect(await told(later!.id)).toEqual([
      'paused-queue: Its queue default is paused: until somebody resumes it',
      none,
      'delayed: It is delayed: due in …',
    ])
  })

  test('the reasons are workers that take no more jobs, or a key that no worker knows', async () => {
    await using bench = await make()
    const { jobs, told } = bench
    class NewJob extends HeldJob {
      override readonly key = 'new'
    }
    const worker = await bench.work()
    const [id] = await queued(jobs, new NewJob())
    // Workers take the job and put it back.
    await eventually(async () =>
      expect((await told(id))[0]).toBe(
        'unknown-key: No living worker of its queue default knows the key new',
      ),
    )
    worker.quiet()
    await eventually(async () =>
      expect((await told(id))[0]).toBe(
        `no-worker: The workers of its queue default are quiet, and take no more jobs: ${worker.id}`,
      ),
    )
  })

  test('the reasons are a full group, the rate of a group, a strict group, or a job with the same lock', async () => {
    await using bench = await make()
    const { jobs, reasons } = bench
    const worker = await bench.work()
    const of = async (each: new () => Job) => {
      const [first] = await queued(jobs, new each())
      await eventually(async () => expect((await reasons(first))[0]?.kind).toBe('running'))
      const [second] = await queued(jobs, new each())
      return [first!, (await reasons(second))[0]!] as const
    }
    const [first, full] = await of(ShopJob)
    const held = `worker ${worker.id} (${hostname()}, pid ${process.pid}) has run it for …`
    expect({ ...full, text: timeless(full.text) }).toEqual({
      kind: 'group-limit',
      text: `Its group acme runs as many jobs as it may (1), ${first}: ${held}`,
      jobs: [first],
      remedy: { do: 'see-why', job: first },
    })
    const [, rated] = await of(RatedJob)
    expect(rated.text).toMatch(/^The rate of its group slow allows the next job in (1 h|59 min \d+ s)$/)
    expect(rated.until).toBeGreaterThan(Date.now())
    const [ahead, strict] = await of(StrictJob)
    expect({ ...strict, text: timeless(strict.text) }).toEqual({
      kind: 'strict',
      text: `Its group ledger is strict, and job ${ahead} goes first: ${held}`,
      jobs: [ahead],
      remedy: { do: 'see-why', job: ahead },
    })
    const [last, locked] = await of(KeepLastJob)
    expect(locked.kind).toBe('lock')
    expect(timeless(locked.text)).toBe(`It is unique, and job ${last} goes first: ${held}`)
  })

  test('the reason is a rate of a group that only another version of Lark knows', async () => {
    await using bench = await make()
    const { jobs, reasons, place } = bench
    const [id] = await queued(jobs, new RatedJob())
    await place.rewordLimits!('sliding', 'leaky')
    const text =
      'Its group slow has a rate of the kind leaky, which this version of Lark does not know: only a worker of a later version begins it'
    expect(await reasons(id)).toContainEqual({ kind: 'group-limit', text })
  })

  test('in a strict group, the reason is an earlier job that is retried, with its error', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const [first, second] = await queued(jobs, new FailJob(), new FailJob())
    await bench.work()
    await eventually(async () =>
      expect(await told(first)).toEqual(['delayed: It is retried in …: run 1 failed (Error: mailbox full)']),
    )
    const [strict] = await reasons(second)
    expect(strict?.text).toMatch(/^Its group books is strict, and job \S+ goes first: it is due again in /)
    expect(strict).toMatchObject({ kind: 'strict', jobs: [first], until: expect.any(Number) })
  })

  test('in a strict group, the reason is an earlier job that waits for a signal without a timeout', async () => {
    await using bench = await make()
    class AskJob extends Job {
      override group = group(() => 'desk', { strict: true })
      async handle() {
        await this.waitFor(defineSignal('approved'))
      }
    }
    const [first, second] = await queued(bench.jobs, new AskJob(), new AskJob())
    await bench.jobs.work({ jobs: [AskJob], report: new Record() })
    await eventually(async () => expect((await bench.reasons(first))[0]?.kind).toBe('suspended'))
    expect((await bench.reasons(second))[0]).toEqual({
      kind: 'strict',
      text: `Its group desk is strict, and job ${first} goes first: it is suspended: it waits for the signal approved`,
      jobs: [first],
      remedy: { do: 'see-why', job: first },
    })
  })

  test('the reasons are limiters of the class or the configuration, or a need for more permits than there are', async () => {
    const rate = { limit: 3, per: '1h' }
    await using bench = await make({ limiters: { stripe: { concurrency: 1 }, mail: { rate } } })
    const { jobs, reasons } = bench
    const worker = await bench.work()
    const ids = await queued(jobs, ...[StripeJob, OwnLimitJob, MailJob].map((each) => new each()))
    await queued(jobs, new OwnRateJob())
    for (const id of ids) await eventually(async () => expect((await reasons(id))[0]?.kind).toBe('running'))
    const others = await queued(jobs, ...[StripeJob, OwnLimitJob, MailJob].map((each) => new each()))
    const first = async (id: string | undefined) => (await reasons(id))[0]
    const by = (id: string) => ({ workers: [worker.id], jobs: [id], remedy: { do: 'see-why', job: id } })
    expect(await first(others[0])).toEqual({
      kind: 'limiter',
      text: `Limiter stripe has no free permit until a job ends: worker ${worker.id} has 1`,
      ...by(ids[0]!),
    })
    // A worker must have asked for a permit before, or have announced the limits of its class.
    await eventually(async () =>
      expect(await first(others[1])).toEqual({
        kind: 'class-limit',
        text: `The limiter of its class has no free permit until a job ends: worker ${worker.id} has 1`,
        ...by(ids[1]!),
      }),
    )
    const mail = (await first(others[2]))!
    expect(mail.text).toMatch(/^The rate of limiter mail grants 2 permits in (1 h|59 min)/)
    expect(mail).toMatchObject({ kind: 'limiter', until: expect.any(Number), remedy: { do: 'see-limiters' } })
    // The configuration of this process grants fewer permits.
    const narrow = operate(bench.client({ limiters: { mail: { rate: { ...rate, limit: 1 } } } }))
    expect((await narrow.why(others[2]!))?.reasons[0]?.text).toBe(
      'Limiter mail never grants more than 1 permits at once, and it needs 2',
    )
    // A worker announces the limits of its classes at the latest when it takes no more jobs.
    worker.quiet()
    const [rated] = await queued(jobs, new OwnRateJob())
    await eventually(async () => expect((await reasons(rated))[1]?.until).toBeGreaterThan(Date.now()))
    const [, own] = await reasons(rated)
    expect(own).toMatchObject({ kind: 'class-limit', remedy: { do: 'see-limiters' } })
    expect(timeless(own!.text)).toBe('The rate of the limiter of its class grants a permit in …')
    expect(await operate(jobs).limiters()).toContainEqual(
      expect.objectContaining({
        limiter: 'class:own-rate',
        limits: expect.objectContaining({ rate: expect.anything() }),
      }),
    )
  })

  test('for a class with only a rate, the end of a job is no reason, even right after its worker has started', async () => {
    await using bench = await make()
    const { jobs, reasons } = bench
    await bench.work()
    const [, second] = await queued(jobs, new OwnRateJob(), new OwnRateJob())
    const texts: string[] = []
    await eventually(async () => {
      const found = await reasons(second)
      texts.push(...found.map(({ text }) => text))
      expect(found.find(({ kind }) => kind === 'class-limit')?.until).toBeGreaterThan(Date.now())
    })
    expect(texts.join('\n')).not.toContain('until a job ends')
  })

  test('the reasons are limits of the queue', async () => {
    const rate = { limit: 1, per: '1h' }
    await using bench = await make({ queues: { default: { concurrency: 1 }, low: { rate } } })
    const { jobs, told, reasons } = bench
    const worker = await bench.work()
    const drafts = ['default', 'low'].map((queue) => new PlainJob().with({}).onQueue(queue))
    for (const { id } of await jobs.dispatch(drafts))
      await eventually(async () => expect((await reasons(id))[0]?.kind).toBe('running'))
    const [full, rated] = await jobs.dispatch(
      drafts.map((_, i) => new PlainJob().with({}).onQueue(['default', 'low'][i]!)),
    )
    expect(await told(full!.id)).toEqual([
      `queue-limit: Its queue default runs as many jobs as it may (1): worker ${worker.id} has 1`,
    ])
    expect((await reasons(full!.id))[0]?.remedy).toEqual({ do: 'see-active', queue: 'default' })
    expect(await told(rated!.id)).toEqual(['queue-limit: The rate of its queue low allows the next job in …'])
  })

  test('the reasons are busy workers, the turns of other groups, or there is no reason', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const worker = await bench.work(1)
    const [first] = await queued(jobs, new PlainJob())
    await begun.promise
    const shops = await jobs.dispatch(['a', 'b'].map((shop) => new ShopJob().with({ shop })))
    const busy = 'busy-workers: All slots (1) of its worker are in use'
    expect(await told(shops[0]!.id)).toEqual([busy])
    expect(await told(shops[1]!.id)).toEqual([busy, 'turn: 1 group has its turn before its group b'])
    expect((await reasons(shops[0]!.id))[0]?.workers).toEqual([worker.id])
    expect((await reasons(first))[0]).toMatchObject({
      kind: 'running',
      text: expect.stringMatching(/^Worker \S+ \(\S+, pid \d+\) has run it for /),
      workers: [worker.id],
    })
    await jobs.cancel(first!, { because: 'too late' })
    // The handler of the job does not listen to its signal.
    const [asked] = await reasons(first)
    expect(asked?.text).toMatch(
      /has run it for .+\. It was asked to end \d+ m?s ago \(user: too late\), and does when its handler ends, or its worker stops$/,
    )
    expect(asked?.askedAt).toBeGreaterThan(0)
    const { lease, ...stand } = (await (await insideOf(jobs).open()).store.stand('default', first!, {}))!
    const late = { ...stand, at: stand.at + 180_000, lease: { ...lease!, until: stand.at + 200_000 } }
    expect(heldReason(late, await operate(jobs).workers.list()).text).toMatch(
      /It was asked to end 3 min.* ago \(user: too late\); its handler ignores its signal\. It ends when/,
    )
    // No worker has taken the job yet.
    const { store } = await insideOf(jobs).open()
    const idle: WorkerRecord = { ...(await operate(jobs).workers.list())[0]!, id: 'idle', running: 0 }
    await store.announce(idle, LEASE)
    expect(await told(shops[0]!.id)).toEqual([
      'next: Nothing keeps it from beginning: the next free worker takes it',
    ])
  })

  test('the reasons are open circuits of the class, or shared circuits', async () => {
    await using bench = await make()
    const { jobs, told } = bench
    const worker = await bench.work()
    const before = await queued(jobs, new OpenJob(), new NamedJob())
    for (const id of before)
      await eventually(async () => expect(await told(id)).toEqual(['ended: It failed … ago: Error: 503']))
    const [own, named] = await queued(jobs, new OpenJob(), new NamedJob())
    const back = (of: string) => `delayed: It was put back, and is due in …: the circuit ${of} is open`
    const opened = (of: string) =>
      `circuit: The circuit ${of} is open for …: until then its jobs are put back`
    await eventually(async () => expect(await told(own)).toEqual([back('of open'), opened('of its class')]))
    await jobs.pause({ queue: 'default' })
    const [next] = await queued(jobs, new OpenJob())
    expect((await told(next)).slice(1)).toEqual([opened('of its class')])
    await jobs.resume({ queue: 'default' })
    // A worker announces the circuits that it has used at the latest when it takes no more jobs.
    worker.quiet()
    await eventually(async () => expect(await told(named)).toContain(opened('stripe')))
    // No worker has claimed this job.
    const [untouched] = await queued(jobs, new NamedJob())
    expect(await told(untouched)).toContain(opened('stripe'))
  })

  test('the reason is a worker that serves other queues first', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const worker = await bench.work(1, { queues: ['emails', 'low'] })
    const emails = Array.from({ length: 3 }, () => new PlainJob().with({}).onQueue('emails'))
    await jobs.dispatch(emails)
    await begun.promise
    const [low] = await jobs.dispatch([new PlainJob().with({}).onQueue('low')])
    const busy = 'busy-workers: All slots (1) of its worker are in use'
    await eventually(async () =>
      expect(await told(low!.id)).toEqual([
        `queue-order: Worker ${worker.id} serves other queues before low: 2 jobs wait in emails`,
        busy,
      ]),
    )
    expect((await reasons(low!.id))[0]).toMatchObject({ workers: [worker.id], remedy: { do: 'see-queues' } })
    // Jobs of a paused queue do not hold back the jobs of other queues.
    await jobs.pause({ queue: 'emails' })
    expect(await told(low!.id)).toEqual([busy])
  })

  test('for an ended job, the reason is its end, or a lock that prevents a retry', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const [cancelled] = await queued(jobs, new OnceJob())
    await jobs.cancel(cancelled!, { because: 'sold out' })
    expect(await told(cancelled)).toEqual(['ended: It was cancelled … ago (user: sold out)'])
    const [holder] = await queued(jobs, new OnceJob())
    expect(await reasons(cancelled)).toMatchObject([
      { kind: 'ended' },
      {
        kind: 'lock',
        text: `It cannot be queued again while job ${holder} has its unique lock`,
        jobs: [holder],
      },
    ])
    await expect(jobs.retry(cancelled!)).rejects.toMatchObject({
      code: 'JOB_NOT_RETRIABLE',
      message: expect.stringContaining(`another job of its kind exists: ${holder}`),
    })
    go.resolve()
    await bench.work()
    await eventually(async () => expect(await told(holder)).toEqual(['ended: It completed … ago']))
    expect(await operate(jobs).why(newId())).toBeUndefined()
  })

  test('for a job that failed because its workers died, the reason says so and advises to inspect the job', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const [id] = await queued(jobs, new PlainJob())
    const { store } = await insideOf(jobs).open()
    for (let number = 1; number <= MAX_CRASHES; number++) {
      const found = await store.exchange('default', { caller: 'dead', number }, [], {
        ...{ limit: 1, leaseMs: 60_000 },
      })
      const notes = found.jobs.map(({ id, token }) => ({ id, token, alone: true }))
      await store.extend('default', 'dead', notes, 60_000)
      await store.recover('default', { holder: 'dead', cause: 'ended with exit code 3', fromWithin: true })
    }
    expect(await told(id)).toEqual([
      'ended: It failed … ago: JobsError: its process ended with exit code 3. Its worker died 3 times while it ran: if you retry it before its cause is fixed, others may die',
    ])
    expect(await reasons(id)).toMatchObject([{ remedy: { do: 'see-errors', job: id } }])
  })

  test('the reasons are a silent worker, a prefetch, or an unreadable record', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const { store } = await insideOf(jobs).open()
    const [lost] = await queued(jobs, new DyingJob())
    await bench.dies()
    await eventually(async () => expect((await reasons(lost))[0]?.kind).toBe('silent-worker'))
    expect((await told(lost))[0]).toMatch(/ is silent: its lease ended … ago, and then a living worker puts /)
    const [first, second] = await queued(jobs, new PlainJob(), new PlainJob())
    const call = { caller: 'ghost', number: 1 }
    await store.exchange('default', call, [], { limit: 1, prefetch: 1, leaseMs: LEASE })
    const [silent] = await reasons(first)
    expect(silent?.text).toMatch(
      /^Worker ghost holds it, and is silent: its lease ends in [\d.]+ s, and then a living worker puts the job back\. If the end moves on, its process lives, and a handler blocks it$/,
    )
    const more = { until: expect.any(Number), remedy: { do: 'see-workers' } }
    expect(silent).toMatchObject({ kind: 'silent-worker', workers: ['ghost'], ...more })
    const alive: WorkerRecord = {
      ...{ id: 'ghost', host: 'web-1', pid: 7, queues: ['default'], strict: false, keys: ['plain'] },
      ...{ concurrency: 1, running: 1, startedAt: 0, state: 'running' },
    }
    await store.announce(alive, LEASE)
    expect(await told(second)).toEqual([
      'prefetched: Worker ghost (web-1, pid 7) took it … ago, and has not begun: it runs 1 of 1 jobs',
    ])
    expect((await reasons(first))[0]?.kind).toBe('running')
    const until = Date.now() + 600_000
    await store.announce({ ...alive, alone: { job: first!, until } }, LEASE)
    expect(await reasons(second)).toMatchObject([
      {
        kind: 'prefetched',
        text: expect.stringMatching(
          ` and has not begun: it starts no other job beside ${first}, which may have killed its process before: for up to `,
        ),
        ...{ until, jobs: [first], remedy: { do: 'see-why', job: first } },
      },
    ])
    const blocks = { by: ['ShopJob'], since: Date.now() - 12_000 }
    await store.noteBlocking('ghost', blocks)
    expect((await reasons(first))[0]?.text).toMatch(
      /^Worker ghost \(web-1, pid 7\) has run it for .+\. ShopJob has blocked its event loop for 1\d.* s: isolate = isolated\(\) in the class /,
    )
    // The worker counts as silent now, and the lease of the job is not over.
    await store.announce(alive, 1)
    await store.noteBlocking('ghost', blocks)
    await eventually(async () => {
      const text = (await reasons(first))[0]?.text
      expect(text).toMatch(/^Worker ghost \(web-1, pid 7\) holds it, and is silent: its lease ends in /)
      expect(text).toMatch(/ puts the job back\. ShopJob has blocked its event loop for /)
    })
    const { silent: unheard } = await operate(jobs).workers.unheard()
    expect(unheard).toMatchObject([{ id: 'ghost', blocks }])
    const { text } = (await operate(jobs).doctor()).find(({ code }) => code === 'blocked-loop')!
    expect(text).toMatch(/^had their event loops blocked within an hour: ShopJob for .+ so far$/)
    const damaged = { id: newId(), key: 'plain', payload: '{}', options: [] as never }
    await store.enqueue('default', { caller: 'web', number: 1 }, [damaged])
    expect((await told(damaged.id))[0]).toBe('unreadable: Its record is damaged: options')
  })

  test('a node of a flow waits for another node, or never started', async () => {
    await using bench = await make()
    const { jobs, told, reasons } = bench
    const dispatch = async (draft: FlowDraft) => ((await insideOf(jobs).dispatchFlow(draft)) as FlowHandle).id
    const flow = await dispatch(
      workflow('order', (w) => {
        const charge = w.add(new FailJob().with().withOptions({ tries: 1 }), { name: 'charge' })
        w.add(new PlainJob().with({}), { name: 'pack', after: charge })
      }).onFailed(new PlainJob().with({})),
    )
    const { home } = (await operate(jobs).flows.get(flow))!
    const node = (index: number) => memberId({ flow, home, index: indexOf(index, 0) })
    expect(await told(node(0))).toEqual(['no-worker: No living worker serves its queue default'])
    expect(await reasons(node(1))).toEqual([
      {
        kind: 'blocked',
        text: 'It waits for node charge of workflow order, which has not ended',
        flow: { id: flow, home },
        jobs: [node(0)],
        remedy: { do: 'see-why', job: node(0) },
      },
    ])
    expect(await told(node(2))).toEqual([
      'blocked: It is a callback: it starts when workflow order has failed',
    ])
    expect(await told(node(3))).toEqual([])
    expect(await operate(jobs).why(node(1))).toMatchObject({
      state: 'blocked',
      key: 'plain',
      queue: 'default',
    })
    await bench.work()
    await eventually(async () =>
      expect(await told(node(1))).toEqual([
        'ended: It was skipped in workflow order: charge did not complete',
      ]),
    )
    // The flow still knows how a job ended whose record is not kept.
    await jobs.remove(node(0))
    expect(await told(node(0))).toEqual(['ended: It failed in workflow order: mailbox full'])
    await jobs.purge(node(0))
    expect(await told(node(0))).toEqual(['ended: It failed in workflow order'])
    const members = await dispatch(batch([new PlainJob().with({})]).onFailed(new PlainJob().with({})))
    const { home: other } = (await operate(jobs).flows.get(members))!
    const callback = memberId({ flow: members, home: other, index: indexOf(0, 0) })
    expect((await told(callback))[0]).toMatch(
      /^blocked: It is a callback: it starts when batch \S+ has failed$/,
    )
    go.resolve()
    await eventually(async () => expect((await told(callback))[0]).toMatch(/^ended: .+ was not needed$/))
  })

  test('a suspended job says what it waits for', async () => {
    await using bench = await make()
    class SleepJob extends Job {
      async handle() {
        await this.sleep('nap', '1h')
      }
    }
    const id = (await bench.jobs.dispatch(new SleepJob().with())).id
    await bench.jobs.work({ jobs: [SleepJob], report: new Record() })
    await eventually(async () => {
      const [reason, ...others] = await bench.reasons(id)
      expect([reason?.kind, others]).toEqual(['suspended', []])
    })
  })

  test('a job whose steps are undone says so while it runs, between two tries, and after its end', async () => {
    await using bench = await make()
    let giveUp = () => {}
    const undoing = new Promise<void>((resolve) => {
      giveUp = resolve
    })
    class TripJob extends Job {
      override tries = 1
      async handle() {
        await this.step('book', () => 1, {
          backoff: '1h',
          undo: async () => {
            await undoing
            throw new Error('down')
          },
        })
        throw new Error('sold out')
      }
    }
    const id = (await bench.jobs.dispatch(new TripJob().with())).id
    await bench.jobs.work({ jobs: [TripJob], report: new Record() })
    const texts = async () => (await bench.reasons(id)).map(({ kind, text }) => `${kind}: ${text}`)
    const first = 'undoing: Its steps are undone, and then it fails: Error: sold out'
    await eventually(async () => expect(await texts()).toEqual([first, expect.stringMatching(/^running: /)]))
    giveUp()
    const next = /^delayed: A step could not be undone: the next try is in (1 h|59 min)/
    await eventually(async () => expect(await texts()).toEqual([first, expect.stringMatching(next)]))
  })

  test('the tests above have seen each kind of reason', () => {
    // `redis/refusal.test.ts` tests the reasons of the store, on its own server.
    expect([...seen, 'store'].sort()).toEqual([...reasonKinds].sort())
  })
}
