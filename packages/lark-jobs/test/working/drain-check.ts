import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { batch, chain, Job, JobsError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { Store } from '../../src/store/contract/store.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { Bench, type Connect } from './bench.ts'

/** `stopWhenEmpty` must not end the worker before all jobs that are due within a minute have run. */
export function drainCheck(connect: Connect): void {
  test('a job with a known key is found behind more than a page of jobs with unknown keys', async () => {
    await using bench = await Bench.make(connect)
    class StrangeJob extends Job {
      override delay = '30s'
      handle() {}
    }
    class KnownJob extends Job {
      handle() {}
    }
    const known = new KnownJob()
    known.delay = '1s'
    await bench.jobs.dispatchMany(new StrangeJob(), Array(150).fill(undefined))
    await bench.jobs.dispatch(known)
    const { store } = await insideOf(bench.jobs).open()
    const { jobs: strange } = await store.list('default', { state: 'delayed', limit: 1_000 })
    const ids = strange.filter(({ key }) => key === 'StrangeJob').map(({ id }) => id)
    // These jobs are due before the job with the known key, and after the first check of the worker.
    await store.alter('default', ids, { kind: 'reschedule', in: 900 })
    expect(await (await bench.work([KnownJob], { stopWhenEmpty: true })).done).toMatchObject({ completed: 1 })
  })

  test('the worker waits for the next step and the callback of a flow', async () => {
    await using bench = await Bench.make(connect)
    class StepJob extends Job {
      handle() {}
    }
    class LowJob extends Job {
      override queueName = 'low'
      handle() {}
    }
    const [step, low] = [new StepJob().with(), new LowJob().with()]
    const flows = [
      ...Array.from({ length: 4 }, () => chain([step, low, step])),
      ...Array.from({ length: 4 }, () => batch([step, low]).onCompleted(low)),
    ]
    for (const flow of flows) {
      await insideOf(bench.jobs).dispatchFlow(flow)
      const worker = await bench.work([StepJob, LowJob], { stopWhenEmpty: true })
      expect(await worker.done).toMatchObject({ completed: 3 })
    }
  })

  /**
   * Starts a worker that gets no notifications and finds jobs in its other queue only when it checks by
   * itself.
   */
  async function workDeaf(bench: Bench, later: string): Promise<{ worker: Worker; store: Store }> {
    class LaterJob extends Job {
      override queueName = 'emails'
      override delay = later
      handle() {}
    }
    class FirstJob extends Job {
      async handle() {
        await bench.jobs.dispatch(new LaterJob())
      }
    }
    await bench.jobs.dispatch(new FirstJob())
    const client = bench.client()
    const { store } = await insideOf(client).open()
    vi.spyOn(store, 'wait').mockImplementation(async (_caller, timeout, signal) => {
      await pause(timeout, undefined, { signal: signal! }).catch(() => {})
      return []
    })
    return { worker: await bench.work([FirstJob, LaterJob], { stopWhenEmpty: true }, client), store }
  }

  test('the worker waits for a delayed job that a job has dispatched into another queue, even if the notification is lost', async () => {
    await using bench = await Bench.make(connect)
    const { worker } = await workDeaf(bench, '1s')
    expect(await worker.done).toMatchObject({ completed: 2 })
  })

  test('the worker waits for a job that becomes due between two reads of one check', async () => {
    await using bench = await Bench.make(connect)
    const { worker, store } = await workDeaf(bench, '100ms')
    const list = store.list.bind(store)
    // The job is delayed when the jobs are counted, and waiting when the delayed jobs are listed.
    vi.spyOn(store, 'list').mockImplementation(async (...args) => {
      await vi.waitFor(async () => expect((await store.counts('emails')).delayed).toBe(0), 10_000)
      return list(...args)
    })
    expect(await worker.done).toMatchObject({ completed: 2 })
  })

  test('a failed check is repeated while other work goes on', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const standings = store.standings.bind(store)
    let [looks, turned] = [0, false]
    vi.spyOn(store, 'standings').mockImplementation((partitions) => {
      if (looks++ === 0) setTimeout(() => (turned = true), 1)
      // The failures end after 1,000 checks, because otherwise a loop without pauses would never end.
      const fails = !turned && looks < 1_000
      return fails ? Promise.reject(new JobsError('STORE_UNREACHABLE', 'Away')) : standings(partitions)
    })
    await (await bench.work([], { stopWhenEmpty: true })).done
    expect(turned).toBe(true)
    expect(looks).toBeLessThan(100)
  })
}
