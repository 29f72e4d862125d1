// A test as users write it, for runners with global functions: Jest and vitest.
import { writeFileSync } from 'node:fs'
import { Job, Jobs } from '@s18i/lark-jobs'
import { Jobs as TestJobs } from '@s18i/lark-jobs/testing'

class GreetJob extends Job {
  key = 'greet'
  queueName = 'greetings'

  async handle({ name }: { name: string }) {
    return `Hello, ${name}`
  }
}

afterAll(() => Jobs.close())

test('a job runs at once', async () => {
  expect(await new GreetJob().dispatchNow({ name: 'now' })).toBe('Hello, now')
})

test('a job is dispatched into a fake', async () => {
  const fake = TestJobs.fake()
  const handle = await new GreetJob().with({ name: 'fake' }).delayed('3d').dispatch()
  fake.assertDispatched(GreetJob, { name: 'fake' }, { delay: '3d' })
  expect(await handle.result()).toBe('Hello, fake')
  expect(() => fake.assertNotDispatched(GreetJob)).toThrow('GreetJob')
  await fake.end()
})

test('a job is dispatched, and a worker runs it', async () => {
  const job = new GreetJob()
  expect(await job.dispatch({ name: 'matrix' })).toBe(true)
  const worker = await Jobs.work({ jobs: [GreetJob], queues: 'greetings', stopWhenEmpty: true })
  const { completed } = await worker.done
  const found = await Jobs.find<GreetJob>(job.id!)
  expect(found!.result).toBe('Hello, matrix')
  writeFileSync(
    process.env.RESULT!,
    JSON.stringify({ greeting: found!.result, state: found!.state, runs: completed }),
  )
})
