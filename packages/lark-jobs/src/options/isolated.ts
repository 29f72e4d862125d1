/**
 * Isolation: `handle` of a class runs in a process of its own, which can be killed.
 */
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesForm, bytesIn } from '../words/bytes.ts'
import { duration, Option, type OptionsOf, type Read, Schema } from './schema.ts'

/** The minimum of `memory`, in bytes. A process that has run nothing already uses some 50 MB. */
const LEAST = bytesIn('64mb')!

const entries = {
  /**
   * The limit for the resident memory of the process: if it exceeds this, the process is killed and the
   * attempt fails. `'512mb'`, for example. Default: no limit.
   */
  memory: new Option<string, number>(`${bytesForm}, from 64mb`, (value) => {
    const bytes = bytesIn(value)
    return bytes === undefined || bytes < LEAST ? undefined : bytes
  }),
  /**
   * How long a handler may go on after its signal was aborted. After that, its process is killed. Default 2
   * s.
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
 * A static member of a class that no file exports. It names a module that an isolated process imports: its
 * function `classIn(file, given)` makes the class from what `isolate.file` exports.
 */
export const classMaker = Symbol.for('s18i.lark.jobs.class-maker')

export interface ClassMaker {
  /** The absolute path of the module. */
  module: string
  /** Data for `classIn`, which must be possible to send to another process. */
  given: object
}

/** A class's `isolate`. */
export const isolatedOptions = new Schema("isolated(), or isolated({ memory: '512mb' })", entries)

export type IsolatedRead = Read<typeof entries>

/**
 * Isolates a class: `handle` runs in a process that its worker keeps warm. No matter what the handler does,
 * its process is killed when the job has timed out or was cancelled, and a crash affects only this job.
 *
 * @param options see `IsolatedOptions`
 * @example class TranscodeJob extends Job { isolate = isolated({ memory: '512mb', grace: '5s' }) timeout =
 *   '10m' async handle(payload: { file: string }) {} }
 */
export function isolated(options: IsolatedOptions = {}): IsolatedOptions {
  return Object.freeze({ ...options })
}
