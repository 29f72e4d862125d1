import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StoreClock } from '../src/worker/maintenance/store-clock.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

test('it goes on from what the store said, whatever becomes of the clock of this machine', () => {
  const clock = new StoreClock()
  const asked = performance.now()
  vi.advanceTimersByTime(20)
  // The answer is from half-way.
  clock.heard(500, asked)
  expect(clock.now()).toBe(510)
  vi.setSystemTime(9_000_000)
  vi.advanceTimersByTime(1_000)
  expect(clock.now()).toBe(1_510)
  clock.heard(7_000, performance.now())
  expect(clock.now()).toBe(7_000)
})

test('before the store was asked it is the time of this process', () => {
  vi.useRealTimers()
  const clock = new StoreClock()
  expect(clock.isAsked).toBe(false)
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(60_000)
})
