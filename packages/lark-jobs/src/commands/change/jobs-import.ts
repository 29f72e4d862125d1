import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { arg, Command, type CommandResult, flag } from '@s18i/lark'
import { usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { JobsError } from '../../model/errors.ts'
import { plural } from '../../words/plural.ts'
import { byCommand } from '../words/by-command.ts'
import { INTERRUPTED } from './job-change.ts'
import { LEFT_BEHIND } from './job-file.ts'

/** How many lines are imported together. */
const TOGETHER = 250

/** `lark jobs:import`: restores jobs from a file that `jobs:remove` or `jobs:export` has written. */
export class JobsImportCommand extends Command {
  readonly key = 'jobs:import'
  override description =
    'Put jobs and schedules back from a file of jobs:remove or jobs:export; what exists already stays as it is'
  file = arg.string('The file')
  commands = flag.boolean('Also jobs that run commands of lark; only if you trust the file')

  async handle(): Promise<CommandResult> {
    await using jobs = Jobs
    const operating = byCommand(jobs, { commands: '--commands' })
    const spinner = this.spinner('Importing')
    const { signal } = this
    const onProgress = (done: number) => {
      spinner.text = `Importing: ${done.toLocaleString('en')}`
    }
    // The lines of the last lot, for the message of an error.
    const lines = { from: 1, count: 0 }
    const options = { source: basename(this.file), commands: this.commands, signal, onProgress }
    const sum = await operating
      .import(this.#lots(this.file, lines), options)
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

  /**
   * Reads the records of the file in lots.
   *
   * @param lines is set to the line numbers of the current lot
   * @throws USAGE
   */
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

/**
 * @throws USAGE if the line is not JSON. The last line of a file may be incomplete, because the disk was full
 * or the process was killed
 */
function parsed(path: string, text: string, line: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw usageError(
      `Line ${line} of ${visible(path)} is not JSON: ${visible(text.slice(0, 60))}`,
      'The jobs of the lines before may have been imported; fix the line, and import the file again.',
    )
  }
}

/** The error, with the numbers of the lines in which it occurred. */
function inLines(error: unknown, { from, count }: { from: number; count: number }): unknown {
  if (!JobsError.is(error, 'IMPORT_INVALID')) return error
  return error.again({ message: `Lines ${from} to ${from + count - 1}: ${error.message}` })
}
