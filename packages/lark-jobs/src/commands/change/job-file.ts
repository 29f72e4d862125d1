/**
 * A file of jobs: each line is the record of a job or of a schedule, as JSON. Payloads, results and progress
 * are JSON texts in a record, as they are stored. No part of them is hidden, so only the owner of the file
 * can read it.
 *
 * The file is created when the first jobs are written. Each lot is on the disk before `write` resolves.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { usageError } from '@s18i/lark/internal'
import { isReserved } from '../../model/reserved-key.ts'
import type { JobRecord, ScheduleRecord } from '../../operate.ts'

/**
 * The data that the record of a job does not contain. The page of the commands in the manual explains what
 * this means for an import.
 */
export const LEFT_BEHIND =
  'Not in such a file: logs, unique locks, how long a class keeps its jobs, limits of groups without other jobs'

export class JobFile implements AsyncDisposable {
  readonly path: string
  /** How many lines were written. */
  count = 0
  /** Whether some of the written jobs run commands. */
  hasCommands = false
  #handle: FileHandle | undefined

  constructor(path: string) {
    this.path = path
  }

  /** A path that no other file has, such as `.lark/removed/2026-11-27T02-01-30.123Z.jsonl`. */
  static named(what: string): string {
    return join('.lark', what, `${new Date().toISOString().replaceAll(':', '-')}.jsonl`)
  }

  /** @throws USAGE if the file exists, or cannot be created */
  readonly write = async (jobs: readonly (JobRecord | ScheduleRecord)[]): Promise<void> => {
    this.#handle ??= await this.#create()
    await this.#handle.appendFile(jobs.map((job) => `${JSON.stringify(job)}\n`).join(''))
    await this.#handle.sync()
    this.count += jobs.length
    this.hasCommands ||= jobs.some((each) => isReserved('key' in each ? each.key : keyOf(each)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
  }

  async #create(): Promise<FileHandle> {
    try {
      await mkdir(dirname(this.path), { recursive: true })
      return await open(this.path, 'ax', 0o600)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      const why = code === 'EEXIST' ? `${this.path} exists already` : message
      throw usageError(`The jobs cannot be written to a file: ${why}`, 'Name another file with --file.')
    }
  }
}

function keyOf({ definition }: ScheduleRecord): string {
  return (definition as { job: { key: string } }).job.key
}
