/**
 * The names of the semantic conventions for messaging 1.44, and Lark's own names, which begin with `lark.`.
 * They are written here because the API does not contain them, and the package that contains them has nothing
 * but constants.
 */

/** The instrumentation scope. */
export const SCOPE = '@s18i/lark-jobs'
export const SYSTEM = 'lark'

export const attribute = {
  system: 'messaging.system',
  operation: 'messaging.operation.name',
  type: 'messaging.operation.type',
  queue: 'messaging.destination.name',
  partition: 'messaging.destination.partition.id',
  id: 'messaging.message.id',
  /** The id of a flow. */
  conversation: 'messaging.message.conversation_id',
  count: 'messaging.batch.message_count',
  error: 'error.type',
  /** The key of the job class. */
  key: 'lark.job.key',
  attempt: 'lark.job.attempt',
  outcome: 'lark.job.outcome',
  state: 'lark.job.state',
  rejected: 'lark.jobs.rejected',
  step: 'lark.step.name',
  stepAttempt: 'lark.step.attempt',
  schedule: 'lark.schedule.id',
  limiter: 'lark.limiter.name',
  /** The code of a finding of the doctor. */
  finding: 'lark.finding.code',
  severity: 'lark.finding.severity',
  /** The share of values that are not greater than the quantile: `0.5`, `0.95` or `0.99`. */
  quantile: 'lark.quantile',
} as const

export const metric = {
  operation: 'messaging.client.operation.duration',
  sent: 'messaging.client.sent.messages',
  consumed: 'messaging.client.consumed.messages',
  process: 'messaging.process.duration',
  wait: 'lark.jobs.wait.duration',
  waited: 'lark.jobs.wait.quantile',
  took: 'lark.jobs.process.quantile',
  oldest: 'lark.jobs.oldest_waiting.age',
  stored: 'lark.jobs.stored',
  retrying: 'lark.jobs.retrying',
  suspended: 'lark.jobs.suspended',
  stranded: 'lark.jobs.stranded',
  storeErrors: 'lark.store.errors',
  late: 'lark.schedules.late',
  paused: 'lark.schedules.paused',
  findings: 'lark.findings',
  held: 'lark.limiter.permits.held',
  limit: 'lark.limiter.permits.limit',
} as const
