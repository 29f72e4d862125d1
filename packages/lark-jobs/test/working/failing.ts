import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { type BookedFailures, type JobRecord, operate } from '../../src/operate.ts'
import { Bench, type Connect } from './bench.ts'

class DeclinedError extends Error {
  override readonly name = 'DeclinedError'
}

class ChargeJob extends Job {
  override readonly key: string = 'charge'
  override tries = 1
  handle({ n, why }: { n: number; why: string }) {
    if (why === 'declined') throw new DeclinedError(`Card ${4_000 + n} of 'ada ${n}' was declined`)
    if (why === 'reset')
      throw new Error('fetch failed', { cause: Object.assign(new Error('no'), { code: 'ECONNRESET' }) })
    if (why === 'typo') throw new TypeError("Cannot read properties of undefined (reading 'id')")
  }
}
class RefundJob extends ChargeJob {
  override readonly key = 'refund'
  override queueName = 'emails'
}

/** Tests kinds of failures, and changes of all jobs of one kind. */
export function failing(connect: Connect): void {
  test('jobs that failed for one reason have one kind, and a change of the kind reaches only them', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ release: '2.14.0' })
    const operating = operate(jobs)
    expect(await operating.failures()).toEqual({ kinds: [], failed: 0, others: 0 })
    const many = (why: string, count: number) => Array.from({ length: count }, (_, n) => ({ n, why }))
    await jobs.dispatchMany(new ChargeJob(), [
      ...many('declined', 1_100),
      ...many('reset', 30),
      ...many('', 5),
    ])
    await jobs.dispatchMany(new RefundJob(), many('declined', 20))
    const report = { ended() {}, wrote() {}, warn() {}, info() {} }
    const worker = await bench.work([ChargeJob, RefundJob], { stopWhenEmpty: true, report }, jobs)
    expect(await operating.workers.list()).toMatchObject([{ release: '2.14.0' }])
    await worker.done
    const told: number[][] = []
    const found = await operating.failures({}, { onProgress: (...args) => told.push(args) })
    expect(found).toMatchObject({
      failed: 1_150,
      others: 0,
      kinds: [
        {
          ...{ key: 'charge', name: 'DeclinedError', count: 1_100, share: 1_100 / 1_150 },
          message: "Card … of '…' was declined",
          frame: expect.stringContaining('working/failing.ts'),
          releases: ['2.14.0'],
          sample: { queue: 'default', error: { name: 'DeclinedError', release: '2.14.0' } },
        },
        { key: 'charge', name: 'Error', count: 30, sample: { error: { cause: { code: 'ECONNRESET' } } } },
        { key: 'refund', name: 'DeclinedError', count: 20, sample: { queue: 'emails' } },
      ],
    })
    expect(told.at(-1)).toEqual([1_150, 1_150])
    const [declined, reset, refund] = found.kinds
    expect(declined!.first).toBeLessThanOrEqual(declined!.last)
    expect(declined!.kind).toMatch(/^[0-9a-f]{4,12}$/)
    expect((await operating.failures({ key: 'refund' })).kinds).toEqual([{ ...refund, share: 1 }])
    expect((await operating.failures({}, { limit: 1 })).others).toBe(50)
    await using book = await operating.failureBook()
    const known = await book.look()
    const without = ({ kinds }: BookedFailures) => kinds.map(({ hours: _, ...kind }) => kind)
    expect(known).toMatchObject({ failed: 1_150, others: 0, read: 1_150, stored: 1_150, isReading: false })
    expect(without(known)).toEqual(found.kinds)
    for (const { hours, count } of known.kinds) {
      expect(hours).toHaveLength(24)
      // A new hour may just have begun.
      expect(hours[22]! + hours[23]!).toBe(count)
    }
    expect(without(await book.look({ key: 'refund', since: '1h' }))).toEqual([{ ...refund, share: 1 }])
    expect((await book.look({ queue: 'emails' })).failed).toBe(20)
    expect((await book.look({ since: new Date(Date.now() + 3_600_000) })).kinds).toEqual([])
    expect((await book.look({ kind: reset!.kind }, { limit: 1 })).kinds.map(({ count }) => count)).toEqual([
      30,
    ])
    // Another process gives the kinds the same names.
    const other = operate(bench.client())
    expect((await other.failures()).kinds.map(({ kind }) => kind)).toEqual(
      found.kinds.map(({ kind }) => kind),
    )
    expect((await other.list({ kind: reset!.kind }, { limit: 50 })).jobs).toHaveLength(30)
    expect(await other.retry({ kind: reset!.kind }, { dryRun: true })).toBe(30)
    expect(await other.retry({ kind: reset!.kind })).toBe(30)
    expect(await other.remove({ kind: declined!.kind })).toEqual({ removed: 1_100, running: 0 })
    expect((await other.failures()).kinds.map(({ key }) => key)).toEqual(['refund'])
    expect((await book.look()).kinds.map(({ key, count }) => [key, count])).toEqual([['refund', 20]])
  })

  test('a failure book follows failed jobs that fail again, are removed, and come back', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const operating = operate(jobs)
    await using book = await operating.failureBook()
    expect(await book.look()).toMatchObject({ kinds: [], failed: 0, stored: 0, isReading: false })
    const run = async () => await (await bench.work([ChargeJob, RefundJob], { stopWhenEmpty: true })).done
    const counts = async () => (await book.look()).kinds.map(({ count }) => count)
    await jobs.dispatchMany(
      new ChargeJob(),
      ['declined', 'declined', 'declined', 'reset'].map((why, n) => ({ n, why })),
    )
    await run()
    expect(await counts()).toEqual([3, 1])
    const [declined] = (await book.look()).kinds
    expect(declined!.releases).toEqual([])
    // When the last job of a kind is removed, the book shows another job as the sample.
    const { id } = declined!.sample
    const removed: JobRecord[] = []
    await operating.remove([id], { before: (some) => removed.push(...some) })
    const [left] = (await book.look({ key: 'charge' })).kinds
    expect(left).toMatchObject({ count: 2, sample: { error: { name: 'DeclinedError' } } })
    expect(left!.sample.id).not.toBe(id)
    await operating.import(removed)
    expect(await counts()).toEqual([3, 1])
    expect(await operating.retry({ kind: declined!.kind })).toBe(3)
    expect(await counts()).toEqual([1])
    await jobs.dispatchMany(new RefundJob(), [{ n: 1, why: 'declined' }])
    await run()
    expect(await counts()).toEqual([3, 1, 1])
    expect((await book.look({ kind: declined!.kind })).kinds[0]!.first).toBeGreaterThan(declined!.last)
    await expect(book.look({ tag: 'x' } as never)).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await expect(book.look({ queue: 'nowhere' })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  })

  test('an aborted call rejects, and an impossible kind is refused', async () => {
    await using bench = await Bench.make(connect)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(operate(bench.jobs).failures({}, { signal })).rejects.toThrow('enough')
    const wrong = bench.jobs.retry({ kind: 'zzz' })
    await expect(wrong).rejects.toMatchObject({
      code: 'FILTER_INVALID',
      message: expect.stringContaining("kind is 'zzz'"),
    })
    expect(await bench.jobs.retry({ kind: '3f2a' })).toBe(0)
  })
}
