import { arg, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { type Removed, type RemoveFilter, removable } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { called, flowNamed } from '../flows/flow-words.ts'
import { byCommand } from '../words/by-command.ts'
import { flagNames } from '../words/job-filter.ts'
import { ChangeCommand, checkCanAsk } from './job-change.ts'

const FOR_GOOD = 'Nothing was written to a file: this cannot be undone'

/**
 * `lark jobs:purge`: removes jobs for good from everything that Lark reads. Unlike `jobs:remove`, it writes
 * no file that `jobs:import` could read, so a purge cannot be undone.
 */
export class JobsPurgeCommand extends ChangeCommand {
  readonly key = 'jobs:purge'
  override description = 'Remove jobs or a flow for good, with all that is kept of them: nothing undoes it'
  ids = arg.strings('Ids of jobs, also of removed ones, or - for the standard input')
  state = flag.enum('Only jobs in this state', removable)
  all = flag.boolean('Every job that does not run')
  flow = flag.string('The flow with this id: all of its jobs, those that have not started, and their results')
  override yes = flag.boolean('Do not ask before a flow or more than one job is removed', { short: 'y' })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    if (this.flow !== undefined) return this.#purgeFlow(this.flow)
    return await this.change<Removed>({
      verbs: ['Purge', 'Purged', 'Purging'],
      destroys: true,
      call: (operating, which, options) => operating.purge(which as RemoveFilter, options),
      count: ({ removed }) => removed,
      remark: ({ removed }) => (removed > 0 ? FOR_GOOD : undefined),
    })
  }

  async #purgeFlow(id: string): Promise<boolean> {
    const { queue, dryRun, yes } = this
    this.checkFlowAlone()
    checkCanAsk(this, 'Purging a flow', '--yes purges it without asking; --dry-run only counts its jobs')
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    const info = await flowNamed(operating, id, { nodes: false, ...defined({ queue }) })
    const flow = visible(called(info))
    const words = ({ removed }: Removed) => `${flow}: ${plural(removed, 'job')}`
    if (dryRun || !yes) {
      const would = await operating.flows.purge(info, { dryRun: true })
      if (dryRun && this.json) this.console.json({ flow: info.id, ...would, dryRun })
      else if (dryRun) this.success(`Would purge ${words(would)}`)
      if (dryRun) return true
      if (!(await this.confirm(`Purge ${words(would)}?`))) {
        this.info('Nothing was purged')
        return false
      }
    }
    const purged = await operating.flows.purge(info)
    if (this.json) this.console.json({ flow: info.id, ...purged })
    else this.success(`Purged ${words(purged)}`)
    if (!this.json && purged.running > 0) {
      const { running } = purged
      const [run, have] = running === 1 ? ['runs', 'it has'] : ['run', 'they have']
      this.info(`${plural(running, 'job')} of it still ${run}: purge the flow again when ${have} ended`)
    } else if (!this.json) this.info(FOR_GOOD)
    return purged.running === 0
  }
}
