/**
 * Turns a job of BullMQ into a job of Lark. If something is wrong with a job, the function throws an error,
 * which the report shows with the id of the job.
 */

import { defined } from '@s18i/lark/internal'
import type { JobError, JobRecord } from '@s18i/lark-jobs'
import { encode, isName, isReserved, LARGEST, type NewJob, shown } from '@s18i/lark-jobs/internal'
import type { Keep } from '../job/kept-jobs.ts'
import { larkId } from '../job/own-id.ts'
import { type BullmqLack, bullmqRecord } from '../job/record.ts'
import type { BullmqEntry } from './source.ts'

/**
 * The minimum time, in milliseconds, for which an imported job is kept after its end. If the process dies
 * after Lark has answered and before the job is marked in BullMQ, an import that is repeated within this time
 * finds the job (`import-mark.ts`).
 */
export const REMEMBERED = 3_600_000
/** The maximum length of the message and of the stack of an error, in characters. */
const MAX_MESSAGE = 4_000

export interface ReadJob {
  job: NewJob
  /** The options as the application wrote them. */
  opts: Record<string, unknown>
  lacks: BullmqLack[]
}

/** @param template a text with `{name}` and `{queue}` for the name and the queue of the job */
export function keyFor(template: string, name: string, queue: string): string {
  const key = template.replace(/\{(name|queue)\}/g, (_, what) => (what === 'name' ? name : queue))
  // Reserved keys are refused, because a person who can write into BullMQ's Redis may not be allowed to run
  // every command of the application.
  if (isName(key) && !isReserved(key)) return key
  throw new Error(`its name is ${shown(name)}, which makes no key`)
}

/** The JSON text of a payload. */
export function payloadOf(data: string | undefined, bytes: number): string {
  if (data === undefined) throw new Error(`its data has ${bytes} bytes, the limit is ${LARGEST.payload}`)
  return encode(parsed(data, 'data'), 'data')
}

export function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`its ${what} is not JSON: ${shown(text.slice(0, 60))}`)
  }
}

/** @param now milliseconds since 1970, by the clock of BullMQ's server */
export function waitingJob(entry: BullmqEntry, queue: string, template: string, now: number): ReadJob {
  if (entry.isGone) throw new Error('nothing is left of it but its id')
  if (entry.isForeign) throw new Error('its key holds something else than a job of BullMQ')
  if (entry.opts === undefined) throw new Error(`its opts have more than ${LARGEST.payload} bytes`)
  const record = bullmqRecord(parsed(entry.opts, 'opts'), entry.attemptsMade)
  const { opts, options, priority, lacks } = record
  const job: NewJob = {
    id: larkId(entry.id),
    ownId: 'new',
    key: keyFor(template, entry.name, queue),
    payload: payloadOf(entry.data, entry.bytes),
    ...{ options, keep: remembered(record.keep) },
    ...defined({ priority }),
    ...(entry.dueAt !== undefined && { delay: Math.min(LARGEST.time, Math.max(0, entry.dueAt - now)) }),
  }
  return { job, opts, lacks }
}

/**
 * A job that has failed in BullMQ, as a failed job of Lark. A retry by hand gives the job all its attempts.
 */
export function failedJob(
  entry: BullmqEntry,
  queue: string,
  template: string,
  now: number,
): { record: Omit<JobRecord, 'partition'>; lacks: BullmqLack[] } {
  const { job, lacks } = waitingJob({ ...entry, attemptsMade: 0 }, queue, template, now)
  const { id, key, payload, priority = 0, options = {} } = job
  const runs = Math.max(1, entry.attemptsMade)
  const record = {
    ...{ id, key, payload, priority, options, state: 'failed' as const },
    ...{ queuedAt: entry.timestamp, runs, failures: runs, crashes: 0, releases: 0 },
    finishedAt: entry.finishedOn ?? now,
    errors: errorsOf(entry, runs),
  }
  return { record, lacks }
}

function remembered(keep: Keep = {}): Keep {
  const ages = Object.entries(keep).map(([state, age]) => [state, Math.max(age, REMEMBERED)])
  return { ...Object.fromEntries(ages), least: REMEMBERED }
}

/**
 * The errors of the attempts whose stacks BullMQ has kept. The error of the last attempt is always among
 * them.
 */
function errorsOf({ failedReason = '', stacktrace = '[]' }: BullmqEntry, runs: number): JobError[] {
  let stacks: unknown
  try {
    stacks = JSON.parse(stacktrace)
  } catch {
    // If the stacks cannot be read, the reason of the failure is enough.
  }
  const texts = (Array.isArray(stacks) ? stacks : []).filter((text) => typeof text === 'string')
  const last = texts.slice(-LARGEST.errors)
  if (last.length === 0) return [{ run: runs, name: 'Error', message: failedReason.slice(0, MAX_MESSAGE) }]
  return last.map((text, i) => errorOf(text, Math.max(1, runs - last.length + 1 + i)))
}

/** Reads an error from a text such as `TypeError: x is undefined` with the frames of its stack below. */
function errorOf(text: string, run: number): JobError {
  const frames = text.search(/\n\s+at /)
  const head = frames < 0 ? text : text.slice(0, frames)
  const [, name = 'Error', message = head] = /^(\w{1,200}): (.*)$/s.exec(head) ?? []
  const stack = text.slice(0, MAX_MESSAGE)
  return { run, name, message: message.slice(0, MAX_MESSAGE), ...(frames >= 0 && { stack }) }
}

/** Divides jobs into lots that each fit into one call. */
export function lotsOf(jobs: readonly NewJob[]): NewJob[][] {
  const lots: NewJob[][] = []
  let room = 0
  for (const job of jobs) {
    const bytes = job.payload.length + JSON.stringify(job.options).length
    if (room < bytes) {
      lots.push([])
      room = LARGEST.bytes
    }
    lots.at(-1)!.push(job)
    room -= bytes
  }
  return lots
}
