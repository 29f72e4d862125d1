import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { arg, Command, type CommandResult, flag } from '@s18i/lark'
import { usageError, visible } from '@s18i/lark/config'
import { Jobs } from '../../api/default-jobs.ts'
import { defined } from '../../model/defined.ts'
import { JobsError } from '../../model/errors.ts'
import type { BullmqImport, BullmqOptions, Operate } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { byCommand } from '../words/by-command.ts'
import { sayImport } from './bullmq-words.ts'
import { INTERRUPTED, paced } from './job-change.ts'
import { LEFT_BEHIND } from './job-file.ts'

/** Lines that are imported together. */
const TOGETHER = 250

/**
 * `lark jobs:import`: puts jobs back from a file that `jobs:remove` or `jobs:export` has written, or imports those of
 * BullMQ.
 */
export class JobsImportCommand extends Command {
  readonly key = 'jobs:import'
  override description =
    'Put jobs and schedules back from a file of jobs:remove or jobs:export, or import jobs of BullMQ; what exists already stays as it is'
  file = arg.string('The file', { optional: true })
  commands = flag.boolean('FILE: also jobs that run commands of lark; only if you trust the file')
  fromBullmq = flag.string('The Redis of BullMQ 5 or 6 whose jobs are imported: redis://host:6379')
  prefix = flag.string("BullMQ: what its keys begin with. Default 'bull'")
  queue = flag.strings('BullMQ: only this queue; may be repeated. Default: all')
  as = flag.string("BullMQ: the key of a job in Lark. Default '{name}', the name of the job; also '{queue}'")
  failed = flag.boolean('BullMQ: also the failed jobs, as failed jobs')
  move = flag.boolean('BullMQ: remove there what is imported')
  force = flag.boolean('BullMQ: import also what may run twice, such as from queues with workers')
  dryRun = flag.boolean('BullMQ: say what would be imported, and what not, and change nothing')
  yes = flag.boolean('BullMQ: do not ask before the import', { short: 'y' })

  async handle(): Promise<CommandResult> {
    if ((this.file === undefined) === (this.fromBullmq === undefined))
      throw usageError(
        this.file === undefined
          ? 'Import what? Give a FILE, or --from-bullmq'
          : 'Give a FILE or --from-bullmq, not both',
        'lark jobs:import .lark/removed/FILE.jsonl, or lark jobs:import --from-bullmq redis://host:6379 --dry-run',
      )
    if (this.file !== undefined) this.#refuseFlags()
    else if (this.commands) throw usageError('--commands goes with a file, not with --from-bullmq')
    await using jobs = Jobs
    const operating = byCommand(jobs)
    return this.file === undefined
      ? await this.#ofBullmq(operating, this.fromBullmq!)
      : await this.#ofFile(operating, this.file)
  }

  /** @throws USAGE for a flag that does not apply to a file: a `--dry-run` that has no effect would do harm */
  #refuseFlags(): void {
    const { prefix, queue, as, failed, move, force, dryRun, yes } = this
    const given = { prefix, queue: queue.length > 0, as, failed, move, force, 'dry-run': dryRun, yes }
    const [name] = Object.entries(given).find(([, value]) => value !== undefined && value !== false) ?? []
    if (name !== undefined) throw usageError(`--${name} goes with --from-bullmq, not with a file`)
  }

  async #ofBullmq(operating: Operate, from: string): Promise<CommandResult> {
    const { move, failed, force } = this
    const options: BullmqOptions = {
      ...{ move, failed, force },
      ...defined({
        prefix: this.prefix,
        key: this.as,
        queues: this.queue.length > 0 ? this.queue : undefined,
      }),
    }
    const run = (doing: string, more: BullmqOptions): Promise<BullmqImport> =>
      paced(this, doing, (pace) => operating.importBullmq(from, { ...options, ...pace, ...more }))
    if (this.dryRun || !this.yes) {
      const would = await run('Reading BullMQ', { dryRun: true })
      if (this.signal.aborted) return INTERRUPTED
      if (this.dryRun && this.json) this.console.json(would)
      else sayImport(this, would)
      const what = `${plural(would.imported, 'job')} and ${plural(would.schedules, 'schedule')}`
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
      const what = `imported ${plural(done.imported, 'job')} and ${plural(done.schedules, 'schedule')}${removed}`
      if (aborted) this.warn(`Interrupted: ${what}. Import again to go on`)
      else this.success(`I${what.slice(1)}`)
      if (!move && !aborted)
        this.info('They are still in BullMQ: do not start its workers again. --move removes them from there')
    }
    return aborted ? INTERRUPTED : done.failures === 0
  }

  async #ofFile(operating: Operate, file: string): Promise<CommandResult> {
    const spinner = this.spinner('Importing')
    const { signal } = this
    const onProgress = (done: number) => {
      spinner.text = `Importing: ${done.toLocaleString('en')}`
    }
    // The lines of the last lot, for an error.
    const lines = { from: 1, count: 0 }
    const options = { source: basename(file), commands: this.commands, signal, onProgress }
    const sum = await operating
      .import(this.#lots(file, lines), options)
      .catch((error: unknown) => {
        throw inLines(error, lines)
      })
      .finally(() => spinner.stop())
    const { aborted } = this.signal
    const { imported, existing, schedules = 0 } = sum
    const what = `mported ${plural(imported, 'job')}${schedules > 0 ? ` and ${plural(schedules, 'schedule')}` : ''}`
    const there =
      existing > 0 ? `; ${existing.toLocaleString('en')} exist already, and are left as they are` : ''
    if (this.json) this.console.json({ ...sum, ...(aborted && { interrupted: true }) })
    else if (aborted) this.warn(`Interrupted: i${what}${there}. Import the file again to go on`)
    else this.success(`I${what}${there}`)
    if (!this.json && imported > 0) this.info(LEFT_BEHIND)
    return aborted ? INTERRUPTED : true
  }

  /** The records of the file, some at a time. @param lines gets the lines of each lot @throws USAGE */
  async *#lots(path: string, lines: { from: number; count: number }): AsyncGenerator<unknown[]> {
    const file = await open(path).catch((error: Error) => {
      throw usageError(
        `The file cannot be read: ${error.message}`,
        'lark jobs:remove says the name of the file that it writes.',
      )
    })
    try {
      let records: unknown[] = []
      let line = 0
      for await (const text of file.readLines()) {
        line++
        if (text.trim() !== '') records.push(parsed(path, text, line))
        if (records.length < TOGETHER) continue
        lines.from = line - records.length + 1
        lines.count = records.length
        yield records
        records = []
      }
      lines.from = line - records.length + 1
      lines.count = records.length
      if (records.length > 0) yield records
    } finally {
      await file.close()
    }
  }
}

/** @throws USAGE: the last line of a file is cut if the disk was full, or the process was killed */
function parsed(path: string, text: string, line: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw usageError(
      `Line ${line} of ${visible(path)} is not JSON: ${visible(text.slice(0, 60))}`,
      'The jobs of the lines before may have been imported; mend the line, and import the file again.',
    )
  }
}

/** The error with the lines in which it was met. */
function inLines(error: unknown, { from, count }: { from: number; count: number }): unknown {
  if (!JobsError.is(error, 'IMPORT_INVALID')) return error
  return error.again({ message: `Lines ${from} to ${from + count - 1}: ${error.message}` })
}
