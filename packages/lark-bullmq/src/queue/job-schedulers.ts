/**
 * Keeps job schedulers of BullMQ as schedules of Lark. An id is unique within a queue in BullMQ and within
 * the store in Lark, so the id of the schedule is `queue/id`.
 */
import { defined } from '@s18i/lark/internal'
import { cron, every, JobsError, type Recurrence, type ScheduleInfo } from '@s18i/lark-jobs'
import { bookOf, draftOf, milliseconds, opened, shown, tickId } from '@s18i/lark-jobs/internal'
import { checkOptions, unsupported, wrongValue } from '../compared/unsupported.ts'
import { BullJob } from '../job/bull-job.ts'
import { checkJobOptions, draftedBy, type JobsOptions, optionsIn } from '../job/job-options.ts'
import type { JobHome } from '../store/shared-store.ts'
import { scheduleName, schedulerName } from './schedule-name.ts'

/** Milliseconds. */
const LEAST_INTERVAL = 1_000

export interface RepeatOptions {
  /** A cron expression, which may begin with a field for seconds. */
  pattern?: string
  /** Milliseconds between two ticks, at least 1,000. */
  every?: number
  /**
   * The time zone of the pattern. Default: the time zone of Lark's configuration, which is UTC unless set. In
   * BullMQ, the default is the time zone of the process.
   */
  tz?: string
  startDate?: Date | string | number
  endDate?: Date | string | number
  /** The most jobs that the scheduler adds. */
  limit?: number
}

/** The job of each tick. */
export interface JobTemplate<DataType, NameType extends string> {
  name?: NameType
  data?: DataType
  opts?: JobSchedulerTemplateOptions
}

export type JobSchedulerTemplateOptions = Omit<JobsOptions, 'jobId' | 'delay' | 'deduplication'>

export interface JobSchedulerTemplateJson {
  data?: unknown
  opts?: JobsOptions
}

export interface JobSchedulerJson {
  /** The id of the scheduler. */
  key: string
  name: string
  pattern?: string
  every?: number
  tz?: string
  /** When the scheduler ticks next, in milliseconds since 1970. */
  next?: number
  limit?: number
  startDate?: number
  endDate?: number
  /** How many jobs the scheduler has added since it was last changed. */
  iterationCount: number
  template?: JobSchedulerTemplateJson
}

/** @throws BULLMQ_UNSUPPORTED, JOB_INVALID, SCHEDULE_INVALID */
export function recurrenceOf(who: string, repeat: RepeatOptions): Recurrence {
  const read = checkOptions(who, 'options of a job scheduler', repeat)
  const { pattern, every: ms, tz, limit } = read
  const from = instant(who, 'startDate', read.startDate)
  const until = instant(who, 'endDate', read.endDate)
  if (until !== undefined && until.getTime() <= Date.now())
    throw invalid(who, 'End date must be greater than current timestamp')
  if (pattern !== undefined && ms !== undefined)
    throw invalid(who, 'Both .pattern and .every options are defined for this repeatable job')
  if (pattern === undefined && ms === undefined)
    throw invalid(who, 'Either .pattern or .every options must be defined for this repeatable job')
  const common = {
    ...(from && { from }),
    ...(until && { until }),
    ...defined({ limit }),
    // As in BullMQ, all missed ticks together become one job.
    missed: 'once' as const,
  }
  if (ms === undefined) return cron(pattern!, { ...defined({ timezone: tz }), ...common })
  if (tz !== undefined)
    throw unsupported(who, 'tz with every', 'ticks of every() are aligned in UTC', 'schedules.md')
  if (ms > 0 && ms < LEAST_INTERVAL)
    throw unsupported(who, `an interval of ${ms} ms`, 'every(), from 1 s', 'schedules.md')
  return every(ms, common)
}

/** @param said the message of BullMQ, for which applications may look */
function invalid(who: string, said: string): JobsError {
  return new JobsError('SCHEDULE_INVALID', `${who}: ${said}`)
}

