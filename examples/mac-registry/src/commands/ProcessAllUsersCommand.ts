import { Command, flag } from '@s18i/lark'
import { GenerateReportJob } from '../jobs/GenerateReportJob'
import { ProcessUserJob } from '../jobs/ProcessUserJob'
import { users } from '../registry'

export class ProcessAllUsersCommand extends Command {
  readonly key = 'users:process'
  description = 'Queue processing jobs for the registrants, and a report on them'
  limit = flag.number('How many registrants, from the oldest on', { default: 1000, short: 'l' })

  async handle() {
    const chosen = users.slice(0, this.limit)

    this.info(`Queueing ${chosen.length} jobs...`)
    for (const user of chosen) {
      await new ProcessUserJob().dispatch({ userId: user.id })
    }
    const report = new GenerateReportJob()
    report.delay = '3s'
    await report.dispatch()

    this.success(`Queued ${chosen.length} jobs, and a report that is due in 3 s`)
    return true
  }
}
