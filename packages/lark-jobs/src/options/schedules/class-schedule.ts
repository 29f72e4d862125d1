/**
 * The schedules that a job class declares: `schedule = cron('0 8 * * 1-5')`, an object that also has a
 * payload, or a list of objects that each have a name.
 */

import { isObject, isText, Option, option, refuse, Schema, type Voice } from '../schema.ts'
import type { PayloadInput } from '../standard-schema.ts'
import { isRecurrence, type Recurrence } from './recurrence.ts'
import { isScheduleId, scheduleIdForm } from './schedule-id.ts'

/** The payload of the jobs of a schedule. The field is required if `handle` requires a payload. */
export type ScheduledPayload<P> = 0 extends 1 & P
  ? { payload?: P }
  : // biome-ignore lint/suspicious/noConfusingVoidType: `void` is written as a type argument
    [P] extends [void]
    ? { payload?: undefined }
    : undefined extends P
      ? { payload?: PayloadInput<P> }
      : { payload: PayloadInput<P> }

/** One schedule of a class, with the payload of its jobs. */
// biome-ignore lint/suspicious/noExplicitAny: a field of a class cannot know the payload of its `handle`
export type ClassScheduleEntry<P = any> = { when: Recurrence } & ScheduledPayload<P>

/**
 * The type of the field `schedule` of a class: `cron(…)`, `{ when, payload }`, or a list of `{ name, when,
 * payload }`.
 *
 * The type argument is the payload. TypeScript cannot infer it from `handle`, so a class may write it for the
 * compiler: `schedule: ClassSchedule<{ tenant: number }> = [{ name: 'morning', when: daily('08:00'), payload:
 * { tenant: 7 } }]`. Lark checks the payload when a worker starts.
 */
// biome-ignore lint/suspicious/noExplicitAny: see ClassScheduleEntry
export type ClassSchedule<P = any> =
  | (object extends ScheduledPayload<P> ? Recurrence : never)
  | ClassScheduleEntry<P>
  | readonly (ClassScheduleEntry<P> & { name: string })[]

/** A schedule of a class in its checked form. */
export interface WrittenSchedule {
  /** The name, which distinguishes the schedules in a list. */
  name: string | undefined
  when: Recurrence
  payload: unknown
  /** Whether the schedule has a field `payload`, perhaps with the value `undefined`. */
  hasPayload: boolean
}

const recurrence = option<Recurrence>("cron(), every() or daily(), such as daily('08:00')", isRecurrence)

export const scheduleEntry = new Schema("an object such as { name: 'morning', when: daily('08:00') }", {
  /**
   * The name, which distinguishes the schedules in a list. The id of the schedule is the key of the class,
   * `/`, and this name.
   */
  name: option<string>(
    'a text without white space and colons',
    (value) => isText(value) && isScheduleId(value),
  ),
  /** The times at which the schedule ticks. */
  when: recurrence.needed(),
  /** The payload of the schedule's jobs. */
  payload: option<unknown>('JSON', () => true),
})

const RIGHT = `${recurrence.right}; { when, payload }; or a list of { name, when, payload }`

/** The field `schedule` of a class. */
export const classSchedule = new Option<ClassSchedule, readonly WrittenSchedule[]>(
  RIGHT,
  (value, path, voice) => {
    if (isRecurrence(value)) return [{ name: undefined, when: value, payload: undefined, hasPayload: false }]
    if (isObject(value)) return [entry(value, path, voice, false)]
    if (!Array.isArray(value)) return undefined
    const all = value.map((each, i) => entry(each, `${path}.${i}`, voice, true))
    const names = all.map(({ name }) => name)
    const double = names.findIndex((name, i) => names.indexOf(name) < i)
    if (double >= 0)
      refuse(voice, `${path}.${double}.name`, names[double], 'a name that no earlier schedule has')
    return all
  },
)

function entry(value: unknown, path: string, voice: Voice, isNamed: boolean): WrittenSchedule {
  if (isRecurrence(value)) refuseNameless(path, voice)
  const { name, when, payload } = scheduleEntry.readAll(value, voice, path)
  const right = isNamed ? scheduleEntry.entries.name.right : 'absent: only schedules in a list have names'
  if ((name !== undefined) !== isNamed) refuse(voice, `${path}.name`, name, right)
  return { name, when, payload, hasPayload: 'payload' in (value as object) }
}

/** Refuses a list whose schedules have no names, such as `[daily('08:00')]`. @throws the error of `voice` */
export function refuseNameless(path: string, voice: Voice): never {
  throw voice.error(`${voice.name(path)} has no name; it must be ${scheduleEntry.right}`, undefined, path)
}

/** A schedule of a class with its id. */
export interface ScheduleOfClass extends WrittenSchedule {
  id: string
}

/**
 * The schedules of a class with their ids.
 *
 * @param needsPayload whether `handle` takes a payload
 * @throws the error of `voice`
 */
export function schedulesOf(
  declared: readonly WrittenSchedule[],
  key: string,
  needsPayload: boolean,
  voice: Voice,
): readonly ScheduleOfClass[] {
  return declared.map((each) => {
    const { name, hasPayload } = each
    const id = name === undefined ? key : `${key}/${name}`
    if (!isScheduleId(id)) {
      const message = `${voice.name('schedule')}: its id would be ${id}; it must be ${scheduleIdForm}`
      throw voice.error(
        message,
        'The id is the key of the class, with the name in a list: give the class a key.',
        'schedule',
      )
    }
    if (needsPayload && !hasPayload) {
      const message = `${voice.name('schedule')} has no payload, and handle() takes one`
      const hint = `Write ${name === undefined ? '{ when, payload }' : '{ name, when, payload }'}; payload: undefined if handle() needs none.`
      throw voice.error(message, hint, 'schedule')
    }
    return { ...each, id }
  })
}
