import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Job, JobsError } from '../../src/index.ts'
import type { Outcome } from '../../src/model/record.ts'
import type { TelemetryCalls } from '../../src/model/run/telemetry.ts'
import type { JobConstructor } from '../../src/options/job-class.ts'
import { Registry } from '../../src/options/registry.ts'
import type { Permits } from '../../src/run/middleware/permits.ts'
import type { Store } from '../../src/store/contract/store.ts'
import type { Claimer } from '../../src/worker/fetch/claimer.ts'
import { type HeldJob, Ledger, TOLD } from '../../src/worker/lease/ledger.ts'
import { StoreClock } from '../../src/worker/maintenance/store-clock.ts'
import { Slots } from '../../src/worker/slots.ts'
import { signal } from '../working/bench.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Starts a job of this class in a worker under a supervisor, and records its outcomes. */
function begin(
  make: unknown,
  telemetry?: TelemetryCalls,
): { held: HeldJob; settled: Outcome[]; onStuck: () => void; slots: Slots } {
  const registry = new Registry()
  registry.add(make as JobConstructor)
  const report = { wrote() {}, ended() {}, warn() {}, info() {} }
  const onStuck = vi.fn()
  const ledger = new Ledger()
  const settled: Outcome[] = []
  const claimer = {
    queue: 'default',
    prefetch: { ended() {} },
    settle: (_id: string, _token: string, outcome: Outcome) => settled.push(outcome),
  } as unknown as Claimer
  // No middleware in these tests asks for permits, so this object is empty.
  const permits = {} as Permits
  const store = {} as Store
  const slots = new Slots(
    { registry, report, onStuck, telemetry, store },
    ledger,
    new StoreClock(),
    permits,
    {
      id: 'ada',
      changed: () => {},
    },
  )
  const lease = {
    id: 'Vbu1Wui6I4h7z',
    key: registry.keys[0]!,
    payload: '',
    priority: 0,
    queuedAt: Date.now(),
    token: 'a.1',
    runs: 1,
    failures: 0,
    crashes: 0,
    releases: 0,
  }
  const held = ledger.enter(0, 1, [lease], performance.now(), 1e9)[0]!
  slots.begin(held, claimer, performance.now())
  return { held, settled, onStuck, slots }
}

/**
 * Returns the values that the lease thread reads: the end of the timeout, and the time of the next attempt if
 * the job blocks the event loop until the timeout.
 */
const terms = ({ page, index }: HeldJob) => [...page.terms.subarray(index * 3, index * 3 + 2)]

test('failed() of a stuck handler is called before the process is replaced, and the end of the handler is ignored', async () => {
  const told = signal()
  const tells = signal()
  const returns = signal()
  class StuckJob extends Job {
    override tries = 1
    override timeout = 1_000
    async handle() {
      await returns.promise
    }
    override async failed() {
      told.resolve()
      await tells.promise
    }
  }
  const { held, settled, onStuck, slots } = begin(StuckJob)
  expect(terms(held)).toEqual([performance.now() + 1_000, -1])
  vi.advanceTimersByTime(1_000)
  vi.advanceTimersByTime(5_000)
  await told.promise
  // failed() has its own timeout.
  expect(terms(held)).toEqual([performance.now() + 1_000, TOLD])
  returns.resolve()
  await vi.advanceTimersByTimeAsync(0)
  expect([settled, slots.running.size]).toEqual([[], 1])
  expect(onStuck).not.toHaveBeenCalled()
  tells.resolve()
  await vi.advanceTimersByTimeAsync(0)
  expect(settled).toMatchObject([{ kind: 'failed', error: { code: 'JOB_TIMED_OUT' } }])
  expect(onStuck).toHaveBeenCalledOnce()
  slots.stop()
})

test('the lease thread knows how a job ends that blocks past its timeout', () => {
  const asked: unknown[] = []
  class AskedJob extends Job {
    override timeout = 1_000
    override backoff = (attempt: number, error: { code: string }) => {
      asked.push([attempt, error.code])
      return '7s'
    }
    override handle(): unknown {
      return new Promise(() => {})
    }
  }
  class TimedJob extends AskedJob {
    override retryUntil = 7_999
  }
  class EnoughJob extends AskedJob {
    override retryIf(error: { code?: string }) {
      return error.code !== 'JOB_TIMED_OUT'
    }
  }
  const retryIn = (make: unknown) => {
    const { held, slots } = begin(make)
    slots.stop()
    return terms(held)[1]
  }
  expect(retryIn(AskedJob)).toBe(7_000)
  expect(asked).toEqual([[1, 'JOB_TIMED_OUT']])
  expect(retryIn(TimedJob)).toBe(-1)
  expect(retryIn(EnoughJob)).toBe(-1)
})

/** Makes a telemetry that records its calls, and which run is active at each call. */
function noting(): { telemetry: TelemetryCalls; noted: unknown[]; within: () => boolean } {
  const noted: unknown[] = []
  let isWithin = false
  const within = <T>(act: () => T): T => {
    isWithin = true
    try {
      return act()
    } finally {
      isWithin = false
    }
  }
  const telemetry = {
    processing: () => ({
      within,
      ended: (how: string, took: number, error?: { code?: string }) => noted.push([how, took, error?.code]),
    }),
  } as unknown as TelemetryCalls
  return { telemetry, noted, within: () => isWithin }
}

test('a telemetry gets the end of a run with a lost lease when the handler ends', async () => {
  const { telemetry, noted } = noting()
  const returns = signal()
  class LostJob extends Job {
    async handle() {
      await returns.promise
    }
  }
  const { slots, settled } = begin(LostJob, telemetry)
  const [running] = slots.running
  running!.abandoned = true
  running!.run.abort(new JobsError('LEASE_LOST', 'lost'))
  vi.advanceTimersByTime(50)
  expect(noted).toEqual([])
  returns.resolve()
  await vi.advanceTimersByTimeAsync(0)
  expect(settled).toEqual([])
  expect(noted).toEqual([['lost', 50, 'LEASE_LOST']])
  slots.stop()
})

test('failed() of a stuck handler belongs to the run, which ends when failed() has ended', async () => {
  const { telemetry, noted, within } = noting()
  const seen: boolean[] = []
  class StuckJob extends Job {
    override tries = 1
    override timeout = 1_000
    override handle(): Promise<void> {
      seen.push(within())
      return new Promise(() => {})
    }
    override failed() {
      seen.push(within())
    }
  }
  const { slots } = begin(StuckJob, telemetry)
  vi.advanceTimersByTime(1_000)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(seen).toEqual([true, true])
  expect(noted).toEqual([['failed', 6_000, 'JOB_TIMED_OUT']])
  slots.stop()
})
