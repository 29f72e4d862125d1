import { expect, test } from 'vitest'
import { Job, type JobConstructor, type Make } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class Mailer {
  readonly sent: string[] = []
}

/** A container passes a mailer to each job, and notes what happens to the scope of each run. */
class Container {
  readonly mailer = new Mailer()
  readonly heard: string[] = []
  #scopes = 0

  readonly make: Make = async (jobClass, { key, attempt, payload }) => {
    const scope = ++this.#scopes
    this.heard.push(`make ${scope} ${key} ${attempt} ${JSON.stringify(payload)}`)
    await Promise.resolve()
    return {
      job: new jobClass(this.mailer, scope),
      dispose: async () => void this.heard.push(`dispose ${scope}`),
    }
  }
}

class MailJob extends Job {
  override readonly key: string = 'mail'
  override tries = 2
  override backoff = 0
  readonly #mailer: Mailer
  readonly #scope: number
  constructor(mailer: Mailer, scope: number) {
    super()
    this.#mailer = mailer
    this.#scope = scope
  }
  async handle({ to }: { to: string }) {
    await Promise.resolve()
    if (to === '') throw new Error('nobody')
    this.#mailer.sent.push(`${to} ${this.#scope} ${this.id}`)
  }
  override failed(error: Error, { to }: { to: string }) {
    this.#mailer.sent.push(`${error.message} '${to}' ${this.#scope} ${this.attempt}`)
  }
  override cancelled({ to }: { to: string }) {
    this.#mailer.sent.push(`cancelled ${to} ${this.#scope}`)
  }
}

