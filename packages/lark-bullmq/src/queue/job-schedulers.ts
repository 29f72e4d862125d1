/**
 * Keeps job schedulers of BullMQ as schedules of Lark. An id is unique within a queue in BullMQ and within
 * the store in Lark, so the id of the schedule is `queue/id`.
 */
import { defined } from '@s18i/lark/internal'
import { cron, every, JobsError, type Recurrence, type ScheduleInfo } from '@s18i/lark-jobs'
import { bookOf, draftOf, milliseconds, opened, shown, tickId, tickOf } from '@s18i/lark-jobs/internal'
import { checkOptions, unsupported, wrongValue } from '../compared/unsupported.ts'
import { BullJob } from '../job/bull-job.ts'
import { type AddedJob, checkJobOptions, draftedBy, type JobsOptions, optionsIn } from '../job/job-options.ts'
import { type RepeatOptions, repeatableKey } from '../job/repeat-options.ts'
import type { JobHome } from '../store/shared-store.ts'
import { scheduleName, schedulerName } from './schedule-name.ts'

/** Milliseconds. */
const LEAST_INTERVAL = 1_000

/** The job of each tick. */
export interface JobTemplate<DataType, NameType extends string> {
  name?: NameType
  data?: DataType
  opts?: JobSchedulerTemplateOptions
}

export type JobSchedulerTemplateOptions = Omit<JobsOptions, 'jobId' | 'delay' | 'deduplication' | 'repeat'>

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
  /** The time at which the scheduler ticks next, in milliseconds since 1970. */
  next?: number
  limit?: number
  startDate?: number
  endDate?: number
  /** How many jobs the scheduler has added since it was last changed. */
  iterationCount: number
  template?: JobSchedulerTemplateJson
}

/** A repeatable job of BullMQ 5. Fields that it does not have are `null`. */
export interface RepeatableJob {
  key: string
  name: string
  id?: string | null
  endDate: number | null
  tz: string | null
  pattern: string | null
  /** Milliseconds, as a text. */
  every?: string | null
  /** The time at which it ticks next, in milliseconds since 1970. */
  next?: number
}

/** A schedule, and the options with which its jobs are added. */
interface FoundSchedule {
  info: ScheduleInfo
  opts: JobsOptions
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

