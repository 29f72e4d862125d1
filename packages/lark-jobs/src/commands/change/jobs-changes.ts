import { arg, Command, type CommandResult, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { JobsError } from '../../model/errors.ts'
import type { PacedChange } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { pausedWords } from '../../words/paused-words.ts'
import { plural } from '../../words/plural.ts'
import { shown } from '../../words/secret.ts'
import { byCommand } from '../words/by-command.ts'
import { ago } from '../words/instant.ts'

/** `lark jobs:changes`: lists the changes at a pace, or pauses, resumes or stops one change. */
export class JobsChangesCommand extends Command {
  readonly key = 'jobs:changes'
  override description = 'List the changes that go on at a pace; or pause, resume or stop one'
  id = arg.string('The id of a change. Without it: all of them', { optional: true })
  pause = flag.boolean('Pause this change')
  resume = flag.boolean('Go on with this change')
  stop = flag.boolean('Stop this change for good: jobs that it has changed stay changed')
  because = flag.string('With --pause or --stop: why, for people')
  dryRun = flag.boolean('With --pause, --resume or --stop: say what would happen, and change nothing')

  async handle(): Promise<CommandResult> {
    const { id, because, dryRun } = this
    const verbs = (['pause', 'resume', 'stop'] as const).filter((verb) => this[verb])
    const [verb] = verbs
    if (verbs.length > 1) throw usageError(`--${verbs[0]} came with --${verbs[1]}`, 'Leave out one of them.')
    if (verb !== undefined && id === undefined)
      throw usageError(`--${verb} came without the id of a change`, 'See lark jobs:changes')
    if (because !== undefined && (verb === undefined || verb === 'resume'))
      throw usageError('--because came without --pause or --stop', 'Leave it out.')
    if (dryRun && verb === undefined) throw usageError('--dry-run came without --pause, --resume or --stop')
    await using jobs = Jobs
    const { changes } = byCommand(jobs, { because: '--because' })
    const all = await changes.list()
    const found = all.filter((each) => id === undefined || each.id === id)
    if (id !== undefined && found.length === 0)
      throw new JobsError('CHANGE_NOT_FOUND', `There is no change at a pace ${shown(id)}`, {
        hint: 'See lark jobs:changes',
      })
    if (verb === undefined) return await this.#list(found)
    const before = found[0]!
    const reason = defined({ because })
    const after = dryRun
      ? before
      : verb === 'resume'
        ? await changes.resume(before.id)
        : await changes[verb](before.id, reason)
    const isOver = before.state !== 'running' && before.state !== 'paused'
    if (this.json) this.console.json({ ...after, was: before.state, ...(dryRun && { dryRun }) })
    else if (isOver) this.warn(visible(`${nameOf(before)} has ended: ${endWords(before)}`))
    else this.#say(verb, before)
    return !isOver
  }

  #say(verb: 'pause' | 'resume' | 'stop', { state, ...change }: PacedChange): void {
    const name = nameOf(change)
    const left = plural(change.left, 'job')
    if (verb === 'pause' && state === 'paused') this.info(visible(`${name} was paused already`))
    else if (verb === 'resume' && state === 'running') this.info(visible(`${name} was not paused`))
    else if (this.dryRun) this.success(visible(`Would ${verb} ${name}, with ${left} left`))
    else if (verb === 'pause')
      this.success(
        visible(`${name} is paused, with ${left} left, until lark jobs:changes ${change.id} --resume`),
      )
    else if (verb === 'resume') this.success(visible(`${name} goes on, with ${left} left`))
    else this.success(visible(`${name} is stopped: ${left} stay as they were`))
  }

  async #list(changes: readonly PacedChange[]): Promise<CommandResult> {
    if (this.json) return { changes }
    if (changes.length === 0) {
      this.success('No changes at a pace: see --limit of lark jobs:retry')
      return true
    }
    this.table(
      ['CHANGE', 'WHAT', 'PACE', 'STATE', 'DONE', 'LEFT', 'FAILED AGAIN'],
      changes.map((each) => [
        each.id,
        visible(whatOf(each)),
        `${each.limit.toLocaleString('en')} in ${readable(each.per)}`,
        each.state,
        each.done.toLocaleString('en'),
        each.left.toLocaleString('en'),
        each.ended === 0 ? '' : `${each.failed.toLocaleString('en')} of ${each.ended.toLocaleString('en')}`,
      ]),
    )
    for (const each of changes) {
      const { id, state, waits } = each
      if (state === 'paused')
        this.info(
          visible(`${id} is paused${haltWords(each)}: it goes on with lark jobs:changes ${id} --resume`),
        )
      else if (state === 'running' && waits !== undefined) this.info(visible(`${id} waits: ${waits}`))
      else if (state === 'failing' || state === 'error')
        this.warn(visible(`${id} has ended: ${endWords(each)}`))
    }
    return true
  }
}

function whatOf({ change, of, to, delay }: PacedChange): string {
  const into = to === undefined ? '' : ` to queue ${to}`
  const by = delay === undefined ? '' : ` to ${readable(delay)} later`
  return `${change} ${of}${into}${by}`
}

function nameOf({ id, change, of }: Pick<PacedChange, 'id' | 'change' | 'of'>): string {
  return `The change ${id} (${change} ${of})`
}

function haltWords({ stoppedBy, since, because }: PacedChange): string {
  return pausedWords({ by: stoppedBy, at: since, because }, Date.now())
}

/** Says in words how a change has ended. */
function endWords(change: PacedChange): string {
  const { state, since, because, left } = change
  const when = since === undefined ? '' : ` ${ago(since)}`
  if (state === 'stopped') return `stopped${haltWords(change)}, with ${plural(left, 'job')} left`
  if (state === 'done') return `all jobs were changed${when}`
  return `${because ?? state},${when}, with ${plural(left, 'job')} left`
}
