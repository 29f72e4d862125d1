/**
 * Turns the options of a job in BullMQ into options of Lark. The options come from a store, so each option is
 * checked, and an option that cannot be read counts as absent.
 */
import { defined } from '@s18i/lark/internal'
import type { Backoff, JobOptions } from '@s18i/lark-jobs'
import { isObject, LARGEST, type NewJob } from '@s18i/lark-jobs/internal'
import { keepOf, type RemoveOption } from './kept-jobs.ts'
import { larkPriority } from './priority.ts'

/** The parts of a BullMQ job that Lark cannot store. */
export const bullmqLacks = {
  backoff: 'a backoff strategy by name: only a Worker of @s18i/lark-bullmq has such strategies',
  keepCount: 'a number of jobs to keep: only a Worker of @s18i/lark-bullmq applies it. See jobs.keep',
  deduplication: 'a deduplication id: jobs that are added later are not compared with it',
  options: 'options of more than 4 KiB, which a processor would read from job.opts',
} as const

export type BullmqLack = keyof typeof bullmqLacks

/** The options of a BullMQ job, read for Lark. */
export interface BullmqRecord extends Pick<NewJob, 'priority' | 'keep'> {
  /** The options under the names that an application writes. */
  opts: Record<string, unknown>
  options: JobOptions
  lacks: BullmqLack[]
}

/** The names of some options of BullMQ, by the short names under which BullMQ stores them. */
export const longNames: Readonly<Record<string, string>> = {
  de: 'deduplication',
  fpof: 'failParentOnFailure',
  cpof: 'continueParentOnFailure',
  idof: 'ignoreDependencyOnFailure',
  kl: 'keepLogs',
  rdof: 'removeDependencyOnFailure',
}

/**
 * @param stored the options as BullMQ stores them
 * @param made how many attempts were made
 */
export function bullmqRecord(stored: unknown, made: number): BullmqRecord {
  const opts = Object.fromEntries(
    Object.entries(isObject(stored) ? stored : {}).map(([name, value]) => [
      Object.hasOwn(longNames, name) ? longNames[name]! : name,
      value,
    ]),
  )
  const lacks: BullmqLack[] = []
  const attempts = Math.max(1, Math.floor(numberIn(opts.attempts) ?? 1))
  const options: JobOptions = { tries: Math.max(1, attempts - made) }
  const backoff = backoffOf(opts.backoff, made)
  if (backoff === undefined) lacks.push('backoff')
  else options.backoff = backoff
  const [removeOnComplete, removeOnFail] = [removeIn(opts.removeOnComplete), removeIn(opts.removeOnFail)]
  if (isCount(removeOnComplete) || isCount(removeOnFail)) lacks.push('keepCount')
  if (opts.deduplication !== undefined) lacks.push('deduplication')
  const { attempts: given, ...others } = opts
  // BullMQ stores 0 attempts if the application has not set a number.
  const context = { bullmq: given === 0 ? others : opts }
  if (Buffer.byteLength(JSON.stringify(context)) > LARGEST.context) lacks.push('options')
  else if (Object.keys(context.bullmq).length > 0) options.context = context
  const priority = larkPriority(Math.ceil(numberIn(opts.priority) ?? 0))
  const keep = keepOf({ removeOnComplete, removeOnFail })
  return {
    ...(priority !== 0 && { priority }),
    ...defined({ keep }),
    ...{ opts, options, lacks },
  }
}

/** The pauses before the remaining retries. Undefined for a strategy that only the worker of BullMQ knows. */
function backoffOf(given: unknown, made: number): Backoff | undefined {
  const fixed = numberIn(given)
  if (given === undefined || given === null) return [0]
  if (fixed !== undefined) return [Math.min(fixed, LARGEST.time)]
  if (!isObject(given)) return undefined
  const delay = Math.min(numberIn(given.delay) ?? 0, LARGEST.time)
  const jitter = Math.min(1, numberIn(given.jitter) ?? 0)
  if (given.type === 'fixed') return jitter === 0 ? [delay] : { from: delay, to: delay, jitter }
  // In BullMQ, the pauses double without a limit.
  if (given.type === 'exponential')
    return { from: Math.min(delay * 2 ** made, LARGEST.time), to: LARGEST.time, jitter }
  return undefined
}

/** Reads the option. Undefined if the option is absent or cannot be read. */
function removeIn(given: unknown): RemoveOption {
  if (typeof given === 'boolean' || given === -1) return given
  if (!isObject(given)) return numberIn(given)
  const age = numberIn(given.age)
  const count = given.count === -1 ? -1 : numberIn(given.count)
  if (age === undefined && count === undefined) return undefined
  return defined({ age, count })
}

/** Whether the option keeps a number of jobs. */
function isCount(remove: RemoveOption): boolean {
  const count = typeof remove === 'object' ? remove.count : remove
  return typeof count === 'number' && count > 0
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}
