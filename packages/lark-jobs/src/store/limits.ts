/**
 * How much a store takes, and how much it keeps: what binds every store alike.
 */

/** The most jobs, outcomes or ids that one call takes. */
export const MAX_ITEMS = 1_000
/** The most bytes of payload that one call should carry; one larger job travels alone. */
export const MAX_BYTES = 1_048_576
/**
 * The most bytes of a small job. `MAX_ITEMS` of them are what one answer may carry, so they are read without counting
 * their bytes.
 */
export const MAX_SMALL = 1_048
/** The most ended jobs that `endings` hands out at once. */
export const MAX_ENDINGS = 100
/** The most partitions that `standings` looks at: some 2 ms on Redis. */
export const MAX_STANDINGS = 100
/** Milliseconds that a caller's last answer is remembered. Who resends for longer finds its leases lost. */
export const CALL_MEMORY = 60_000
/** Claims among which `recover` looks for those of one holder. */
export const MAX_CLAIMS = 100_000
/** Minutes that `minutes` looks back. */
export const MINUTES = 60
/** Crashes after which a job is failed, if it ran alone in its process at the last of them. */
export const MAX_CRASHES = 3
/** Crashes after which a job is failed though others ran beside it at the last of them. */
export const MAX_CRASHES_BESIDE = 10
/** The error that is kept with a job for each crash. A recovery that knows the cause puts that in the message. */
export const WORKER_DIED = { name: 'JobsError', message: 'its worker died', code: 'WORKER_DIED' } as const
/** Errors kept with a job: the newest. */
export const MAX_ERRORS = 10
/** Log lines, and bytes of log, kept with a job: the newest. */
export const MAX_LOG_LINES = 100
export const MAX_LOG_BYTES = 16_384
