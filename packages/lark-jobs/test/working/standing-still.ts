/** `operate().incidents()` with real workers: any process can report the queues that stand still or fail. */
import { expect, test } from 'vitest'
import { group, Job } from '../../src/index.ts'
import { operate, type QueueIncident } from '../../src/operate.ts'
import { Bench, type Connect, Record } from './bench.ts'

class UnservedJob extends Job {
  override readonly key = 'unserved'
  override queueName = 'unserved'
  handle() {}
}
class PausedJob extends Job {
  override readonly key = 'paused'
  override queueName = 'paused'
  handle() {}
}
class DeclinedJob extends Job {
  override readonly key = 'declined'
  override queueName = 'payments'
  override tries = 1
  handle({ order }: { order: number }) {
    throw new TypeError(`card of order ${order} was declined`)
  }
}

export function standingStill(connect: Connect) {
  test('incidents say which queues stand still or fail, since when, why, and what to do', async () => {
    await using bench = await Bench.make(connect)
    const config = { queues: ['unserved', 'paused', 'payments'], release: 'r7' }
    const client = bench.client(config)
    const report = new Record()
    await bench.work([PausedJob, DeclinedJob], { queues: ['paused', 'payments'], report }, client)
    await operate(client, { actor: { name: 'ada' } }).pause({
      queue: 'paused',
      because: 'the bank is closed',
    })
    const before = Date.now()
    await client.dispatch([new UnservedJob().with(), new UnservedJob().with()])
    await client.dispatch([new PausedJob().with()])
    await client.dispatch(Array.from({ length: 12 }, (_, order) => new DeclinedJob().with({ order })))
    await report.ends(12)
    // Another client, as another process after a restart.
    const found = async () => {
      const all = await operate(bench.client(config)).incidents()
      return all.flatMap((each): QueueIncident[] => (each.kind === 'finding' ? [] : [each]))
    }
    await expect.poll(async () => (await found()).length).toBe(3)
    const [still, failing, paused] = (await found()).sort(
      (one, other) => one.level.localeCompare(other.level) || other.queue.localeCompare(one.queue),
    )
    expect(still).toMatchObject({
      ...{ kind: 'still', level: 'error', queue: 'unserved', jobs: 2, because: { kind: 'no-worker' } },
      action: { do: 'start-worker', queue: 'unserved' },
    })
    expect(failing).toMatchObject({
      ...{ kind: 'failing', level: 'error', queue: 'payments', jobs: 12, of: 12 },
      failure: { key: 'declined', name: 'TypeError', message: 'card of order … was declined', count: 12 },
      action: { do: 'see-failures', queue: 'payments' },
    })
    expect(failing?.failure?.releases).toEqual(['r7'])
    expect(paused).toMatchObject({
      ...{ kind: 'paused', level: 'warning', queue: 'paused', jobs: 1 },
      pause: { because: 'the bank is closed' },
      action: { do: 'resume', queue: 'paused' },
    })
    expect(paused?.pause?.by).toMatch(/^ada/)
    // The clock of the store may differ by some seconds from that of this process.
    for (const { since = 0 } of [still!, failing!, paused!])
      expect(Math.abs(since - before)).toBeLessThan(10_000)
    expect(await operate(client).incidents({ queue: 'payments' })).toMatchObject([
      { kind: 'failing', queue: 'payments', since: failing?.since, failure: { count: 12 } },
    ])
    await expect(operate(client).incidents({ queue: 'nowhere' })).rejects.toMatchObject({
      code: 'UNKNOWN_QUEUE',
    })
    await expect(operate(client).incidents({ queues: 'payments' } as object)).rejects.toMatchObject({
      code: 'FILTER_INVALID',
    })
    const next = await operate(client).whyNext('unserved')
    expect(next?.reasons[0]?.kind).toBe('no-worker')
  })

  test('the reported next job of a queue is not a job that only its group holds back', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: { concurrency: 1 } } })
    const people = operate(client)
    const held = client
    await held.dispatch([new ShopJob().with({ shop: 'acme' }), new ShopJob().with({ shop: 'acme' })])
    await held.dispatch([new ShopJob().with({ shop: 'globex' })])
    await people.pause({ queue: 'default', group: 'acme' })
    const worker = await bench.work([ShopJob], { queues: ['default'] }, client)
    await expect.poll(async () => (await client.list({ state: 'active' })).jobs.length).toBe(1)
    await held.dispatch([new ShopJob().with({ shop: 'globex' })])
    const next = await people.whyNext('default')
    expect(next?.reasons.map(({ kind }) => kind)).toContain('queue-limit')
    expect(next?.reasons.map(({ kind }) => kind)).not.toContain('paused-group')
    await expect(people.whyNext('nowhere')).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    await worker.stop(0)
  })
}

class ShopJob extends Job {
  override readonly key = 'shop'
  override group = group((payload: { shop: string }) => payload.shop)
  async handle(_: { shop: string }) {
    await new Promise<void>((resolve) => this.signal.addEventListener('abort', () => resolve()))
    throw this.signal.reason
  }
}
