/** When handlers block the event loop of their worker, Lark names their class. */
import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { watchLoop } from '../../src/worker/lease/loop-witness.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

const SECOND = 1_000
const nothing = new Int32Array(new SharedArrayBuffer(4))
const pause = (ms: number) => void Atomics.wait(nothing, 0, 0, ms)

let begun = signal()
let go = signal()

/** Blocks until the lease thread has noticed the block, or for a time. */
class BlockJob extends Job {
  async handle({ ms }: { ms?: number }) {
    if (ms !== undefined) return pause(ms)
    let isSeen = false
    const unwatch = watchLoop({
      ...{ id: 'test', running: new Set(), failed() {} },
      seen: () => {
        isSeen = true
      },
    })
    for (let i = 0; i < 600 && !isSeen; i++) pause(100)
    unwatch()
  }
}
/** Runs beside the blocking job, and blocks nothing. */
class WaitJob extends Job {
  async handle() {
    begun.resolve()
    await go.promise
  }
}

const advice = ': isolate = isolated() in the class runs it in a process of its own'

export function blocking(connect: Connect): void {
  test('the worker and its status name a class that blocks the event loop, and no class beside it', async () => {
    await using bench = await Bench.make(connect)
    ;[begun, go] = [signal(), signal()]
    using _ = { [Symbol.dispose]: () => go.resolve() }
    const { jobs } = bench
    const report = new Record()
    await bench.work([BlockJob, WaitJob], { report })
    const [waits] = await jobs.dispatch([new WaitJob().with()] as const)
    await begun.promise
    await jobs.dispatch([new BlockJob().with({})] as const)
    await report.ends(1)
    await vi.waitFor(
      () => expect(report.warnings.join('\n')).toMatch(/^BlockJob blocked the event loop for \d.* s, /m),
      20 * SECOND,
    )
    expect(report.warnings.join('\n')).toContain(`no other job of this process went on${advice}`)
    const people = operate(jobs)
    await vi.waitFor(async () => {
      const [worker] = await people.workers.list()
      expect(worker).toMatchObject({ blocked: [{ by: ['BlockJob'], times: 1 }] })
      expect(worker).not.toHaveProperty('blocks')
    }, 20 * SECOND)
    const why = await people.why(waits.id)
    expect(why?.reasons[0]?.text).toMatch(/ has run it for .+\. BlockJob blocked its event loop for \d/)
    expect(why?.reasons[0]?.text).toContain(advice)
    const found = (await people.doctor()).find(({ code }) => code === 'blocked-loop')
    expect(found).toMatchObject({
      level: 'warning',
      text: expect.stringMatching(
        /^had their event loops blocked within an hour: BlockJob for \d.* s \(once\)$/,
      ),
    })
  }, 90_000)
}

/** Runs once, on the store of a worker without a lease thread. */
export function blockingUnseen(): void {
  test('without a lease thread, Lark names the classes that may have blocked the loop', async () => {
    await using bench = await Bench.make(async () => ({
      connection: 'sqlite::memory:',
      remove: async () => {},
    }))
    ;[begun, go] = [signal(), signal()]
    using _ = { [Symbol.dispose]: () => go.resolve() }
    const report = new Record()
    await bench.work([BlockJob, WaitJob], { report })
    await bench.jobs.dispatch([new WaitJob().with()] as const)
    await begun.promise
    await bench.jobs.dispatch([new BlockJob().with({ ms: 3_500 })] as const)
    await report.ends(1)
    await vi.waitFor(
      () =>
        expect(report.warnings.join('\n')).toMatch(
          /^one of BlockJob, WaitJob blocked the event loop for [34].* s, /m,
        ),
      20 * SECOND,
    )
  }, 60_000)
}
