/**
 * The base of the commands that can also make their change at a pace. With `--limit`, workers make the change
 * after the command has ended.
 */
import { type CommandResult, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { operate, type PacedFilter, type PacedKind, type PaceOptions } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { plural } from '../../words/plural.ts'
import { byCommand } from '../words/by-command.ts'
import { type CommandFilter, checkKey, flagNames } from '../words/job-filter.ts'
import { ChangeCommand } from './job-change.ts'

const paceNames = { limit: '--limit', per: '--per', maxFailed: '--max-failed', fromStart: '--from-start' }

/** The text of the flag `--max-failed`. */
export const mostFailed =
  'With --limit: end the change if this share of its last 100 jobs fails again, such as 10%; 50% without it'

/** The verb of each change in two forms. */
const verbs: Readonly<Record<PacedKind, readonly [verb: string, doing: string]>> = {
  retry: ['put back to work', 'putting back to work'],
  'run-now': ['make due', 'making due'],
  reschedule: ['reschedule', 'rescheduling'],
  move: ['move', 'moving'],
}

export abstract class PacedCommand extends ChangeCommand {
  limit = flag.number('Slowly: change at most this many jobs in the time of --per', { wholeFrom: 1 })
  per = flag.string('With --limit: a time such as 10s; one minute without it')

  /** The flag `--max-failed`, which only exists for changes after which the jobs run. */
  maxFailed: string | undefined

  /** Whether the change is to be made at a pace. @throws USAGE for a flag that needs `--limit` */
  protected get isPaced(): boolean {
    if (this.limit !== undefined) return true
    const lone = this.per !== undefined ? '--per' : this.maxFailed !== undefined ? '--max-failed' : undefined
    if (lone !== undefined) throw usageError(`${lone} came without --limit`, 'Such as --limit=500 --per=1m.')
    return false
  }

  /**
   * Begins the change at a pace, and prints the command that shows its progress.
   *
   * @throws USAGE for a key that no worker ever had, and the errors of `changes.begin()`
   */
  protected async begin<Kind extends PacedKind>(
    kind: Kind,
    which: readonly string[] | CommandFilter,
    more: Omit<PaceOptions, 'limit' | 'per' | 'maxFailed' | 'dryRun'>,
  ): Promise<CommandResult> {
    const { limit = 1, dryRun } = this
    const [per, maxFailed] = [
      this.per as `${number}s` | undefined,
      this.maxFailed as `${number}%` | undefined,
    ]
    await using jobs = Jobs
    const operating = byCommand(jobs, { ...flagNames, ...paceNames })
    const options = { limit, ...defined({ per, maxFailed }), ...more }
    const begin = (dryRun: boolean) =>
      operating.changes.begin(kind, which as PacedFilter<Kind>, { ...options, dryRun })
    const would = await begin(true)
    const [verb, doing] = verbs[kind]
    if (would.total === 0) {
      await checkKey(this.job, operating)
      if (this.json) return { ...idless(would), ...(dryRun && { dryRun }) }
      this.success(`No such job to ${verb}`)
      return true
    }
    const pace = `${would.limit.toLocaleString('en')} in ${readable(would.per)}`
    const all = readable(Math.ceil((would.total * would.per) / would.limit))
    const what = visible(`${plural(would.total, 'job')}, ${pace}: some ${all} for ${would.of}`)
    if (dryRun && this.json) return { ...idless(would), dryRun }
    if (dryRun) {
      this.success(`Would begin to ${verb} ${what}`)
      return true
    }
    const change = await begin(false)
    if (this.json) return { ...change }
    this.success(`Began ${doing} ${what}`)
    this.info(
      `It goes on by itself. See lark jobs:changes ${change.id}, which also takes --pause, --resume and --stop`,
    )
    if ((await operate(jobs).workers.list()).length === 0)
      this.warn('No worker is running, so nothing goes on: start one with lark jobs:work')
    return true
  }
}

/** Removes the id from a change that was only counted, because no stored change has this id. */
function idless<T extends { id: string }>({ id: _, ...rest }: T): Omit<T, 'id'> {
  return rest
}
