/**
 * The schedules that a command declares: `schedule = daily('08:00')`; with arguments or settings of its jobs,
 * `{ when: daily('08:00'), args: { limit: 100 }, timeout: '2h' }`; or a list of such objects that each have a
 * `name`. The schedules are read from JSON, because a worker does not import the commands. So no setting can
 * be a function.
 */
import { MAX_SCHEDULE_ID } from '../../model/tick.ts'
import { jobSettings, type WrittenSettings } from '../job-settings.ts'
import { checkNames, isObject, refuse, type Voice } from '../schema.ts'
import { refuseNameless, scheduleEntry } from './class-schedule.ts'
import { type Recurrence, recurrenceFrom } from './recurrence.ts'
import { isScheduleId } from './schedule-id.ts'

/** A schedule of a command. */
export interface ScheduleOfCommand {
  /** The id of the schedule: the key of the command, or `key/name`. Only ids of commands have colons. */
  id: string
  when: Recurrence
  /** The arguments for `Jobs.dispatchCommand()`, still unchecked. */
  args: unknown
  /** The settings in which the jobs of the schedule differ from other jobs of commands, still unchecked. */
  fields: WrittenSettings
}

const recurrence = scheduleEntry.entries.when.right
const form = `${recurrence}; { when, args }; or a list of { name, when, args }`
const names = ['name', 'when', 'args', ...Object.keys(jobSettings.entries)]

/** @param json the `schedule` of the command as JSON. @throws the error of `voice` */
export function schedulesOfCommand(key: string, json: unknown, voice: Voice): ScheduleOfCommand[] {
  const single = recurrenceFrom(json)
  if (single !== undefined)
    return [{ id: idOf(key, undefined, voice), when: single, args: undefined, fields: {} }]
  if (!Array.isArray(json)) return [entry(key, json, 'schedule', false, voice)]
  const all = json.map((each, i) => entry(key, each, `schedule.${i}`, true, voice))
  const double = all.findIndex(({ id }, i) => all.findIndex((other) => other.id === id) < i)
  if (double >= 0)
    refuse(voice, `schedule.${double}.name`, json[double].name, 'a name that no earlier schedule has')
  return all
}

function entry(key: string, json: unknown, path: string, isNamed: boolean, voice: Voice): ScheduleOfCommand {
  if (!isObject(json)) refuse(voice, path, json, form)
  if (recurrenceFrom(json) !== undefined) refuseNameless(path, voice)
  checkNames(voice, Object.keys(json), names, path)
  const { name, when: written, args, ...fields } = json
  const right = isNamed ? scheduleEntry.entries.name.right : 'absent: only schedules in a list have names'
  const isName = typeof name === 'string' && isScheduleId(name)
  if (isNamed ? !isName : name !== undefined) refuse(voice, `${path}.name`, name, right)
  const when = recurrenceFrom(written) ?? refuse(voice, `${path}.when`, written, recurrence)
  return { id: idOf(key, name as string | undefined, voice), when, args, fields }
}

function idOf(key: string, name: string | undefined, voice: Voice): string {
  const id = name === undefined ? key : `${key}/${name}`
  if (id.length <= MAX_SCHEDULE_ID) return id
  throw voice.error(
    `${voice.name('schedule')}: its id would be ${id}; it must have at most ${MAX_SCHEDULE_ID} characters`,
    'The id is the key of the command, with the name in a list.',
    'schedule',
  )
}
