/**
 * The base of the commands that change many jobs. Such a command takes the ids of jobs (also from the
 * standard input) or a filter. Before it removes or ends more than one job, it shows the number of jobs and
 * asks. It shows its progress. If it is interrupted, it reports how many jobs were changed.
 */
import { createInterface } from 'node:readline'
import type { Command, CommandResult } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import type { Operate } from '../../operate.ts'
import { filterWords } from '../../words/filter-words.ts'
import { plural } from '../../words/plural.ts'
import { byCommand } from '../words/by-command.ts'
import {
  type CommandFilter,
  checkKey,
  FilterCommand,
  type FilterFlags,
  filterOf,
  flagNames,
} from '../words/job-filter.ts'

/** The exit code of a command that was ended by SIGINT. */
export const INTERRUPTED = 130

/** The arguments of a call besides the jobs. */
interface CallOptions {
  queue?: string
  dryRun?: boolean
  signal?: AbortSignal
  onProgress?: (done: number, found: number) => void
}

/** A change of jobs. */
export interface CommandChange<Answer extends object> {
  /** The verb of the change in three forms, such as `Remove`, `Removed`, `Removing`. */
  verbs: readonly [verb: string, done: string, doing: string]
  /** Whether data of the jobs is lost. If so, the command asks before it changes more than one job. */
  destroys?: boolean
  /** The flag of the change's value, if the flag has another name than the value. */
  names?: Readonly<Record<string, string>>
  call(operating: Operate, which: readonly string[] | CommandFilter, options: CallOptions): Promise<Answer>
  /** Returns how many jobs were changed. */
  count(answer: Answer): number
  /** Returns a further line for people, or undefined. */
  remark?(answer: Answer): string | undefined
}

/** A command that changes jobs. Each command has its own descriptions of its flags. */
export abstract class ChangeCommand extends FilterCommand {
  abstract ids: string[]
  abstract state: FilterFlags['state']
  abstract all: boolean
  abstract dryRun: boolean
  declare yes?: boolean

  /** Changes the chosen jobs, and prints the result. @throws USAGE, and the errors of the call */
  protected async change<Answer extends object>(change: CommandChange<Answer>): Promise<CommandResult> {
    const { dryRun, queue } = this
    const [verb, done, doing] = change.verbs
    await using jobs = Jobs
    const operating = byCommand(jobs, { ...flagNames, ...change.names })
    const which = await chosenBy(this)
    const isFilter = !Array.isArray(which)
    const ofIds = isFilter ? {} : defined({ queue })
    const of = isFilter ? visible(` ${filterWords(which as CommandFilter)}`) : ''
    const asks = change.destroys === true && this.yes !== true
    if (dryRun || asks) {
      const would = await change.call(operating, which, { ...ofIds, dryRun: true })
      const count = change.count(would)
      if (dryRun && this.json) return { ...would, dryRun }
      if (dryRun) {
        this.success(`Would ${verb.toLowerCase()} ${plural(count, 'job')}${of}`)
        return true
      }
      if (count > 1 && !this.console.canAsk)
        throw usageError(
          `This would ${verb.toLowerCase()} ${plural(count, 'job')}, and there is no terminal to ask on`,
          '--yes does it without asking; --dry-run only counts the jobs',
        )
      if (count > 1 && !(await this.confirm(`${verb} ${plural(count, 'job')}${of}?`))) {
        this.info(`Nothing was ${done.toLowerCase()}`)
        return false
      }
    }
    const answer = await paced(this, doing, (pace) => change.call(operating, which, { ...ofIds, ...pace }))
    const count = change.count(answer)
    const { aborted } = this.signal
    if (count === 0 && !aborted && isFilter) await checkKey(this.job, operating)
    if (this.json) this.console.json({ ...answer, ...(aborted && { interrupted: true }) })
    else if (aborted) this.warn(`Interrupted: ${done.toLowerCase()} ${plural(count, 'job')}, and no more`)
    else
      this.success(count === 0 ? `No such job to ${verb.toLowerCase()}` : `${done} ${plural(count, 'job')}`)
    const remark = this.json ? undefined : change.remark?.(answer)
    if (remark !== undefined) this.info(remark)
    return aborted ? INTERRUPTED : true
  }

  /** @throws USAGE if there are other conditions besides `--flow` */
  protected checkFlowAlone(): void {
    if (this.ids.length > 0 || Object.keys(filterOf({ ...this, queue: undefined })).length > 0)
      throw usageError('--flow came with ids or a filter', 'Leave out one of them.')
  }
}

/**
 * @throws USAGE if the command would have to ask, but no terminal is attached on which a person could answer
 */
export function checkCanAsk(
  { yes, dryRun, console }: Command & { yes?: boolean; dryRun: boolean },
  doing: string,
  hint: string,
): void {
  if (!yes && !dryRun && !console.canAsk)
    throw usageError(`${doing} needs a confirmation, and there is no terminal to ask on`, hint)
}

/** Runs a call that can be interrupted, and shows its progress on a terminal. */
export async function paced<T>(
  command: Command,
  doing: string,
  call: (pace: Pick<CallOptions, 'signal' | 'onProgress'>) => Promise<T>,
): Promise<T> {
  const spinner = command.spinner(doing)
  const onProgress = (done: number, found: number) => {
    spinner.text = `${doing}: ${done.toLocaleString('en')} of ${found.toLocaleString('en')}`
  }
  try {
    return await call({ signal: command.signal, onProgress })
  } finally {
    spinner.stop()
  }
}

/**
 * @param neither the message of the error for a command line with neither ids nor a filter
 * @throws USAGE if there are both ids and a filter, or neither ids nor a filter
 */
export async function chosenBy(
  command: ChangeCommand,
  neither = 'Give their ids, - for ids from the standard input, or a filter such as --job or --kind',
  hint = 'See lark jobs:status, and lark jobs:failed --group',
): Promise<string[] | CommandFilter> {
  const hasIds = command.ids.length > 0
  const filter = filterOf({ ...command, queue: hasIds ? undefined : command.queue })
  const isFiltered = Object.keys(filter).length > 0
  if (isFiltered !== hasIds) return hasIds ? idsOf(command.ids) : filter
  throw usageError(isFiltered ? 'Give ids or a filter, not both' : `Which jobs? ${neither}`, hint)
}

/**
 * The given ids. The id `-` stands for ids from the standard input: the first word of each line, or the `id`
 * in a line with a JSON object, such as the lines that `jobs:export` writes.
 *
 * @throws USAGE for a line without an id
 */
export async function idsOf(given: readonly string[]): Promise<string[]> {
  const ids = given.filter((id) => id !== '-')
  if (ids.length === given.length) return ids
  for await (const line of createInterface({ input: process.stdin })) {
    const text = line.trim()
    if (text === '') continue
    ids.push(text.startsWith('{') ? idIn(text) : text.split(/\s/, 1)[0]!)
  }
  return ids
}

function idIn(line: string): string {
  try {
    const { id } = JSON.parse(line) as { id?: unknown }
    if (typeof id === 'string') return id
  } catch {
    // The error is ignored here, because the result is printed below.
  }
  throw usageError(
    `A line of the standard input has no id: ${visible(line.slice(0, 60))}`,
    'A line is an id, or a JSON object with an id.',
  )
}
