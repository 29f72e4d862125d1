import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record } from './bench.ts'

const cycle: { self?: unknown } = {}
cycle.self = cycle

/** Makes an error with one unusual field. */
function errorWith(field: string, value: unknown): Error {
  return Object.defineProperty(new Error('fine'), field, { value })
}

/** Every access to this object throws. */
const refusing = new Proxy(
  {},
  {
    get: () => () => {
      throw new Error('even this')
    },
  },
)
const revoked = Proxy.revocable({}, {})
revoked.revoke()

const withGetter = Object.defineProperty(new Error('fine'), 'message', {
  get() {
    throw new Error('even this')
  },
})

/** The store keeps this message for each thrown value. */
const thrown: [name: string, value: unknown, message: unknown][] = [
  ['null', null, 'null'],
  ['undefined', undefined, 'undefined'],
  ['a symbol', Symbol('odd'), 'Symbol(odd)'],
  ['a text', 'no luck', 'no luck'],
  ['an object', { code: 42, at: { x: [1, null] } }, '{ code: 42, at: { x: [ 1, null ] } }'],
  ['an object without a prototype', Object.create(null), '[Object: null prototype] {}'],
  [
    'an object with a getter that throws',
    {
      get code() {
        throw new Error('no')
      },
    },
    '{ code: [Getter] }',
  ],
  ['a proxy that throws', new Proxy({ code: 42 }, refusing), '{ code: 42 }'],
  [
    'a proxy of an error that throws',
    new Proxy(new Error('fine'), refusing),
    expect.stringContaining('fine'),
  ],
  ['a proxy that is revoked', revoked.proxy, '<Revoked Proxy>'],
  ['a list of 5 MB', Array(1_000).fill('x'.repeat(5_000)), expect.stringMatching(/^\[ 'x{1997}$/)],
  ['an error of another realm', runInNewContext(`new RangeError('far')`), 'far'],
  ['a message that is a BigInt', errorWith('message', 10n), '10'],
  ['a message that is a cycle', errorWith('message', cycle), '<ref *1> { self: [Circular *1] }'],
  ['a name that is no text', errorWith('name', null), 'fine'],
  ['a stack that is no text', errorWith('stack', { at: 7 }), 'fine'],
  ['a code that is no text', errorWith('code', cycle), 'fine'],
  ['a message that cannot be read', withGetter, 'a value was thrown that has no text form'],
  ['a message of 5 MB', new Error('x'.repeat(5_000_000)), 'x'.repeat(2_000)],
]

/** Handlers may throw any value. */
export function throwing(connect: Connect): void {
  test('any thrown value fails the attempt and is kept, and the worker goes on', async () => {
    await using bench = await Bench.make(connect)
    class OddJob extends Job {
      override tries = 1
      handle({ n }: { n: number }) {
        throw thrown[n]![1]
      }
    }
    class FineJob extends Job {
      handle() {}
    }
    const job = new OddJob()
    await bench.jobs.dispatchMany(
      job,
      thrown.map((_, n) => ({ n })),
    )
    const report = new Record()
    // The worker has one slot, so each job must free it for the next job.
    const worker = await bench.work([OddJob, FineJob], { concurrency: 1, report })
    await report.ends(thrown.length)
    await bench.jobs.dispatch(new FineJob())
    await report.ends(thrown.length + 1)
    await worker.stop()
    expect(worker.summary).toMatchObject({ completed: 1, failed: thrown.length, retried: 0, lost: 0 })
    for (const [i, [name, , message]] of thrown.entries()) {
      const found = await bench.jobs.find(job.ids[i]!)
      expect(found, name).toMatchObject({ state: 'failed', failures: 1, errors: [{ run: 1, message }] })
    }
  })

  test('the store keeps the causes of an error, and the errors of an AggregateError', async () => {
    await using bench = await Bench.make(connect)
    class ChainJob extends Job {
      override tries = 1
      handle() {
        const refused = Object.assign(new Error('connect ECONNREFUSED ::1:1'), { code: 'ECONNREFUSED' })
        const all = Object.assign(new AggregateError([refused, 'no luck', { status: 500 }]), {
          code: 'ECONNREFUSED',
        })
        throw new TypeError('fetch failed', { cause: all })
      }
    }
    const job = new ChainJob()
    await bench.jobs.dispatch(job)
    const report = new Record()
    const worker = await bench.work([ChainJob], { report })
    await report.ends(1)
    await worker.stop()
    const [error] = (await bench.jobs.find(job.id!))!.errors
    const stack = expect.stringContaining('throwing.ts')
    expect(error).toEqual({
      run: 1,
      at: expect.any(Number),
      name: 'TypeError',
      message: 'fetch failed',
      stack,
      cause: {
        name: 'AggregateError',
        message: '',
        code: 'ECONNREFUSED',
        stack,
        errors: [
          { name: 'Error', message: 'connect ECONNREFUSED ::1:1', code: 'ECONNREFUSED', stack },
          { name: 'Error', message: 'no luck' },
          { name: 'Error', message: '{ status: 500 }' },
        ],
      },
      took: expect.any(Number),
    })
    const { outcome } = report.endings[0]!
    // The store adds when the run ended.
    const { at: _, ...rest } = error!
    expect(outcome.kind === 'failed' && outcome.error).toEqual(rest)
  })
}
