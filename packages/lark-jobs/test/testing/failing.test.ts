/** Faults that a test can cause with a fake: a worker dies, the store cannot be reached, answers are lost. */
import { expect, test, vi } from 'vitest'
import { chain, Job, JobsError } from '../../src/index.ts'
import { Jobs } from '../../src/testing.ts'

const now = new Date('2026-11-27T08:00:00Z')
const config = { queues: ['default', 'emails'] }
const passed = (fake: { now: number }) => (fake.now - now.getTime()) / 1_000

const handle = vi.fn(async (_: { n: number }): Promise<unknown> => undefined)
class WorkJob extends Job {
  override tries = 1
  async handle(payload: { n: number }): Promise<unknown> {
    return handle(payload)
  }
}

test('a worker dies in the middle of a job, and another worker gets the job when the lease has ended', async () => {
  handle.mockReset()
  await using fake = Jobs.fake({ config, now })
  const done: string[] = []
  handle.mockImplementationOnce(async () => {
    done.push('charged')
    await fake.crash()
    done.push('never')
  })
  handle.mockImplementation(async () => void done.push('charged again'))
  const job = await WorkJob.with({ n: 1 }).dispatch()
  expect(await fake.drain()).toMatchObject({ completed: 0, crashed: 0 })
  expect((await job.status())?.state).toBe('active')
  await fake.advance('14s')
  expect(await fake.drain()).toMatchObject({ completed: 0 })
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ completed: 1, crashed: 1 })
  expect(passed(fake)).toBe(15)
  expect(done).toEqual(['charged', 'charged again'])
  expect(await job.status()).toMatchObject({ state: 'completed', crashes: 1, runs: 2 })
})

test('a handler of a dead worker may go on, but has no further effect', async () => {
  handle.mockReset()
  await using fake = Jobs.fake({ config })
  let goOn = () => {}
  handle.mockImplementationOnce(async () => {
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
    await new WorkJob().dispatch({ n: 2 })
    return 'of the dead'
  })
  handle.mockResolvedValue('of the living')
  const job = await WorkJob.with({ n: 1 }).dispatch()
  await fake.spy(WorkJob).started()
  await fake.crash()
  goOn()
  expect(await job.result()).toBe('of the living')
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ completed: 0 })
  fake.assertDispatched(WorkJob, {}, { times: 1 })
  expect((await fake.spy(WorkJob).crashed()).cause).toContain('its worker died')
  await expect(fake.crash()).rejects.toMatchObject({ code: 'FAKE_INVALID' })
})

test('a job that kills its worker again and again fails, and its hook is called', async () => {
  handle.mockReset()
  let told = ''
  class DeadlyJob extends Job {
    async handle() {
      await fake.crash()
    }
    override failed(error: unknown) {
      told = JobsError.is(error) ? error.code : ''
    }
  }
  await using fake = Jobs.fake({ config })
  const job = await DeadlyJob.with().dispatch()
  const other = await WorkJob.with({ n: 1 }).delayed('1h').dispatch()
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ crashed: 3, completed: 1 })
  expect((await job.status())?.state).toBe('failed')
  expect((await other.status())?.state).toBe('completed')
  expect(told).toBe('WORKER_DIED')
})

test('a flow goes on after a crash of a worker', async () => {
  handle.mockReset()
  await using fake = Jobs.fake({ config })
  handle.mockImplementationOnce(() => fake.crash())
  handle.mockImplementation(async ({ n }) => n)
  const flow = await chain([
    WorkJob.with({ n: 1 }),
    WorkJob.with({ n: 2 }).onQueue('emails'),
    WorkJob.with({ n: 3 }),
  ]).dispatch()
  expect(await flow.result()).toBe(3)
})

test('while the store cannot be reached, a dispatch waits a little and then fails', async () => {
  await using fake = Jobs.fake({ config, now })
  fake.outage('3s')
  expect(await new WorkJob().dispatch({ n: 1 })).toBe(true)
  expect(passed(fake)).toBe(3)
  fake.outage('10s')
  const error = await new WorkJob().dispatch({ n: 2 }).catch((error) => error)
  expect(error).toMatchObject({ code: 'STORE_UNREACHABLE', id: expect.any(String) })
  expect(passed(fake)).toBe(8)
  await expect(Jobs.status()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  expect(await WorkJob.with({ n: 3 }).dispatch()).toMatchObject({ queued: true })
  expect(passed(fake)).toBe(13)
  fake.outage('1m')
  await expect(chain([WorkJob.with({ n: 4 })]).dispatch()).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
  })
  await fake.advance('1m')
  expect(fake.all(WorkJob).map(({ payload }) => payload.n)).toEqual([1, 3])
})

