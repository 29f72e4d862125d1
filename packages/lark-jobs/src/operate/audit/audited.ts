/** The names of the changes by hand in the audit. */
import { jobChanges } from '../change/job-changes.ts'

type JobChangeName = keyof typeof jobChanges

/** Changes of jobs. The `count` in their audit entries is a number of jobs. */
export const auditedOfJobs = [
  ...(Object.keys(jobChanges) as JobChangeName[]),
  ...(['import', 'undo'] as const),
] as const

export const audited = [
  ...auditedOfJobs,
  ...([
    'dispatch',
    'send',
    'forget-steps',
    'pause',
    'resume',
    'cancel-flow',
    'retry-flow',
    'purge-flow',
  ] as const),
  ...(['pause-schedule', 'resume-schedule', 'remove-schedule', 'run-schedule'] as const),
  ...(['begin-change', 'pause-change', 'resume-change', 'stop-change'] as const),
  ...(['retry-rows', 'install-outbox'] as const),
  ...(['quiet-workers', 'resume-workers', 'restart-workers'] as const),
] as const
export type Audited = (typeof audited)[number]
