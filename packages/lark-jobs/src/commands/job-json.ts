/**
 * A job as the commands print it for machines: payload and result as JSON and not as texts that hold JSON, and its group
 * by the name that its class gave it.
 */
import type { StoredJob } from '../operate.ts'
import { shownName } from '../stored-name.ts'

export function jobJson<T extends StoredJob>(job: T): Record<string, unknown> {
  const { payload, result, group, ...rest } = job
  return {
    ...rest,
    ...(group !== undefined && { group: shownName(group) }),
    payload: payload === '' ? undefined : parsed(payload),
    ...(result !== undefined && { result: parsed(result) }),
  }
}

/** What is damaged in the store, or nested too deeply to be written as JSON again, stays the text that it is. */
function parsed(json: string): unknown {
  try {
    const value: unknown = JSON.parse(json)
    JSON.stringify(value)
    return value
  } catch {
    return json
  }
}