/** The application makes jobs whose constructor has parameters. */
export function making(connect: Connect): void {
  test('make passes dependencies to each run and to failed(), and disposes of each scope after its run', async () => {
    await using bench = await Bench.make(connect)
    const container = new Container()
    const { heard, mailer } = container
    const jobs = bench.client({ make: container.make })
    const { id } = (await jobs.dispatch([MailJob.with({ to: 'ada' })]))[0]
    await jobs.dispatch([MailJob.with({ to: '' })])
    const worker = await jobs.work({
      jobs: [MailJob],
      report: new Record(),
      stopWhenEmpty: true,
      concurrency: 1,
    })
    expect(await worker.done).toMatchObject({ completed: 1, retried: 1, failed: 1 })
    expect(heard).toEqual([
      'make 1 mail 1 {"to":"ada"}',
      'dispose 1',
      'make 2 mail 1 {"to":""}',
      'dispose 2',
      'make 3 mail 2 {"to":""}',
      'dispose 3',
      'make 4 mail 2 {"to":""}',
      'dispose 4',
    ])
    expect(mailer.sent).toEqual([`ada 1 ${id}`, "nobody '' 4 2"])
  })

  test('for a job cancelled while it waits, cancelled() is called on an object from make', async () => {
    await using bench = await Bench.make(connect)
    const container = new Container()
    const [handle] = await bench.jobs.dispatch([MailJob.with({ to: 'ada' }).delayed('1h')])
    await handle.cancel()
    const told = signal()
    const make: Make = async (jobClass, run) => {
      const made = (await container.make(jobClass, run)) as { job: MailJob; dispose: () => unknown }
      return { job: made.job, dispose: () => told.resolve(made.dispose() as undefined) }
    }
    await bench.work([MailJob as unknown as new () => Job], { make })
    await told.promise
    expect(container.mailer.sent).toEqual(['cancelled ada 1'])
    expect(container.heard).toEqual(['make 1 mail 0 {"to":"ada"}', 'dispose 1'])
  })

  test.each<[string, Make, string]>([
    [
      'nothing',
      () => undefined as never,
      'MailJob: make() returned undefined; it must return a job of this class',
    ],
    [
      'something else',
      () => ({ job: {} }) as never,
      'MailJob: make() returned { job: {} }; it must return a job',
    ],
    [
      'a job of another class',
      () => {
        class OtherJob extends Job {
          handle() {}
        }
        return new OtherJob()
      },
      'it must return a job of this class, or { job, dispose }',
    ],
    [
      'an error',
      () => {
        throw new Error('no database')
      },
      'no database',
    ],
  ])('if make gives %s, the attempt has failed', async (_, make, message) => {
    await using bench = await Bench.make(connect)
    const [handle] = await bench.jobs.dispatch([MailJob.with({ to: 'ada' }).withTries(1)])
    await (await bench.work([MailJob as never], { make, stopWhenEmpty: true })).done
    const found = await handle.find()
    expect(found).toMatchObject({ state: 'failed', errors: [{ message: expect.stringContaining(message) }] })
    expect(found?.log[0]?.text).toContain('failed() failed: ')
  })

  test('make may not return one object for two simultaneous runs', async () => {
    await using bench = await Bench.make(connect)
    const both = signal()
    class SlowJob extends Job {
      override tries = 1
      async handle() {
        await both.promise
      }
    }
    const one = new SlowJob()
    const handles = await bench.jobs.dispatch([SlowJob.with(), SlowJob.with()])
    const report = new Record()
    const worker = await bench.work([SlowJob], { make: () => one, report, stopWhenEmpty: true })
    await report.ends(1)
    both.resolve()
    expect(await worker.done).toMatchObject({ completed: 1, failed: 1 })
    const found = await Promise.all(handles.map((handle) => handle.find()))
    const failed = found.find((job) => job?.state === 'failed')
    expect(failed?.errors[0]).toMatchObject({
      code: 'JOB_INVALID',
      message: 'SlowJob: make() returned a job that is running; it must return a new one for every run',
    })
    await bench.jobs.dispatch([SlowJob.with()])
    expect(await (await bench.work([SlowJob], { make: () => one, stopWhenEmpty: true })).done).toMatchObject({
      completed: 1,
    })
  })

  test('dispose may be a method of the object that make returned', async () => {
    await using bench = await Bench.make(connect)
    let open = 0
    class Scope {
      readonly job: Job
      #isOpen = true
      constructor(jobClass: JobConstructor) {
        open++
        this.job = new jobClass(new Mailer(), 1) as Job
      }
      dispose() {
        if (this.#isOpen) open--
        this.#isOpen = false
      }
    }
    const jobs = bench.client({ make: (jobClass) => new Scope(jobClass as never) })
    const [handle] = await jobs.dispatch([MailJob.with({ to: 'ada' })])
    await (await jobs.work({ jobs: [MailJob], stopWhenEmpty: true, report: new Record() })).done
    expect(await handle.find()).toMatchObject({ state: 'completed', log: [] })
    expect(open).toBe(0)
  })

  test('an error of dispose is written to the log, and the job completes', async () => {
    await using bench = await Bench.make(connect)
    const make: Make = (jobClass) => ({
      job: new jobClass(new Mailer(), 1),
      dispose: () => Promise.reject(new Error('too late')),
    })
    const [handle] = await bench.jobs.dispatch([MailJob.with({ to: 'ada' })])
    await (await bench.work([MailJob as never], { make, stopWhenEmpty: true })).done
    const found = await handle.find()
    expect(found).toMatchObject({
      state: 'completed',
      log: [{ level: 'warn', text: 'dispose() of make() failed: too late' }],
    })
  })

  test('a job that times out during make does not begin, and its scope is disposed of', async () => {
    await using bench = await Bench.make(connect)
    let disposed = 0
    const make: Make = async (jobClass, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return { job: new jobClass(new Mailer(), 1), dispose: () => disposed++ }
    }
    class LateJob extends Job {
      override tries = 1
      override timeout = 20
      handle() {
        this.info('began')
      }
    }
    const [handle] = await bench.jobs.dispatch([LateJob.with()])
    await (await bench.work([LateJob], { make, stopWhenEmpty: true })).done
    expect(await handle.find()).toMatchObject({
      state: 'failed',
      errors: [{ code: 'JOB_TIMED_OUT' }],
      log: [],
    })
    expect(disposed).toBe(1)
  })

  test('a worker warns of classes with parameters if the application has no make', async () => {
    await using bench = await Bench.make(connect)
    const report = new Record()
    const jobs: readonly JobConstructor[] = [MailJob]
    await bench.jobs.work({ jobs, report })
    expect(report.warnings).toContain(
      'MailJob has a constructor with parameters, which are undefined: pass them with jobs.make',
    )
    const passed = new Record()
    await bench.jobs.work({ jobs, report: passed, make: new Container().make })
    expect(passed.warnings.join()).not.toContain('constructor')
  })
}