test('if answers are lost, a dispatch is uncertain, and the job is queued', async () => {
  await using fake = Jobs.fake({ config })
  fake.outage('10s', { loses: 'answers' })
  const error = await WorkJob.with({ n: 1 })
    .dispatch()
    .catch((error) => error)
  expect(error).toMatchObject({ code: 'DISPATCH_UNCERTAIN' })
  fake.assertDispatched(WorkJob, { n: 1 }, { id: error.id })
})

test('a job that runs while the store cannot be reached does not run again', async () => {
  handle.mockReset()
  await using fake = Jobs.fake({ config, now })
  handle.mockImplementation(async () => fake.outage('1m'))
  const job = await WorkJob.with({ n: 1 }).dispatch()
  expect(await fake.drain()).toMatchObject({ completed: 1 })
  expect(passed(fake)).toBe(60)
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ completed: 0, crashed: 0 })
  expect(await job.status()).toMatchObject({ state: 'completed', runs: 1 })
})

test('a fake can end while a job runs', async () => {
  handle.mockReset()
  const fake = Jobs.fake({ config })
  let goOn = () => {}
  handle.mockImplementationOnce(
    () =>
      new Promise<void>((resolve) => {
        goOn = resolve
      }),
  )
  await new WorkJob().dispatch({ n: 1 })
  const draining = fake.drain().catch((error) => error.code)
  await fake.spy(WorkJob).started()
  await fake.end()
  expect(await draining).toBe('FAKE_ENDED')
  goOn()
})

test('if two jobs kill their worker at the same time, neither job goes on', async () => {
  handle.mockReset()
  await using fake = Jobs.fake({ config })
  const went: number[] = []
  let goOn = () => {}
  const both = new Promise<void>((resolve) => {
    goOn = resolve
  })
  handle.mockImplementation(async ({ n }) => {
    if (went.length < 2) {
      went.push(n)
      if (went.length === 2) goOn()
      await both
      await fake.crash().finally(() => went.push(-n))
    }
    return n
  })
  const jobs = await Jobs.dispatch([1, 2].map((n) => WorkJob.with({ n })))
  await fake.drain({ concurrency: 2 })
  expect(went).toEqual([1, 2])
  expect(await fake.drain({ withDelayed: true, concurrency: 2 })).toMatchObject({ crashed: 2, completed: 2 })
  expect(went).toEqual([1, 2])
  expect((await Promise.all(jobs.map((job) => job.status()))).map((job) => job?.crashes)).toEqual([1, 1])
})

test('the wait of a job whose worker has died changes nothing', async () => {
  handle.mockReset()
  await using fake = Jobs.fake({ config, now })
  const late = await WorkJob.with({ n: 2 }).delayed('1h').dispatch()
  let goOn = () => {}
  const died = new Promise<void>((resolve) => {
    goOn = resolve
  })
  handle.mockImplementationOnce(async () => {
    await Promise.all([late.result(), died.then(() => late.cancel())])
  })
  await new WorkJob().dispatch({ n: 1 })
  await fake.spy(WorkJob).started({ n: 1 })
  await fake.crash()
  goOn()
  expect(await fake.drain()).toMatchObject({ completed: 0, cancelled: 0 })
  expect(passed(fake)).toBe(0)
  expect((await late.status())?.state).toBe('delayed')
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ crashed: 1, completed: 2 })
})

test('if two outages overlap, the later end counts', async () => {
  handle.mockReset()
  await using fake = Jobs.fake({ config, now })
  fake.outage('12s')
  fake.outage('1s')
  const codes = [1, 2, 3].map(() => WorkJob.with({ n: 1 }))
  for (const job of codes.slice(0, 2)) await expect(job.dispatch()).rejects.toThrow('does not answer')
  expect(passed(fake)).toBe(10)
  await codes[2]!.dispatch()
  expect(passed(fake)).toBe(12)
})

test('a fake that could not start can still be ended, and its error is thrown only once', async () => {
  const fake = Jobs.fake({ config: { queues: ['no name'] } })
  await expect(fake.drain()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  expect(await fake.end()).toBeUndefined()
  const other = Jobs.fake({ config })
  const draining = other.drain().catch(({ code }) => code)
  await other.end()
  expect(await draining).toBe('FAKE_ENDED')
})
