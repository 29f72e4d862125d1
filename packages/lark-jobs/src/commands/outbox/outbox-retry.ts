import { arg, Command } from '@s18i/lark'
import { Jobs } from '../../api/default-jobs.ts'
import { plural } from '../../words/plural.ts'
import { byCommand } from '../words/by-command.ts'

/** `lark outbox:retry`: lets the relay try again to make jobs of rows that could not become jobs. */
export class OutboxRetryCommand extends Command {
  readonly key = 'outbox:retry'
  override description = 'Let the relay take again the rows of the outbox that could not become jobs'
  ids = arg.strings('The ids of their jobs. Default: all of them', { required: false })

  async handle() {
    const { ids } = this
    await using jobs = Jobs
    const rows = await byCommand(jobs).outbox.retry(ids.length === 0 ? undefined : ids)
    if (this.json) return { rows, ids }
    if (rows === 0) this.info('There is no such row that could not become a job')
    else this.success(`The relay takes ${plural(rows, 'row')} again`)
    return true
  }
}
