/**
 * Isolation: `handle` of a class runs in a process of its own, which can be killed.
 */
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesForm, bytesIn } from '../words/bytes.ts'
import { duration, Option, type OptionsOf, type Read, Schema } from './schema.ts'

/** The minimum of `memory`, in bytes. Even before it runs a job, a process uses some 50 MB. */
const LEAST = bytesIn('64mb')!

const entries = {
  /**
   * The limit for the resident memory of the process, for example `'512mb'`. A process that exceeds the limit
   * is killed, and the attempt fails. Default: no limit.
   */
  memory: new Option<string, number>(`${bytesForm}, from 64mb`, (value) => {
    const bytes = bytesIn(value)
    return bytes === undefined || bytes < LEAST ? undefined : bytes
  }),
  /**
   * How long a handler may run after the abort of its signal. After that time, the process of the handler is
   * killed. Default 2 s.
   */
  grace: duration(0).or('2s'),
  /**
   * The file that exports the class: `import.meta.url`. Default: the file in which the worker has found the
   * class.
   */
  file: new Option<string, string>('import.meta.url, __filename, or another absolute path', (value) => {
    if (typeof value !== 'string') return undefined
    try {
      return value.startsWith('file:') ? fileURLToPath(value) : isAbsolute(value) ? value : undefined
    } catch {
      return undefined
    }
  }),
}

export interface IsolatedOptions extends OptionsOf<typeof entries> {}

/**
 * The static member of a class that no file exports. The member names a module that an isolated process
 * imports. The function `classIn(file, given)` of that module makes the class from the exports of
 * `isolate.file`.
 */
export const classMaker = Symbol.for('s18i.lark.jobs.class-maker')

export interface ClassMaker {
  /** The absolute path of the module. */
  module: string
  /** Data for `classIn`. The data must have a form that can be sent to another process. */
  given: object
  /** The Node flags of the processes. Default: the flags of this process. */
  execArgv?: readonly string[]
}

/** The schema of the field `isolate` of a class. */
export const isolatedOptions = new Schema("isolated(), or isolated({ memory: '512mb' })", entries)

export type IsolatedRead = Read<typeof entries>

/**
 * Isolates a class: `handle` runs in a process of its own, which the worker keeps warm. When the job times
 * out or is cancelled, the worker kills that process, even if the handler ignores its signal. A crash of the
 * process affects only this job.
 *
 * @param options see `IsolatedOptions`
 * @example
 * class TranscodeJob extends Job {
 *   isolate = isolated({ memory: '512mb', grace: '5s' })
 *   timeout = '10m'
 *   async handle(payload: { file: string }) {}
 * }
 */
export function isolated(options: IsolatedOptions = {}): IsolatedOptions {
  return Object.freeze({ ...options })
}
