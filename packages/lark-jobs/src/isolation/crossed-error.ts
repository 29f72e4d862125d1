/**
 * Carries errors from one process to another. The error that arrives has the name, message, code, stack,
 * causes and fields of the thrown error. The class of the error is lost, unless it is an error of Lark.
 */
import { JobsError, type JobsErrorCode } from '../model/errors.ts'
import type { KeptError } from '../model/record.ts'
import { jobError, restored } from '../model/run/job-error.ts'
import { asNonRetryable, isNonRetryable } from '../model/run/non-retryable.ts'
import { isError } from '../words/thrown.ts'

/** The maximum length of a field of an error, in characters of JSON. */
const MAX_FIELD = 4_096

export interface CrossedError {
  kept: KeptError
  /** The thrown value, if it is not an error. */
  value?: { json: string }
  /** The other fields of the error, such as `status`, as JSON. */
  fields: Record<string, string>
  isOurs: boolean
  isFinal: boolean
}

/** The fields that are already part of the stored error (`kept`). */
const kept = new Set(['name', 'message', 'code', 'stack', 'cause', 'errors'])

export function crossed(thrown: unknown): CrossedError {
  const { run: _, took: __, ...error } = jobError(thrown, 0, 0)
  const fields: Record<string, string> = {}
  if (isError(thrown))
    for (const name of Object.keys(thrown)) {
      const json = kept.has(name) ? undefined : jsonOf(() => (thrown as never)[name])
      if (json !== undefined) fields[name] = json
    }
  const json = isError(thrown) ? undefined : jsonOf(() => thrown)
  return {
    kept: error,
    ...(json !== undefined && { value: { json } }),
    fields,
    isOurs: JobsError.is(thrown),
    isFinal: isNonRetryable(thrown),
  }
}

export function revived({ kept: error, value, fields, isOurs, isFinal }: CrossedError): unknown {
  if (value !== undefined) return JSON.parse(value.json)
  const all = Object.fromEntries(Object.entries(fields).map(([name, json]) => [name, JSON.parse(json)]))
  const found = restored(error)
  const { cause, stack, message } = found
  const made = isOurs ? new JobsError(error.code as JobsErrorCode, message, { ...all, cause }) : found
  Object.defineProperty(made, 'stack', { value: stack, writable: true, configurable: true })
  if (!isOurs) Object.assign(made, all)
  return isFinal ? asNonRetryable(made) : made
}

/** @returns undefined if the value has no JSON form, or if its JSON is too long */
function jsonOf(read: () => unknown): string | undefined {
  try {
    const json = JSON.stringify(read())
    return json !== undefined && json.length <= MAX_FIELD ? json : undefined
  } catch {
    return undefined
  }
}
