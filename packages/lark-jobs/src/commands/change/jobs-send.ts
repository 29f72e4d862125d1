import { arg, Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { listed } from '../../words/listed.ts'
import { orFlow } from '../flows/flow-words.ts'
import { byCommand } from '../words/by-command.ts'
import { completed } from '../words/completed.ts'

/** `lark jobs:send`: sends a signal to a job with steps. */
export class JobsSendCommand extends Command {
  readonly key = 'jobs:send'
  override description = 'Send a signal to a job, for its waitFor()'
  job = arg.string('The id of the job')
  name = arg.string('The name of the signal')
  value = arg.string('The value of the signal: JSON', { optional: true })
  id = flag.string('An id of the signal: it is sent only once, however often this is called with the same id')
  queue = flag.string('The queue of the job, if several queues have a job with this id')
  dryRun = flag.boolean('Say what would happen to it, and send nothing')

  override async complete(field: string) {
    return field === 'queue' ? await completed(field) : []
  }

  async handle() {
    const { job, name, id, queue, dryRun } = this
    const value = this.value === undefined ? undefined : parsed(this.value)
    await using jobs = Jobs
    const operating = byCommand(jobs, { queue: '--queue', id: '--id' })
    const options = { dryRun, ...defined({ id, queue }) }
    const answer = await operating.steps.send(job, name, value, options).catch(async (error: unknown) => {
      throw await orFlow(operating, error, 'jobs:flow')
    })
    const { sent, state, wakes, waitsFor } = answer
    if (this.json) this.console.json({ job, signal: name, ...answer, ...(dryRun && { dryRun }) })
    else if (!sent) this.warn(visible(`${job} is ${state}, and takes no more signals`))
    else {
      const then = wakes ? 'it waits for this signal, and goes on' : 'it gets the signal when it waits for it'
      this.success(visible(`${dryRun ? 'Would send' : 'Sent'} ${name} to ${job}: ${then}`))
      if (waitsFor !== undefined) this.info(visible(`${job} now waits for ${listed(waitsFor)}`))
    }
    return sent
  }
}

/** @throws USAGE */
function parsed(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch (error) {
    const hint = `Such as '{"by":"ada"}' or '"ada"', in single quotes`
    throw usageError(`The value is not JSON: ${(error as Error).message.replaceAll('\n', ' ')}`, hint)
  }
}
