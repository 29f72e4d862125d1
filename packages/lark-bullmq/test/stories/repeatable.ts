/**
 * Applications for BullMQ 5 have repeatable jobs, which version 6 no longer has. `repeatable-on-lark.ts` is
 * the same file with another import, and a test compares what the two files do.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Job, Queue, type RepeatableJob, type RepeatOptions, Worker } from 'bullmq5'
import type { Place } from './application.ts'

/** Calls the function again and again, and resolves when it returns true. */
async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await is())) await sleep(10)
}

const DAY = 86_400_000

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'repeatable jobs are added, listed and removed'(place) {
    const queue = new Queue('repeatable', { ...place, defaultJobOptions: { attempts: 4, delay: 7 } })
    const nightly: RepeatOptions = { pattern: '0 3 * * mon-fri', tz: 'Europe/Paris' }
    const yearly: RepeatOptions = { pattern: '0 0 1 1 *', endDate: new Date('2099-06-01'), limit: 9 }
    const added = [
      await queue.add('night', { n: 1 }, { repeat: nightly, attempts: 2 }),
      await queue.add('year', { n: 2 }, { repeat: yearly, jobId: 'seven' }),
      await queue.add('day', {}, { repeat: { every: DAY, key: 'daily' } }),
      await queue.add('day', {}, { repeat: { every: DAY, jobId: 'mine' } }),
    ]
    const keys = added.map(({ repeatJobKey }) => repeatJobKey)
    const again = await queue.add('night', { n: 3 }, { repeat: nightly })
    const all: RepeatableJob[] = await queue.getRepeatableJobs()
    const page = await queue.getRepeatableJobs(1, 2, true)
    const removed = [
      await queue.removeRepeatable('night', nightly),
      await queue.removeRepeatable('night', nightly),
      await queue.removeRepeatable('year', yearly),
      await queue.removeRepeatable('year', yearly, 'seven'),
      await queue.removeRepeatable('day', { every: DAY, key: 'daily' }),
      await queue.removeRepeatableByKey(keys[3]!),
      await queue.removeRepeatableByKey('none'),
    ]
    const left = await queue.getRepeatableJobs()
    const late = await queue
      .add('late', {}, { repeat: { every: DAY, endDate: '2001-01-01T00:00:00Z' } })
      .catch((error: Error) => error.message)
    const other = new Queue('long'.repeat(15), place)
    await other.add('long', {}, { repeat: { pattern: '0 4 * * *' } })
    const [long] = await other.getRepeatableJobs()
    const isRemoved = [await other.removeRepeatableByKey(long!.key), (await other.getRepeatableJobs()).length]
    await Promise.all([queue.close(), other.close()])
    const sorted = all.sort((one, other) => (one.key < other.key ? -1 : 1))
    return {
      keys,
      again: again.repeatJobKey === keys[0],
      attempts: added.map(({ opts }) => opts.attempts),
      delays: added.map(({ delay, timestamp }) => delay > 0 && delay <= 366 * DAY && timestamp > 0),
      sorted,
      page: page.map(({ next }) => next),
      removed,
      left,
      late,
      isRemoved,
    }
  },

  async 'each tick of a repeatable job is a job'(place) {
    const queue = new Queue('ticking', place)
    const seen: unknown[] = []
    const worker = new Worker(
      'ticking',
      async (job: Job) => {
        const { pattern, limit } = job.opts.repeat!
        seen.push([job.name, job.data, job.opts.attempts, job.repeatJobKey, pattern, limit])
      },
      place,
    )
    const repeat = { pattern: '* * * * * *', limit: 2 }
    await queue.add('tick', { n: 1 }, { repeat, attempts: 3 })
    await until(() => seen.length === 2)
    await sleep(1_500)
    const removed = await queue.removeRepeatable('tick', repeat)
    await Promise.all([worker.close(), queue.close()])
    return { seen, removed }
  },

  async 'a repeatable job that begins at once'(place) {
    const queue = new Queue('at-once', place)
    const worker = new Worker('at-once', async (job: Job) => [job.name, job.repeatJobKey], place)
    const results: unknown[] = []
    for (const repeat of [{ pattern: '0 0 1 1 *' }, { every: 365 * DAY }]) {
      const done = once(worker, 'completed')
      const job = await queue.add('first', {}, { repeat: { ...repeat, immediately: true } })
      const [{ id, returnvalue }] = await done
      results.push(
        id === job.id,
        returnvalue,
        job.delay,
        await queue.removeRepeatableByKey(job.repeatJobKey!),
      )
    }
    await Promise.all([worker.close(), queue.close()])
    return results
  },
}
