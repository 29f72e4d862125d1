import { Command, flag } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { defined } from '../model/defined.ts'
import { readable } from '../model/duration.ts'
import { type ActiveJob, operate } from '../operate.ts'

/** `lark jobs:workers`: the live workers, and what each of them runs now. */
export class JobsWorkersCommand extends Command {
  readonly key = 'jobs:workers'
  override description = 'Show the live workers, and what each of them runs'
  limit = flag.number('How many running jobs at most', { default: 100, short: 'l', wholeFrom: 1 })
  cursor = flag.string('Of the page before, which --json prints')

  async handle() {
    await using jobs = Jobs
    const operating = operate(jobs, { names: { limit: '--limit', cursor: '--cursor' } })
    const workers = await operating.workers()
    const { runs, cursor } = await operating.runs({}, defined({ limit: this.limit, cursor: this.cursor }))
    if (this.json) return { workers, runs, ...(cursor !== undefined && { cursor }) }
    if (workers.length === 0) this.warn('No worker is running: start one with lark jobs:work')
    else
      this.table(
        ['WORKER', 'HOST', 'PID', 'QUEUES', 'RUNNING', 'STATE', 'UP'],
        workers.map(({ id, host, pid, queues, running, concurrency, state, startedAt }) => [
          visible(id),
          visible(host),
          pid,
          visible(queues.join(', ')),
          `${running} of ${concurrency}`,
          state,
          readable(Math.max(0, Date.now() - startedAt)),
        ]),
      )
    if (runs.length === 0) return
    this.table(
      ['ID', 'JOB', 'QUEUE', 'SINCE', 'WORKER'],
      runs.map((run) => [
        visible(run.id),
        visible(run.key),
        visible(run.queue),
        since(run),
        visible(run.worker),
      ]),
    )
    if (cursor !== undefined) this.info('More jobs run: see --limit')
  }
}

function since({ since }: ActiveJob): string {
  return readable(Math.max(0, Date.now() - since))
}
