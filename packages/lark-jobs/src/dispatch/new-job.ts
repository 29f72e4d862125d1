/**
 * From a job and its payloads to the records that travel: what the class says stays with the class, and only what
 * this one job says differently is written down.
 */
import { isDeepStrictEqual } from 'node:util'
import { JobsError } from '../errors.ts'
import { newId } from '../id.ts'
import {
  classOf,
  isAsWritten,
  type JobClass,
  type JobConstructor,
  type JobLike,
  settingsOf,
  uniqueOf,
} from '../job-class.ts'
import { encode } from '../payload.ts'
import type { JobOptions, Lock, NewJob } from '../record.ts'
import { lockOf, type Unique } from '../unique.ts'

/**
 * The records of one job and its payloads: one a payload.
 *
 * @returns the queue, and the records that go there
 * @throws JOB_INVALID, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, before anything is sent
 */
export function newJobs(job: JobLike, payloads: readonly unknown[]): { queue: string; records: NewJob[] } {
  const jobClass = classOf(job.constructor as JobConstructor)
  const isPlain = isAsWritten(job, jobClass)
  const settings = isPlain ? jobClass : settingsOf(job, jobClass.name)
  if (!Array.isArray(payloads)) {
    throw new JobsError('PAYLOAD_NOT_JSON', `${jobClass.name}: dispatchMany() takes a list of payloads`)
  }
  const { queueName, priority, delay } = settings
  const different = isPlain ? undefined : differences(settings, jobClass)
  const unique = uniqueOf(job, jobClass.name)
  const records = payloads.map((payload) => {
    const record: NewJob = { id: newId(), key: jobClass.key, payload: encode(payload, jobClass.name) }
    if (priority !== 0) record.priority = priority
    if (delay !== 0) record.delay = delay
    if (different !== undefined) record.options = different
    if (unique !== undefined) lock(record, payload, unique, jobClass)
    return record
  })
  return { queue: queueName, records }
}

/** @throws JOB_INVALID when what names the payload throws, or gives no name */
function lock(record: NewJob, payload: unknown, unique: Unique, { key, name }: JobClass): void {
  let lock: Lock | string
  try {
    lock = lockOf(unique, key, payload)
  } catch (cause) {
    throw new JobsError('JOB_INVALID', `${name}: unique threw: ${(cause as Error)?.message ?? cause}`, {
      cause,
    })
  }
  if (typeof lock === 'string')
    throw new JobsError('JOB_INVALID', `${name}: unique gave ${lock}; it must give a text or a number`, {
      hint: 'It names the jobs that are alike: unique((payload) => payload.id)',
    })
  record.lock = lock
  if (lock.debounce !== undefined) record.delay = Math.max(record.delay ?? 0, lock.debounce)
}

function differences(options: Required<JobOptions>, jobClass: JobClass): JobOptions | undefined {
  const { tries, timeout, backoff } = options
  const different: JobOptions = {
    ...(tries !== jobClass.tries && { tries }),
    ...(timeout !== jobClass.timeout && { timeout }),
    ...(!sameBackoff(backoff, jobClass.backoff) && { backoff }),
  }
  return Object.keys(different).length > 0 ? different : undefined
}

function sameBackoff(one: JobClass['backoff'], other: JobClass['backoff']): boolean {
  if (Array.isArray(one) || Array.isArray(other)) return isDeepStrictEqual(one, other)
  return one.from === other.from && one.to === other.to && one.jitter === other.jitter
}
