/** Which failures of a store may pass (`store.ts`, Failure): the same call may succeed later. */
import { JobsError } from '../../../model/errors.ts'

const resendable: ReadonlySet<string> = new Set(['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED'])

/**
 * Whether the same call may succeed after an error: the store was away, or refused to write, as during a
 * failover.
 */
export function isResendable(error: unknown): boolean {
  return JobsError.is(error) && resendable.has(error.code)
}
