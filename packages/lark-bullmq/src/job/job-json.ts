/**
 * A job in the form that `job.asJSON()` returns and `Job.fromJSON()` reads, as in BullMQ: texts and numbers.
 */
import { defined } from '@s18i/lark/internal'
import { isObject } from '@s18i/lark-jobs/internal'
import type { JobsOptions } from './job-options.ts'
import { longNames } from './record.ts'

export type JobProgress = string | boolean | number | object

export interface JobJson {
  id: string
  name: string
  /** JSON. */
  data: string
  opts: JobsOptions
  progress: JobProgress
  attemptsMade: number
  attemptsStarted: number
  finishedOn?: number
  processedOn?: number
  timestamp: number
  delay?: number
  priority?: number
  /** JSON. */
  failedReason: string
  /** JSON. */
  stacktrace?: string
  /** JSON. */
  returnvalue: string
  parent?: { id: string; queueKey: string }
  parentKey?: string
  repeatJobKey?: string
  deduplicationId?: string
  processedBy?: string
  stalledCounter: number
}

/** The fields that are the same in a job and in its JSON. */
const same = [
  ...['progress', 'attemptsMade', 'attemptsStarted', 'stalledCounter', 'finishedOn', 'processedOn'],
  ...['timestamp', 'parent', 'parentKey', 'repeatJobKey', 'deduplicationId'],
]

/** @param job all fields of a job */
export function jsonOf(job: Readonly<Record<string, unknown>>): JobJson {
  const { id, name, data = {}, opts, failedReason, stacktrace, returnvalue } = job
  return defined({
    ...{ id, name, data: JSON.stringify(data), opts },
    ...Object.fromEntries(same.map((field) => [field, job[field]])),
    failedReason: JSON.stringify(failedReason),
    stacktrace: JSON.stringify(stacktrace),
    returnvalue: JSON.stringify(returnvalue),
  }) as unknown as JobJson
}

/** The fields of a job that its JSON contains, except `id`, `name`, `data` and `opts`. */
export function fieldsIn(json: JobJson): Record<string, unknown> {
  const all: Readonly<Record<string, unknown>> = { ...json }
  const copied = [...same, 'delay', 'priority', 'processedBy', 'failedReason']
  const lines = parsed(json.stacktrace)
  return defined({
    ...Object.fromEntries(copied.map((field) => [field, all[field]])),
    stacktrace: Array.isArray(lines) ? lines : [],
    ...(typeof json.returnvalue === 'string' && { returnvalue: parsed(json.returnvalue) }),
  })
}

/**
 * Reads the options of a job from the text that BullMQ stores.
 *
 * @param names maps each name that BullMQ stores to the name that an application writes
 */
export function optionsFromJSON(
  text = '{}',
  names: Readonly<Record<string, string>> = longNames,
): JobsOptions {
  const stored = JSON.parse(text || '{}')
  const all = Object.entries(isObject(stored) ? stored : {})
  return Object.fromEntries(
    all.map(([name, value]) => [Object.hasOwn(names, name) ? names[name]! : name, value]),
  )
}

/** Undefined if the text is not JSON. */
function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
