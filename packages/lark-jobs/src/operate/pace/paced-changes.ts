/** Begins changes at a pace, shows them, and pauses, resumes and stops them. */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { newId } from '../../model/id.ts'
import { partitionsOf } from '../../model/partition.ts'
import {
  duration,
  flag,
  isText,
  type NeededOptionsOf,
  Option,
  type OptionsOf,
  option,
  whole,
} from '../../options/schema.ts'
import { keptBecause } from '../../words/because.ts'
import { readable } from '../../words/duration.ts'
import { filterWords } from '../../words/filter-words.ts'
import { shown } from '../../words/secret.ts'
import type { KnownActor } from '../audit/actor.ts'
import type { PendingFilter, RetryFilter } from '../change/changed.ts'
import { lotRowOf } from '../change/job-changes.ts'
import { makeChange, type OpenChange, readChange } from '../change/row.ts'
import { checkFilter, conditions, type Flags, isIds, type JobConditions, queueName } from '../look/filter.ts'
import { spanOf } from '../look/since.ts'
import { partitionsToLookIn } from '../look/stored-jobs.ts'
import { ChangeBook } from './change-book.ts'
import {
  ended,
  failedIn,
  isGoing,
  isUncounted,
  isWatching,
  type KeptChange,
  MOST_CHANGES,
  MOST_IN_SECOND,
  type PacedKind,
  pacedKinds,
} from './kept-change.ts'
import { recordEnd } from './recorded-end.ts'

const share = new Option<`${number}%`, number>("a share such as '50%', above 0% and up to 100%", (value) => {
  const percent = Number(/^(\d+(?:\.\d+)?)%$/.exec(String(value))?.[1])
  return percent > 0 && percent <= 100 ? percent / 100 : undefined
})

const paceConditions = conditions({
  /** The largest number of jobs that are changed in the time `per`. */
  limit: whole(1).needed(),
  /** The period for `limit`: at least one second. Default: one minute. */
  per: duration(1_000).or('1m'),
  /**
   * The change stops by itself if this share of the last 100 changed jobs has failed again. Default `'50%'`:
   * the change stops when 50 of these jobs have failed again. A job counts as failed if a run has failed,
   * even if the job will be retried. Only for `retry` and `run-now`.
   */
  maxFailed: share.or('50%'),
  /** For `move`: the new queue. */
  to: queueName,
  /** For `reschedule`: the delay of each job, counted from its change. */
  delay: duration(0),
  /** For `retry`: forgets what the steps of the jobs have recorded. */
  fromStart: flag(),
  /** Only counts the jobs. No job is changed, and the returned change is not stored. */
  dryRun: flag(),
})

/** The pace of a change, and the values that the change needs. */
export interface PaceOptions
  extends OptionsOf<typeof paceConditions.entries>,
    NeededOptionsOf<typeof paceConditions.entries> {}

const reasonConditions = conditions({
  /** The reason, in a few words, for people. Its first 200 characters are kept. */
  because: option<string>('a text', isText).with({ refusesUndefined: 'never' }),
})

export interface PaceReason extends OptionsOf<typeof reasonConditions.entries, undefined> {}

/** The filter of a change at a pace: the same filter as for `retry()`, `runNow()` and so on. */
export type PacedFilter<Kind extends PacedKind = PacedKind> = Kind extends 'retry'
  ? RetryFilter
  : PendingFilter

/** A change at a pace. Times are in milliseconds since 1970, by the store's clock. */
export interface PacedChange {
  id: string
  change: PacedKind
  /**
   *   running   workers change the jobs
   *   paused    a person has paused the change
   *   done      all jobs have been changed
   *   stopped   a person has stopped the change
   *   failing   the change has stopped by itself, because too many of its jobs failed again
   *   error     the change has ended because of an error, which `because` describes
   */
  state: 'running' | 'paused' | 'done' | 'stopped' | 'failing' | 'error'
  /** The jobs in words. Values of payloads are not shown. */
  of: string
  /** For `move`: the new queue. */
  to?: string
  /** For `reschedule`: milliseconds. */
  delay?: number
  limit: number
  /** Milliseconds. */
  per: number
  /** The change stops by itself if this share of the last 100 changed jobs has failed again: 0.5 is half. */
  maxFailed: number
  /** The person who began the change. */
  by: string
  begunAt: number
  /** How many jobs met the filter when the change began. */
  total: number
  /** How many jobs were changed so far. */
  done: number
  /** How many jobs are still to be changed. After a stop: how many jobs were not changed. */
  left: number
  /** How many of the watched jobs have ended since they were changed, and how many of these failed. */
  ended: number
  failed: number
  /** How many of the last `of` watched jobs failed again. `of` is at most 100. */
  lately: { failed: number; of: number }
  /** When a worker continues the change. Absent if the change is paused or has ended. */
  next?: number
  /** Why no jobs are changed now although the change is running, such as `the queue emails is paused`. */
  waits?: string
  /** Since when the change is paused, or when the change ended. */
  since?: number
  /** The person who paused or stopped the change, and the reason. */
  stoppedBy?: string
  because?: string
}

