/** Distinguishes temporary failures of a store from other failures (**Failure** in `store.ts`). */
import { JobsError } from '../../../model/errors.ts'

const resendable: ReadonlySet<string> = new Set(['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED'])

/**
 * Whether the same call may succeed later, because the store was away or refused to write, for example during
 * a failover.
 */
export function isResendable(error: unknown): boolean {
  return JobsError.is(error) && resendable.has(error.code)
}
