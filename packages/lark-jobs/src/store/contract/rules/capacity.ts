/** How much a store takes and keeps. These limits are the same for all stores. */

/** The most jobs, outcomes or ids that one call takes. */
export const MAX_ITEMS = 1_000
/** The most bytes of payload that one call should carry. A single larger job is sent alone. */
export const MAX_BYTES = 1_048_576
/**
 * The most bytes of a small job. Any `MAX_ITEMS` small jobs fit into one answer, so they are read without
 * counting their bytes.
 */
export const MAX_SMALL = 1_048
/** The most partitions that one `standings` reads: some 2 ms on Redis. */
export const MAX_STANDINGS = 100
/**
 * Milliseconds that a caller's last answer is remembered. A caller that resends later finds its leases lost.
 */
export const CALL_MEMORY = 60_000
/** How many claims `recover` searches for the claims of one holder. */
export const MAX_CLAIMS = 100_000
/** How many minutes `minutes` covers. */
export const MINUTES = 60
/** How many hours, and how many days, `history` covers: the current ones included. */
export const HOURS = 72
export const DAYS = 90
/**
 * The number of crashes at which a job fails if it certainly caused the last of them: it ran alone in its
 * process, and the process ended from within. If a class has chosen another number, it is enough that the job
 * ran alone.
 */
export const MAX_CRASHES = 3
/**
 * The number of crashes at which a job fails although it may not be the cause: at the last of them, other
 * jobs ran beside it, or somebody outside may have killed the process. Only crashes since the last recorded
 * step count.
 */
export const MAX_CRASHES_UNSURE = 10
/**
 * The error that is kept with a job for each crash. A recovery that knows the cause puts it in the message.
 */
export const WORKER_DIED = { name: 'JobsError', message: 'its worker died', code: 'WORKER_DIED' } as const
/** Priorities are whole numbers from the negative of this up to it. */
export const MAX_PRIORITY = 1_000
/**
 * How many different priorities the waiting jobs of a partition may have if they are in no lane, 0 included:
 * each priority has its own line, and a claim may look at the head of each.
 */
export const MAX_LINES = 256
/** How many errors are kept of a job: the newest ones. */
export const MAX_ERRORS = 10
/** How many log lines, and how many bytes of log, are kept of a job: the newest ones. */
export const MAX_LOG_LINES = 100
export const MAX_LOG_BYTES = 16_384