export function infoOf(change: KeptChange): PacedChange {
  const { id, kind, of, value, limit, per, maxFailed, who, host, begunAt } = change
  const { total, done, refused, isThrough, failed, results, paused, end, waits, dueAt } = change
  const halt = end ?? paused
  return {
    ...{ id, change: kind, of, limit, per, maxFailed, by: `${who} at ${host}`, begunAt, total, done },
    state: end?.why ?? (paused === undefined ? 'running' : 'paused'),
    ...(kind === 'move' && { to: String(value) }),
    ...(kind === 'reschedule' && { delay: Number(value) }),
    left: isThrough ? 0 : Math.max(0, total - done - refused),
    ...{ ended: change.ended, failed, lately: { failed: failedIn(results), of: results.length } },
    ...(isGoing(change) && { next: dueAt, ...defined({ waits }) }),
    ...(halt !== undefined && {
      since: halt.at,
      ...defined({ stoppedBy: halt.by, because: halt.because }),
    }),
  }
}

/** The checked arguments of `begin()`. */
export interface Beginning {
  kind: PacedKind
  filter: JobConditions
  value: number | string | undefined
  pace: { limit: number; per: number; maxFailed: number; fromStart: boolean | undefined }
  dryRun: boolean | undefined
}

const CALL = 'operate().changes.begin()'

/** @throws FILTER_INVALID, CHANGE_INVALID */
export function checkBegin(kind: PacedKind, which: unknown, options: unknown, flags?: Flags): Beginning {
  if (!pacedKinds.includes(kind))
    throw invalid(`${CALL}: the change is ${shown(kind)}`, `It is ${pacedKinds.join(', ')}.`)
  const read = checkFilter(CALL, options, paceConditions, { whole: 'the options', flags })
  const { limit, per, maxFailed, to, delay, fromStart, dryRun } = read
  for (const [name, of] of [
    ['to', 'move'],
    ['delay', 'reschedule'],
    ['fromStart', 'retry'],
  ] as const)
    if (read[name] !== undefined && read[name] !== false && kind !== of)
      throw invalid(`${CALL}: ${flags?.[name] ?? name} is for ${of}, not for ${kind}`, 'Leave it out.')
  if ((options as PaceOptions).maxFailed !== undefined && !isWatching(kind))
    throw invalid(
      `${CALL}: ${flags?.maxFailed ?? 'maxFailed'} is for retry and run-now, not for ${kind}`,
      'Leave it out.',
    )
  if (limit * 1_000 > per * MOST_IN_SECOND)
    throw invalid(
      `${limit} jobs per ${readable(per)} is no pace: at most ${MOST_IN_SECOND} a second`,
      'Change them at once, or give a lower limit.',
    )
  const given = kind === 'move' ? to : kind === 'reschedule' ? delay : undefined
  const [chosen, value] = readChange(lotRowOf(kind), which, given, {}, flags)
  if (isIds(chosen))
    throw invalid(`${CALL} takes a filter, not ids`, 'A few jobs with known ids are changed at once.')
  const filter = kind === 'retry' ? { ...chosen, state: chosen.state ?? 'failed' } : chosen
  return {
    kind,
    filter: filter as JobConditions,
    value: value as number | string | undefined,
    pace: { limit, per, maxFailed, fromStart },
    dryRun,
  }
}

function invalid(message: string, hint: string): JobsError {
  return new JobsError('CHANGE_INVALID', message, { hint, exit: 2 })
}

/**
 * @throws the errors of the change; CHANGE_INVALID if schedules are off, or if there are too many changes
 * that have not ended
 */
