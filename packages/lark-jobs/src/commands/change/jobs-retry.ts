import { arg, flag, shellWord } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { JobsError } from '../../model/errors.ts'
import { type RetryFilter, retriable } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { called, flowNamed, orFlow, stateWords } from '../flows/flow-words.ts'
import { byCommand } from '../words/by-command.ts'
import { type CommandFilter, checkKey, filterOf, flagNames } from '../words/job-filter.ts'
import { INTERRUPTED, idsOf, paced } from './job-change.ts'
import { mostFailed, PacedCommand } from './paced-change.ts'

/** `lark jobs:retry`: queues ended jobs again. */
export class JobsRetryCommand extends PacedCommand {
  readonly key = 'jobs:retry'
  override description =
    'Queue failed jobs again, by id or all that meet some conditions; or go on with a failed flow'
  ids = arg.strings('Ids of jobs that have ended, or - for the standard input')
  state = flag.enum('Jobs in this state instead of failed ones', retriable)
  all = flag.boolean('Every failed job')
  flow = flag.string('The flow with this id: starts again what did not complete')
  within = flag.string('With --flow: the time that it gets from now on, such as 2h')
  fromStart = flag.boolean('Begin anew: the jobs forget what their steps have recorded')
  override maxFailed = flag.string(mostFailed)
  dryRun = flag.boolean('Say how many jobs would be queued again, and queue none')

  async handle() {
    const { isPaced } = this
    if (this.flow !== undefined && isPaced)
      throw usageError('--limit came with --flow', 'A flow goes on as a whole: leave out one of them.')
    if (this.flow !== undefined) return this.#retryFlow(this.flow)
    const { ids, queue, dryRun, fromStart } = this
    const hasIds = ids.length > 0
    const { all, queue: _, ...conditions } = filterOf(this)
    // `--queue` alone does not count as a filter, because the flag may say in which queue the given ids are.
    const isFiltered = all === true || Object.keys(conditions).length > 0
    if (this.within !== undefined)
      throw usageError('--within came without --flow', 'Leave it out, or name a flow.')
    if (isFiltered === hasIds) {
      throw usageError(
        isFiltered
          ? 'Give ids or a filter, not both'
          : 'Which jobs? Give their ids, or --all, --job, --state, --group, --tag, --kind, --since, --until or --where',
        'See lark jobs:failed',
      )
    }
    const of = defined({ queue })
    const isAllOfQueue = all && queue !== undefined && Object.keys(conditions).length === 0
    const which = isAllOfQueue
      ? { state: 'failed', queue }
      : defined({ ...conditions, ...(all ? { all } : of) })
    const named = hasIds ? await idsOf(ids) : []
    if (isPaced)
      return await this.begin(
        'retry',
        hasIds ? named : (which as CommandFilter),
        defined({ fromStart: fromStart || undefined }),
      )
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    const retried = paced(this, 'Putting back to work', (pace) =>
      hasIds
        ? operating.retry(named, { ...of, dryRun, fromStart, ...pace })
        : operating.retry(which as RetryFilter, { dryRun, fromStart, ...pace }),
    )
    const count = await retried.catch(async (error: unknown) => {
      throw await orFlow(operating, error, 'jobs:retry --flow')
    })
    const { aborted } = this.signal
    if (count === 0 && !aborted) await checkKey(this.job, operating)
    if (aborted) {
      if (this.json) this.console.json({ retried: count, interrupted: true })
      else this.warn(`Interrupted: put ${plural(count, 'job')} back to work, and no more`)
      return INTERRUPTED
    }
    if (this.json) return { retried: count, ...(dryRun && { dryRun }) }
    const counted = plural(count, 'job')
    this.success(dryRun ? `Would put ${counted} back to work` : `Put ${counted} back to work`)
    return true
  }

  async #retryFlow(id: string): Promise<boolean> {
    const { queue, dryRun } = this
    this.checkFlowAlone()
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    const info = await flowNamed(operating, id, { nodes: false, ...defined({ queue }) })
    const { failed, cancelled, skipped, total } = info.counts
    const count = failed + cancelled + skipped
    const flow = visible(called(info))
    const again = () =>
      operating.flows.retry(info, defined({ within: this.within })).catch(withinFlag(info.id))
    const isRetried = dryRun ? count > 0 : await again()
    const retried = isRetried ? count : 0
    const what = `${count.toLocaleString('en')} of ${total.toLocaleString('en')} in ${flow}`
    if (this.json) this.console.json({ flow: info.id, retried, ...(dryRun && { dryRun }) })
    else if (!isRetried) this.info(`Nothing to start again: ${flow} ${stateWords(info.state)}`)
    else this.success(dryRun ? `Would start ${what} again` : `Started ${what} again`)
    return isRetried
  }
}

/**
 * Adds a hint to the error for a flow whose deadline has passed: the flag that gives the flow a new deadline.
 */
function withinFlag(id: string): (error: unknown) => never {
  return (error) => {
    if (!JobsError.is(error, 'FLOW_LATE')) throw error
    const command = `lark jobs:retry --flow ${shellWord(id)} --within=2h`
    throw error.again({ hint: `Say how long it may take now: ${command}` })
  }
}
