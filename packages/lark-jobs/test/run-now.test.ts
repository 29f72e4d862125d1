import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Job } from '../src/index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Ends when its signal is aborted, or when it is let go. */
class PatientJob extends Job {
  go = () => {}
  override timeout: number | string = '1s'
  handle() {
    return new Promise<string>((resolve, reject) => {
      this.go = () => resolve('done')
      this.signal.addEventListener('abort', () => reject(new Error('was aborted')))
    })
  }
}

test('at its timeout the run is told to end, and ends timed out', async () => {
  const job = new PatientJob()
  const ran = expect(job.dispatchNow()).rejects.toMatchObject({ code: 'JOB_TIMED_OUT' })
  vi.advanceTimersByTime(1_000)
  await ran
  expect(vi.getTimerCount()).toBe(0)
})

test('a timeout longer than a timer can wait is not over at once', async () => {
  const job = new PatientJob()
  job.timeout = '30d'
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  const ran = job.dispatchNow()
  // Longer than this, a timer would fire at once.
  expect(setTimer).toHaveBeenCalledWith(expect.any(Function), 2_147_483_647)
  vi.advanceTimersByTime(24 * 86_400_000)
  expect(job.signal.aborted).toBe(false)
  job.go()
  expect(await ran).toBe('done')
  expect(vi.getTimerCount()).toBe(0)
})
