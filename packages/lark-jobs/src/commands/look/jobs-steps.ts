import { arg, Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import type { JobSteps, Operate } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { orFlow } from '../flows/flow-words.ts'
import { byCommand } from '../words/by-command.ts'
import { completed } from '../words/completed.ts'
import { jsonExcerpt } from '../words/json-excerpt.ts'
import { printSection } from '../words/sheet.ts'
import { damagedWords, signalRow, stepRow } from '../words/step-words.ts'

/**
 * `lark jobs:steps`: shows what a job has recorded about its steps. With `--forget`, it removes records, so
 * that the job runs these steps again.
 */
export class JobsStepsCommand extends Command {
  readonly key = 'jobs:steps'
  override description =
    'List the steps of a job and its signals, or let it forget steps, which then run again'
  id = arg.string('The id of the job')
  forget = flag.strings('Forget what was recorded of this step: the next run does it again')
  values = flag.boolean('Also the results of steps and the values of signals')
  queue = flag.string('The queue of the job, if several queues have a job with this id')
  dryRun = flag.boolean('With --forget: say which steps there are, and change nothing')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { forget, values, dryRun } = this
    if (forget.length === 0 ? dryRun : values)
      throw usageError(
        dryRun ? '--dry-run came without --forget' : '--values came with --forget',
        'Leave it out.',
      )
    await using jobs = Jobs
    const operating = byCommand(jobs, { queue: '--queue' })
    try {
      return forget.length === 0 ? await this.#list(operating) : await this.#forget(operating)
    } catch (error) {
      throw await orFlow(operating, error, 'jobs:flow')
    }
  }

  async #forget({ steps }: Operate) {
    const { id, queue, dryRun } = this
    const forgotten = await steps.forget(id, this.forget, { dryRun, ...defined({ queue }) })
    if (this.json) return { id, forgotten, ...(dryRun && { dryRun }) }
    const what = visible(`${plural(forgotten.length, 'step')} of ${id}: ${forgotten.join(', ')}`)
    this.success(dryRun ? `Would forget ${what}` : `Forgot ${what}. The next run does them again`)
  }

  async #list({ steps }: Operate) {
    const { id, queue, values } = this
    const found = await steps.list(id, { values, ...defined({ queue }) })
    if (this.json) return found ?? { id, steps: [], signals: [] }
    if (found === undefined) this.info(visible(`${id} has recorded no steps, and no signal came`))
    else this.#print(found)
  }

  #print({ steps, signals, undoing, damaged }: JobSteps): void {
    if (undoing) this.info(visible(`${this.id} is undoing its steps, and then it ends`))
    if (steps.length > 0)
      this.table(
        ['STEP', 'STATE', 'TOOK', 'ENDED', 'SIZE', ''],
        steps.map((step) => stepRow(step).map(visible)),
      )
    if (signals.length > 0) {
      if (steps.length > 0) this.line()
      this.table(
        ['SIGNAL', 'STATE', 'SIZE'],
        signals.map((signal) => signalRow(signal).map(visible)),
      )
    }
    if (this.values)
      for (const { name, value } of [...steps, ...signals])
        if (value !== undefined)
          printSection(this, visible(name), jsonExcerpt(JSON.stringify(value)).lines.map(visible))
    if (damaged !== undefined) this.warn(damagedWords(damaged))
  }
}
