import { arg, Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { type GroupState, type GroupStatus, operate } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { completed } from '../words/completed.ts'

/**
 * `lark jobs:groups`: lists the groups of a queue: which of these groups can start jobs, and what the other
 * groups wait for.
 */
export class JobsGroupsCommand extends Command {
  readonly key = 'jobs:groups'
  override description = 'List the groups of a queue: which can start jobs, and what the others wait for'
  queue = arg.string('The queue')
  state = flag.string('Only groups in this state: paused, turn, asleep, full or running')
  name = flag.string('Only groups whose name contains this text')
  limit = flag.number('How many', { default: 20, short: 'l', wholeFrom: 1 })
  cursor = flag.string('The cursor of the previous page, which --json prints')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { queue, cursor, limit } = this
    await using jobs = Jobs
    const names = { state: '--state', name: '--name', limit: '--limit', cursor: '--cursor' }
    const filter = { queue, ...defined({ name: this.name, state: this.state as GroupState | undefined }) }
    const page = await operate(jobs, { names }).groups(filter, defined({ cursor, limit }))
    if (this.json) return page
    const { groups } = page
    if (groups.length === 0 && page.cursor === undefined) {
      this.success(visible(this.name === undefined ? `No groups in ${queue}` : `No such groups in ${queue}`))
      return
    }
    this.table(
      ['GROUP', 'STATE', 'PENDING', 'ACTIVE', 'NEEDS'],
      groups.map((group) => [
        visible(nameOf(group)),
        stateOf(group),
        group.pending,
        group.active,
        visible(needOf(group)),
      ]),
    )
    if (page.cursor !== undefined) this.info('There are more: see --limit, --name and --state')
  }
}

function nameOf({ group, groupHash }: GroupStatus): string {
  return group ?? (groupHash === undefined ? '(no group)' : `a long name (${groupHash})`)
}

function stateOf({ state, until }: GroupStatus): string {
  if (until === undefined) return state
  const left = until - Date.now()
  return left > 0 ? `${state} for ${readable(left)}` : state
}

function needOf({ limiter, permits }: GroupStatus): string {
  return limiter === undefined ? '' : `${permits} of ${limiter}`
}
