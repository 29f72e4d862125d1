import { Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { flowKinds, flowStates, operate } from '../../operate.ts'
import { completed } from '../words/completed.ts'
import { ago } from '../words/instant.ts'
import { flagNames } from '../words/job-filter.ts'
import { progressWords, waitWords } from './flow-words.ts'

/** `lark jobs:flows`: lists chains, batches and workflows. */
export class JobsFlowsCommand extends Command {
  readonly key = 'jobs:flows'
  override description = 'List flows, the last dispatched first: how far they are, and what they wait for'
  state = flag.enum('Only flows in this state', flowStates)
  kind = flag.enum('Only flows of this kind', flowKinds)
  name = flag.string('Only flows with this name')
  tag = flag.string('Only flows with this tag')
  queue = flag.string('Only flows of this queue')
  since = flag.string('Only flows that were dispatched since then, such as 1h')
  nested = flag.boolean('Also flows that are nodes of others, or that a job runs')
  cursor = flag.string('The cursor of an earlier page, to go on after it')
  limit = flag.number('How many', { default: 20, short: 'l', wholeFrom: 1 })

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { state, kind, name, tag, queue, since, nested, limit, cursor } = this
    const conditions = defined({ state, kind, name, tag, queue, since })
    await using jobs = Jobs
    const names = { ...flagNames, kind: '--kind', name: '--name', limit: '--limit', cursor: '--cursor' }
    const page = await operate(jobs, { names }).flows.list(
      { ...conditions, nested },
      { limit, ...defined({ cursor }) },
    )
    const { flows, damaged } = page
    if (this.json) return page
    for (const { home, message } of damaged) this.warn(`${visible(home)}: ${visible(message)}`)
    if (flows.length === 0 && damaged.length === 0 && page.cursor === undefined) {
      this.success(Object.keys(conditions).length === 0 ? 'No flows' : 'No such flows: see lark jobs:flows')
      return
    }
    this.table(
      ['ID', 'KIND', 'NAME', 'STATE', 'DONE', 'DISPATCHED', 'REMARK'],
      flows.map((flow) => [
        visible(flow.id),
        flow.kind,
        visible(flow.name ?? ''),
        flow.state === 'failed' ? this.console.paint('red', flow.state) : flow.state,
        progressWords(flow.counts),
        ago(flow.at),
        visible(waitWords(flow)),
      ]),
    )
    if (page.cursor !== undefined) this.info(`There may be more: --cursor=${page.cursor}`)
    this.info('Look closer: lark jobs:flow ID')
  }
}
