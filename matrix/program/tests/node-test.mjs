// The test for Node's own runner.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { Job, Jobs } from '@s18i/lark-jobs'
import { Jobs as TestJobs } from '@s18i/lark-jobs/testing'

class GreetJob extends Job {
  key = 'greet'
  queueName = 'greetings'

  async handle({ name }) {
    return `Hello, ${name}`
  }
}

after(() => Jobs.close())

test('a job is dispatched into a fake', async () => {
  const fake = TestJobs.fake()
  const handle = await new GreetJob().with({ name: 'fake' }).delayed('3d').dispatch()
  fake.assertDispatched(GreetJob, { name: 'fake' }, { delay: '3d' })
  assert.equal(await handle.result(), 'Hello, fake')
  await fake.end()
})

test('a job is dispatched, and a worker runs it', async () => {
  const job = new GreetJob()
  assert.equal(await job.dispatch({ name: 'matrix' }), true)
  const worker = await Jobs.work({ jobs: [GreetJob], queues: 'greetings', stopWhenEmpty: true })
  const { completed } = await worker.done
  const { result, state } = await Jobs.find(job.id)
  assert.equal(result, 'Hello, matrix')
  writeFileSync(process.env.RESULT, JSON.stringify({ greeting: result, state, runs: completed }))
})
