/**
 * What a worker process did so far, in figures that can be added up. They are sums from its start, not changes: a
 * message that is lost with a process costs the last second and nothing before it.
 */
import type { Summary } from '../worker/report.ts'

/** How the runs of one queue ended. */
export interface QueueFigures {
  completed: number
  retried: number
  failed: number
}

export interface Figures {
  summary: Summary
  queues: Record<string, QueueFigures>
  /** Runs for which no line was printed. */
  hidden: number
  /** When the last run ended, in milliseconds since 1970; 0 when none has. */
  last: number
}

export function noFigures(): Figures {
  const summary = { completed: 0, retried: 0, failed: 0, released: 0, cancelled: 0, lost: 0, took: 0 }
  return { summary, queues: {}, hidden: 0, last: 0 }
}

/** What two processes did. Their time is from the first start of a run to the last end, whoever had them. */
export function sum(one: Figures, other: Figures): Figures {
  const worked = [one, other].filter(({ last }) => last > 0)
  const last = Math.max(one.last, other.last)
  const first = Math.min(last, ...worked.map((figures) => figures.last - figures.summary.took))
  const queues = { ...one.queues }
  for (const [queue, figures] of Object.entries(other.queues))
    queues[queue] = added(queues[queue] ?? { completed: 0, retried: 0, failed: 0 }, figures)
  const summary = { ...added(one.summary, other.summary), took: last - first }
  return { summary, queues, hidden: one.hidden + other.hidden, last }
}

/** Runs that have ended, however. */
export function ended({ summary }: Figures): number {
  const { took: _, lost: __, ...ends } = summary
  return Object.values(ends).reduce((all, count) => all + count, 0)
}

function added<T extends { [K in keyof T]: number }>(one: T, other: T): T {
  const all = { ...one }
  for (const name of Object.keys(other) as (keyof T)[]) all[name] = (one[name] + other[name]) as T[keyof T]
  return all
}
