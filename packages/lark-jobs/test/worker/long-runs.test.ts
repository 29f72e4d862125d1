import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LONG, LongRuns } from '../../src/worker/long-runs.ts'

interface Run {
  name: string
  startedAt: number
}

let running: Set<Run>
let told: string[][]
let runs: LongRuns<Run>

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  running = new Set()
  told = []
  runs = new LongRuns(running, (long) => told.push(long.map(({ name }) => name)))
})

afterEach(() => {
  vi.useRealTimers()
})

function begin(name: string): Run {
  const run = { name, startedAt: performance.now() }
  running.add(run)
  runs.watch()
  return run
}

test('a long run is reported once', () => {
  begin('a')
  vi.advanceTimersByTime(LONG - 1)
  expect(told).toEqual([])
  vi.advanceTimersByTime(1)
  expect(told).toEqual([['a']])
  vi.advanceTimersByTime(100 * LONG)
  expect(told).toEqual([['a']])
  expect(vi.getTimerCount()).toBe(0)
})

test('a run that has ended is not reported, and no timer is left', () => {
  const run = begin('a')
  running.delete(run)
  vi.advanceTimersByTime(LONG)
  expect(told).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test('each run is reported at its own time, and runs that began almost at the same time are reported together', () => {
  begin('a')
  vi.advanceTimersByTime(2_000)
  const through = begin('b')
  begin('c')
  vi.advanceTimersByTime(200)
  begin('d')
  running.delete(through)
  vi.advanceTimersByTime(800)
  expect(told).toEqual([['a']])
  vi.advanceTimersByTime(2_000)
  expect(told).toEqual([['a'], ['c']])
  begin('e')
  vi.advanceTimersByTime(10_000)
  expect(told).toEqual([['a'], ['c'], ['d'], ['e']])
})

test('after end(), no run is reported', () => {
  begin('a')
  runs.stop()
  vi.advanceTimersByTime(10 * LONG)
  expect(told).toEqual([])
})
