/**
 * Uses the limits that are stored with a queue and count for the workers of all processes.
 * `bounding-on-lark.ts` is the same file with another import, and a test compares what the two files do.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue, Worker } from '../../src/index.ts'
import type { Place } from './application.ts'

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'how many jobs of a queue run at a time, on two workers'(place) {
    const queue = new Queue('bounded', place)
    const limits = [await queue.getGlobalConcurrency(), await queue.isMaxed()]
    await queue.setGlobalConcurrency(2)
    limits.push(await queue.getGlobalConcurrency())
    let active = 0
    let most = 0
    let ended = 0
    const work = async () => {
      most = Math.max(most, ++active)
      await sleep(30)
      active--
      ended++
      if (ended === 5) throw new Error('it does not matter how a job ends')
    }
    const workers = [1, 2].map(() => new Worker('bounded', work, { ...place, concurrency: 5 }))
    await queue.addBulk(Array.from({ length: 10 }, (_, n) => ({ name: 'job', data: { n } })))
    let isMaxed = false
    while (!isMaxed && ended < 8) isMaxed = await queue.isMaxed()
    limits.push(isMaxed)
    await queue.pause()
    await queue.resume()
    while (ended < 10) await sleep(5)
    const bounded = most
    most = 0
    await queue.removeGlobalConcurrency()
    limits.push(await queue.getGlobalConcurrency(), await queue.isMaxed())
    await queue.addBulk(Array.from({ length: 10 }, (_, n) => ({ name: 'job', data: { n } })))
    while (ended < 20) await sleep(5)
    const unbounded = most > 2
    await queue.setGlobalConcurrency(3)
    await queue.obliterate({ force: true })
    limits.push(await queue.getGlobalConcurrency())
    await Promise.all([...workers, queue].map((each) => each.close()))
    return { limits, bounded, unbounded }
  },

  async 'how many jobs of a queue begin within a time'(place) {
    const queue = new Queue('rated', place)
    const limits: unknown[] = [await queue.getGlobalRateLimit()]
    await queue.setGlobalRateLimit(1, 300)
    await queue.setGlobalConcurrency(4)
    limits.push(await queue.getGlobalRateLimit(), await queue.getGlobalConcurrency())
    const begun: number[] = []
    const worker = new Worker('rated', async () => begun.push(performance.now()), {
      ...place,
      concurrency: 5,
      limiter: { max: 9, duration: 300 },
    })
    await queue.addBulk([1, 2, 3].map((n) => ({ name: 'job', data: { n } })))
    while (begun.length < 3) await sleep(5)
    const isSlow = begun[2]! - begun[0]! >= 550
    await queue.removeGlobalRateLimit()
    limits.push(await queue.getGlobalRateLimit(), await queue.getGlobalConcurrency())
    await queue.addBulk([4, 5, 6, 7].map((n) => ({ name: 'job', data: { n } })))
    while (begun.length < 7) await sleep(5)
    const isFast = begun[6]! - begun[4]! < 290
    await Promise.all([worker.close(), queue.close()])
    return { limits, isSlow, isFast }
  },
}
