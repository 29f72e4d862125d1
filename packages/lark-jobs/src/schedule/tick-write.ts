/**
 * The contents of a write of a schedule: its state, and the jobs of its ticks. `plan.ts` decides which ticks
 * become jobs. The store queues these jobs in the same step in which it writes the state.
 */
import type { NewJob } from '../model/record.ts'
import { tickId } from '../model/tick.ts'
import type { ScheduleWrite } from '../store/contract/store.ts'
import { type Definition, writeDefinition } from './definition.ts'
import { dueAt, type Schedule } from './plan.ts'
import { LEAVING, type ScheduleState } from './state.ts'

/** A schedule as it was read. */
export interface KeptSchedule extends Schedule {
  partition: string
  rev: number
  /** When it was read, by the store's clock: milliseconds since 1970. */
  at: number
}

/** A change of a schedule. */
export interface Changed {
  state: ScheduleState
  /** The new definition. Default: unchanged. */
  definition?: Definition
  /** The instants of ticks that become jobs. */
  ticks?: readonly number[]
}

/**
 * The write of a change, on condition that the schedule still has the version number that was read.
 *
 * @param ahead whether the instants of ticks may be in the future. The jobs of such ticks are delayed until
 *   these instants (`ScheduleWrite.delays`)
 */
export function writeOf(
  found: KeptSchedule,
  { definition, state, ticks = [] }: Changed,
  ahead?: { isExpected: boolean },
): ScheduleWrite {
  const { id, rev, at } = found
  const { state: text, next } = shown({ id, definition: definition ?? found.definition, state })
  return {
    ...{ id, rev, state: text, next: state.movesTo === undefined ? next : at + LEAVING },
    ...(definition !== undefined && { definition: writeDefinition(definition) }),
    ...(ticks.length > 0 && { jobs: ticks.map((instant) => jobOf(found, instant, ahead !== undefined)) }),
    ...(ticks.length > 0 && ahead && { delays: { from: at, ...ahead } }),
  }
}

/**
 * The job of a tick. A tick that is already due belongs to the definition that was read, even if the same
 * write replaces the definition.
 */
function jobOf({ id, definition, at }: KeptSchedule, instant: number, isAhead: boolean): NewJob {
  const job: NewJob = { ...definition.job, id: tickId({ schedule: id, at: instant }), ownId: 'new' }
  return isAhead && instant > at ? { ...job, delay: (job.delay ?? 0) + instant - at } : job
}

/**
 * The write of a whole new schedule. @param rev the revision number of an entry that an earlier schedule with
 * this id has left
 */
export function newOf(id: string, definition: Definition, state: ScheduleState, rev = 0): ScheduleWrite {
  return { id, rev, definition: writeDefinition(definition), ...shown({ id, definition, state }) }
}

function shown({ id, definition, state }: Omit<Schedule, 'runs'>) {
  return { state: JSON.stringify(state), next: dueAt({ id, definition, state }) }
}
