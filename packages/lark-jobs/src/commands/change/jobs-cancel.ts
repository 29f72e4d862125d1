import { setTimeout as pause } from 'node:timers/promises'
import { arg, flag, type Progress } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { type CancelFilter, type Cancelled, cancellable, type FlowInfo, type Operate } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { filterWords } from '../../words/filter-words.ts'
import { plural } from '../../words/plural.ts'
import { called, endedOf, flowNamed, orFlow, stateWords } from '../flows/flow-words.ts'
import { byCommand } from '../words/by-command.ts'
import { checkKey, flagNames } from '../words/job-filter.ts'
import { commandFor } from '../words/remedy-commands.ts'
import { ChangeCommand, checkCanAsk, chosenBy, INTERRUPTED, paced } from './job-change.ts'

/** Milliseconds between two checks of how many jobs have ended. */
const LOOK = 1_000
/** The message for a call without ids and conditions. */
const WHICH =
  'Give their ids, or --job, --queue, --state, --group, --tag, --kind, --since, --until, --where or --all'

/**
 * `lark jobs:cancel`: cancels jobs. Jobs that are not running end at once, and running jobs are asked to end.
 */
export class JobsCancelCommand extends ChangeCommand {
  readonly key = 'jobs:cancel'
  override description = 'Cancel jobs by id, or all jobs that meet some conditions, or a flow'
  ids = arg.strings('Ids of jobs that have not ended, or - for the standard input')
  state = flag.enum('Only jobs in this state', cancellable)
  all = flag.boolean('Every job that has not ended')
  flow = flag.string('Cancel the flow with this id: its jobs are cancelled, and no further node of it starts')
  because = flag.string('The reason, for people: it is kept with the jobs, and their hooks get it')
  override yes = flag.boolean('Cancel several jobs, the jobs of a filter, or a flow, without asking', {
    short: 'y',
  })
  dryRun = flag.boolean('Say how many jobs would be cancelled, and cancel none')

  async handle() {
    if (this.flow !== undefined) return this.#cancelFlow(this.flow)
    const { queue } = this
    const which = await chosenBy(this, WHICH, 'See lark jobs:status')
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    const isFiltered = !Array.isArray(which)
    const ofIds = isFiltered ? {} : defined({ queue })
    const mayAsk = !this.yes && !this.dryRun && (isFiltered || which.length > 1)
    const of = isFiltered ? visible(` ${filterWords(which)}`) : ''
    if (this.dryRun || mayAsk) {
      const would = await operating
        .cancel(which as CancelFilter, { ...ofIds, dryRun: true })
        .catch(async (error: unknown) => {
          throw await orFlow(operating, error, 'jobs:cancel --flow')
        })
      if (mayAsk && !this.console.canAsk) {
        throw usageError(
          `Cancelling ${isFiltered ? 'by a filter' : 'several jobs'} needs a confirmation, and there is no terminal to ask on`,
          '--yes cancels without asking; --dry-run says how many jobs there are',
        )
      }
      const isNone = await this.#isNone(would, operating)
      if (this.json) return { ...would, dryRun: true }
      if (this.dryRun && !isNone) this.success(`Would cancel ${told(would, of)}`)
      if (this.dryRun || isNone) return true
      if (!(await this.confirm(`Cancel ${told(would, of)}?`))) {
        this.info('Nothing was cancelled')
        return false
      }
    }
    const because = defined({ because: this.because })
    const { cancelled, asked } = await paced(this, 'Cancelling', (pace) =>
      operating.cancel(which as CancelFilter, { ...ofIds, ...because, ...pace }),
    ).catch(async (error: unknown) => {
      throw await orFlow(operating, error, 'jobs:cancel --flow')
    })
    const isNone = await this.#isNone({ cancelled, asked }, operating)
    const { aborted } = this.signal
    if (aborted) {
      if (this.json) this.console.json({ cancelled, asked, interrupted: true })
      else this.warn(`Interrupted: cancelled ${plural(cancelled, 'job')}, told ${asked} to end, and no more`)
      return INTERRUPTED
    }
    if (this.json) return { cancelled, asked }
    if (isNone) return true
    if (cancelled > 0) this.success(`Cancelled ${plural(cancelled, 'job')}`)
    if (asked > 0) {
      const [id] = Array.isArray(which) && which.length === 1 ? which : []
      // A suspended job whose steps can be undone does not run, and ends later.
      const isUndone = id !== undefined && (await operating.find(id, ofIds))?.undoing === true
      this.success(`Told ${plural(asked, id === undefined || isUndone ? 'job' : 'running job')} to end`)
      const it = asked === 1 ? 'It' : 'Each'
      const ends = isUndone
        ? 'Its steps are undone first, and then it is cancelled'
        : id !== undefined
          ? 'It ends when its handler does, or its worker stops'
          : `${it} ends when its handler does, its worker stops, or its steps are undone`
      this.info(
        `${ends}: see ${id === undefined ? 'lark jobs:why ID' : visible(commandFor({ do: 'see-why', job: id }))}`,
      )
    }
    const { count, age } = (await operating.retention(queue)).cancelled
    if (cancelled > count)
      this.info(
        `${queue === undefined ? 'Each queue' : visible(queue)} keeps its newest ${count.toLocaleString('en')} cancelled jobs, for ${readable(age)}: see lark jobs:status`,
      )
    return true
  }

