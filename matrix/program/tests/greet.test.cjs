// The test as plain CommonJS, which Jest runs without any settings.
const { writeFileSync } = require('node:fs')
const { Job, Jobs } = require('@s18i/lark-jobs')
const { Jobs: TestJobs } = require('@s18i/lark-jobs/testing')

class GreetJob extends Job {
  key = 'greet'
  queueName = 'greetings'

  async handle({ name }) {
    return `Hello, ${name}`
  }
}

afterAll(() => Jobs.close())

test('a job is dispatched into a fake', async () => {
  const fake = TestJobs.fake()
  const handle = await new GreetJob().with({ name: 'fake' }).delayed('3d').dispatch()
  fake.assertDispatched(GreetJob, { name: expect.any(String) }, { delay: '3d' })
  expect(await handle.result()).toBe('Hello, fake')
  await fake.end()
})

test('a job is dispatched, and a worker runs it', async () => {
  const job = new GreetJob()
  expect(await job.dispatch({ name: 'matrix' })).toBe(true)
  const worker = await Jobs.work({ jobs: [GreetJob], queues: 'greetings', stopWhenEmpty: true })
  const { completed } = await worker.done
  const { result, state } = await Jobs.find(job.id)
  expect(result).toBe('Hello, matrix')
  writeFileSync(process.env.RESULT, JSON.stringify({ greeting: result, state, runs: completed }))
})
