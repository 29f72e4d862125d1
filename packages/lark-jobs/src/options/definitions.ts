/**
 * The jobs of this process that `defineJob()` has made, by key. All copies of this package share them,
 * because one copy may define a job that another copy dispatches.
 */
import type { JobConstructor } from './job-class.ts'

/**
 * The static property of a defined job's class that holds the handler. The handler is `null` in a process
 * that only dispatches.
 */
export const handler = Symbol.for('s18i.lark.job.handler')

const slot = Symbol.for('s18i.lark.job.definitions')
const place = globalThis as { [slot]?: Map<string, JobConstructor> }
place[slot] ??= new Map()
/** For each key, the job that was defined last. A development server may load a file several times. */
export const definitions: Map<string, JobConstructor> = place[slot]

/**
 * Returns the latest definition of a defined job, if that definition has a handler. When a development server
 * loads a file again, Node also keeps the earlier version of the file. Other classes are returned unchanged.
 */
export function latest(Class: JobConstructor): JobConstructor {
  const later = Object.hasOwn(Class, handler) ? definitions.get(Class.name) : undefined
  return later === undefined || lacksHandler(later) ? Class : later
}

/** Whether a class belongs to a defined job without a handler. */
export function lacksHandler(Class: JobConstructor): boolean {
  return (Class as { [handler]?: unknown })[handler] === null
}
