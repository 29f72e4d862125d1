/**
 * A job as the commands print it for machines: payload and result as JSON and not as texts that hold JSON.
 */
import type { StoredJob } from '../operate.ts'

export function jobJson<T extends StoredJob>(job: T): Record<string, unknown> {
  const { payload, result, ...rest } = job
  return {
    ...rest,
    payload: payload === '' ? undefined : JSON.parse(payload),
    ...(result !== undefined && { result: JSON.parse(result) }),
  }
}
