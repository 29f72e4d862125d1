import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { Job } from '../src/index.ts'

// The first dispatchNow reads the configuration. Later ones begin at once.
beforeAll(async () => {
  class FirstJob extends Job {
    handle() {}
  }
  await new FirstJob().dispatchNow()
})
beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A job that ends when its signal is aborted, or when the test releases it. */
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

test('at its timeout the signal is aborted, and the run ends as timed out', async () => {
  const job = new PatientJob()
  const ran = expect(job.dispatchNow()).rejects.toMatchObject({ code: 'JOB_TIMED_OUT' })
  vi.advanceTimersByTime(1_000)
  await ran
  expect(vi.getTimerCount()).toBe(0)
})

test('failed() is called before the caller gets the error, with the error and a copy of the payload; it is not called for a release', async () => {
  const told: unknown[] = []
  class EndingJob extends Job {
    handle(payload: { how: string }) {
      if (payload.how === 'release') this.release('5m')
      try {
        this.fail('no')
      } catch {
        payload.how = 'changed'
      }
    }
    override failed(error: Error, payload: { how: string }) {
      told.push(error.message, payload.how, this.attempt)
      throw new Error('not even this')
    }
  }
  const line = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await expect(new EndingJob().dispatchNow({ how: 'fail' })).rejects.toMatchObject({
    name: 'NonRetryableError',
    message: 'no',
  })
  expect(told).toEqual(['no', 'fail', 1])
  expect(line.mock.calls[0]?.[0]).toContain('failed() failed: not even this')
  line.mockRestore()
  await expect(new EndingJob().dispatchNow({ how: 'release' })).rejects.toMatchObject({
    code: 'JOB_RELEASED',
    message: 'EndingJob is released for 5 min',
  })
  expect(told).toHaveLength(3)
  expect(vi.getTimerCount()).toBe(0)
})

test('fail() and release() outside of a run only throw', () => {
  const job = new PatientJob()
  expect(() => job.fail('no')).toThrow('no')
  expect(() => job.release()).toThrow('PatientJob is released')
})

test('a timeout that is longer than a timer can wait does not end at once', async () => {
  const job = new PatientJob()
  job.timeout = '30d'
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  const ran = job.dispatchNow()
  // A timer with a longer delay would fire at once.
  expect(setTimer).toHaveBeenCalledWith(expect.any(Function), 2_147_483_647)
  vi.advanceTimersByTime(24 * 86_400_000)
  expect(job.signal.aborted).toBe(false)
  job.go()
  expect(await ran).toBe('done')
  expect(vi.getTimerCount()).toBe(0)
})
