import { expect, test, vi } from 'vitest'
import { context, Job, type Middleware, withContext } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record } from './bench.ts'

/** The context travels from a dispatch to the run, beside the payload. */
export function contexts(connect: Connect): void {
  test('all code of a job sees the context at every attempt, and jobs that it dispatches inherit it', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    const see = (where: string) => void seen.push(`${where} ${JSON.stringify(context())}`)
    const around: Middleware = async (_, next) => {
      see('middleware')
      return next()
    }
    const hooks = { started: () => see('started'), failed: () => see('hook') }
    const jobs = bench.client({ middleware: [around], hooks })
    class HeirJob extends Job {
      async handle() {
        await null
        see('heir')
      }
    }
    class FirstJob extends Job {
      override tries = 2
      override backoff = 0
      async handle() {
        await null
        see('handle')
        if (this.attempt === 2) await jobs.dispatch(new HeirJob())
        return false
      }
      override failed() {
        see('failed')
      }
    }
    const job = new FirstJob()
    await withContext({ requestId: 'r1' }, () => jobs.dispatch(job))
    expect((await jobs.find(job.id!))?.options).toEqual({ context: { requestId: 'r1' } })
    await (await bench.work([FirstJob, HeirJob], { stopWhenEmpty: true, concurrency: 1 }, jobs)).done
    const attempt = ['started', 'middleware', 'handle']
    expect(seen).toEqual(
      [...attempt, 'hook', ...attempt, 'failed', 'hook', 'started', 'middleware', 'heir'].map(
        (where) => `${where} {"requestId":"r1"}`,
      ),
    )
  })

  test('a job that is dispatched without a context has no context, whichever job ran before and wherever its worker was started', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    class SeeingJob extends Job {
      async handle(_: { n: number }) {
        seen.push(context())
        await null
        seen.push(context())
      }
    }
    for (const n of [1, 2, 3, 4]) {
      const dispatch = () => bench.jobs.dispatch(new SeeingJob(), { n })
      await (n % 2 === 0 ? withContext({ n }, dispatch) : dispatch())
    }
    const report = new Record()
    const work = () => bench.work([SeeingJob], { stopWhenEmpty: true, concurrency: 1, report })
    await (await withContext({ n: 'worker' }, work)).done
    expect(seen).toEqual([undefined, undefined, { n: 2 }, { n: 2 }, undefined, undefined, { n: 4 }, { n: 4 }])
  })

  test('dispatchMany stores the context with each job beside its own settings, and dispatchNow applies it', async () => {
    await using bench = await Bench.make(connect)
    class TellingJob extends Job {
      handle(_: { n: number }) {
        return context()
      }
    }
    const job = new TellingJob()
    job.tries = 9
    await withContext({ a: 1 }, () => bench.jobs.dispatchMany(job, [{ n: 1 }, { n: 2 }]))
    for (const id of job.ids)
      expect((await bench.jobs.find(id))?.options).toEqual({ tries: 9, context: { a: 1 } })
    await (await bench.work([TellingJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', result: { a: 1 } })
    const here = () => bench.jobs.dispatchNow(new TellingJob(), { n: 3 })
    expect(await withContext({ b: 2 }, here)).toEqual({ b: 2 })
    expect(await here()).toBeUndefined()
  })

  test('the bytes of the context count for each job, so that no call to the store exceeds its bounds', async () => {
    await using bench = await Bench.make(connect)
    class CarryingJob extends Job {
      handle(_: { n: number }) {}
    }
    const { store } = await insideOf(bench.jobs).open()
    const enqueue = vi.spyOn(store, 'enqueue')
    const payloads = Array.from({ length: 600 }, (_, n) => ({ n }))
    const job = new CarryingJob()
    await withContext({ text: 'x'.repeat(4_000) }, () => bench.jobs.dispatchMany(job, payloads))
    const sizes = enqueue.mock.calls.map(([, , records]) => JSON.stringify(records).length)
    expect(sizes.length).toBeGreaterThan(1)
    for (const size of sizes) expect(size).toBeLessThanOrEqual(1_048_576)
    const { queues } = await bench.jobs.status()
    expect(queues[0]?.counts.waiting).toBe(600)
  })
}
