/** `Jobs.schedules.set`: checks its arguments before it opens the store. */
import { checkPlace } from '../../config/queues.ts'
import { checkTicks, partitionOf, scheduleDefinition } from '../../dispatch/schedule-definition.ts'
import { JobsError } from '../../model/errors.ts'
import type { Operated } from '../../operate/operated.ts'
import { bookOf, infoOf, type ScheduleInfo } from '../../operate/schedules/schedule-info.ts'
import { classOf, type JobLike } from '../../options/job-class.ts'
import { isRecurrence, type Recurrence } from '../../options/schedules/recurrence.ts'
import { isScheduleId, scheduleIdForm } from '../../options/schedules/schedule-id.ts'
import { refuse, voiceOf } from '../../options/schema.ts'
import { COMMAND_JOB } from '../../run/command-job.ts'
import { type Draft, insideOfDraft, isDraft } from '../draft.ts'

/** The part of an instance of `Jobs` that its schedules use. @internal */
export type OperatedSchedules = Pick<Operated, 'open'>

const voice = voiceOf('SCHEDULE_INVALID', 'Jobs.schedules.set()')

/** @throws SCHEDULE_INVALID, SCHEDULE_TAKEN; the errors of a dispatch */
export async function setSchedule<J extends JobLike>(
  jobs: OperatedSchedules,
  id: string,
  draft: Draft<J>,
  when: Recurrence,
): Promise<ScheduleInfo> {
  if (!isScheduleId(id)) refuse(voice, 'the id', id, scheduleIdForm)
  if (!isDraft(draft))
    refuse(voice, 'the second argument', draft, 'a draft, such as ReportJob.with({ tenant: 7 })')
  if (!isRecurrence(when))
    refuse(voice, 'the third argument', when, "cron(), every() or daily(), such as daily('08:00')")
  const define = (timezone: string) => scheduleDefinition(id, insideOfDraft(draft), when, { timezone })
  // The definition is checked before the store is opened.
  const inUtc = define('UTC')
  const opened = await jobs.open()
  const { schedules, partitions } = opened.settings
  const definition = schedules.timezone === 'UTC' ? inUtc : define(schedules.timezone)
  const { queue, job } = definition
  checkTicks(definition, voice)
  const name = classOf(insideOfDraft(draft).Class).name
  checkPlace({ name, queue, records: [{ ...job, id }] }, opened.settings)
  const partition = partitionOf(id, definition, partitions)
  const kept = await bookOf(opened).set(id, definition, partition, ({ definition: { ofClass }, state }) => {
    // The id of a dropped schedule may be used again.
    if (ofClass === undefined || state.ended?.why === 'dropped') return
    const [owner, place] =
      ofClass === COMMAND_JOB ? ['A command', 'command'] : [`The job class '${ofClass}'`, 'class']
    throw new JobsError('SCHEDULE_TAKEN', `${owner} declares the schedule ${id}`, {
      hint: `Choose another id, or remove the schedule from the ${place}.`,
    })
  })
  return infoOf(kept)
}