  async #cancelFlow(id: string): Promise<boolean> {
    const { queue, because, dryRun, yes } = this
    this.checkFlowAlone()
    const without = '--yes cancels it without asking; --dry-run says what would be cancelled'
    checkCanAsk(this, 'Cancelling a flow', without)
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    const info = await flowNamed(operating, id, { nodes: false, ...defined({ queue }) })
    const { counts, state } = info
    const flow = visible(called(info))
    const isOpen = state === 'open' || state === 'filling'
    const left = (counts.total - endedOf(counts)).toLocaleString('en')
    const what = `${flow}: ${left} of ${counts.total.toLocaleString('en')} have not ended`
    if (dryRun || !isOpen) {
      if (this.json) this.console.json({ flow: info.id, state, cancelled: false, ...(dryRun && { dryRun }) })
      else if (isOpen) this.success(`Would cancel ${what}`)
      else this.info(`Nothing to cancel: ${flow} ${stateWords(state)}`)
      return isOpen || state === 'ending' || state === 'cancelled'
    }
    if (!yes && !(await this.confirm(`Cancel ${what}?`))) {
      this.info('Nothing was cancelled')
      return false
    }
    const over = new AbortController()
    const looking = this.#showProgress(operating, info, over.signal)
    const cancelled = await operating.flows.cancel(info, defined({ because })).finally(() => over.abort())
    await looking
    const after = (await operating.flows.get(info, { nodes: false })) ?? info
    const { running } = after.counts
    if (this.json) this.console.json({ flow: info.id, state: after.state, cancelled })
    else if (!cancelled) this.info(`Nothing to cancel: ${flow} ${stateWords(after.state)}`)
    else this.success(`Cancelled ${flow}`)
    if (!this.json && cancelled && running > 0)
      this.info(
        `${plural(running, 'job')} may still run: each was told to end, and ends when its handler does or its worker stops`,
      )
    return cancelled
  }

  /**
   * Shows how many jobs have ended while a flow is cancelled, because cancelling a batch with a million
   * members takes some time.
   */
  async #showProgress(operating: Operate, info: FlowInfo, over: AbortSignal): Promise<void> {
    let progress: Progress | undefined
    let shown = 0
    try {
      for (;;) {
        await pause(LOOK, undefined, { signal: over })
        const counts = (await operating.flows.get(info, { nodes: false }))?.counts ?? info.counts
        progress ??= this.progress(counts.total, { label: 'have ended' })
        progress.advance(endedOf(counts) - shown)
        shown = endedOf(counts)
      }
    } catch {
      // The error is ignored here. It means that the cancel is over, or that the store cannot be read. In the
      // second case, the cancel itself reports the problem.
    } finally {
      progress?.finish()
    }
  }

  /**
   * Returns whether no job matches the filter, and prints this.
   *
   * @throws USAGE if no worker ever had the key
   */
  async #isNone({ cancelled, asked }: Cancelled, operating: Operate): Promise<boolean> {
    if (cancelled + asked > 0) return false
    await checkKey(this.job, operating)
    if (!this.json) this.success('Nothing to cancel: no such job is waiting or running')
    return true
  }
}

/** The text with the number of jobs, and how many of these are running. @param of the filter in words */
function told({ cancelled, asked }: Cancelled, of: string): string {
  const all = `${plural(cancelled + asked, 'job')}${of}`
  if (asked === 0) return all
  const run = asked === 1 ? 'runs' : 'run'
  return cancelled === 0 ? `${all} that ${run}` : `${all}, ${asked.toLocaleString('en')} of which ${run}`
}
