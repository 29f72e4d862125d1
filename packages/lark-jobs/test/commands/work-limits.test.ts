import { afterEach, expect, test, vi } from 'vitest'
import { WorkLimits } from '../../src/commands/workers/work-limits.ts'

afterEach(() => void vi.useRealTimers())

test.each([
  ['512mb', 536_870_912],
  ['1 GB', 1_073_741_824],
  ['900kb', 921_600],
])('--max-memory=%s', (maxMemory, memory) => {
  expect(new WorkLimits({ maxTime: undefined, maxMemory }).memory).toBe(memory)
})

test.each(['lots', '0mb', '512', '1.5gb', '', '-1mb'])('--max-memory=%s is a mistake', (maxMemory) => {
  expect(() => new WorkLimits({ maxTime: undefined, maxMemory })).toThrow(
    `--max-memory is '${maxMemory}'; it must be a whole number with kb, mb or gb`,
  )
})

test.each(['1', 'soon', '999', '', '25d'])('--max-time=%s is a mistake', (maxTime) => {
  expect(() => new WorkLimits({ maxTime, maxMemory: undefined })).toThrow(
    `--max-time is '${maxTime}'; it must be a duration from 1 s to 24 d`,
  )
})

test('the worker stops at the first limit that is reached, and reports it once', () => {
  vi.useFakeTimers()
  const met: string[] = []
  const limits = new WorkLimits({ maxTime: '2s', maxMemory: '1mb' })
  const watch = { time: (why: string) => met.push(why), memory: () => met.push('memory') }
  limits.watch(watch)
  vi.advanceTimersByTime(60_000)
  expect(met).toEqual(['memory'])
  new WorkLimits({ maxTime: '1h', maxMemory: '999gb' }).watch(watch)
  vi.advanceTimersByTime(3_600_000)
  expect(met).toEqual(['memory', 'Restarts: it has run for 1 h'])
})
