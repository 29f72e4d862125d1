import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
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

/** Kinds of failures, and changes of the jobs of one kind. */
export function failing(connect: Connect): void {
  test('jobs that failed for one reason are of one kind, and only these are changed', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
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
    const worker = await bench.work([ChargeJob, RefundJob], { stopWhenEmpty: true, report })
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
          sample: { queue: 'default', error: { name: 'DeclinedError' } },
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
    // Another process calls them the same.
    const other = operate(bench.client())
    expect((await other.failures()).kinds.map(({ kind }) => kind)).toEqual(
      found.kinds.map(({ kind }) => kind),
    )
    expect((await other.list({ kind: reset!.kind }, { limit: 50 })).jobs).toHaveLength(30)
    expect(await other.retry({ kind: reset!.kind }, { dryRun: true })).toBe(30)
    expect(await other.retry({ kind: reset!.kind })).toBe(30)
    expect(await other.remove({ kind: declined!.kind })).toEqual({ removed: 1_100, running: 0 })
    expect((await other.failures()).kinds.map(({ key }) => key)).toEqual(['refund'])
  })

  test('an aborted call rejects; a kind that cannot be one is refused', async () => {
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
