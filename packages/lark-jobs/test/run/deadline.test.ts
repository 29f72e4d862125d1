import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Deadline } from '../../src/run/deadline.ts'
import { Execution, type RunEnvironment } from '../../src/run/execution.ts'

const DAY = 86_400_000
/** A handler that still runs this many milliseconds after its signal was aborted counts as stuck. */
const GRACE = 5_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  // A spy on a fake timer that is restored later would install the fake timer again.
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const claimed = { id: 'one', key: 'k', payload: '', priority: 0, queuedAt: 0, token: 'w.1' }
const counters = { runs: 1, failures: 0, crashes: 0, releases: 0 }

/** @param hasOthers whether other jobs run in the process */
function setUp(hasOthers = false) {
  let turnedAt = 0
  const jobs = new Set<Execution>()
  const stuck = vi.fn<(running: Execution) => void>()
  const deadline = new Deadline(jobs, stuck, () => turnedAt)
  const begin = (timeout: number) => {
    const job = { ...claimed, ...counters, options: { timeout } }
    const running = new Execution(
      job,
      { partition: 'default', queue: 'default' },
      undefined,
      { hasOthers: () => hasOthers } as Partial<RunEnvironment> as RunEnvironment,
      performance.now(),
    )
    jobs.add(running)
    deadline.watch(running)
    return running
  }
  const turn = () => {
    turnedAt = performance.now()
  }
  return { jobs, stuck, deadline, begin, turn }
}

test('at the timeout, the signal is aborted, and a handler that ignores the signal is reported once as stuck 5 s later', () => {
  const { stuck, begin } = setUp()
  const running = begin(1_000)
  vi.advanceTimersByTime(999)
  expect(running.run.reason).toBeUndefined()
  vi.advanceTimersByTime(1)
  expect(running.run.signal.reason).toMatchObject({ code: 'JOB_TIMED_OUT' })
  vi.advanceTimersByTime(GRACE - 1)
  expect(stuck).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(stuck.mock.calls).toEqual([[running]])
  vi.advanceTimersByTime(DAY)
  expect(stuck).toHaveBeenCalledTimes(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('one timer is enough for all runs, and each run is aborted at its own time, whatever the order of the starts is', () => {
  const { jobs, stuck, begin } = setUp()
  const [late, early, ended] = [begin(3_000), begin(1_000), begin(2_000)]
  const told = () => [late, early, ended].map(({ run }) => run.reason !== undefined)
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(1_000)
  expect(told()).toEqual([false, true, false])
  jobs.delete(early)
  jobs.delete(ended)
  vi.advanceTimersByTime(2_000)
  expect(told()).toEqual([true, true, false])
  vi.advanceTimersByTime(GRACE)
  expect(stuck.mock.calls).toEqual([[late]])
})

test('a timeout that is longer than a timer can wait comes at the right time', () => {
  const { begin } = setUp()
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  const running = begin(30 * DAY)
  // A timer with a delay that is too long would fire at once, again and again.
  expect(setTimer).toHaveBeenLastCalledWith(expect.any(Function), 2_147_483_647)
  vi.advanceTimersByTime(30 * DAY - 1)
  expect(setTimer).toHaveBeenCalledTimes(2)
  expect(running.run.reason).toBeUndefined()
  vi.advanceTimersByTime(1)
  expect(running.run.reason).toMatchObject({ code: 'JOB_TIMED_OUT' })
})

test('after stop(), no handler is reported as stuck', () => {
  const { deadline, begin } = setUp()
  const running = begin(1_000)
  deadline.stop()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(DAY)
  expect(running.run.reason).toBeUndefined()
})

test('a job that had to wait because another job blocked the event loop gets the lost time back', () => {
  const { begin, turn } = setUp(true)
  const running = begin(5_000)
  // The event loop has not turned since the start.
  vi.advanceTimersByTime(5_000)
  expect(running.run.reason).toBeUndefined()
  vi.advanceTimersByTime(4_900)
  turn()
  vi.advanceTimersByTime(99)
  expect(running.run.reason).toBeUndefined()
  vi.advanceTimersByTime(1)
  expect(running.run.reason).toMatchObject({ code: 'JOB_TIMED_OUT' })
})

test('a job gets no lost time back if it ran alone, or if it has already got time back ten times', () => {
  const alone = setUp(false).begin(5_000)
  vi.advanceTimersByTime(5_000)
  expect(alone.run.reason).toMatchObject({ code: 'JOB_TIMED_OUT' })
  const again = setUp(true).begin(5_000)
  vi.advanceTimersByTime(DAY)
  expect(again.extensions).toBe(10)
  expect(again.run.reason).toMatchObject({ code: 'JOB_TIMED_OUT' })
})

test('a handler that ends after its timeout, before its signal could be aborted, counts as late only if it ran alone', () => {
  for (const hasOthers of [false, true]) {
    const { begin, deadline } = setUp(hasOthers)
    const running = begin(5_000)
    deadline.stop()
    vi.advanceTimersByTime(6_000)
    running.through()
    expect(running.isLate).toBe(!hasOthers)
  }
})
