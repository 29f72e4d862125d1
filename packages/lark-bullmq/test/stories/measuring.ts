/**
 * Reads workers, metrics and children of a queue, as dashboards do. `measuring-on-lark.ts` is the same file
 * with another import, and a test compares what the two files do.
 */
import { FlowProducer, MetricsTime, Queue, QueueEvents, Worker } from 'bullmq'
import type { Place } from './application.ts'

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'workers, metrics and children of a queue'(place) {
    const queue = new Queue('measured', place)
    const events = new QueueEvents('measured', place)
    await events.waitUntilReady()
    const worker = new Worker(
      'measured',
      async ({ data }) => {
        if (data.fails) throw new Error('no luck')
        return data.n
      },
      { ...place, name: 'meter', metrics: { maxDataPoints: MetricsTime.ONE_HOUR } },
    )
    const other = new Worker('measured', async () => {}, { ...place, autorun: false })
    await Promise.all([worker.waitUntilReady(), other.waitUntilReady()])
    const workers = await queue.getWorkers()
    const names = workers.map(({ name, rawname }) => [name, rawname!.endsWith(':w:meter')])
    const flows = new FlowProducer(place)
    const step = (n: number, queueName = 'measured') => ({ name: 'step', queueName, data: { n } })
    const { job } = await flows.add({ ...step(0), children: [step(1), step(2), step(3, 'unmeasured')] })
    const bad = await queue.add('bad', { fails: true })
    await bad.waitUntilFinished(events, 15_000).catch(() => {})
    for (const { id } of await queue.getJobs(['waiting', 'active', 'completed']))
      await (await queue.getJob(id!))?.waitUntilFinished(events, 15_000)
    const pending = await queue.getDependencies(job.id!, 'pending', 0, -1)
    const processed = await queue.getDependencies(job.id!, 'processed', 0, 0)
    const metrics = await queue.getMetrics('completed')
    const { meta } = await queue.getMetrics('failed')
    const text = await queue.exportPrometheusMetrics({ stage: 'a "b"' })
    const count = await queue.getWorkersCount()
    await Promise.all([worker.close(), other.close()])
    const none = await queue.getWorkersCount()
    await Promise.all([events.close(), flows.close(), queue.close()])
    return {
      ...{ names: names.sort(), count, none, completed: metrics.meta.count, failed: meta.count },
      children: [pending, processed].map(({ items, jobs, total }) => [
        items.length,
        jobs.map(({ name }) => name),
        total,
      ]),
      lines: text.split('\n').sort(),
    }
  },
}
