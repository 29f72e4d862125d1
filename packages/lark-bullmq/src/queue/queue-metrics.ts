/** How many jobs of a queue have ended, in the forms of BullMQ. */
import { opened, partitionsOf } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'

export interface Metrics {
  meta: {
    /** How many jobs have ended within the last 90 days. */
    count: number
    /** The time at which the newest minute of `data` was over, in milliseconds since 1970. */
    prevTS: number
    /** How many of `count` had ended by then. */
    prevCount: number
  }
  /** How many jobs ended in each minute, the newest first. */
  data: number[]
  /** How many minutes there are in all. */
  count: number
}

/** Milliseconds. */
const MINUTE = 60_000

/** @param start the first minute that is returned, from 0 @param end the last one; -1 is the oldest */
export async function metricsOf(
  { store, queue }: JobHome,
  type: 'completed' | 'failed',
  start: number,
  end: number,
): Promise<Metrics> {
  const { store: inner, settings } = await opened(store.jobs)
  const partitions = partitionsOf(queue, settings.partitions.get(queue) ?? 1)
  const histories = await inner.history(partitions)
  const now = await inner.now(partitions[0])
  const sum = (buckets: readonly Record<typeof type, number>[]) =>
    buckets.reduce((all, bucket) => all + bucket[type], 0)
  const minutes = new Map<number, number>()
  for (const bucket of histories.flatMap((history) => history.minutes))
    minutes.set(bucket.at, (minutes.get(bucket.at) ?? 0) + bucket[type])
  const current = now - (now % MINUTE)
  const oldest = Math.min(current, ...minutes.keys())
  const data: number[] = []
  for (let at = current - MINUTE; at >= oldest; at -= MINUTE) data.push(minutes.get(at) ?? 0)
  const count = sum(histories.flatMap(({ days }) => days))
  return {
    meta: { count, prevTS: current, prevCount: count - (minutes.get(current) ?? 0) },
    data: data.slice(start, end < 0 ? data.length + end + 1 : end + 1),
    count: data.length,
  }
}

/** The text that Prometheus reads. @param variables further labels of each line */
export function prometheusOf(
  queue: string,
  counts: Readonly<Record<string, number>>,
  ended: Readonly<Record<'completed' | 'failed', number>>,
  variables: Readonly<Record<string, string>> = {},
): string {
  const others = Object.entries(variables).map(([name, value]) => `, ${name}="${escaped(value)}"`)
  const label = `queue="${escaped(queue)}"`
  const lines = [
    '# HELP bullmq_job_count Number of jobs in the queue by state',
    '# TYPE bullmq_job_count gauge',
  ]
  for (const [state, count] of Object.entries(counts))
    lines.push(`bullmq_job_count{${label}, state="${state}"${others.join('')}} ${count}`)
  for (const state of ['completed', 'failed'] as const)
    lines.push(
      `# HELP bullmq_job_${state}_total Total number of ${state} jobs`,
      `# TYPE bullmq_job_${state}_total counter`,
      `bullmq_job_${state}_total{${label}${others.join('')}} ${ended[state]}`,
    )
  return lines.join('\n')
}

/** The value of a label as Prometheus reads it. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
