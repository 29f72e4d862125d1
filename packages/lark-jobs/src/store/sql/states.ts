/**
 * The meaning of the numbers in the table `jobs`. Partial indexes name these numbers, so statements have them
 * in their texts instead of binding them.
 */

/** `jobs.state`. A partial index needs the number in the statement's text. New state: add its number. */
export const PENDING = 0
export const ACTIVE = 1
export const COMPLETED = 2
export const FAILED = 3
export const CANCELLED = 4
/** Added to the state of an ended job that has an age of its own (`keep.ts`). */
export const KEPT = 5
/**
 * Added to the state of an ended job that was removed and has effects (`effect.ts`). No other state is as
 * high.
 */
export const HIDDEN = 10
/**
 * A job that was moved to another partition, or is on its way there (`moves.ts`). Its row is hidden and has
 * not ended.
 */
export const GONE = HIDDEN + PENDING

/** `jobs.ahead` of an active job. */
export const STARTED = 0
export const NOT_STARTED = 1
/** A suspect that started while other jobs ran in its process (`store/contract/rules/after-run.ts`). */
export const BESIDE = 2

/**
 * For a pending job that no worker could read: its last run put it back with that mark
 * (`store/contract/rules/reason.ts`). `releases` comes first, because every change of a job evaluates this
 * condition: it costs a plain job 0.1 µs of 12, and 1.0 without it (2026-12-01, 2 cores, shared and busy,
 * Node 20.20).
 */
export const STRANDED = `releases > 0 AND state = ${PENDING} AND substr(reason, 1, length(runs) + 2) = runs || '|' || char(30)`
