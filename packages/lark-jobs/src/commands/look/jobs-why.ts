import { arg, Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import {
  type JobWhy,
  type Operate,
  operate,
  type QueueStatus,
  type Reason,
  type ScheduleInfo,
} from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { noJob } from '../flows/flow-words.ts'
import { reasonOf, type ScheduleReason } from '../schedules/scheduled.ts'
import { completed } from '../words/completed.ts'
import { commandFor } from '../words/remedy-commands.ts'

/**
 * `lark jobs:why`: shows every reason why a job, the jobs of a queue, or a schedule do not run. `operate/why`
 * puts the reasons of jobs into words, and `words/remedy-commands.ts` has the commands that help.
 */
export class JobsWhyCommand extends Command {
  readonly key = 'jobs:why'
  override description = 'Say why a job does not run: every reason, what ends it, and the command that helps'
  id = arg.string('The id of the job, or of a schedule. Without one: why the next job of each queue waits', {
    optional: true,
  })
  queue = flag.string('Only this queue')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    await using jobs = Jobs
    const { id, queue } = this
    const operating = operate(jobs, { names: { queue: '--queue' } })
    if (id === undefined) return await this.#queues(operating)
    const why = await operating.why(id, defined({ queue }))
    if (why === undefined) {
      const schedule = await operating.schedules.get(id)
      if (schedule === undefined) throw await noJob(operating, id)
      return await this.#schedule(schedule)
    }
    if (this.json) return { ...written(why) }
    this.#show(why)
  }

  /** Prints each queue in which jobs wait, and why the next job of the queue waits. */
  async #queues(operating: Operate) {
    const { queue } = this
    // This call is made only because it throws for a queue that does not exist.
    if (queue !== undefined) await operating.list({ queue }, { limit: 1 })
    const all = (await operating.status()).queues.filter(
      (each) => queue === undefined || each.queue === queue,
    )
    const found: { queue: string; counts: QueueStatus['counts']; next: JobWhy }[] = []
    for (const each of all) {
      const { queue, counts } = each
      const next = await operating.whyNext(queue)
      if (next !== undefined) found.push({ queue, counts, next })
    }
    if (this.json) return { queues: found.map((each) => ({ ...each, next: written(each.next) })) }
    if (found.length === 0)
      this.info(queue === undefined ? 'No job waits' : `No job of ${visible(queue)} waits`)
    for (const [i, { queue, counts, next }] of found.entries()) {
      if (i > 0) this.line()
      const { waiting, delayed, active } = counts
      this.line(
        `Queue ${visible(queue)}: ${waiting} waiting, ${delayed} delayed, ${active} active. The next of them:`,
      )
      this.line()
      this.#show(next)
    }
  }

  /** Answers for a schedule, if there is no job with the id. */
  #schedule(info: ScheduleInfo) {
    const { id, state, key, queue } = info
    const reasons = [reasonOf(info)]
    if (this.json) return { schedule: id, state, key, queue, reasons: reasons.map(inWords) }
    const does = reasons[0]?.kind === 'next' ? 'ticks' : 'does not tick'
    this.line(`${this.console.paint('bold', 'schedule')} ${visible(id)} ${does}`)
    this.#reasons(reasons)
    return undefined
  }

  #show(why: JobWhy): void {
    const { id, key, reasons } = why
    const name = key === undefined ? '' : `${this.console.paint('bold', visible(key))} `
    this.line(`${name}${visible(id)} ${headline(why)}`)
    this.#reasons(reasons)
  }

  #reasons(reasons: readonly (Reason | ScheduleReason)[]): void {
    this.line()
    this.table(
      ['REASON', 'WHAT IT IS'],
      reasons.flatMap(({ kind, text, remedy }) => [
        [kind, visible(text)],
        ...(remedy === undefined ? [] : [['', visible(`→ ${commandFor(remedy)}`)]]),
      ]),
    )
  }
}

/** The answer in the form for scripts. */
function written({ reasons, ...why }: JobWhy) {
  return { ...why, reasons: reasons.map(inWords) }
}

function inWords({ remedy, ...reason }: Reason | ScheduleReason) {
  return { ...reason, ...(remedy && { remedy: commandFor(remedy) }) }
}

const states = {
  waiting: 'waits',
  delayed: 'is delayed',
  blocked: 'is blocked',
  active: 'is active',
  completed: 'has completed',
  failed: 'has failed',
  cancelled: 'is cancelled',
} as const satisfies Record<JobWhy['state'], string>

/** The first line of the answer, such as `waits: 2 reasons`. */
function headline({ state, reasons }: JobWhy): string {
  const count = reasons.length
  const isHeld = state === 'waiting' || state === 'delayed' || state === 'blocked'
  if (!isHeld || reasons[0]?.kind === 'next') return states[state]
  return `${states[state]}: ${plural(count, 'reason')}`
}
