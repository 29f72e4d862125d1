import { Command, flag } from '@s18i/lark'
import { Jobs } from '../../api/default-jobs.ts'
import type { WorkerRecord } from '../../operate.ts'
import { byCommand } from '../words/by-command.ts'
import { completed } from '../words/completed.ts'
import {
  awaitObedience,
  chosenWorkers,
  counted,
  nameOf,
  PATIENCE,
  tellLeft,
  tellNobody,
  waitOf,
  workerFlags,
} from './worker-orders.ts'

/**
 * `lark jobs:restart`: the workers of the store end in order, so that what started them starts them again.
 */
export class JobsRestartCommand extends Command {
  readonly key = 'jobs:restart'
  override description = 'Tell workers to finish what runs and to restart, after a deploy'
  queue = flag.string('Only workers that serve this queue')
  worker = flag.string('Only the worker with this id')
  host = flag.string('Only workers on this host')
  wait = flag.boolean('Wait until all of them have ended')
  timeout = flag.string(`How long to wait (default: ${PATIENCE})`)

  override complete(field: string) {
    return completed(field)
  }

  async handle(): Promise<number> {
    const ms = waitOf(this)
    await using jobs = Jobs
    const { workers } = byCommand(jobs, workerFlags)
    const told = await workers.restart(chosenWorkers(this))
    for (const worker of told.left)
      this.warn(`${nameOf(worker)} goes on: an application has its process, so restart that`)
    if (told.workers.length === 0) {
      tellNobody(this, told)
      return 1
    }
    this.success(`Told ${counted(told.workers.length)} to restart: each hears it within 5 seconds`)
    if (told.workers.some(({ supervised }) => supervised))
      this.info('Supervisors of --processes go on as they are: restart them too after an upgrade of Lark')
    const left = ms === undefined ? [] : await awaitObedience(this, workers, told.workers, ms, hasEnded)
    if (this.json) this.console.json({ ...told, waiting: left })
    tellLeft(this, left, ms ?? 0)
    return left.length === 0 ? 0 : 1
  }
}

function hasEnded(now: WorkerRecord | undefined): string | undefined {
  return now === undefined ? 'has ended' : undefined
}
