/**
 * Plans what happens to the ticks of a schedule: which of them become jobs, which are recorded as skipped,
 * and when the schedule is due again. These functions read no clock and no store. A worker handles the ticks
 * by writing the plan, on condition that the schedule still has the version number that was read. So only one
 * of several workers succeeds (`store/contract/schedules.ts`).
 */
import { createHash } from 'node:crypto'
import { defined } from '@s18i/lark/internal'
import type { ScheduleRun } from '../model/tick.ts'
import type { Missed } from '../options/schedules/timing.ts'
import type { Definition } from './definition.ts'
import { instantsAfter, instantsUpTo } from './next-ticks.ts'
import { KEEP_ENDED, MAX_MISSED, MAX_SKIPPED, type ScheduleState, type Skipped } from './state.ts'

/**
 * How many instants after the next instant are computed in advance (`many`), and the number of remaining
 * instants at which more instants are computed (`few`).
 */
const AHEAD = { many: 10, few: 2 }

/** How long before their instants workers handle ticks, in milliseconds. */
export const LEAD = 250

/** A schedule, read from the store. */
export interface Schedule {
  id: string
  definition: Definition
  state: ScheduleState
  runs: readonly ScheduleRun[]
}

/** The change of a schedule that a worker is to write. */
export interface Plan {
  state: ScheduleState
  /** The instants of the ticks that become jobs now, in their order. */
  ticks: number[]
  /** How many ticks are recorded as skipped. */
  skipped: number
}

export interface PlanOptions {
  /**
   * Whether the job of the last tick or of the last run by hand has not ended. Only the overlap policy `skip`
   * depends on this.
   */
  isRunning?: boolean
  /** The maximum number of jobs. If more ticks are due, the schedule is due again at once. Default 100. */
  most?: number
  /** Ticks that are due within this time are handled too, in milliseconds. Default 0. */
  lead?: number
}

/**
 * The state of a schedule whose definition takes effect at an instant.
 *
 * @param before the state with the definition that the new definition replaces
 * @param after the schedule ticks only after this time
 */
export function begin(definition: Definition, at: number, before?: ScheduleState, after = at): ScheduleState {
  const { skipped = [], last, byHand, paused, resumedAt, firstSeen, others } = before ?? {}
  const kept = defined({ last, byHand, paused, resumedAt, firstSeen, others })
  const state: ScheduleState = { ...kept, ahead: [], ticks: 0, since: at, skipped }
  return withNext(definition, state, instantsAfter(definition.timing, after, AHEAD.many + 1), at)
}

/**
 * How long before their instants the ticks of a schedule are handled, in milliseconds, so that at the instant
 * the job only has to be claimed. The lead is 0 if the effect of a tick depends on the jobs that exist at its
 * instant, that is, on earlier jobs of the schedule or on the holder of a lock. With a jitter, the lead is
 * also 0, because the jitter moves each tick away from its exact instant anyway.
 */
export function leadOf({ overlap, jitter, job }: Definition): number {
  const isAhead = (overlap === 'allow' || overlap === 'queue') && jitter === 0 && job.lock === undefined
  return isAhead ? LEAD : 0
}

/** When the next tick of a schedule is due. Undefined if the schedule is paused or has ended. */
export function tickAt({ id, definition, state }: Omit<Schedule, 'runs'>): number | undefined {
  if (state.ended !== undefined || state.paused !== undefined || state.next === undefined) return undefined
  return state.next + offsetOf(id, definition.jitter)
}

/**
 * When the store must hand out a schedule to a worker. Undefined if the store need not hand out the schedule.
 */
export function dueAt(schedule: Omit<Schedule, 'runs'>): number | undefined {
  const { definition, state } = schedule
  if (state.ended !== undefined) {
    // An ended schedule of a class is kept as long as the class declares it. Otherwise the next declaration
    // would create the schedule again, and its ticks would begin again.
    const isKept = definition.ofClass !== undefined && state.ended.why !== 'dropped'
    return isKept ? undefined : state.ended.at + KEEP_ENDED
  }
  const at = tickAt(schedule)
  return at === undefined ? undefined : at - leadOf(definition)
}

/**
 * The delay of all ticks of a schedule because of the jitter, in milliseconds. The delay is always the same
 * for the same id.
 */
export function offsetOf(id: string, jitter: number): number {
  if (jitter === 0) return 0
  return createHash('sha256').update(id).digest().readUInt32BE() % (jitter + 1)
}

/** Plans the ticks that are due at an instant. */
export function planTicks(schedule: Schedule, at: number, options: PlanOptions = {}): Plan {
  const { definition, state, runs } = schedule
  if (state.ended !== undefined || state.paused !== undefined) return { state, ticks: [], skipped: 0 }
  const failed = failuresInARow(state, runs)
  if (definition.pauseAfterFailures > 0 && failed >= definition.pauseAfterFailures) {
    const because = failed === 1 ? 'a run failed' : `${failed} runs failed in a row`
    return { state: { ...state, paused: { at, because } }, ticks: [], skipped: 0 }
  }
  return handle(schedule, at, {
    ...options,
    missed: definition.missed,
    grace: definition.grace,
    why: 'missed',
  })
}

/**
 * Plans the end of a pause at an instant. Ticks that were due during the pause count as missed, no matter how
 * late they are.
 *
 * @param missed what happens to the ticks that were due during the pause
 */
export function planResume(schedule: Schedule, at: number, missed: Missed, options: PlanOptions = {}): Plan {
  const { paused: _, ...rest } = schedule.state
  const state = { ...rest, resumedAt: at }
  if (schedule.state.paused === undefined || state.ended !== undefined)
    return { state, ticks: [], skipped: 0 }
  return handle({ ...schedule, state }, at, {
    ...options,
    missed,
    grace: -1,
    why: 'paused',
  })
}

