import { expect, test } from 'vitest'
import { Job, NonRetryableError, type StepContext } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect } from './bench.ts'

let called: string[] = []
function call<T>(name: string, value: T): T {
  called.push(name)
  return value
}

/** Each test writes the handler of this job. */
let handler: (job: Job) => unknown
class SagaJob extends Job {
  override readonly key: string = 'saga'
  override tries = 2
  override backoff = 1
  handle(): unknown {
    return handler(this)
  }
  override failed(error: Error): void {
    called.push(`failed: ${error.message}`)
  }
  override cancelled(_: unknown, reason: string, because?: string): void {
    called.push(`cancelled: ${reason} ${because}`)
  }
}

const undoing = (name: string) => ({
  undo: (result: unknown) => call(`undo ${name} ${result}`, undefined),
})

/** Returns a handler that books twice, and then does `then`. */
function booking(then: (job: Job) => unknown): typeof handler {
  return async (job) => {
    await job.step('flight', () => call('flight', 1), undoing('flight'))
    await job.step('hotel', () => call('hotel', 2), undoing('hotel'))
    return then(job)
  }
}

function start(handle: typeof handler): void {
  called = []
  handler = handle
}

export function undoes(connect: Connect): void {
  test('the steps of a failing job are undone in reverse order before the job ends as failed', async () => {
    await using bench = await Bench.make(connect)
    start(
      booking(() => {
        throw new Error('sold out')
      }),
    )
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ cause: { message: 'sold out' } })
    expect(called).toEqual(['flight', 'hotel', 'undo hotel 2', 'undo flight 1', 'failed: sold out'])
    expect(await handle.status()).toMatchObject({ state: 'failed' })

    // A retry runs undone steps again.
    called = []
    handler = booking(() => 'booked')
    await operate(bench.jobs).retry(handle.id)
    expect(await handle.result({ timeout: '20s' })).toBe('booked')
    expect(called).toEqual(['flight', 'hotel'])
  })

  test('a run that undoes steps does not run code after the last step', async () => {
    await using bench = await Bench.make(connect)
    start(async (job) => {
      await job.step('flight', () => call('flight', 1), undoing('flight'))
      call('behind', 0)
      throw new NonRetryableError('sold out')
    })
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ cause: { message: 'sold out' } })
    expect(called).toEqual(['flight', 'behind', 'undo flight 1', 'failed: sold out'])
  })

  test('a step that began without a result is undone with undefined, and a step that never began is not undone', async () => {
    await using bench = await Bench.make(connect)
    start(async (job) => {
      const options = { tries: 1, ...undoing('charge') }
      await job.step(
        'charge',
        () => {
          throw new NonRetryableError('declined')
        },
        options,
      )
      await job.step('later', () => 1, undoing('later'))
    })
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ cause: { message: 'declined' } })
    expect(called).toEqual(['undo charge undefined', 'failed: declined'])
  })

  test('the steps of a cancelled suspended job are undone before it ends', async () => {
    await using bench = await Bench.make(connect)
    start(booking((job) => job.sleep('days', '3d')))
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await expect.poll(async () => (await handle.status())?.suspended, { timeout: 20_000 }).toEqual([])
    await handle.cancel({ because: 'no trip' })
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    expect(called).toEqual([
      ...['flight', 'hotel', 'undo hotel 2', 'undo flight 1', 'cancelled: user no trip'],
    ])
    expect(await handle.status()).toMatchObject({ state: 'cancelled', reason: 'user', because: 'no trip' })
  })

  test('the steps of a cancelled running job are undone before it ends', async () => {
    await using bench = await Bench.make(connect)
    let begin = () => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    start(
      booking(async (job) => {
        begin()
        await new Promise((_, reject) => {
          job.signal.addEventListener('abort', () => reject(job.signal.reason))
        })
      }),
    )
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await begun
    await handle.cancel()
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    expect(called.slice(2)).toEqual(['undo hotel 2', 'undo flight 1', 'cancelled: user undefined'])
  })

  test('an undo is tried again with its attempt number, and if it gives up, the error names it and the other steps are undone', async () => {
    await using bench = await Bench.make(connect)
    start(async (job) => {
      await job.step('first', () => 1, undoing('first'))
      await job.step('second', () => 2, {
        backoff: 1,
        undo: (_: unknown, { attempt, key }: StepContext) => {
          call(`${key.split('/').slice(1).join('/')} ${attempt}`, 0)
          throw new Error('down')
        },
      })
      await job.step('third', () => 3, {
        backoff: 1,
        undo: (_: unknown, { attempt }: StepContext) => {
          if (call(`third ${attempt}`, attempt) < 3) throw new Error('once more')
        },
      })
      throw new NonRetryableError('no')
    })
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({
      cause: {
        code: 'UNDO_FAILED',
        message: 'SagaJob: second could not be undone: down. It had failed: no',
      },
    })
    const tries = [1, 2, 3, 4, 5].map((attempt) => `second/undo ${attempt}`)
    // A step whose undo failed still counts as done, so a retry does not run it.
    const { steps } = (await operate(bench.jobs).steps.list(handle.id))!
    expect(steps.map(({ name, state, failed }) => [name, state, failed])).toEqual([
      ['third', 'undone', 2],
      ['first', 'undone', undefined],
      ['second', 'done', undefined],
    ])
    expect(called.slice(0, -1)).toEqual(['third 1', 'third 2', 'third 3', ...tries, 'undo first 1'])
  })

  test('the error names an undo that is missing in the new code', async () => {
    await using bench = await Bench.make(connect)
    start(booking((job) => job.sleep('days', '3d')))
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await expect.poll(async () => (await handle.status())?.suspended, { timeout: 20_000 }).toEqual([])
    handler = async (job) => {
      await job.step('flight', () => 0, undoing('flight'))
      await job.sleep('days', '3d')
    }
    await handle.cancel()
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({
      cause: {
        code: 'UNDO_FAILED',
        message: expect.stringMatching(/hotel could not be undone: .+\. It had been cancelled$/),
      },
    })
    expect(called).toContain('undo flight 1')
  })

  test('a long pause between tries of an undo frees the slot, and undone steps are not undone again', async () => {
    await using bench = await Bench.make(connect)
    start(async (job) => {
      await job.step('first', () => 1, {
        backoff: 1_100,
        undo: (_: unknown, { attempt }: StepContext) => {
          if (call(`first ${attempt}`, attempt) < 2) throw new Error('once more')
        },
      })
      await job.step('second', () => 2, undoing('second'))
      throw new NonRetryableError('no')
    })
    await using _ = await bench.work([SagaJob])
    const handle = await bench.jobs.dispatch(new SagaJob().with())
    await expect
      .poll(async () => handle.status(), { timeout: 20_000 })
      .toMatchObject({ state: 'delayed', undoing: true })
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ cause: { message: 'no' } })
    expect(called).toEqual(['undo second 2', 'first 1', 'first 2', 'failed: no'])
  })

  test('the steps of a job with middleware are undone, and the middleware ends', async () => {
    await using bench = await Bench.make(connect)
    start(
      booking(() => {
        throw new NonRetryableError('sold out')
      }),
    )
    const seen: unknown[] = []
    class WrappedJob extends SagaJob {
      override readonly key = 'wrapped'
      override middleware = () => [
        (_: unknown, next: () => Promise<unknown>) =>
          next().catch((error: { code?: string; message: string }) => {
            seen.push(error.code ?? error.message)
            throw error
          }),
      ]
    }
    await using _ = await bench.work([WrappedJob])
    const handle = await bench.jobs.dispatch(new WrappedJob().with())
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ cause: { message: 'sold out' } })
    expect(called).toEqual(['flight', 'hotel', 'undo hotel 2', 'undo flight 1', 'failed: sold out'])
    expect(seen).toEqual(['sold out', 'JOB_UNDONE'])
  })
}
