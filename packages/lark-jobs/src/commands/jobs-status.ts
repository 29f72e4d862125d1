import { Command } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../jobs.ts'
import type { Ended, QueueStatus, Status } from '../status.ts'
import { RETENTION } from '../store/connect.ts'

/** `lark jobs:status`: one look at the queues. */
export class JobsStatusCommand extends Command {
  readonly key = 'jobs:status'
  override description = 'Show the queues, their jobs and their workers'

  async handle() {
    await using jobs = Jobs
    const status = await jobs.status()
    if (this.json) return status
    const { queues } = status
    const [minuteHead, ...minutes] = toTheRight(
      '1 MIN',
      queues.map(({ lastMinute }) => words(lastMinute)),
    )
    const [hourHead, ...hours] = toTheRight(
      '1 H',
      queues.map(({ lastHour }) => words(lastHour)),
    )
    this.info(status.store)
    this.table(
      ['QUEUE', 'WAITING', 'DELAYED', 'ACTIVE', 'FAILED', 'COMPLETED', minuteHead, hourHead, 'WORKERS'],
      queues.map((each, i) => {
        const { queue, counts, workers } = each
        const completed = isFull(each) ? `${counts.completed}+` : counts.completed
        const { waiting, delayed, active, failed } = counts
        return [visible(queue), waiting, delayed, active, failed, completed, minutes[i], hours[i], workers]
      }),
    )
    this.#remarks(status)
  }

  #remarks({ queues, workers }: Status): void {
    const full = queues.filter(isFull)
    const each = full.some(({ partitions }) => partitions.length > 1) ? ' of each partition' : ''
    if (full.length > 0) this.info(`+: the newest ${RETENTION.completed.count}${each} are kept`)
    for (const { queue, paused } of queues)
      if (paused)
        this.info(visible(`${queue} is paused: nothing of it begins until lark jobs:resume ${queue}`))
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
        const keys = unknownKeys.map((key) => `'${key}'`).join(', ')
        this.warn(visible(`No live worker knows ${keys} (${queue})`))
      }
    }
  }
}

/** More were completed than are kept. */
function isFull({ partitions }: QueueStatus): boolean {
  return partitions.some(({ counts }) => counts.completed >= RETENTION.completed.count)
}

function words({ completed, failed }: Ended): string {
  return failed === 0 ? `${completed}` : `${completed}, ${failed} failed`
}

/** A head and its cells, which a table would set left. */
function toTheRight(head: string, cells: readonly string[]): [head: string, ...cells: string[]] {
  const width = Math.max(head.length, ...cells.map((cell) => cell.length))
  return [head.padStart(width), ...cells.map((cell) => cell.padStart(width))]
}
