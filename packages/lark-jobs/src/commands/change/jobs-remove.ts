import { arg, flag, shellWord } from '@s18i/lark'
import { type Removed, type RemoveFilter, removable } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { ChangeCommand } from './job-change.ts'
import { JobFile } from './job-file.ts'

/** The warning about the file if the store has not confirmed that the last lot in the file was removed. */
const UNSURE = 'Its last 50 jobs may still be in the store: lark jobs:import leaves such jobs as they are'

/**
 * `lark jobs:remove`: removes jobs that are not running. Before the removal, the jobs are written to a file
 * that `jobs:import` reads.
 */
export class JobsRemoveCommand extends ChangeCommand {
  readonly key = 'jobs:remove'
  override description = 'Remove jobs that do not run; lark jobs:import puts them back'
  ids = arg.strings('Ids of jobs that do not run, or - for the standard input')
  state = flag.enum('Only jobs in this state', removable)
  all = flag.boolean('Every job that does not run')
  file = flag.string('Where to write the jobs before. Default: a new file in .lark/removed')
  override yes = flag.boolean('Remove several jobs without asking', { short: 'y' })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    await using file = new JobFile(this.file ?? JobFile.named('removed'))
    return await this.change<Removed & { file?: string }>({
      verbs: ['Remove', 'Removed', 'Removing'],
      destroys: true,
      call: async (operating, which, options) => {
        const before = options.dryRun === true ? {} : { before: file.write }
        const removed = await operating
          .remove(which as RemoveFilter, { ...options, ...before })
          .catch((error: unknown) => {
            if (file.count > 0) this.warn(`What was removed is in ${shellWord(file.path)}. ${UNSURE}`)
            throw error
          })
        return file.count === 0 ? removed : { ...removed, file: file.path }
      },
      count: ({ removed }) => removed,
      remark: ({ file: path, left = 0, running }) =>
        [
          left + running > 0 &&
            `${plural(left + running, 'job')} run or have changed meanwhile: left as they are.`,
          path !== undefined &&
            `To undo it: lark jobs:import ${shellWord(path)}${file.hasCommands ? ' --commands' : ''}`,
        ]
          .filter(Boolean)
          .join(' ') || undefined,
    })
  }
}
