import { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { resumeCommand } from '../model/command-line.ts'
import { readable } from '../model/duration.ts'
import { listed } from '../model/listed.ts'
import {
  type Counts,
  type EndedCounts,
  operate,
  type QueueRetention,
  type QueueStatus,
  type Status,
} from '../operate.ts'

/** The most paused groups that are named for each queue. */
const MOST_GROUPS = 10
const keptStates = ['failed', 'completed', 'cancelled'] as const
type KeptState = (typeof keptStates)[number]

/** `lark jobs:status`: the queues at a glance. */
export class JobsStatusCommand extends Command {
  readonly key = 'jobs:status'
  override description = 'Show the queues, their jobs and their workers'

  async handle() {
    await using jobs = Jobs
    const operating = operate(jobs)
    const status = await operating.status()
    if (this.json) return status
    const { queues } = status
    const keeps = new Map<string, QueueRetention>()
    for (const { queue } of queues) keeps.set(queue, await operating.retention(queue))
    /** Whether the store has as many jobs in this state as it keeps: there may have been more. */
    const isFull = ({ queue, partitions }: QueueStatus, state: KeptState) =>
      partitions.some(({ counts }) => counts[state] >= keeps.get(queue)![state].count)
    const column = (head: string, of: (queue: QueueStatus) => string) => toTheRight([head, ...queues.map(of)])
    const kept = keptStates.map((state) =>
      column(state.toUpperCase(), (each) => `${each.counts[state]}${isFull(each, state) ? '+' : ''}`),
    )
    const ended = [
      column('1 MIN', ({ lastMinute }) => words(lastMinute)),
      column('1 H', ({ lastHour }) => words(lastHour)),
    ]
    const columns = [...kept, ...ended]
    this.info(visible(status.store))
    this.table(
      ['QUEUE', 'WAITING', 'DELAYED', 'ACTIVE', ...columns.map(([head]) => head!), 'WORKERS'],
      queues.map(({ queue, counts: { waiting, delayed, active }, workers }, i) => {
        return [visible(queue), waiting, delayed, active, ...columns.map((cells) => cells[i + 1]), workers]
      }),
    )
    const limits = new Set<string>()
    for (const state of keptStates)
      for (const each of queues.filter((each) => isFull(each, state)))
        limits.add(`${keeps.get(each.queue)![state].count.toLocaleString('en')} ${state}`)
    const each = queues.some(({ partitions }) => partitions.length > 1) ? 'partition' : 'queue'
    if (limits.size > 0) this.info(`+: each ${each} keeps only its newest ${[...limits].join(', ')} jobs`)
    this.#remarks(status)
  }

  #remarks({ queues, workers }: Status): void {
    for (const { queue, paused, pausedUntil, pausedBecause, pausedGroups } of queues) {
      if (paused) {
        const why = pausedBecause === undefined ? '' : ` (${pausedBecause})`
        const end = remaining(pausedUntil)
        this.info(
          visible(
            `Queue ${queue} is paused${why}: none of its jobs starts ${end}until ${resumeCommand(queue)}`,
          ),
        )
      }
      for (const paused of pausedGroups.slice(0, MOST_GROUPS)) {
        const { until } = paused
        const [group, hash] = 'group' in paused ? [paused.group] : [undefined, paused.groupHash]
        const end = remaining(until)
        const name = group ?? `with a long name (${hash})`
        const what = `Group ${name} of queue ${queue} is paused`
        this.info(
          visible(`${what}: none of its jobs starts ${end}until ${resumeCommand(queue, group, hash)}`),
        )
      }
      const more = pausedGroups.length - MOST_GROUPS
      if (more > 0) this.info(visible(`${more} more groups of queue ${queue} are paused: see --json`))
    }
    for (const { queue, damaged } of queues)
      for (const { message } of damaged) this.warn(visible(`Queue ${queue} cannot be read: ${message}`))
    const left = queues.filter(({ configured, counts }) => !configured && isUnended(counts))
    if (left.length > 0) {
      const have = left.length === 1 ? 'has jobs and is' : 'have jobs and are'
      const names = listed(left.map(({ queue }) => visible(queue)))
      this.warn(
        `${names} ${have} not in jobs.queues: only a worker that is configured with ${left.length === 1 ? 'it serves it' : 'them serves them'}`,
      )
    }
    const due = queues.filter(({ counts }) => counts.waiting + counts.delayed > 0)
    if (workers.length === 0) {
      if (due.length > 0) this.warn('No worker is running: start one with lark jobs:work')
      return
    }
    for (const { queue, workers: serving } of due) {
      if (serving === 0) this.warn(visible(`No worker serves ${queue}`))
    }
    for (const { queue, unknownKeys } of queues) {
      if (unknownKeys.length > 0) {
        const keys = listed(unknownKeys.map((key) => `'${key}'`))
        this.warn(visible(`No live worker knows ${keys} (${queue})`))
      }
    }
  }
}

function isUnended({ waiting, delayed, blocked, active }: Counts): boolean {
  return waiting + delayed + blocked + active > 0
}

function words({ completed, failed }: EndedCounts): string {
  return failed === 0 ? `${completed}` : `${completed}, ${failed} failed`
}

/** The head and the cells of a column, aligned to the right, because a table aligns text to the left. */
function toTheRight(cells: readonly string[]): string[] {
  const width = Math.max(...cells.map((cell) => cell.length))
  return cells.map((cell) => cell.padStart(width))
}

/** How long a pause goes on. @param until milliseconds since 1970 */
function remaining(until: number | undefined): string {
  return until === undefined ? '' : `for ${readable(Math.max(0, until - Date.now()))}, or `
}
