// A processor in a file, as for BullMQ. The name of a job decides what it does.
import { setTimeout as pause } from 'node:timers/promises'
import {
  DelayedError,
  Queue,
  RateLimitError,
  UnrecoverableError,
  WaitingChildrenError,
} from '@s18i/lark-bullmq'

export default async (job, token, signal) => {
  const { name, data } = job
  if (name === 'parent') {
    if (!data.added) {
      const queue = new Queue(data.below, data.opts)
      await queue.add('child', {}, { parent: { id: job.id, queue: job.queueQualifiedName } })
      await queue.close()
      await job.updateData({ ...data, added: true })
    }
    if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError()
    return Object.values(await job.getChildrenValues())
  }
  if (name === 'sum') {
    await job.log(`adds ${data.a}`)
    await job.updateProgress({ half: true })
    await job.updateData({ ...data, seen: true })
    return { sum: data.a + data.b, pid: process.pid, queue: job.queueName, token: typeof job.token }
  }
  if (name === 'no') return false
  if (name === 'flags') return process.execArgv
  if (name === 'throw') throw Object.assign(new TypeError(`attempt ${job.attemptsMade}`), { code: 'E_ODD' })
  if (name === 'final') throw new UnrecoverableError('never again')
  if (name === 'exit') process.exit(3)
  if (name === 'later' && job.attemptsStarted === 1) {
    await job.moveToDelayed(Date.now() + 1, job.token)
    throw new DelayedError()
  }
  if (name === 'limited' && job.attemptsStarted === 1) throw new RateLimitError()
  if (name === 'patient' || name === 'deaf') await job.updateProgress('begins')
  if (name === 'patient')
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error(signal.reason.message ?? signal.reason)))
    })
  if (name === 'deaf') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  if (name === 'total') {
    const sums = Object.values(await job.getChildrenValues())
    const { processed } = await job.getDependenciesCount()
    return { total: sums.reduce((all, { sum }) => all + sum, 0), processed }
  }
  if (name === 'long') await pause(100_000)
  return `${name} ${job.attemptsStarted} ${job.attemptsMade} ${await job.log('again')}`
}
