import { arg, Command, type CommandResult, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import { importBullmq } from '../import/import-bullmq.ts'
import type { BullmqOptions } from '../import/options.ts'
import type { BullmqImport } from '../import/report.ts'
import { sayImport } from './import-words.ts'

/** The exit code of a command that SIGINT has ended. */
const INTERRUPTED = 130

/** `lark jobs:import-bullmq` imports the jobs and schedulers of BullMQ. */
export class JobsImportBullmqCommand extends Command {
  readonly key = 'jobs:import-bullmq'
  override description = 'Import the jobs and schedulers of BullMQ; jobs that exist already stay as they are'
  from = arg.string('The Redis of BullMQ 5 or 6: redis://host:6379')
  prefix = flag.string("What the keys of BullMQ begin with. Default 'bull'")
  queue = flag.strings('Only this queue; may be repeated. Default: all')
  as = flag.string("The key of a job in Lark. Default '{name}', the name of the job; also '{queue}'")
  failed = flag.boolean('Also the failed jobs, as failed jobs')
  move = flag.boolean('Remove from BullMQ what is imported')
  force = flag.boolean('Import also what may run twice, such as from queues with workers')
  dryRun = flag.boolean('Say what would be imported, and what not, and change nothing')
  yes = flag.boolean('Do not ask before the import', { short: 'y' })

  async handle(): Promise<CommandResult> {
    await using jobs = Jobs
    const operating = operate(jobs, { actor: { from: 'command' } })
    const { move, failed, force } = this
    const options: BullmqOptions = {
      ...{ move, failed, force },
      ...defined({ prefix: this.prefix, key: this.as }),
      ...(this.queue.length > 0 && { queues: this.queue }),
    }
    const run = (doing: string, more: BullmqOptions): Promise<BullmqImport> =>
      this.#paced(doing, (pace) => importBullmq(this.from, { ...options, ...pace, ...more }, operating))
    if (this.dryRun || !this.yes) {
      const would = await run('Reading BullMQ', { dryRun: true })
      if (this.signal.aborted) return INTERRUPTED
      if (this.dryRun && this.json) this.console.json(would)
      else sayImport(this, would)
      const what = amountOf(would)
      if (this.dryRun) {
        if (!this.json) this.success(`Would import ${what} from ${visible(would.from)}`)
        return would.failures === 0
      }
      if (!this.console.canAsk)
        throw usageError(
          `This would import ${what}, and there is no terminal to ask on`,
          '--yes does it without asking; --dry-run only says what would be imported',
        )
      const question = `Import ${what}${move ? ', and remove them from BullMQ' : ''}?`
      if (!(await this.confirm(question))) {
        this.info('Nothing was imported')
        return false
      }
    }
    const done = await run('Importing', {})
    const { aborted } = this.signal
    if (this.json) this.console.json({ ...done, ...(aborted && { interrupted: true }) })
    else {
      sayImport(this, done)
      const removed = move ? `, and removed ${done.removed.toLocaleString('en')} from BullMQ` : ''
      const what = `imported ${amountOf(done)}${removed}`
      if (aborted) this.warn(`Interrupted: ${what}. Import again to go on`)
      else this.success(`I${what.slice(1)}`)
      if (!move && !aborted)
        this.info('They are still in BullMQ: do not start its workers again. --move removes them from there')
    }
    return aborted ? INTERRUPTED : done.failures === 0
  }

  /** Runs a call that can be interrupted, and shows its progress on a terminal. */
  async #paced<T>(
    doing: string,
    call: (pace: Pick<BullmqOptions, 'signal' | 'onProgress'>) => Promise<T>,
  ): Promise<T> {
    const spinner = this.spinner(doing)
    const onProgress = (done: number, found: number) => {
      spinner.text = `${doing}: ${done.toLocaleString('en')} of ${found.toLocaleString('en')}`
    }
    try {
      return await call({ signal: this.signal, onProgress })
    } finally {
      spinner.stop()
    }
  }
}

function amountOf({ imported, schedules }: BullmqImport): string {
  const of = (count: number, noun: string) => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
  return `${of(imported, 'job')} and ${of(schedules, 'schedule')}`
}
