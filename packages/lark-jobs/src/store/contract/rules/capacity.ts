/** How much a store takes and keeps. The limits are the same for all stores. */

/** The largest number of jobs, outcomes or ids in one call. */
export const MAX_ITEMS = 1_000
/** The largest size of the payloads in one call, in bytes. A job with a larger payload is sent alone. */
export const MAX_BYTES = 1_048_576
/**
 * The largest size of a small job, in bytes. `MAX_ITEMS` small jobs always fit into one answer, so a store
 * need not count the bytes of small jobs.
 */
export const MAX_SMALL = 1_048
/**
 * The largest number of partitions that one `standings` reads. Redis takes about 2 ms to read 100 partitions.
 */
export const MAX_STANDINGS = 100
/**
 * Milliseconds for which the store remembers the last answer to a caller. A caller that sends its call again
 * later has lost its leases.
 */
export const CALL_MEMORY = 60_000
/** When `recover` looks for the claims of one holder, it looks at no more than this many claims. */
export const MAX_CLAIMS = 100_000
/** How many minutes `minutes` shows, the current minute included. */
export const MINUTES = 60
/** How many hours and how many days `history` shows, the current hour and day included. */
export const HOURS = 72
export const DAYS = 90
/**
 * A job fails at this number of crashes if it certainly caused the last crash: the job ran alone in its
 * process, and the process ended from within. A class can choose another number (`maxCrashes`), which holds
 * for every job that ran alone.
 */
export const MAX_CRASHES = 3
/**
 * A job fails at this number of crashes even if it may not be the cause of the last crash: other jobs ran in
 * the same process, or somebody may have killed the process. Only crashes since the last recorded step count.
 */
export const MAX_CRASHES_UNSURE = 10
/**
 * The error that a job gets for each crash. If `recover` gets the cause of the crash, the message also names
 * the cause.
 */
export const WORKER_DIED = { name: 'JobsError', message: 'its worker died', code: 'WORKER_DIED' } as const
/** Priorities are whole numbers from `-MAX_PRIORITY` to `MAX_PRIORITY`. */
export const MAX_PRIORITY = 1_000
/**
 * How many different priorities the waiting jobs of a partition may have, 0 included. Each priority has its
 * own line, and a claim may look at the head of each line. Jobs in lanes do not count.
 */
export const MAX_LINES = 256
/** How many errors a job keeps (the newest errors). */
export const MAX_ERRORS = 10
/** How many log lines a job keeps (the newest lines), and how many bytes of log lines. */
export const MAX_LOG_LINES = 100
export const MAX_LOG_BYTES = 16_384
