/**
 * Turns a scheduler of BullMQ into a schedule of Lark. There are two kinds: job schedulers (BullMQ 5.16 and
 * later, and 6), and repeatable jobs of BullMQ 5, whose data are only in the job of the next tick.
 */
import { defined } from '@s18i/lark/internal'
import { cron, every, type Recurrence } from '@s18i/lark-jobs'
import { checkTicks, type Definition, isObject } from '@s18i/lark-jobs/internal'
import { bullmqRecord } from '../job/record.ts'
import { hashOf } from '../job/repeat-options.ts'
import { scheduleName } from '../queue/schedule-name.ts'
import { keyFor, parsed, payloadOf } from './jobs.ts'
import type { LackReason } from './report.ts'
import type { BullmqEntry, BullmqScheduler } from './source.ts'

export interface ReadSchedule {
  definition: Definition
  lacks: LackReason[]
}

/**
 * The id of a schedule in Lark. In Lark ids are unique in the store, and in BullMQ in a queue. A repeatable
 * job keeps its key, so that an application that adds the repeatable job again when it starts does not make a
 * second schedule. Early versions of BullMQ used the text itself as the key, and not its hash.
 */
export function scheduleIdOf(queue: string, { id, fields }: BullmqScheduler): string {
  const isText = fields.name === undefined && id.split(':').length >= 5
  return scheduleName(queue, isText ? hashOf(id) : id)
}

/** The id of the job of the next tick. */
export function nextJobOf({ id, next }: BullmqScheduler): string {
  return `repeat:${id}:${next}`
}

/** The instant in the id of a scheduler's job. Undefined for other ids. */
export function tickIn(id: string): number | undefined {
  const tick = /^repeat:.+:(\d{1,15})$/.exec(id)?.[1]
  return tick === undefined ? undefined : Number(tick)
}

/**
 * @param nextJob the job of the scheduler's next tick
 * @param isDue whether the job of the next tick is due. Such a job is imported like other jobs
 * @param timezone the time zone of cron expressions that name no time zone
 * @throws an error that says what is wrong with the scheduler
 */
export function scheduleOf(
  { fields }: BullmqScheduler,
  nextJob: BullmqEntry,
  isDue: boolean,
  { queue, template, timezone }: { queue: string; template: string; timezone: string },
): ReadSchedule {
  // Repeatable jobs keep the count of their ticks only in the next job.
  const isLegacy = fields.ic === undefined
  if (isLegacy && nextJob.isGone && fields.data === undefined)
    throw new Error('the job of its next tick is gone, and with it the data of its jobs')
  if (fields.name === undefined && nextJob.isGone) throw new Error('nothing is left of it but its id')
  const nextOpts = nextJob.isGone ? {} : parsed(nextJob.opts ?? '', 'opts')
  const { repeat, ...legacyOpts } = isObject(nextOpts) ? nextOpts : {}
  const said = { ...(isLegacy && isObject(repeat) ? repeat : {}), ...fields } as Record<string, unknown>
  const made = Number((isLegacy ? said.count : fields.ic) ?? 1)
  const { when, lacks } = recurrenceOf(said, isDue ? made : made - 1)
  const opts = isLegacy ? jobOptions(legacyOpts) : parsed(fields.opts ?? '{}', 'opts')
  const data = fields.data ?? (isLegacy ? nextJob.data : '{}')
  const record = bullmqRecord(opts, 0)
  const { timing, missed, grace, overlap, jitter, pauseAfterFailures, limit } = when
  const definition: Definition = {
    timing: timing.kind === 'cron' ? { ...timing, timezone: timing.timezone ?? timezone } : timing,
    ...{ missed, grace, overlap, jitter, pauseAfterFailures, limit, queue },
    job: {
      key: keyFor(template, fields.name ?? nextJob.name, queue),
      payload: payloadOf(data, data === undefined ? nextJob.bytes : Buffer.byteLength(data)),
      options: record.options,
      ...defined({ priority: record.priority, keep: record.keep }),
    },
  }
  checkTicks(definition, 'its pattern')
  return { definition, lacks: [...lacks, ...record.lacks] }
}

/** The options for all jobs of a repeatable job, without the options that belong to a single tick. */
function jobOptions(opts: Record<string, unknown>): Record<string, unknown> {
  const { jobId: _, delay: __, timestamp: ___, prevMillis: ____, repeatJobKey: _____, ...others } = opts
  return others
}

/** @param ticked how many times the scheduler has ticked */
function recurrenceOf(
  { pattern, every: ms, tz, startDate, endDate, limit }: Record<string, unknown>,
  ticked: number,
): { when: Recurrence; lacks: LackReason[] } {
  const left = limit === undefined ? undefined : Number(limit) - ticked
  if (left !== undefined && left < 1) throw new Error('it has ticked as often as its limit says')
  const options = {
    // If no worker was running for several ticks, BullMQ runs one job for them.
    missed: 'once' as const,
    ...(startDate !== undefined && { from: instantOf(startDate, 'startDate') }),
    ...(endDate !== undefined && { until: instantOf(endDate, 'endDate') }),
    ...defined({ limit: left }),
  }
  if (typeof pattern !== 'string') return { when: every(Number(ms), options), lacks: ['aligned'] }
  if (typeof tz === 'string') return { when: cron(pattern, { ...options, timezone: tz }), lacks: [] }
  return { when: cron(pattern, options), lacks: ['timezone'] }
}

function instantOf(value: unknown, what: string): Date {
  const text = String(value)
  const date = new Date(/^\d+$/.test(text) ? Number(text) : text)
  if (Number.isNaN(date.getTime())) throw new Error(`its ${what} is not a date`)
  return date
}
