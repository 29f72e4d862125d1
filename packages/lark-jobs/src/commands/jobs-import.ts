import { open } from 'node:fs/promises'
import { arg, Command } from '@s18i/lark'
import { usageError, visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { JobsError } from '../model/errors.ts'
import { operate } from '../operate.ts'
import { jobsOf } from './job-change.ts'

/** Lines that are imported together. */
const TOGETHER = 250

/** `lark jobs:import`: puts jobs back from a file that `jobs:remove` or `jobs:export` has written. */
export class JobsImportCommand extends Command {
  readonly key = 'jobs:import'
  override description =
    'Put jobs back from a file of jobs:remove or jobs:export; those that exist are left as they are'
  file = arg.string('The file')

  async handle() {
    await using jobs = Jobs
    const operating = operate(jobs)
    const sum = { imported: 0, existing: 0 }
    const spinner = this.spinner('Importing')
    try {
      for await (const { records, line } of this.#lots()) {
        if (this.signal.aborted) break
        const { imported, existing } = await operating.import(records).catch((error: unknown) => {
          throw inLines(error, line, records.length)
        })
        sum.imported += imported
        sum.existing += existing
        spinner.text = `Importing: ${(sum.imported + sum.existing).toLocaleString('en')}`
      }
    } finally {
      spinner.stop()
    }
    const { aborted } = this.signal
    const { imported, existing } = sum
    const there =
      existing > 0 ? `; ${existing.toLocaleString('en')} exist already, and are left as they are` : ''
    if (this.json) this.console.json({ ...sum, ...(aborted && { interrupted: true }) })
    else if (aborted)
      this.warn(`Interrupted: imported ${jobsOf(imported)}${there}. Import the file again to go on`)
    else this.success(`Imported ${jobsOf(imported)}${there}`)
    return aborted ? 130 : true
  }

  /** The records of the file, with the number of the first line of each lot. @throws USAGE */
  async *#lots(): AsyncGenerator<{ records: unknown[]; line: number }> {
    const file = await open(this.file).catch((error: Error) => {
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
        if (text.trim() !== '') records.push(this.#parsed(text, line))
        if (records.length < TOGETHER) continue
        yield { records, line: line - records.length + 1 }
        records = []
      }
      if (records.length > 0) yield { records, line: line - records.length + 1 }
    } finally {
      await file.close()
    }
  }

  /** @throws USAGE: the last line of a file is cut if the disk was full, or the process was killed */
  #parsed(text: string, line: number): unknown {
    try {
      return JSON.parse(text)
    } catch {
      throw usageError(
        `Line ${line} of ${visible(this.file)} is not JSON: ${visible(text.slice(0, 60))}`,
        'The jobs of the lines before may have been imported; mend the line, and import the file again.',
      )
    }
  }
}

/** The error with the lines in which it was met. */
function inLines(error: unknown, line: number, count: number): unknown {
  if (!JobsError.is(error, 'IMPORT_INVALID')) return error
  return error.again({ message: `Lines ${line} to ${line + count - 1}: ${error.message}` })
}
