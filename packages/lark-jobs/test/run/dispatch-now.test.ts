import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { defineSignal, Job, Jobs, JobsError, StepError } from '../../src/index.ts'

// The first `dispatchNow` reads the configuration, and the first step loads the code for steps. Make both
// before the tests, so that they take no time in a test.
beforeAll(async () => {
  class FirstJob extends Job {
    handle() {
      return this.step('first', () => {})
    }
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

test('dispatchNow() aborts the signal of a job at its timeout, and the run ends as timed out', async () => {
  const job = new PatientJob()
  const ran = expect(job.dispatchNow()).rejects.toMatchObject({ code: 'JOB_TIMED_OUT' })
  vi.advanceTimersByTime(1_000)
  await ran
  expect(vi.getTimerCount()).toBe(0)
})

test('failed() is called with the error and a copy of the payload before the caller gets the error, and is not called for a release', async () => {
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

test('a timeout that is longer than a timer can wait does not end the job at once', async () => {
  const job = new PatientJob()
  job.timeout = '30d'
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  const ran = job.dispatchNow()
  // A timer with a delay that is too long would fire at once.
  expect(setTimer).toHaveBeenCalledWith(expect.any(Function), 2_147_483_647)
  vi.advanceTimersByTime(24 * 86_400_000)
  expect(job.signal.aborted).toBe(false)
  job.go()
  expect(await ran).toBe('done')
  expect(vi.getTimerCount()).toBe(0)
})

describe('a job with steps runs to its end in this process', () => {
  const approved = defineSignal<{ by: string }>('approved')
  const rejected = defineSignal('rejected')
  let done: string[] = []
  const call = <T>(name: string, value: T): T => {
    done.push(name)
    return value
  }
  beforeEach(() => {
    done = []
  })

  /** A job whose handler a test writes. */
  class StepsJob extends Job {
    override timeout: number | string = '30m'
    handler: (job: Job) => unknown = () => {}
    handle(): unknown {
      return this.handler(this)
    }
  }
  const run = (handler: (job: Job) => unknown) => Object.assign(new StepsJob(), { handler }).dispatchNow()

  test('a job may have steps with retries and a sleep of months, and the sleep does not count towards the timeout', async () => {
    const began = Date.now()
    const ran = run(async (job) => {
      const rows = await job.step('rows', ({ key }) => call(key === `${job.id}/rows` ? 'rows' : 'no', [1, 2]))
      await Promise.all(rows.map((row) => job.step(['mail', row], () => call(`mail ${row}`, undefined))))
      await job.step(
        'flaky',
        ({ attempt }) => {
          if (call(`try ${attempt}`, attempt) < 3) throw new Error('no')
        },
        { tries: 3, backoff: '1h' },
      )
      await job.sleep('cool down', '60d')
      return call('end', rows.length)
    })
    await vi.advanceTimersByTimeAsync(2 * 3_600_000)
    expect(done).toEqual(['rows', 'mail 1', 'mail 2', 'try 1', 'try 2', 'try 3'])
    await vi.advanceTimersByTimeAsync(59 * 86_400_000)
    expect(done).not.toContain('end')
    await vi.advanceTimersByTimeAsync(86_400_000)
    expect(await ran).toBe(2)
    expect(Date.now() - began).toBe(60 * 86_400_000 + 2 * 3_600_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a job gets signals that were sent early, twice or in turn, and a wait may time out', async () => {
    let id = ''
    const ran = run(async (job) => {
      id = job.id!
      await job.step('ask', () => new Promise((resolve) => setTimeout(resolve, 1_000)))
      const first = await job.waitFor(approved)
      const second = await job.waitFor({ approved, rejected }, { name: 'second', timeout: '7d' })
      const third = await job.waitFor(rejected, { timeout: '7d' })
      return [first, second, third ?? null]
    })
    await vi.advanceTimersByTimeAsync(1)
    const handle = Jobs.handle(StepsJob, id)
    expect(await handle.send(approved, { by: 'ada' }, { id: 'a' })).toBe(true)
    expect(await handle.send(approved, { by: 'eve' }, { id: 'a' })).toBe(true)
    await vi.advanceTimersByTimeAsync(86_400_000)
    expect(await handle.send(rejected)).toBe(true)
    await vi.advanceTimersByTimeAsync(7 * 86_400_000)
    expect(await ran).toEqual([{ value: { by: 'ada' } }, { name: 'rejected' }, null])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('an approval is answered in this process, once', async () => {
    const tokens: string[] = []
    const send = ({ token }: { token: string }) => void tokens.push(token)
    const ran = run((job) => job.approval('publish', { send, title: 'Publish it?' }))
    await vi.waitFor(() => expect(tokens).toHaveLength(1))
    const [token] = tokens as [string]
    expect(await Jobs.approval(token)).toMatchObject({ state: 'open', title: 'Publish it?' })
    const both = await Promise.all([Jobs.redeem(token, { by: 'ada' }), Jobs.redeem(token, { by: 'ada' })])
    expect(both.sort()).toEqual([false, true])
    expect(await ran).toEqual({ value: { by: 'ada' } })
  })

  test('the timeout of a job does not count waits, and ends a wait', async () => {
    const waits = expect(
      run(async (job) => {
        await job.sleep('night', '8h')
        await job.step('render', () => new Promise((resolve) => setTimeout(resolve, 20 * 60_000)))
        await job.sleep('day', '8h')
        await Promise.all([
          job.sleep('more', '8h'),
          new Promise((resolve) => setTimeout(resolve, 86_400_000)),
        ])
        await job.step('again', () => new Promise((resolve) => setTimeout(resolve, 20 * 60_000)))
      }),
    ).rejects.toMatchObject({ code: 'JOB_TIMED_OUT' })
    await vi.advanceTimersByTimeAsync(3 * 86_400_000)
    await waits
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a repeated name, a sleep in a step, a step that is not awaited, and a step in failed() are refused', async () => {
    const codes: unknown[] = []
    const noting = (promise: Promise<unknown>) => promise.catch((error) => void codes.push(error.code))
    class EndingJob extends Job {
      async handle() {
        await this.step('a', () => 1)
        await noting(this.step('a', () => 1))
        await noting(this.step('b', () => this.sleep('c', 5)))
        void this.step('slow', () => new Promise(() => {})).catch(() => {})
      }
      override async failed() {
        await noting(this.step('d', () => 1))
      }
    }
    await noting(new EndingJob().dispatchNow())
    expect(codes).toEqual(['STEP_TWICE', 'STEP_INVALID', 'STEP_OUTSIDE', 'STEP_NOT_AWAITED'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a wait may lose a race, a step may not, and a wait must be awaited', async () => {
    const pause = () => new Promise<string>((resolve) => setTimeout(resolve, 50, 'slow'))
    const race = (job: Job, other: Promise<unknown>) => Promise.race([job.step('fast', () => 'fast'), other])
    const nested = async (job: Job) => {
      await job.sleep('night', '8h')
    }
    expect(await run((job) => race(job, job.sleep('night', '8h')))).toBe('fast')
    expect(await run((job) => race(job, job.waitFor(approved)))).toBe('fast')
    expect(await run((job) => race(job, nested(job)))).toBe('fast')
    const fault = { code: 'STEP_NOT_AWAITED' }
    await expect(run((job) => race(job, job.step('slow', pause)))).rejects.toMatchObject(fault)
    const forgetful = run(async (job) => {
      await job.step('first', () => 1)
      void job.sleep('forgotten', '8h')
    })
    await expect(forgetful).rejects.toMatchObject(fault)
    await vi.advanceTimersByTimeAsync(50)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a job that runs inside of a step may wait by itself', async () => {
    class SleepingJob extends Job {
      async handle() {
        await this.sleep('nap', '20m')
        return 'slept'
      }
    }
    const ran = run((job) => job.step('other', () => new SleepingJob().dispatchNow()))
    await vi.advanceTimersByTimeAsync(20 * 60_000)
    expect(await ran).toBe('slept')
  })

  test('values that are not functions, signals or names are refused, and a name may look like a list', async () => {
    const no = undefined as never
    const refused = (act: (job: Job) => unknown) =>
      expect(run(act)).rejects.toMatchObject({ code: 'STEP_INVALID' })
    await refused((job) => job.step('a', no))
    await refused((job) => job.waitFor({}))
    await refused((job) => job.waitFor({ a: 'approved' } as never))
    await refused((job) => job.waitFor({ name: 'GS \u001d' }))
    await refused((job) => job.step('half a pair \ud83d', () => 1))
    expect(() => defineSignal('half a pair \ud83d')).toThrow(JobsError)
    expect(await run((job) => job.step('[draft] 😀', () => 1))).toBe(1)
  })

  test('a step that fails for good fails the job, with its StepError', async () => {
    const failed = run((job) =>
      job.step('charge', () => {
        throw Object.assign(new TypeError('declined'), { code: 'card_declined' })
      }),
    )
    const error = await failed.then(undefined, (thrown) => thrown)
    expect(error).toBeInstanceOf(StepError)
    expect(error).toMatchObject({ name: 'TypeError', code: 'card_declined', step: 'charge' })
  })

  /** Returns the options of a step whose undo records its arguments. */
  const undone = (name: string) => ({ undo: (result: unknown) => call(`undo ${name} ${result}`, undefined) })
  const book = async (job: Job) => {
    await job.step('flight', () => call('flight', 1), undone('flight'))
    await job.step('hotel', () => call('hotel', 2), undone('hotel'))
  }

  test.each<[string, (job: Job) => unknown, object]>([
    ['throws', () => Promise.reject(new Error('sold out')), { message: 'sold out' }],
    ['fails', (job) => job.fail('no'), { message: 'no' }],
    ['takes too long', (job) => job.step('car', () => wait(3_600_000)), { code: 'JOB_TIMED_OUT' }],
  ])('a job that %s is undone in reverse, and only then has failed', async (_, then, error) => {
    class SagaJob extends Job {
      handle = async (): Promise<unknown> => {
        await book(this)
        return then(this)
      }
      override failed = (thrown: Error) =>
        void call(`failed: ${'code' in thrown ? thrown.code : thrown.message}`, 0)
    }
    await expect(passing(new SagaJob().dispatchNow())).rejects.toMatchObject(error)
    expect(done.slice(0, 4)).toEqual(['flight', 'hotel', 'undo hotel 2', 'undo flight 1'])
    expect(done.slice(4)).toEqual([expect.stringMatching(/^failed: (sold out|no|JOB_TIMED_OUT)$/)])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a job that completes or is released undoes nothing, and a job that returns false undoes its steps', async () => {
    expect(await passing(run(book))).toBeUndefined()
    await expect(
      passing(
        run(async (job) => {
          await book(job)
          job.release('1h')
        }),
      ),
    ).rejects.toMatchObject({ code: 'JOB_RELEASED' })
    expect(done).toEqual(['flight', 'hotel', 'flight', 'hotel'])
    const refused = run(async (job) => {
      await book(job)
      return false
    })
    expect(await passing(refused)).toBe(false)
    expect(done.slice(4)).toEqual(['flight', 'hotel', 'undo hotel 2', 'undo flight 1'])
  })

  test('a failed undo is tried again after a pause, also after a timeout, and the error names an undo that is given up', async () => {
    const ran = run(async (job) => {
      await job.step('first', () => 1, undone('first'))
      await job.step('second', () => 2, {
        backoff: '2h',
        timeout: '1m',
        undo: (_, { attempt }) => {
          call(`second ${attempt}`, 0)
          return attempt === 1 ? wait(3_600_000) : Promise.reject(new Error('down'))
        },
      })
      await job.step('third', () => call('third', 3), { undo: () => undefined })
      return job.step('last', () => Promise.reject(new Error('no')), {
        undo: (got) => call(`last ${got}`, 0),
      })
    })
    const failed = expect(ran).rejects.toMatchObject({
      code: 'UNDO_FAILED',
      message: 'StepsJob: second could not be undone: down. It had failed: no',
      hint: 'Undo by hand what is left',
    })
    await vi.advanceTimersByTimeAsync(12 * 3_600_000)
    await failed
    const tries = [1, 2, 3, 4, 5].map((attempt) => `second ${attempt}`)
    expect(done).toEqual(['third', 'last undefined', ...tries, 'undo first 1'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a run that undoes steps gets the same errors and the same signals as the run before', async () => {
    let id = ''
    const ran = run(async (job) => {
      id = job.id!
      await job.step('charge', () => Promise.reject(new Error('declined'))).catch(() => call('caught', 0))
      const answer = await job.waitFor(approved)
      await job.sleep('pause', '1h')
      await job.step(['for', answer!.value.by], () => 'x', undone('charge'))
      throw new Error('no')
    })
    const failed = expect(passing(ran)).rejects.toThrow('no')
    await vi.advanceTimersByTimeAsync(1)
    expect(await Jobs.handle(StepsJob, id).send(approved, { by: 'ada' })).toBe(true)
    await failed
    expect(done).toEqual(['caught', 'caught', 'undo charge x'])
  })

  test('when the children of a job have returned 16 MiB, large results are dropped and small results are kept', async () => {
    class LargeJob extends Job {
      handle({ size }: { size: number }) {
        return 'x'.repeat(size)
      }
    }
    const sizes = [...Array(33).fill(524_000), ...Array(10).fill(1_000)]
    const ran = run(async (job) => {
      const got: unknown[] = []
      for (const [n, size] of sizes.entries()) {
        const text = job.runJob(['part', n], new LargeJob().with({ size }))
        got.push(await text.then(({ length }) => length).catch(({ code, message }) => ({ code, message })))
      }
      return got
    })
    const dropped = {
      code: 'RESULT_DROPPED',
      message: expect.stringMatching(
        /^LargeJob \S+ has completed, but what it returned could not be kept: the children of one job may return 16 MiB together$/,
      ),
    }
    expect(await passing(ran)).toEqual(sizes.map((size, n) => (n === 32 ? dropped : size)))
  })

  test('a job can get at most 4 MiB of signals', async () => {
    const ran = run(async (job) => {
      const send = () => Jobs.handle(StepsJob, job.id!).send(approved, { by: 'x'.repeat(500_000) })
      await job.step('first', () => 1)
      for (let n = 0; n < 8; n++) expect(await send()).toBe(true)
      return send()
    })
    await expect(passing(ran)).rejects.toMatchObject({
      code: 'SIGNALS_FULL',
      message: expect.stringMatching(/^\S+: it would have more than 1000 signals, or 4 MiB of them$/),
      hint: expect.stringContaining('Dispatch a job for each'),
    })
  })

  test('middleware also runs around the run that undoes steps, and gets the error JOB_UNDONE', async () => {
    const seen: unknown[] = []
    class WrappedJob extends StepsJob {
      override middleware = () => [
        (_: unknown, next: () => Promise<unknown>) =>
          next().catch((error: { code?: string; message: string }) => {
            seen.push(error.code ?? error.message)
            throw error
          }),
      ]
    }
    const handler = async (job: Job) => {
      await book(job)
      throw new Error('sold out')
    }
    const ran = Object.assign(new WrappedJob(), { handler }).dispatchNow()
    await expect(passing(ran)).rejects.toThrow('sold out')
    expect(seen).toEqual(['sold out', 'JOB_UNDONE'])
  })
})

/** Lets time pass on the fake timers until a promise settles, and resolves to its value. */
async function passing<T>(promise: Promise<T>): Promise<T> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  promise.then(over, over)
  while (!isOver) await vi.advanceTimersByTimeAsync(60_000)
  return promise
}

/** Resolves after some milliseconds of the fake timers. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