  /** @returns the job of the next tick. This job is queued only when the schedule ticks */
  async upsert(
    id: string,
    repeat: RepeatOptions,
    template: JobTemplate<unknown, string>,
    defaults: JobsOptions,
  ): Promise<BullJob> {
    const who = `${this.#who}: upsertJobScheduler(${shown(id)})`
    const { every: ms, immediately, startDate } = repeat
    if (immediately && startDate)
      throw new Error('Both .immediately and .startDate options are defined for this repeatable job')
    refuseInTemplate(who, template.opts, ['jobId', 'delay', 'deduplication'])
    // As in BullMQ, `repeat` of a template has no effect, because the scheduler says when its jobs are made.
    const { repeat: _, ...own }: JobsOptions = template.opts ?? {}
    const opts = { ...defaults, ...checkJobOptions(who, own) }
    const { name = id, data } = template
    // As in BullMQ, a new scheduler with `every` ticks at once. A scheduler that already exists does not tick
    // again because of a change.
    const begins = ms === undefined ? immediately : !startDate && (await this.#find(id)) === undefined
    return await this.#set(who, id, { ...repeat, immediately: begins === true }, { name, data, opts })
  }

  /** Makes or changes a repeatable job, as BullMQ 5 does. @returns the job of the next tick */
  async addRepeatable({ name, data, opts }: AddedJob, repeat: RepeatOptions): Promise<BullJob> {
    const who = `${this.#who}: the job ${shown(name)}`
    const { jobId, delay: _, ...own } = opts
    refuseInTemplate(who, own, ['deduplication'])
    const { immediately: __, ...said } = { ...repeat, ...defined({ jobId }) }
    return await this.#set(who, repeatableKey(name, said), repeat, {
      name,
      data,
      opts: { ...own, repeat: said },
    })
  }

  /** @returns the job that was queued at once, or the job of the next tick */
  async #set(who: string, id: string, repeat: RepeatOptions, job: AddedJob): Promise<BullJob> {
    const { store, queue } = this.#home
    const { name, data = {}, opts } = job
    if (repeat.endDate !== undefined && new Date(repeat.endDate).getTime() < Date.now())
      throw new Error('End date must be greater than current timestamp')
    const draft = draftOf(draftedBy(who, queue, job))
    const { schedules } = store.jobs
    const info = await schedules.set(this.#idOf(id), draft, recurrenceOf(who, repeat))
    const timestamp = Date.now()
    if (repeat.immediately) {
      const { id: first } = await schedules.runNow(info.id)
      return new BullJob(this.#home, { id: first, name, data, timestamp, opts: { ...opts, delay: 0 } })
    }
    const next = info.next ?? timestamp
    const delay = info.next === undefined ? {} : { delay: Math.max(0, next - timestamp) }
    const facts = { id: tickId({ schedule: info.id, at: next }), name, data, timestamp }
    return new BullJob(this.#home, { ...facts, opts: { ...opts, ...delay } })
  }

  async remove(id: string): Promise<boolean> {
    const { store, queue } = this.#home
    const found = await this.#find(id)
    const isRemoved = await store.jobs.schedules.remove(this.#idOf(id))
    if (isRemoved && found?.next !== undefined)
      await store.hint(queue, 'removed', { jobId: nextIdOf(found), prev: 'delayed' })
    return isRemoved
  }

  /**
   * The jobs of the next ticks. The job that is due first comes first. In BullMQ these jobs are in the queue,
   * as delayed jobs. In Lark, a schedule adds its job when it ticks.
   */
  async next(): Promise<BullJob[]> {
    const found = (await this.#list()).filter(({ info }) => isNext(info))
    return found.map((each) => this.#nextOf(each))
  }

  /** How many job schedulers have a next tick. */
  async nextCount(): Promise<number> {
    const all = await this.#home.store.jobs.schedules.list({ queue: this.#home.queue, ofClass: false })
    return all.filter(isNext).length
  }

  /** The job of the next tick with this id. Undefined if no schedule has such a next tick. */
  async nextWith(id: string): Promise<BullJob | undefined> {
    const tick = tickOf(id)
    const info = tick && (await this.#home.store.jobs.schedules.get(tick.schedule))
    if (info?.next === undefined || nextIdOf(info) !== id || info.queue !== this.#home.queue) return undefined
    return this.#nextOf({ info, opts: await this.#optionsOf(info) })
  }

  #nextOf({ info, opts }: FoundSchedule): BullJob {
    const timestamp = Date.now()
    const delay = Math.max(0, info.next! - timestamp)
    const data = info.payload ?? {}
    const facts = { id: nextIdOf(info), name: info.key, data, timestamp, opts: { ...opts, delay } }
    return new BullJob(this.#home, facts)
  }

  async get(id: string): Promise<JobSchedulerJson | undefined> {
    const info = await this.#find(id)
    return info && this.#json({ info, opts: await this.#optionsOf(info) })
  }

  async list(): Promise<JobSchedulerJson[]> {
    return (await this.#list()).map((found) => this.#json(found))
  }

  /**
   * @param start the index of the first scheduler, from 0
   * @param end the index of the last scheduler. If `end` is below 0, all further schedulers are returned
   */
  async page(start: number, end: number, asc: boolean): Promise<JobSchedulerJson[]> {
    return (await this.#page(start, end, asc)).map((found) => this.#json(found))
  }

  /** Like `page`, but returns repeatable jobs in the form of BullMQ 5. */
  async repeatable(start: number, end: number, asc: boolean): Promise<RepeatableJob[]> {
    return (await this.#page(start, end, asc)).map((found) => {
      const { key, name, endDate = null, tz = null, pattern = null, every, next } = this.#json(found)
      const { repeat } = found.opts
      // The pattern is read from the options of the job, because Lark stores the pattern in capitals, and
      // always with a time zone.
      const written =
        repeat === undefined ? { tz, pattern } : { tz: repeat.tz ?? null, pattern: repeat.pattern ?? null }
      return {
        key,
        name,
        endDate,
        ...written,
        every: every === undefined ? null : String(every),
        ...defined({ next }),
      }
    })
  }

  async #find(id: string): Promise<ScheduleInfo | undefined> {
    return await this.#home.store.jobs.schedules.get(this.#idOf(id))
  }

  async #page(start: number, end: number, asc: boolean): Promise<FoundSchedule[]> {
    const all = await this.#list()
    return (asc ? all : all.reverse()).slice(start, end < 0 ? undefined : end + 1)
  }

  /** The schedules of the queue that no job class declares. The schedule that ticks next comes first. */
  async #list(): Promise<FoundSchedule[]> {
    const all = await this.#home.store.jobs.schedules.list({ queue: this.#home.queue, ofClass: false })
    const { POSITIVE_INFINITY: never } = Number
    const found = await Promise.all(all.map(async (info) => ({ info, opts: await this.#optionsOf(info) })))
    return found.sort(({ info: one }, { info: other }) => (one.next ?? never) - (other.next ?? never))
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

  #json({ info, opts: { repeat: _, ...opts } }: FoundSchedule): JobSchedulerJson {
    const { id, key, when, timezone, next, limit, from, until, ticks, payload } = info
    const ms = intervalOf(info)
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

/** The milliseconds between two ticks. Undefined for a pattern. */
function intervalOf({ when }: ScheduleInfo): number | undefined {
  return when.startsWith('every ') ? milliseconds(when.slice('every '.length)) : undefined
}

/**
 * Whether the job of the next tick is also the next job that becomes due. (A worker queues the job of a tick
 * a little before the tick. From then until the tick, the schedule already names the tick after it.)
 */
function isNext(info: ScheduleInfo): boolean {
  return info.next !== undefined && info.next - (intervalOf(info) ?? Number.POSITIVE_INFINITY) <= Date.now()
}

function nextIdOf({ id, next }: ScheduleInfo): string {
  return tickId({ schedule: id, at: next! })
}

function refuseInTemplate(who: string, opts: object | undefined, names: readonly string[]): void {
  for (const name of names)
    if (opts?.[name as keyof typeof opts] !== undefined)
      throw unsupported(who, `the option ${name} in a template`, 'the options of each job', 'schedules.md')
}
