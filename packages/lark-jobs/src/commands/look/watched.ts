/** The flags of the commands that refresh their screen again and again. */
import { usageError } from '@s18i/lark/internal'
import { JobsError, type JobsErrorCode } from '../../model/errors.ts'
import { durationForm, milliseconds } from '../../words/duration.ts'
import { shown } from '../../words/secret.ts'

/** Whether an error is temporary. After a temporary error the screen stays, and shows how old its data is. */
export function outlasts(error: unknown): boolean {
  return ['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED'].some((code) =>
    JobsError.is(error, code as JobsErrorCode),
  )
}

/** The default time between two drawings, in milliseconds. */
const DEFAULT = 1_000
const LEAST = 100

/**
 * @returns milliseconds between two drawings
 * @throws USAGE for a wrong duration, and for `--every` without `--watch`
 */
export function everyOf({ watch, every }: { watch: boolean; every: string | undefined }): number {
  if (every === undefined) return DEFAULT
  const ms = milliseconds(every)
  if (!watch) throw usageError('--every came without --watch', 'Add --watch, or leave it out.')
  if (ms !== undefined && ms >= LEAST) return ms
  throw usageError(
    `--every is ${shown(every)}; it must be a duration of ${LEAST} ms or more`,
    `Such as ${durationForm}`,
  )
}
