import { Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { type AuditEntry, audited, auditedOfJobs, operate } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { ago } from '../words/instant.ts'

/**
 * `lark jobs:audit`: lists the changes that people made by hand, with the person and the result of each
 * change.
 */
export class JobsAuditCommand extends Command {
  readonly key = 'jobs:audit'
  override description = 'List what people changed by hand: who, when, from where, on what, and how many'
  since = flag.string('Only changes that began since then, such as 1h')
  who = flag.string('Only changes of this person: a name, or name@host')
  what = flag.enum('Only changes of this sort', audited)
  limit = flag.number('How many', { default: 20, short: 'l', wholeFrom: 1 })
  cursor = flag.string('Of the page before')

  async handle() {
    const { who, what, limit, cursor } = this
    await using jobs = Jobs
    const names = { since: '--since', who: '--who', what: '--what', limit: '--limit', cursor: '--cursor' }
    const page = await operate(jobs, { names }).audit(
      defined({ since: this.since, who, what, limit, cursor }),
    )
    if (this.json) return page
    const { entries, damaged = 0 } = page
    if (damaged > 0)
      this.warn(`${damaged.toLocaleString('en')} entries cannot be read: Lark did not write them`)
    if (entries.length > 0)
      this.table(
        ['WHEN', 'WHO', 'FROM', 'WHAT', 'ON', 'OUTCOME'],
        entries.map((entry) => [
          ago(entry.at),
          visible(`${entry.who}@${entry.host}`),
          visible(entry.from),
          visible(entry.what),
          visible(entry.on),
          visible(outcomeOf(entry)),
        ]),
      )
    else if (page.cursor === undefined) this.success('No such changes')
    if (page.cursor !== undefined) this.info(`There are more: the same command with --cursor=${page.cursor}`)
  }
}

function outcomeOf({ what, outcome, count, atLeast, error }: AuditEntry): string {
  const isOfJobs = (auditedOfJobs as readonly string[]).includes(what)
  const far = isOfJobs ? `${atLeast ? ', at least' : ' at'} ${count.toLocaleString('en')}` : ''
  if (outcome === 'failed') return `failed${far}: ${error ?? 'no error is known'}`
  if (outcome !== 'done') return `${outcome}${far}`
  if (isOfJobs) return plural(count, 'job')
  return count > 0 ? 'done' : 'nothing to do'
}
