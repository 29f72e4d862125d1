import { arg, Command, flag } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { defined } from '../model/defined.ts'
import { JobsError } from '../model/errors.ts'
import { type JobWhy, operate } from '../operate.ts'
import { orFlow } from './flow-words.ts'

/** `lark jobs:why`: every reason a job does not run, with what ends it. */
export class JobsWhyCommand extends Command {
  readonly key = 'jobs:why'
  override description = 'Say why a job does not run: every reason, what ends it, and the command that helps'
  id = arg.string('The id of the job')
  queue = flag.string('The queue of the job, if several queues have a job with this id')

  async handle() {
    await using jobs = Jobs
    const { id, queue } = this
    const operating = operate(jobs)
    const why = await operating.why(id, defined({ queue }))
    if (why === undefined) {
      const error = new JobsError('JOB_NOT_FOUND', `There is no job ${id}`, {
        id,
        hint: 'Jobs that have ended are kept for a while only: see lark jobs:failed',
      })
      throw await orFlow(operating, error, 'jobs:flow')
    }
    if (this.json) return { ...why }
    const { key, reasons } = why
    const name = key === undefined ? '' : `${this.console.paint('bold', visible(key))} `
    this.line(`${name}${visible(id)} ${headline(why)}`)
    this.line()
    this.table(
      ['REASON', 'WHAT IT IS'],
      reasons.flatMap(({ kind, text, remedy }) => [
        [kind, visible(text)],
        ...(remedy === undefined ? [] : [['', visible(`→ ${remedy}`)]]),
      ]),
    )
  }
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

/** `waits: 2 reasons` */
function headline({ state, reasons }: JobWhy): string {
  const count = reasons.length
  const isHeld = state === 'waiting' || state === 'delayed' || state === 'blocked'
  if (!isHeld || reasons[0]?.kind === 'next') return states[state]
  return `${states[state]}: ${count} ${count === 1 ? 'reason' : 'reasons'}`
}
