import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StoreClock } from '../../src/worker/maintenance/store-clock.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

test('the clock continues from the answer of the store, whatever happens to the clock of this machine', () => {
  const clock = new StoreClock()
  const asked = performance.now()
  vi.advanceTimersByTime(20)
  // The time in the answer counts for the middle of the round trip.
  clock.heard(500, asked)
  expect(clock.now()).toBe(510)
  vi.setSystemTime(9_000_000)
  vi.advanceTimersByTime(1_000)
  expect(clock.now()).toBe(1_510)
  clock.heard(7_000, performance.now())
  expect(clock.now()).toBe(7_000)
})

test('a slow answer that agrees with the known time does not move the clock', () => {
  const clock = new StoreClock()
  const started = performance.now()
  // The clock of the store is 500 ms ahead.
  const heard = (took: number, answeredAfter: number) => {
    const asked = performance.now()
    vi.advanceTimersByTime(answeredAfter)
    const at = 500 + (performance.now() - started)
    vi.advanceTimersByTime(took - answeredAfter)
    clock.heard(at, asked)
  }
  heard(4, 2)
  vi.advanceTimersByTime(1_000)
  heard(110, 0)
  expect(clock.now()).toBe(500 + (performance.now() - started))
  heard(110, 110)
  expect(clock.now()).toBe(500 + (performance.now() - started))
  // After a day, the difference of the two clocks may be larger than the error of the slow answer.
  vi.advanceTimersByTime(86_400_000)
  heard(110, 0)
  expect(clock.now()).toBe(500 + (performance.now() - started) - 55)
})

test('before the first answer, the clock has the time of this process', () => {
  vi.useRealTimers()
  const clock = new StoreClock()
  expect(clock.isAsked).toBe(false)
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(60_000)
})
