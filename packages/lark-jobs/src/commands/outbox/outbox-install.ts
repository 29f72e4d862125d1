import { Command, flag } from '@s18i/lark'
import { Jobs } from '../../api/default-jobs.ts'
import { OUTBOX } from '../../outbox/table.ts'
import { checkCanAsk } from '../change/job-change.ts'
import { byCommand } from '../words/by-command.ts'

/** `lark outbox:install`: creates the table of the outbox in the configured database. */
export class OutboxInstallCommand extends Command {
  readonly key = 'outbox:install'
  override description = 'Create the tables of the outbox in the database of the configuration'
  yes = flag.boolean('Create them without asking', { short: 'y' })
  dryRun = flag.boolean('Say what would be created, and create nothing')

  async handle() {
    checkCanAsk(this, 'Creating tables', '--yes creates them without asking; --dry-run creates nothing')
    if (this.dryRun) {
      if (this.json) return { table: OUTBOX, installed: false, dryRun: true }
      this.success(`Would create the table ${OUTBOX}, unless it is there`)
      return true
    }
    await using jobs = Jobs
    const { outbox } = byCommand(jobs)
    if (
      !this.yes &&
      !(await this.confirm(`Create the table ${OUTBOX} in the database of the application?`))
    ) {
      this.info('Nothing was created')
      return false
    }
    await outbox.install()
    if (this.json) return { table: OUTBOX, installed: true }
    this.success(`The table ${OUTBOX} is there`)
    return true
  }
}
