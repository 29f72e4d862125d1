import { Command } from '@s18i/lark'
import { Jobs } from '../jobs.ts'
import type { Status } from '../operate.ts'
import { RETENTION } from '../store/connect.ts'

/** `lark jobs:status`: one look at the queues. */
export class JobsStatusCommand extends Command {
  readonly key = 'jobs:status'
  override description = 'Show the queues, their jobs and their workers'

  async handle() {
    await using jobs = Jobs
    const status = await jobs.status()
    if (this.json) return status
    this.info(status.store)
    this.table(
      ['QUEUE', 'WAITING', 'DELAYED', 'ACTIVE', 'FAILED', 'COMPLETED', 'WORKERS'],
      status.queues.map(({ queue, counts, workers }) => [
        queue,
        counts.waiting,
        counts.delayed,
        counts.active,
        counts.failed,
        // More were completed than are kept.
        counts.completed >= RETENTION.completed.count ? `${counts.completed}+` : counts.completed,
        workers,
      ]),
    )
    this.#remarks(status)
  }

  #remarks({ queues, workers }: Status): void {
    const { count } = RETENTION.completed
    if (queues.some(({ counts }) => counts.completed >= count))
      this.info(`${count}+: the newest ${count} are kept`)
    const due = queues.filter(({ counts }) => counts.waiting + counts.delayed > 0)
    if (workers.length === 0) {
      if (due.length > 0) this.warn('No worker is running: start one with lark jobs:work')
      return
    }
    for (const { queue, workers: serving } of due) {
      if (serving === 0) this.warn(`No worker serves ${queue}`)
    }
    for (const { queue, unknownKeys } of queues) {
      if (unknownKeys.length > 0)
        this.warn(`No live worker knows ${unknownKeys.map((key) => `'${key}'`).join(', ')} (${queue})`)
    }
  }
}
