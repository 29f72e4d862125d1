import { Command, flag } from '@s18i/lark'
import { Jobs } from '../../api/default-jobs.ts'
import type { WorkerRecord } from '../../operate.ts'
import { byCommand } from '../words/by-command.ts'
import { completed } from '../words/completed.ts'
import {
  awaitObedience,
  chosenWorkers,
  counted,
  PATIENCE,
  tellLeft,
  tellNobody,
  waitOf,
  workerFlags,
} from './worker-orders.ts'

/**
 * `lark jobs:quiet`: the workers of the store take no more jobs. Before a deploy, as `kill -TSTP`, on all
 * machines.
 */
export class JobsQuietCommand extends Command {
  readonly key = 'jobs:quiet'
  override description = 'Tell workers to take no more jobs, and to finish those that run'
  queue = flag.string('Only workers that serve this queue')
  worker = flag.string('Only the worker with this id')
  host = flag.string('Only workers on this host')
  resume = flag.boolean('Tell them to take jobs again')
  wait = flag.boolean('Wait until none of them runs a job; with --resume, until they take jobs')
  timeout = flag.string(`How long to wait (default: ${PATIENCE})`)

  override complete(field: string) {
    return completed(field)
  }

  async handle(): Promise<number> {
    const ms = waitOf(this)
    await using jobs = Jobs
    const { workers } = byCommand(jobs, workerFlags)
    const filter = chosenWorkers(this)
    const told = this.resume ? await workers.resume(filter) : await workers.quiet(filter)
    if (told.workers.length === 0) {
      tellNobody(this, told)
      return 1
    }
    const what = this.resume ? 'take jobs again' : 'take no more jobs, and to finish those that run'
    this.success(`Told ${counted(told.workers.length)} to ${what}: each hears it within 5 seconds`)
    const obeys = this.resume ? isResumed : isQuiet
    const left = ms === undefined ? [] : await awaitObedience(this, workers, told.workers, ms, obeys)
    if (this.json) this.console.json({ workers: told.workers, left })
    tellLeft(this, left, ms ?? 0)
    return left.length === 0 ? 0 : 1
  }
}

function isQuiet(now: WorkerRecord | undefined): string | undefined {
  if (now === undefined) return 'has ended'
  return now.state !== 'running' && now.running === 0 ? `is ${now.state} and runs no job` : undefined
}

function isResumed(now: WorkerRecord | undefined): string | undefined {
  if (now === undefined) return 'has ended'
  return now.state === 'running' ? 'takes jobs' : undefined
}
