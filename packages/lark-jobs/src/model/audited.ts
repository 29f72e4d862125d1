/**
 * What people change by hand, as the audit names it.
 */

/** Changes of jobs. Their count is a number of jobs. */
export const jobChanges = [
  ...(['retry', 'cancel', 'run-now', 'reschedule', 'prioritize', 'move', 'edit', 'tag', 'untag'] as const),
  ...(['remove', 'purge', 'import', 'undo'] as const),
] as const

export const audited = [
  ...jobChanges,
  ...(['dispatch', 'pause', 'resume', 'cancel-flow', 'retry-flow', 'purge-flow'] as const),
  ...(['pause-schedule', 'resume-schedule', 'remove-schedule', 'run-schedule'] as const),
  ...(['quiet-workers', 'resume-workers', 'restart-workers'] as const),
] as const
export type Audited = (typeof audited)[number]
