import { Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { operate } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { plural } from '../../words/plural.ts'

/** `lark outbox:list`: lists the rows that wait for the relay, and the rows that cannot become jobs. */
export class OutboxListCommand extends Command {
  readonly key = 'outbox:list'
  override description = 'List the rows of the outbox: committed jobs that are not in the store yet'
  bad = flag.boolean('Only rows that cannot become jobs')
  limit = flag.number('How many', { default: 20, short: 'l', wholeFrom: 1 })
  after = flag.string('Begin after this place: the last one of the previous page')

  async handle() {
    const { bad, limit, after } = this
    await using jobs = Jobs
    const { outbox } = operate(jobs, { names: { bad: '--bad', limit: '--limit', after: '--after' } })
    const rows = await outbox.list({ bad, limit, ...defined({ after }) })
    const backlog = await outbox.backlog()
    const last = rows.length < limit ? undefined : rows.at(-1)?.place
    if (this.json) return { rows, ...backlog, ...defined({ after: last }) }
    if (rows.length > 0)
      this.table(
        ['PLACE', 'ID', 'KEY', 'QUEUE', 'AGE', 'ERROR'],
        rows.map(({ place, id, kind, key = kind, queue, age, error = '' }) =>
          [place, id, key, queue, readable(age), error].map(visible),
        ),
      )
    const oldest = backlog.waiting === 0 ? '' : `, the oldest for ${readable(backlog.age)}`
    const cannot = backlog.bad === 0 ? '' : `; ${plural(backlog.bad, 'row')} cannot become jobs`
    this.info(
      `${plural(backlog.waiting, 'row')} ${backlog.waiting === 1 ? 'waits' : 'wait'} for the relay${oldest}${cannot}`,
    )
    if (last !== undefined) this.info(`There may be more: the same command with --after=${last}`)
    return true
  }
}
