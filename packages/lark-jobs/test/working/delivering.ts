import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { memberId } from '../../src/model/effect.ts'
import { newId } from '../../src/model/id.ts'
import { openFlow } from '../conformance/effects.ts'
import { Bench, type Connect, signal } from './bench.ts'

const LONG = { timeout: 20_000, interval: 20 }

/** Workers deliver the effects of ended jobs to classes, and to the flows that count their members. */
export function delivering(connect: Connect): void {
  class MemberJob extends Job {
    override readonly key = 'member'
    override tries = 1
    handle({ n }: { n: number }) {
      if (n % 5 === 4) throw new Error('no')
      return n % 3 === 0 ? { n } : undefined
    }
  }

  /** Makes a flow in the partition `low`, and puts its members into other partitions. */
  async function flowOf(bench: Bench, size: number): Promise<string> {
    const { store } = await insideOf(bench.jobs).open()
    const flow = newId()
    await openFlow(store, size, flow, 'low')
    for (const [number, partition] of ['default', 'emails', 'emails/1'].entries()) {
      const jobs = Array.from({ length: size }, (_, n) => ({
        id: memberId({ flow, home: 'low', index: n }),
        key: 'member',
        payload: JSON.stringify({ n }),
      }))
      const its = jobs.filter((_, n) => n % 3 === number)
      await store.enqueue(partition, { caller: 'web', number: 1 }, its)
    }
    return flow
  }

  test('a flow counts each of its members once, in whichever partition the member ran and however it ended', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const size = 300
    const flow = await flowOf(bench, size)
    const apply = vi.spyOn(store.flows, 'apply')
    const workers = [
      await bench.work([MemberJob], { queues: ['default', 'emails'] }),
      await bench.work([MemberJob], { queues: ['default', 'emails'] }),
    ]
    await vi.waitFor(async () => expect(await store.flows.missing('low', flow, -1, 1)).toEqual([]), LONG)
    for (const worker of workers) await worker.stop()
    const verdicts = (await Promise.all(apply.mock.results.map(({ value }) => value))).flatMap(
      (answer) => answer.verdicts,
    )
    expect(verdicts.filter((verdict) => verdict === 'counted')).toHaveLength(size)
    expect(verdicts.filter((verdict) => verdict === 'unknown')).toEqual([])
    // All effects in the store are acknowledged.
    for (const partition of ['default', 'emails', 'emails/1'])
      expect(await store.recover(partition)).not.toHaveProperty('nextEffect')
  })

  test('while the partition of a flow cannot be reached, the ends of its members wait until the partition answers again', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const flow = await flowOf(bench, 3)
    const apply = vi.spyOn(store.flows, 'apply')
    for (let n = 0; n < 6; n++) apply.mockRejectedValueOnce(new Error('away'))
    const worker = await bench.work([MemberJob])
    await vi.waitFor(async () => expect(await store.flows.missing('low', flow, -1, 1)).toEqual([]), LONG)
    await worker.stop()
    expect(apply.mock.calls.length).toBeGreaterThan(6)
  })

  test('an idle worker delivers the ends of members that people cancel', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const flow = newId()
    await openFlow(store, 2, flow, 'low')
    const [first, second] = [0, 1].map((index) => memberId({ flow, home: 'low', index })) as [string, string]
    const later = (id: string) => ({ id, key: 'member', payload: '{"n":1}', delay: 3_600_000 })
    await store.enqueue('default', { caller: 'web', number: 1 }, [later(first), later(second)])
    const worker = await bench.work([MemberJob])
    await bench.jobs.cancel(first)
    await store.alter('default', [second], { kind: 'remove' })
    await vi.waitFor(async () => expect(await store.flows.missing('low', flow, -1, 1)).toEqual([]), LONG)
    await worker.stop()
  })

  test('the hook of a cancelled job is called while all slots of its worker are busy', async () => {
    await using bench = await Bench.make(connect)
    const [begun, go, told] = [signal(), signal(), signal<string>()]
    class BusyJob extends Job {
      async handle({ waits }: { waits: boolean }) {
        if (!waits) return
        begun.resolve()
        await go.promise
      }
      override cancelled() {
        told.resolve(this.id!)
      }
    }
    await bench.jobs.dispatch(new BusyJob(), { waits: true })
    const worker = await bench.work([BusyJob], { concurrency: 1 })
    await begun.promise
    const job = new BusyJob()
    await bench.jobs.dispatch(job, { waits: false })
    await bench.jobs.cancel(job.id!)
    expect(await told.promise).toBe(job.id)
    go.resolve()
    await worker.stop()
  })

  test('the hook of a job is called even if the job was removed before any worker came', async () => {
    await using bench = await Bench.make(connect)
    const told = signal<unknown>()
    class GoneJob extends Job {
      override delay = '1h'
      handle(_payload: { n: number }) {}
      override cancelled(payload: { n: number }, reason: string) {
        told.resolve([this.id, payload, reason])
      }
    }
    const job = new GoneJob()
    await bench.jobs.dispatch(job, { n: 3 })
    await bench.jobs.cancel(job.id!)
    const { store } = await insideOf(bench.jobs).open()
    expect(await store.clear('default', 'cancelled')).toBe(1)
    expect(await bench.jobs.find(job.id!)).toBeUndefined()
    const worker = await bench.work([GoneJob])
    expect(await told.promise).toEqual([job.id, { n: 3 }, 'user'])
    await worker.stop()
    expect(await store.recover('default')).not.toHaveProperty('nextEffect')
  })
}
