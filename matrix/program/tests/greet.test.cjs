// The test as plain CommonJS, which Jest runs without any settings.
const { writeFileSync } = require('node:fs')
const { Job, Jobs } = require('@s18i/lark-jobs')

class GreetJob extends Job {
  key = 'greet'
  queueName = 'greetings'

  async handle({ name }) {
    return `Hello, ${name}`
  }
}

afterAll(() => Jobs.close())

test('a job is dispatched, and a worker runs it', async () => {
  const job = new GreetJob()
  expect(await job.dispatch({ name: 'matrix' })).toBe(true)
  const worker = await Jobs.work({ jobs: [GreetJob], queues: 'greetings', stopWhenEmpty: true })
  const { completed } = await worker.done
  const { result, state } = await Jobs.find(job.id)
  expect(result).toBe('Hello, matrix')
  writeFileSync(process.env.RESULT, JSON.stringify({ greeting: result, state, runs: completed }))
})
