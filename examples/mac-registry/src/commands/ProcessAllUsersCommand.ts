import { Command, flag } from '@s18i/lark'
import { chain } from '@s18i/lark-jobs'
import { GenerateReportJob } from '../jobs/GenerateReportJob'
import { ProcessUserJob } from '../jobs/ProcessUserJob'
import { SendEmailJob } from '../jobs/SendEmailJob'
import { users } from '../registry'

/** The address to which the reports are sent. */
const DIRECTOR = 'director@registry.test'

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
    // The e-mail is sent after the report is written. Lark then fills in `text` with the result of that step.
    await chain([new GenerateReportJob().with().delayed('3s')])
      .next(([{ text }]) =>
        new SendEmailJob().with({ to: DIRECTOR, subject: 'Orders by country', body: text }),
      )
      .name('report')
      .dispatch()

    this.success(`Queued ${chosen.length} jobs, and a chain: a report that is due in 3 s, and its e-mail`)
    return true
  }
}
