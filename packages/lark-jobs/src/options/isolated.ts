/**
 * Isolation: `handle` of a class runs in a process of its own, which can be killed.
 */
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesForm, bytesIn } from '../words/bytes.ts'
import { duration, Option, type OptionsOf, type Read, Schema } from './schema.ts'

/** Bytes. A process that has run nothing has some 50 MB. */
const LEAST = bytesIn('64mb')!

const entries = {
  /**
   * The resident memory above which the process is killed, and the attempt fails: `'512mb'`. Default: no
   * limit.
   */
  memory: new Option<string, number>(`${bytesForm}, from 64mb`, (value) => {
    const bytes = bytesIn(value)
    return bytes === undefined || bytes < LEAST ? undefined : bytes
  }),
  /**
   * How long a handler may go on after its signal was aborted. Then its process is killed. Default 2 s.
   */
  grace: duration(0).or('2s'),
  /** The file that exports the class: `import.meta.url`. Default: where the worker has found it. */
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
 * A static member of a class that no file exports: a process imports this module, and its
 * `classIn(file, given)` makes the class of what `isolate.file` exports.
 */
export const classMaker = Symbol.for('s18i.lark.jobs.class-maker')

export interface ClassMaker {
  /** Absolute. */
  module: string
  /** What can be sent to another process. */
  given: object
}

/** A class's `isolate`. */
export const isolatedOptions = new Schema("isolated(), or isolated({ memory: '512mb' })", entries)

export type IsolatedRead = Read<typeof entries>

/**
 * Isolates a class: `handle` runs in a process that its worker keeps warm. Whatever the handler does, its
 * process is killed when the job has timed out or was cancelled, and a crash affects only this job.
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
