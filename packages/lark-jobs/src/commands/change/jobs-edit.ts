import { arg, flag } from '@s18i/lark'
import { usageError } from '@s18i/lark/internal'
import { type Edited, type EditFilter, editable } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { ChangeCommand } from './job-change.ts'

/** `lark jobs:edit`: replaces the payload of jobs that are not running. */
export class JobsEditCommand extends ChangeCommand {
  readonly key = 'jobs:edit'
  override description = 'Replace the payload of jobs that do not run, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs that do not run, or - for the standard input')
  state = flag.enum('Only jobs in this state', editable)
  all = flag.boolean('Every job that does not run')
  payload = flag.string('The new payload: JSON', { required: true })
  override yes = flag.boolean('Do not ask before the payloads of more than one job are lost', { short: 'y' })
  force = flag.boolean('Also jobs whose steps have recorded something')
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    const payload = parsed(this.payload)
    return await this.change<Edited>({
      verbs: ['Edit', 'Edited', 'Editing'],
      destroys: true,
      call: (operating, which, options) =>
        operating.edit(which as EditFilter, payload as never, { ...options, force: this.force }),
      count: ({ edited }) => edited,
      remark: ({ running }) =>
        running > 0 ? `${plural(running, 'job')} run, or have run steps: left as they are` : undefined,
    })
  }
}

/** @throws USAGE */
function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload)
  } catch (error) {
    const hint = `Such as --payload='{"to":"user@example.com"}', in single quotes`
    throw usageError(`--payload is not JSON: ${(error as Error).message.replaceAll('\n', ' ')}`, hint)
  }
}
