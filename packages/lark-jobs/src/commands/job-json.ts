/**
 * A job as the commands print it for machines: its queue by that name, payload and result as JSON and not as texts
 * that hold JSON.
 */
import type { JobRecord } from '../record.ts'

export function jobJson<T extends JobRecord>(job: T): Record<string, unknown> {
  const { partition, payload, result, ...rest } = job
  return {
    ...rest,
    queue: partition,
    payload: payload === '' ? undefined : JSON.parse(payload),
    ...(result !== undefined && { result: JSON.parse(result) }),
  }
}
