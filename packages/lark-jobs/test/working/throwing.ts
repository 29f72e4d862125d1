import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record } from './bench.ts'

const cycle: { self?: unknown } = {}
cycle.self = cycle

/** An error of one odd field. */
function errorWith(field: string, value: unknown): Error {
  return Object.defineProperty(new Error('fine'), field, { value })
}

const withGetter = Object.defineProperty(new Error('fine'), 'message', {
  get() {
    throw new Error('even this')
  },
})

/** What was thrown, by name, and what is kept as its message. */
const thrown: [name: string, value: unknown, message: string][] = [
  ['null', null, 'null'],
  ['undefined', undefined, 'undefined'],
  ['a symbol', Symbol('odd'), 'Symbol(odd)'],
  ['an object without a text', Object.create(null), 'something was thrown that has no text'],
  ['a message that is a BigInt', errorWith('message', 10n), '10'],
  ['a message that is a cycle', errorWith('message', cycle), '[object Object]'],
  ['a name that is no text', errorWith('name', null), 'fine'],
  ['a stack that is no text', errorWith('stack', { at: 7 }), 'fine'],
  ['a code that is no text', errorWith('code', cycle), 'fine'],
  ['a message that cannot be read', withGetter, 'something was thrown that has no text'],
  ['a message of 5 MB', new Error('x'.repeat(5_000_000)), 'x'.repeat(2_000)],
]

/** Handlers may throw anything. */
export function throwing(connect: Connect): void {
  test('whatever is thrown is a failed attempt that is kept, and the worker goes on', async () => {
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
    // One at a time, so that each must leave its slot to the next.
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
}
