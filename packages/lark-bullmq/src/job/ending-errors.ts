/**
 * The errors with which a processor of BullMQ says how its run ends. They are recognised by their names, as
 * in BullMQ, so that errors of another copy of the package count too.
 */

/** If a processor throws this error, the job fails, even if attempts are left. */
export class UnrecoverableError extends Error {
  override readonly name: string = 'UnrecoverableError'

  constructor(message = 'bullmq:unrecoverable') {
    super(message)
  }
}

/** The job runs again at the time that was passed to `job.moveToDelayed()`. No attempt is used up. */
export class DelayedError extends Error {
  override readonly name: string = 'DelayedError'

  constructor(message = 'bullmq:movedToDelayed') {
    super(message)
  }
}

/** The job runs again. No attempt is used up. */
export class WaitingError extends Error {
  override readonly name: string = 'WaitingError'

  constructor(message = 'bullmq:movedToWait') {
    super(message)
  }
}

/**
 * The job runs again when its children have ended, if `job.moveToWaitingChildren()` has returned true. No
 * attempt is used up.
 */
export class WaitingChildrenError extends Error {
  override readonly name: string = 'WaitingChildrenError'

  constructor(message = 'bullmq:movedToWaitingChildren') {
    super(message)
  }
}

/** The job runs again after the time that was passed to `worker.rateLimit()`. No attempt is used up. */
export class RateLimitError extends Error {
  override readonly name: string = 'RateLimitError'

  constructor(message = 'bullmq:rateLimitExceeded') {
    super(message)
  }
}

const kinds = {
  UnrecoverableError: 'failed',
  DelayedError: 'released',
  WaitingError: 'released',
  WaitingChildrenError: 'released',
  RateLimitError: 'limited',
} as const

/** How an error ends a run. Undefined for any other error, which means a failed attempt. */
export function endingOf(error: Error): 'failed' | 'released' | 'limited' | undefined {
  const name =
    error instanceof RateLimitError || error.message === 'bullmq:rateLimitExceeded'
      ? 'RateLimitError'
      : error.name
  if (Object.hasOwn(kinds, name)) return kinds[name as keyof typeof kinds]
  // An application may extend these classes, and its class may have another name.
  if (error instanceof UnrecoverableError) return 'failed'
  const moved = [DelayedError, WaitingError, WaitingChildrenError]
  return moved.some((kind) => error instanceof kind) ? 'released' : undefined
}
