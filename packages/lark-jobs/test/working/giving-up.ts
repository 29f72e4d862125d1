import { expect, test } from 'vitest'
import { Job, NonRetryableError } from '../../src/index.ts'
import { Bench, type Connect, signal } from './bench.ts'

/** This is a NonRetryableError of another copy of the package. */
const foreign = Object.assign(new Error('other'), { [Symbol.for('s18i.lark.non-retryable')]: true })

/** A job may decide that another attempt is useless. */
export function givingUp(connect: Connect): void {
  /** Runs a job once that has tries left. @returns its record afterwards */
  async function runOnce(handle: (job: Job) => unknown) {
    await using bench = await Bench.make(connect)
    class GivingUpJob extends Job {
      override tries = 5
      override backoff = '2h'
      handle(): unknown {
        return handle(this)
      }
    }
    const job = new GivingUpJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([GivingUpJob], { stopWhenEmpty: true })).done
    return await bench.jobs.find(job.id!)
  }
  const failed = (error: object) => ({ state: 'failed', runs: 1, failures: 1, errors: [error] })

  test.each<[string, (job: Job) => unknown, object]>([
    ['an error', (job) => job.fail(new TypeError('no')), { name: 'TypeError', message: 'no' }],
    ['a text', (job) => job.fail('no user 7'), { name: 'NonRetryableError', message: 'no user 7' }],
    ['nothing', (job) => job.fail(), { code: 'JOB_FAILED_ITSELF', message: 'The job called this.fail()' }],
  ])('this.fail() with %s: it has failed for good', async (_, handle, error) => {
    expect(await runOnce(handle)).toMatchObject(failed(error))
  })

  test('this.fail() counts even if the handler catches its error and calls this.release() later', async () => {
    const caught = await runOnce((job) => {
      try {
        job.fail('really')
      } catch {
        return 'fine'
      }
    })
    expect(caught).toMatchObject(failed({ message: 'really' }))
    expect(caught?.result).toBeUndefined()
    const released = await runOnce((job) => {
      try {
        job.fail('first')
      } catch {
        job.release('1m')
      }
    })
    expect(released).toMatchObject({ ...failed({ message: 'first' }), releases: 0 })
  })

  test('a NonRetryableError of any copy of the package is final, and its cause is kept', async () => {
    const cause = new Error('stolen')
    const error = new NonRetryableError('no card', { cause })
    expect(error).toMatchObject({ name: 'NonRetryableError', cause })
    const thrown = (what: unknown) =>
      runOnce(() => {
        throw what
      })
    expect(await thrown(error)).toMatchObject(failed({ name: 'NonRetryableError', message: 'no card' }))
    expect(await thrown(foreign)).toMatchObject(failed({ message: 'other' }))
    expect(await thrown(new Error('later'))).toMatchObject({ state: 'delayed', failures: 1 })
    const unreadable = new Proxy(new Error('odd'), {
      get() {
        throw new Error('unreadable')
      },
    })
    expect(await thrown(unreadable)).toMatchObject({ state: 'delayed', failures: 1 })
  })

  test('retryIf() decides; if it throws, or returns neither true nor false, the job is retried', async () => {
    await using bench = await Bench.make(connect)
    class PickyJob extends Job {
      override backoff = '2h'
      override retryIf(error: Error): boolean {
        if (error.message === 'odd') throw new Error('what is this?')
        if (error.message === 'mute') return undefined as unknown as boolean
        this.info(`asked after attempt ${this.attempt}`)
        return error.message !== 'final'
      }
      handle({ message }: { message: string }) {
        throw new Error(message)
      }
    }
    const job = new PickyJob()
    await bench.jobs.dispatchMany(
      job,
      ['final', 'again', 'odd', 'mute'].map((message) => ({ message })),
    )
    await (await bench.work([PickyJob], { stopWhenEmpty: true })).done
    const found = await Promise.all(job.ids.map((id) => bench.jobs.find(id)))
    expect(found.map((each) => [each?.state, each?.log.at(-1)?.text])).toEqual([
      ['failed', 'asked after attempt 1'],
      ['delayed', 'asked after attempt 1'],
      ['delayed', 'retryIf() threw: what is this?'],
      ['delayed', 'retryIf() returned undefined; it must be true or false'],
    ])
  })

  test('a job that calls fail() while its worker stops has failed', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    class StoppedJob extends Job {
      async handle() {
        const stopped = new Promise((resolve) => this.signal.addEventListener('abort', resolve))
        began.resolve()
        await stopped
        this.fail('half done')
      }
    }
    const job = new StoppedJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([StoppedJob])
    await began.promise
    await worker.stop(0)
    expect(await bench.jobs.find(job.id!)).toMatchObject(failed({ message: 'half done' }))
  })
}
