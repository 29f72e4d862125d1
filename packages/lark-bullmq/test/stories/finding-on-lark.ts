/**
 * Finds queues and jobs by the names and ids that applications choose. `finding-on-lark.ts` is the same file
 * with another import, and a test compares what the two files do.
 */
import { Job, Queue, QueueEvents, Worker } from '../../src/index.ts'
import type { Place } from './application.ts'

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'the name of a queue has braces'(place) {
    const queue = new Queue('{finding}', place)
    const worker = new Worker('{finding}', async ({ queueName }) => queueName, place)
    const events = new QueueEvents('{finding}', place)
    await events.waitUntilReady()
    const job = await queue.add('one', {})
    const value = await job.waitUntilFinished(events, 15_000)
    const counts = await queue.getJobCounts('completed')
    await Promise.all([worker.close(), events.close(), queue.close()])
    return { value, counts, names: [queue.name, worker.name, events.name, job.queueName] }
  },

  async 'ids with colons, with white space, and long ids'(place) {
    const queue = new Queue('finding-ids', place)
    const ids = ['timeout:flow:7', 'a photo.jpg', '50%', `path/${'long/'.repeat(40)}`]
    const seen: (string | undefined)[] = []
    const again: (string | undefined)[] = []
    const found: unknown[] = []
    for (const jobId of ids) {
      await queue.add('x', {}, { jobId, delay: 60_000 })
      again.push((await queue.add('x', {}, { jobId })).id)
      const job = await queue.getJob(jobId)
      await job?.log('seen')
      const { count } = await queue.getJobLogs(jobId)
      found.push([job?.id, await queue.getJobState(jobId), count])
    }
    const removed = await queue.remove(ids[0]!)
    const left = (await queue.getDelayed()).map(({ id }) => id).sort()
    await queue.promoteJobs()
    const events = new QueueEvents('finding-ids', place)
    const heard = new Promise<string>((resolve) =>
      events.on('completed:a photo.jpg' as 'completed', ({ jobId }) => resolve(jobId)),
    )
    await events.waitUntilReady()
    const done = new Promise((resolve) => events.on('drained', resolve))
    const worker = new Worker('finding-ids', async ({ id }) => seen.push(id), place)
    const [completed] = await Promise.all([heard, done])
    await Promise.all([worker.close(), events.close(), queue.close()])
    return { again, found, removed, left, completed, seen: seen.sort() }
  },

  async 'a job that is found by its id is moved with the token of its run'(place) {
    const queue = new Queue('finding-runs', place)
    const worker = new Worker('finding-runs', null, place)
    await worker.startStalledCheckTimer()
    await queue.addBulk(['a', 'b', 'c'].map((name) => ({ name, data: {}, opts: { jobId: `run-${name}` } })))
    const refused: string[] = []
    const states: unknown[] = []
    for (const name of ['a', 'b', 'c']) {
      await worker.getNextJob(`token-${name}`)
      const job = (await Job.fromId(worker as never, `run-${name}`))!
      await job
        .moveToCompleted(0, 'another token', false)
        .catch(({ message }) => refused.push(message.slice(0, 12)))
      if (name === 'a') await job.moveToCompleted({ done: 1 }, 'token-a', false)
      if (name === 'b') await job.moveToFailed(new Error('no'), 'token-b', false)
      if (name === 'c') await job.moveToDelayed(Date.now() + 60_000, 'token-c')
      const after = await queue.getJob(`run-${name}`)
      states.push([await after!.getState(), after!.returnvalue, after!.failedReason])
    }
    await Promise.all([worker.close(), queue.close()])
    return { refused, states }
  },

  async 'the template of a job scheduler has options of the scheduler'(place) {
    const queue = new Queue('finding-templates', place)
    const opts = { attempts: 2, repeat: { pattern: '0 3 * * *' }, jobId: undefined, delay: undefined }
    await queue.upsertJobScheduler('nightly', { pattern: '0 4 * * *', tz: 'UTC' }, {
      name: 'x',
      opts,
    } as never)
    const { pattern, template } = (await queue.getJobScheduler('nightly'))!
    await queue.removeJobScheduler('nightly')
    await queue.close()
    return { pattern, attempts: template?.opts?.attempts }
  },
}