/**
 * How many jobs failed since the last job that completed, and since the schedule was last resumed or got a
 * new definition.
 */
export function failuresInARow(
  { since, resumedAt = since }: ScheduleState,
  runs: readonly ScheduleRun[],
): number {
  const counted = runs.filter(
    ({ at, state }) => at >= resumedAt && (state === 'failed' || state === 'completed'),
  )
  const completed = counted.findLastIndex(({ state }) => state === 'completed')
  return counted.length - 1 - completed
}

interface Handling extends PlanOptions {
  missed: Missed
  /** How late a tick may be without counting as missed. With -1, every due tick counts as missed. */
  grace: number
  why: 'missed' | 'paused'
}

function handle({ id, definition, state }: Schedule, at: number, handling: Handling): Plan {
  const { missed, grace, why, isRunning = false, most = 100, lead = 0 } = handling
  const now = at - offsetOf(id, definition.jitter)
  const { due, before, left } = dueBy(definition, state, now + lead)
  const late = due.filter((instant) => now - instant > grace)
  const made = missed === 'all' ? late : missed === 'once' ? late.slice(-1) : []
  const skipped: Skipped[] = []
  const skip = (instants: readonly number[], reason: Skipped['why'], more = 0) => {
    const from = more > 0 ? state.next : instants[0]
    if (from === undefined) return
    skipped.push({ from, to: instants.at(-1) ?? from, count: instants.length + more, why: reason })
  }
  skip(late.slice(0, late.length - made.length), why, before)
  const wanted = [...made, ...due.slice(late.length)]
  const { limit } = definition
  const allowed = limit === 0 ? wanted : wanted.slice(0, Math.max(0, limit - state.ticks))
  const ticks = withoutOverlap(definition, allowed, isRunning, (instants) => skip(instants, 'overlap'))
  // All ticks of a pause are handled now, because the next call would not know that they were due during a
  // pause.
  const [chosen, rest] =
    why === 'paused' ? [ticks.slice(-most), []] : [ticks.slice(0, most), ticks.slice(most)]
  if (why === 'paused') skip(ticks.slice(0, -most), why)
  const next: ScheduleState = {
    ...state,
    ...defined({ last: chosen.at(-1) ?? state.last }),
    ticks: state.ticks + chosen.length,
    skipped: [...state.skipped, ...skipped].slice(-MAX_SKIPPED),
  }
  const count = skipped.reduce((sum, each) => sum + each.count, 0)
  return { state: withNext(definition, next, [...rest, ...left], at), ticks: chosen, skipped: count }
}

/** The ticks that remain if the policy does not allow overlapping jobs. */
function withoutOverlap(
  { overlap }: Definition,
  ticks: readonly number[],
  isRunning: boolean,
  skip: (instants: readonly number[]) => void,
): number[] {
  if (overlap === 'skip') {
    const first = isRunning ? 0 : 1
    skip(ticks.slice(first))
    return ticks.slice(0, first)
  }
  // Each job would cancel the previous one, so only the last tick remains.
  if (overlap === 'cancel') {
    skip(ticks.slice(0, -1))
    return ticks.slice(-1)
  }
  return [...ticks]
}

/**
 * Splits the instants of a schedule at a time. `due`: the instants up to that time, at most the last
 * `MAX_MISSED`. `before`: how many instants came before those, or a lower bound if there are many. `left`:
 * the known instants after that time.
 */
function dueBy(
  { timing }: Definition,
  { next, ahead }: ScheduleState,
  now: number,
): { due: number[]; before: number; left: number[] } {
  const known = next === undefined ? [] : [next, ...ahead]
  const due = known.filter((instant) => instant <= now)
  const left = known.slice(due.length)
  if (left.length > 0 || due.length === 0) return { due, before: 0, left }
  const all = [...due, ...instantsUpTo(timing, due.at(-1)!, now, MAX_MISSED)]
  const latest = all.slice(-MAX_MISSED)
  return { due: latest, before: all.length - latest.length, left: [] }
}

/**
 * The state with its next instants. If no instant is left (or, for `every`, only a few), more instants are
 * computed. If there are no more instants, the schedule ends.
 */
function withNext(
  definition: Definition,
  state: ScheduleState,
  known: readonly number[],
  at: number,
): ScheduleState {
  const { next: _, ...rest } = state
  const { limit, timing } = definition
  if (limit > 0 && state.ticks >= limit) return { ...rest, ahead: [], ended: { at, why: 'limit' } }
  const isShort = known.length === 0 || (timing.kind === 'every' && known.length <= AHEAD.few)
  const from = known.at(-1) ?? Math.max(at, state.last ?? at)
  const more = isShort ? instantsAfter(timing, from, AHEAD.many) : []
  const [next, ...ahead] = [...known, ...more]
  if (next === undefined) return { ...rest, ahead: [], ended: { at, why: 'over' } }
  return { ...rest, next, ahead }
}

/**
 * The state with more instants computed in advance. Undefined if the state has enough instants, or if there
 * are no more instants.
 */
export function planAhead({ definition, state }: Schedule): ScheduleState | undefined {
  const { next, ahead } = state
  if (next === undefined || ahead.length >= AHEAD.few) return undefined
  const more = instantsAfter(definition.timing, ahead.at(-1) ?? next, AHEAD.many)
  return more.length === 0 ? undefined : { ...state, ahead: [...ahead, ...more] }
}
