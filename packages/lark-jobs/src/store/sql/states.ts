/**
 * The numbers in the columns `state` and `ahead` of the table `jobs`. The conditions of partial indexes
 * contain these numbers. SQLite uses such an index only if the number is in the text of a statement, and not
 * a bound value.
 */

/** The values of `jobs.state`. New state: add its number. */
export const PENDING = 0
export const ACTIVE = 1
export const COMPLETED = 2
export const FAILED = 3
export const CANCELLED = 4
/** `KEPT` is added to the state of an ended job that is kept for its own age (`keep.ts`). */
export const KEPT = 5
/**
 * `HIDDEN` is added to the state of an ended job that was removed but still has effects (`effect.ts`). Only
 * jobs with a state below `HIDDEN` are shown.
 */
export const HIDDEN = 10
/**
 * The state of a job that has moved to another partition or is on its way there (`moves.ts`). The row is
 * hidden, but the job has not ended.
 */
export const GONE = HIDDEN + PENDING

/** The values of `jobs.ahead`, for active jobs. */
export const STARTED = 0
export const NOT_STARTED = 1
/** A suspect that has started while other jobs run in its process (`store/contract/rules/after-run.ts`). */
export const BESIDE = 2

/**
 * The SQL condition for a stranded job: a pending job whose last run has put it back with the mark of an
 * unreadable job (`store/contract/rules/reason.ts`). SQLite evaluates the condition with every change of a
 * job. The test of `releases` comes first, because `releases` is 0 for most jobs. With this test, the
 * condition takes 0.1 µs of the 12 µs of a plain job; without the test, 1.0 µs (2026-12-01, 2 cores, shared
 * and busy, Node 20.20).
 */
export const STRANDED = `releases > 0 AND state = ${PENDING} AND substr(reason, 1, length(runs) + 2) = runs || '|' || char(30)`
