/**
 * Texts of commands about schedules: when a schedule ticks, when the next tick comes, and how its runs ended.
 */
import { shellWord } from '@s18i/lark'
import { defined, nearest } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { isKnown } from '../../model/every-key.ts'
import type { Remedy } from '../../model/remedy.ts'
import { lateBy, type ScheduleRun } from '../../model/tick.ts'
import type { Operate, ScheduleInfo, WorkerRecord } from '../../operate.ts'
import { COMMAND_JOB, type CommandPayload } from '../../run/command-job.ts'
import { readable } from '../../words/duration.ts'
import { pausedWords } from '../../words/paused-words.ts'
import { shown } from '../../words/secret.ts'

/**
 * Reads the schedule with this id.
 *
 * @param following how many ticks after the next tick to return
 * @throws SCHEDULE_NOT_FOUND with a hint that names the id which the person may have meant; STORE_DAMAGED
 * with the command that removes the schedule
 */
export async function scheduleNamed(
  { schedules }: Operate,
  id: string,
  following = 0,
): Promise<ScheduleInfo> {
  const found = await schedules.get(id, { following }).catch((error: unknown) => {
    if (!JobsError.is(error, 'STORE_DAMAGED')) throw error
    throw error.again({ hint: `Remove it: lark schedule:remove ${shellWord(id)}` })
  })
  if (found !== undefined) return found
  const near = nearest(
    id,
    (await schedules.list()).map((each) => each.id),
  )
  throw new JobsError('SCHEDULE_NOT_FOUND', `There is no schedule ${shown(id)}`, {
    hint: near === undefined ? 'See lark schedule:list' : `Did you mean ${near}?`,
  })
}

/**
 * Says when the schedule ticks next, such as `in 3 h`, that no living worker knows its class, or why it does
 * not tick.
 */
export function nextWords(info: ScheduleInfo): string {
  const now = Date.now()
  const { state, ended, next } = info
  if (state !== 'running') return ended?.why === 'dropped' ? 'dropped' : state
  if (next === undefined) return ''
  if (isLate(info)) return `late by ${readable(now - next)}`
  if (info.unserved === 'unknown-key') return 'stands still'
  return next > now ? `in ${readable(next - now)}` : 'due'
}

/** Whether a tick has been due for so long that no living worker handles the schedule. */
export function isLate(info: ScheduleInfo): boolean {
  return lateBy(info, Date.now()) !== undefined
}

/** The words for a run, such as `completed in 2.1 s` or `failed`. */
export function runWords({ state, took }: ScheduleRun): string {
  return took === undefined ? state : `${state} in ${readable(took)}`
}

/**
 * How many missed ticks the schedule has recorded, and the instant of the last missed tick. Undefined if no
 * tick was missed.
 */
export function missedTicks({ skipped }: ScheduleInfo): { count: number; last: number } | undefined {
  const missed = skipped.filter(({ why }) => why === 'missed')
  const last = missed.at(-1)?.to
  return last === undefined ? undefined : { count: missed.reduce((sum, { count }) => sum + count, 0), last }
}

/** Whether there are live workers, but no live worker knows the class of the schedule's jobs. */
export function isUnknown({ key, queue }: ScheduleInfo, workers: readonly WorkerRecord[]): boolean {
  return workers.length > 0 && !isKnown(workers, key, queue)
}

/** A reason why a schedule does not tick, or when it ticks next, in the form of the reasons of a job. */
export interface ScheduleReason {
  kind: 'ended' | 'paused' | 'no-worker' | 'unknown-key' | 'next'
  text: string
  remedy?: Remedy
}

export function reasonOf(info: ScheduleInfo): ScheduleReason {
  const { id, key, queue, ended, paused, unserved } = info
  if (ended !== undefined) return { kind: 'ended', text: 'It has ended, and does not tick any more' }
  if (paused !== undefined) {
    const why = pausedWords(defined({ by: paused.by, because: paused.because }), Date.now())
    const text = `It is paused${why}, and does not tick until it is resumed`
    return { kind: 'paused', text, remedy: { do: 'resume-schedule', schedule: id } }
  }
  if (unserved === 'no-worker')
    return {
      kind: unserved,
      text: 'No worker lives, so nothing ticks',
      remedy: { do: 'start-worker', queue },
    }
  if (unserved === 'unknown-key') {
    const text = `No live worker knows '${key}': ticks wait, and then count as missed`
    return { kind: unserved, text, remedy: { do: 'see-workers' } }
  }
  return { kind: 'next', text: `It ticks: the next tick is ${nextWords(info)}` }
}

/** The command that the jobs of a schedule run. Undefined if the jobs do not run a command. */
export function commandOf({ key, payload }: Pick<ScheduleInfo, 'key' | 'payload'>): string | undefined {
  return key === COMMAND_JOB ? (payload as CommandPayload).command : undefined
}
