/**
 * Makes the definition of a schedule from a draft and a recurrence. The jobs of its ticks are made from this
 * definition without the class (`schedule/tick-write.ts`), so the definition contains everything that a
 * dispatch would take from the class.
 */
import { defined } from '@s18i/lark/internal'
import { inContext } from '../model/context.ts'
import { JobsError } from '../model/errors.ts'
import { partitionWith, placeNameOf } from '../model/partition.ts'
import { storedName } from '../model/stored-name.ts'
import { classOf, type JobClass, settingsOf } from '../options/job-class.ts'
import type { Recurrence } from '../options/schedules/recurrence.ts'
import { refuse, type Voice } from '../options/schema.ts'
import { oneByOne } from '../options/unique.ts'
import type { Definition } from '../schedule/definition.ts'
import { neverTicks } from '../schedule/next-ticks.ts'
import { type Drafted, draftedJob } from './new-job.ts'

/**
 * Makes the definition of a schedule.
 *
 * @param timezone the time zone of expressions without a time zone
 * @throws SCHEDULE_INVALID; the errors of `draftedJob`
 */
export function scheduleDefinition(
  id: string,
  drafted: Drafted,
  when: Recurrence,
  { timezone, ofClass }: { timezone: string; ofClass?: string },
): Definition {
  const { Class, fields, ownId } = drafted
  const jobClass = classOf(Class)
  if (ownId !== undefined)
    throw new JobsError('SCHEDULE_INVALID', `${jobClass.name}: the draft of schedule ${id} has an id`, {
      hint: 'The job of each tick gets an id of its own: leave out withId().',
    })
  // The jobs of a schedule do not inherit the context of the code that sets the schedule.
  const { queue, records } = inContext(undefined, draftedJob, drafted)
  const { id: _, ...job } = records[0]!
  const { timing, missed, grace, overlap, jitter, pauseAfterFailures, limit } = when
  if (overlap === 'queue' || overlap === 'cancel') {
    const { group, unique, limiter } = settingsOf({ ...jobClass.written, ...fields }, jobClass)
    const has = group !== undefined ? 'a group' : unique?.keepLast ? 'keepLast' : undefined
    if (has !== undefined)
      throw new JobsError(
        'SCHEDULE_INVALID',
        `Schedule ${id}: overlap is '${overlap}', and ${jobClass.name} has ${has}`,
        {
          hint: `With '${overlap}', the jobs of a schedule are a group of their own, and a job has one group: use 'allow' or 'skip'.`,
        },
      )
    if (typeof limiter?.weight === 'function')
      throw new JobsError(
        'SCHEDULE_INVALID',
        `Schedule ${id}: overlap is '${overlap}', and limiter.weight of ${jobClass.name} is a function`,
        {
          hint: 'All jobs of a group must need the same number of permits: give the limiter a number as its weight.',
        },
      )
    job.group = oneByOne(`:${storedName(id)}`)
  }
  return {
    timing: timing.kind === 'cron' ? { ...timing, timezone: timing.timezone ?? timezone } : timing,
    ...{ missed, grace, overlap, jitter, pauseAfterFailures, limit },
    queue,
    job,
    ...defined({ ofClass }),
  }
}

/** @throws the error of `voice` for an expression that never matches a date, such as `0 0 30 2 *` */
export function checkTicks({ timing }: Definition, voice: Voice): void {
  if (timing.kind === 'cron' && neverTicks(timing))
    refuse(voice, 'the expression', timing.expression, 'one that names some date: this one never ticks')
}

/** The schedules that a class declares. @throws the errors of `scheduleDefinition` */
export function declaredBy(
  { Class, key, schedules }: JobClass,
  timezone: string,
): { id: string; definition: Definition }[] {
  return schedules.map(({ id, when, payload }) => {
    const definition = scheduleDefinition(id, { Class, fields: {}, payload }, when, {
      timezone,
      ofClass: key,
    })
    return { id, definition }
  })
}

/**
 * The partition of a schedule and its jobs. The group or the lock of the jobs determines the partition. If
 * the jobs have neither, the id of the schedule determines it.
 *
 * @param partitions the number of partitions of each configured queue
 */
export function partitionOf(
  id: string,
  { queue, job }: Pick<Definition, 'queue' | 'job'>,
  partitions: ReadonlyMap<string, number>,
): string {
  return partitionWith(placeNameOf({ ...job, id }) ?? id, queue, partitions)
}
