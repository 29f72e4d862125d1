import { now } from './clock.ts'

/** Fifty years in milliseconds. A job that waits for a signal without a timeout is due in a hundred years. */
const NEVER = 50 * 365 * 86_400_000

/** The time at which a delayed job is due. Undefined if only a signal makes it due. */
export function dueOf({ dueAt }: { dueAt?: number | undefined }): number | undefined {
  return dueAt !== undefined && dueAt - now.value > NEVER ? undefined : dueAt
}
