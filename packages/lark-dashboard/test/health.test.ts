/** Tests the health of a queue that the dashboard shows at a glance. */
import { createJobs, Job } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import { expect, test } from 'vitest'
import { healthOf } from '../browser/data/health.ts'

class GreetJob extends Job {
  override readonly key: string = 'greet'
  handle() {}
}

class WelcomeJob extends GreetJob {
  override readonly key = 'welcome'
}

test('a queue with jobs that no worker can read stands still although other jobs run', async () => {
  await using jobs = createJobs({ connection: 'sqlite::memory:' })
  const look = async () => {
    const [queue] = (await operate(jobs).overview()).queues
    return { ...queue!, partitions: 1 }
  }
  expect(healthOf(await look()).kind).toBe('idle')
  for (const job of [new WelcomeJob(), new GreetJob()]) await jobs.dispatch(job)
  await (await jobs.work({ jobs: [GreetJob], stopWhenEmpty: true })).done
  const why = '1 that no worker could read: the worker has no class with this key'
  const found = { ...(await look()), oldest: 60_000, workers: 1 }
  expect(found.counts).toMatchObject({ waiting: 1, delayed: 0 })
  expect(healthOf({ ...found, out: 1 })).toMatchObject({ kind: 'still', text: why })
  expect(healthOf({ ...found, out: 0 })).toMatchObject({
    kind: 'still',
    text: `1 waiting, none started, ${why}`,
  })
})

test('a queue that repeats a third of its runs is not well', async () => {
  await using jobs = createJobs({ connection: 'sqlite::memory:', queues: ['mail'] })
  const [queue] = (await operate(jobs).overview()).queues
  const of = (completed: number, retried: number, failed = 0) =>
    healthOf({ ...queue!, partitions: 1, lastMinute: { completed, retried, failed } })
  expect(of(65, 35)).toMatchObject({
    kind: 'retrying',
    text: '35 of 100 runs failed in the last minute; most are tried again',
  })
  expect(of(85, 15).kind).toBe('idle')
  // With few runs, some failures prove nothing.
  expect(of(4, 4).kind).toBe('idle')
  expect(of(60, 20, 20).kind).toBe('failing')
})