function instant(who: string, name: string, value: RepeatOptions['startDate']): Date | undefined {
  if (value === undefined) return undefined
  const date = new Date(value)
  if (Number.isNaN(date.getTime())) throw wrongValue(who, name, value, 'a date')
  return date
}

export class JobSchedulers {
  readonly #home: JobHome
  readonly #who: string

  constructor(who: string, home: JobHome) {
    this.#who = who
    this.#home = home
  }

  /** @returns the job of the next tick, which is not queued before the schedule ticks */
  async upsert(
    id: string,
    repeat: RepeatOptions,
    template: JobTemplate<unknown, string>,
    defaults: JobsOptions,
  ): Promise<BullJob> {
    const who = `${this.#who}: upsertJobScheduler(${shown(id)})`
    const { store, queue } = this.#home
    for (const name of ['jobId', 'delay', 'deduplication'])
      if (template.opts !== undefined && name in template.opts)
        throw unsupported(who, `the option ${name} in a template`, 'the options of each job', 'schedules.md')
    const opts = { ...defaults, ...checkJobOptions(who, template.opts) }
    const { name = id, data } = template
    const draft = draftOf(draftedBy(who, queue, { name, data, opts }))
    const info = await store.jobs.schedules.set(this.#idOf(id), draft, recurrenceOf(who, repeat))
    const next = info.next ?? Date.now()
    const job = { id: tickId({ schedule: info.id, at: next }), name, data: data ?? {}, timestamp: Date.now() }
    const delay = Math.max(0, next - job.timestamp)
    return new BullJob(this.#home, { ...job, opts: { ...opts, ...(info.next !== undefined && { delay }) } })
  }

  async remove(id: string): Promise<boolean> {
    return await this.#home.store.jobs.schedules.remove(this.#idOf(id))
  }

  async get(id: string): Promise<JobSchedulerJson | undefined> {
    const info = await this.#home.store.jobs.schedules.get(this.#idOf(id))
    return info && this.#json(info, await this.#optionsOf(info))
  }

  /** The schedules of the queue that no job class declares. The schedule that ticks next comes first. */
  async list(): Promise<JobSchedulerJson[]> {
    const all = await this.#home.store.jobs.schedules.list({ queue: this.#home.queue, ofClass: false })
    const { POSITIVE_INFINITY: never } = Number
    const shown = all.map(async (info) => this.#json(info, await this.#optionsOf(info)))
    return (await Promise.all(shown)).sort((one, other) => (one.next ?? never) - (other.next ?? never))
  }

  /**
   * @param start the first place, from 0 @param end the last place; if it is below 0, the list goes to its
   *   end
   */
  async page(start: number, end: number, asc: boolean): Promise<JobSchedulerJson[]> {
    const all = await this.list()
    return (asc ? all : all.reverse()).slice(start, end < 0 ? undefined : end + 1)
  }

  /** The options with which the jobs of a scheduler are added. */
  async #optionsOf({ id }: ScheduleInfo): Promise<JobsOptions> {
    const found = await bookOf(await opened(this.#home.store.jobs)).get(id)
    return optionsIn(found?.definition.job.options?.context)
  }

  #idOf(id: string): string {
    if (typeof id !== 'string') throw wrongValue(this.#who, 'the id of a job scheduler', id, 'a text')
    return scheduleName(this.#home.queue, id)
  }

  #json(
    { id, key, when, timezone, next, limit, from, until, ticks, payload }: ScheduleInfo,
    opts: JobsOptions,
  ): JobSchedulerJson {
    const ms = when.startsWith('every ') ? milliseconds(when.slice('every '.length)) : undefined
    const hasOpts = Object.keys(opts).length > 0
    return {
      key: schedulerName(this.#home.queue, id),
      name: key,
      ...(ms === undefined ? { pattern: when } : { every: ms }),
      ...defined({ tz: timezone, next, limit, startDate: from, endDate: until }),
      iterationCount: ticks,
      ...((payload !== undefined || hasOpts) && {
        template: { ...defined({ data: payload }), ...(hasOpts && { opts }) },
      }),
    }
  }
}