export async function begin(
  open: OpenChange,
  { kind, filter, value, pace, dryRun = false }: Beginning,
  { who, host, from }: KnownActor,
): Promise<PacedChange> {
  const { store, settings } = open
  if (!settings.schedules.enabled)
    throw invalid(
      'Schedules are off here, and with them changes at a pace: no worker would go on with it',
      'See jobs.schedules in lark.config.',
    )
  const row = lotRowOf(kind)
  const { since, until } = await spanOf(store, filter)
  const whole = {
    ...filter,
    ...(since !== undefined && { since: new Date(since) }),
    ...(until !== undefined && { until: new Date(until) }),
  }
  await row.checks?.(open, value)
  const narrowed = ((await row.narrows?.(open, whole, value, { dryRun })) ?? whole) as JobConditions
  const counted = (await makeChange(row, open, narrowed, value, { dryRun: true })) as never
  const total = row.count(counted)
  const { limit, per, maxFailed, fromStart } = pace
  const id = newId()
  const changeAt = (at: number): KeptChange => ({
    ...{ id, kind, of: `jobs ${filterWords(filter, 'payloads') || 'of every queue'}` },
    filter: { ...narrowed, ...defined({ since, until }) },
    ...{ limit, per, maxFailed, who, host, from, total },
    ...defined({ value }),
    ...(fromStart && { fromStart }),
    // `total` includes a job that was dispatched in this millisecond, so the change begins after it.
    ...{ begunAt: at + 1, dueAt: at + 1 },
    ...{ done: 0, refused: 0, watched: [], results: '', ended: 0, failed: 0 },
    ...(total === 0 && { isThrough: true }),
  })
  if (dryRun) return infoOf(changeAt(await store.now()))
  const { changes } = await new ChangeBook(store).update(
    ({ changes, at }) => {
      const unended = changes.filter(({ end }) => end === undefined)
      if (unended.length >= MOST_CHANGES)
        throw invalid(`${MOST_CHANGES} changes at a pace go on already`, 'Stop one of them.')
      return [...changes, changeAt(at)]
    },
    await homeOf(open, narrowed),
  )
  return infoOf(changes.find((each) => each.id === id)!)
}

/** The partition for a new document: a partition of the first queue that the filter names. */
async function homeOf(open: OpenChange, filter: JobConditions): Promise<string> {
  const { queues } = open
  const [queue = queues.keys().next().value!] = [filter.queue ?? []].flat()
  return queues.has(queue)
    ? partitionsOf(queue, queues.get(queue)!)[0]!
    : (await partitionsToLookIn(open, queue))[0]!
}

/**
 * Returns the changes that have not ended, in the order in which they began, and then the ended changes. The
 * change that ended last is the first of the ended changes.
 */
export async function listChanges({ store }: Pick<OpenChange, 'store'>): Promise<PacedChange[]> {
  const changes = (await new ChangeBook(store).read())?.changes ?? []
  const over = changes.filter(({ end }) => end !== undefined)
  over.sort((one, other) => other.end!.at - one.end!.at)
  return [...changes.filter(({ end }) => end === undefined), ...over].map(infoOf)
}

/** @throws CHANGE_INVALID */
export function checkHalt(call: string, id: unknown, options: unknown): void {
  if (!isText(id)) throw invalid(`operate().changes.${call}: the id is ${shown(id)}`, 'It is a text.')
  checkFilter(`operate().changes.${call}`, options, reasonConditions, { whole: 'the second argument' })
}

/** @throws CHANGE_NOT_FOUND */
export function pauseChange(open: OpenChange, id: string, { because }: PaceReason, by?: string) {
  const reason = defined({ by, because: keptBecause(because) })
  return altered(open, id, (now, at) => (isGoing(now) ? { ...now, paused: { at, ...reason } } : undefined))
}

/** @throws CHANGE_NOT_FOUND */
export function resumeChange(open: OpenChange, id: string) {
  return altered(open, id, (now) => {
    if (now.paused === undefined || now.end !== undefined) return undefined
    const { paused: _, ...rest } = now
    return rest
  })
}

/** @throws CHANGE_NOT_FOUND */
export async function stopChange(open: OpenChange, id: string, { because }: PaceReason, by?: string) {
  const reason = defined({ by, because: keptBecause(because) })
  let stopped: KeptChange | undefined
  const info = await altered(open, id, (now, at) => {
    stopped = now.end === undefined ? ended(now, { at, why: 'stopped', ...reason }) : undefined
    return stopped
  })
  // The worker that counts the last lot records the end.
  if (stopped !== undefined && !isUncounted(stopped)) await recordEnd(open, stopped)
  return info
}

async function altered(
  { store }: OpenChange,
  id: string,
  change: (now: KeptChange, at: number) => KeptChange | undefined,
): Promise<PacedChange> {
  const found = await new ChangeBook(store).updateOne(id, change)
  if (found !== undefined) return infoOf(found.change)
  throw new JobsError('CHANGE_NOT_FOUND', `There is no change at a pace ${shown(id)}`, {
    hint: 'Changes that have ended are kept for seven days.',
  })
}
