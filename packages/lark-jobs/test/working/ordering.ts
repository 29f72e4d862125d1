/**
 * Tests which live workers get an order (to take no more jobs, to take jobs again, or to restart), and what
 * they do. A worker gets an order with its next announcement. Each change of its state is an announcement, so
 * no test waits here; `../processes/fleet.test.ts` waits.
 */

import { expect, test, vi } from 'vitest'
import { Job, type JobConstructor } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class IdleJob extends Job {
  handle() {}
}

export function ordering(connect: Connect): void {
  test('an order makes workers take no more jobs or take jobs again, and has an effect once', async () => {
    await using bench = await Bench.make(connect)
    const report = new Record()
    const worker = await bench.work([IdleJob], { report })
    const { workers } = operate(bench.client())
    const { store } = await insideOf(bench.jobs).open()
    const listed = (state: string) =>
      vi.waitFor(async () => expect(await workers.list()).toMatchObject([{ state }]))
    const resumed = await workers.resume({ worker: worker.id })
    expect(resumed).toMatchObject({ workers: [{ id: worker.id, state: 'running' }], left: [] })
    worker.quiet()
    await vi.waitFor(() => expect(report.warnings).toContain('Told to take jobs again'))
    await bench.jobs.dispatch(new IdleJob())
    await report.ends(1)
    worker.quiet()
    await listed('quiet')
    await bench.jobs.dispatch(new IdleJob())
    expect((await workers.quiet({ queue: 'emails' })).workers).toMatchObject([{ state: 'quiet' }])
    worker.resume()
    await vi.waitFor(() =>
      expect(report.warnings).toContain('Told to take no more jobs: finishes the running ones'),
    )
    await listed('quiet')
    worker.resume()
    await report.ends(2)
    expect((await store.counts('default')).waiting).toBe(0)
    expect(report.warnings.filter((text) => text.startsWith('Told'))).toHaveLength(2)
  })

  test('an order to restart ends a worker that may restart, but not a worker in an application', async () => {
    await using bench = await Bench.make(connect)
    const ours = await bench.work([IdleJob])
    const theirs = await insideOf(bench.client()).supervisedWork(
      { jobs: [IdleJob] as unknown as JobConstructor[], report: new Record() },
      { onRestart: (worker) => void worker.restart() },
    )
    const { workers } = operate(bench.jobs)
    const told = await workers.restart({ all: true })
    expect(told.workers).toMatchObject([{ id: theirs.id, restarts: true }])
    expect(told.left.map(({ id }) => id)).toEqual([ours.id])
    theirs.quiet()
    await theirs.done
    expect([theirs.state, ours.state]).toEqual(['restarting', 'running'])
    expect(await workers.list()).toMatchObject([{ id: ours.id, state: 'running' }])
    const { host } = (await workers.list())[0]!
    expect((await workers.quiet({ host, queue: 'nobody' })).workers).toEqual([])
    expect((await workers.quiet({ host, worker: ours.id })).workers).toHaveLength(1)
  })

  test('a stopping worker is listed as stopping even if it was quiet before', async () => {
    await using bench = await Bench.make(connect)
    const [began, go] = [signal(), signal()]
    class LongJob extends Job {
      async handle() {
        began.resolve()
        await go.promise
      }
    }
    await bench.jobs.dispatch(new LongJob())
    const worker = await bench.work([LongJob])
    await began.promise
    const { workers } = operate(bench.jobs)
    const listed = (state: string) =>
      vi.waitFor(async () => expect(await workers.list()).toMatchObject([{ state, running: 1 }]))
    worker.quiet()
    await listed('quiet')
    const stopped = worker.stop()
    await listed('stopping')
    worker.resume()
    go.resolve()
    await stopped
    expect(await workers.list()).toEqual([])
  })

  test('a filter of workers without a condition, or with a wrong one, is refused', async () => {
    await using bench = await Bench.make(connect)
    const { workers } = operate(bench.jobs, { names: { host: '--host' } })
    const invalid = { code: 'FILTER_INVALID' }
    await expect(workers.quiet({} as never)).rejects.toMatchObject(invalid)
    await expect(workers.restart({ hots: 'a' } as never)).rejects.toMatchObject(invalid)
    await expect(workers.resume({ host: '' })).rejects.toThrow("--host is ''")
    await expect(workers.quiet({ all: true, host: 'a' } as never)).rejects.toMatchObject(invalid)
  })
}
