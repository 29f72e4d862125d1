/**
 * Makes calls that BullMQ refuses, with messages on which applications rely. `refusing-on-lark.ts` is the
 * same file with another import, and a test compares what the two files do.
 */
import { type JobsOptions, Queue, QueueEvents, type RepeatOptions, Worker } from 'bullmq'
import type { Place } from './application.ts'

/**
 * The messages of BullMQ. If a message contains one of these texts, only this text is compared, because the
 * messages of Lark may be longer.
 */
const known = [
  'Priority should not be float',
  'Priority should be between 0 and 2097151',
  'Custom Id cannot be integers',
  'Custom Id cannot contain :',
  'Jitter should be between 0 and 1',
  'Deduplication id must be provided',
  'The following options cannot be used together: removeDependencyOnFailure, failParentOnFailure',
  'The following options cannot be used together: failParentOnFailure, ignoreDependencyOnFailure',
  'The size of job x exceeds the limit 4 bytes',
  'Queue name must be provided',
  'Queue name cannot contain :',
  'End date must be greater than current timestamp',
  'Both .pattern and .every options are defined for this repeatable job',
  'Either .pattern or .every options must be defined for this repeatable job',
  'Queue Events is already running.',
  'Worker is already running.',
]

async function said(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'nothing'
  } catch (error) {
    const { message } = error as Error
    return known.find((each) => message.includes(each)) ?? message
  }
}

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'options of a job that are wrong'(place) {
    const queue = new Queue('refusing', place)
    const wrong: JobsOptions[] = [
      { priority: 1.5 },
      { priority: 2 ** 21 },
      { jobId: '17' },
      { jobId: 'a:b' },
      { backoff: { type: 'fixed', jitter: 5 } },
      { backoff: { type: 'fixed', jitter: -1 } },
      { deduplication: { id: '' } },
      { removeDependencyOnFailure: true, failParentOnFailure: true },
      { ignoreDependencyOnFailure: true, failParentOnFailure: true },
      { sizeLimit: 4 },
    ]
    const messages: string[] = []
    for (const opts of wrong) messages.push(await said(() => queue.add('x', { long: true }, opts)))
    messages.push(
      await said(() => queue.addBulk([{ name: 'x', data: { long: true }, opts: { priority: 2 ** 21 } }])),
    )
    const empty = await queue.add('x', {}, { jobId: '' })
    const left = await queue.count()
    await queue.close()
    return { messages, left, hasId: empty.id !== '' }
  },

  async 'names of queues'(place) {
    return [await said(() => new Queue('', place)), await said(() => new Queue('a:b', place))]
  },

  async 'job schedulers that cannot be'(place) {
    const queue = new Queue('refusing-schedulers', place)
    const wrong: RepeatOptions[] = [
      { every: 100, endDate: Date.now() - 1_000 },
      { every: 5_000, pattern: '* * * * *' },
      {},
    ]
    const messages: string[] = []
    for (const repeat of wrong) messages.push(await said(() => queue.upsertJobScheduler('x', repeat)))
    const heard: string[] = []
    queue.on('error', ({ message }) => heard.push(message))
    ;(await queue.jobScheduler).emit('error', new Error('of the scheduler'))
    await queue.close()
    return { messages, heard }
  },

  async 'what runs already'(place) {
    const events = new QueueEvents('refusing-runs', { ...place, autorun: false })
    await events.waitUntilReady()
    const run = events.run()
    const worker = new Worker('refusing-runs', async () => {}, { ...place, autorun: false })
    const works = worker.run()
    const messages = [await said(() => events.run()), await said(() => worker.run())]
    await Promise.all([events.close(), worker.close()])
    await Promise.all([run, works])
    return messages
  },
}
