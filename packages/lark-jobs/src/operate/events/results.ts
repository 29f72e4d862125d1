/**
 * Waits for the result of a job: the value that its `handle` returned, or an error that says how else the job
 * ended.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { visible } from '@s18i/lark/internal'
import type { EndedJob } from '../../model/effect.ts'
import { JobsError } from '../../model/errors.ts'
import { decode, whyDropped } from '../../model/payload.ts'
import { errorLine, restored } from '../../model/run/job-error.ts'
import type { JobLike, ResultOf } from '../../options/job-class.ts'
import { WATCH_AGAIN } from '../../store/contract/store.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import { orAborted } from '../../waiting/bounded-wait.ts'
import { onAbort } from '../../waiting/on-abort.ts'
import { type Duration, durationForm, milliseconds, readable } from '../../words/duration.ts'
import { shown } from '../../words/secret.ts'
import { type JobPlace, movedFrom, partitionsAt } from '../look/stored-jobs.ts'
import type { Operated } from '../operated.ts'
import { passes, type WatchedStore } from './watcher.ts'

/** How long to wait for a result. */
export interface ResultOptions {
  /** The maximum wait: milliseconds, or `'30s'`, `'5m'`, above 0 and at most 24.8 days. Default: no limit. */
  timeout?: Duration | undefined
  /** If this signal is aborted, the wait rejects with the signal's reason. The job goes on. */
  signal?: AbortSignalLike | undefined
  /**
   * Called with the reports that the job makes with `this.progress()`: first with the latest report, and then
   * with each newer report within about 250 ms. If the job reports more often than every 250 ms, some reports
   * are left out.
   */
  onProgress?: ((progress: unknown) => void) | undefined
}

/** The stored result of `handle`: `undefined` if `handle` returned `true` or nothing. */
export type KeptResult<J> =
  ResultOf<J> extends infer R
    ? // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return value has this type
      R extends boolean | undefined | void
      ? undefined
      : R
    : never

/** The longest timer of Node: 24.8 days. */
const LONGEST = 2_147_483_647

/** How long a wait without a timeout waits for a job or flow whose transaction may still commit, in ms. */
const COMES_WITHIN = 60_000

/**
 * Milliseconds between two looks for a job or flow that is not in the store yet or has not ended. `first` is
 * the first pause, and `last` the longest.
 */
export const LOOK = { first: 20, last: 500 }

/**
 * Returns until when a job or flow may come into the store, by `performance.now()`. With a timeout, the wait
 * ends with RESULT_TIMEOUT: a timer can fire later than its time, so no other clock may end the wait.
 *
 * @param isToCome whether it was dispatched in a transaction
 */
export function latestArrival(isToCome: boolean, timeout: number | undefined): number {
  if (!isToCome) return 0
  return timeout === undefined ? performance.now() + COMES_WITHIN : Number.POSITIVE_INFINITY
}

/** @returns milliseconds @throws JOB_INVALID */
export function readTimeout(id: string, { timeout }: Pick<ResultOptions, 'timeout'>): number | undefined {
  const ms = milliseconds(timeout)
  if (timeout === undefined || ms) return ms && Math.min(ms, LONGEST)
  const message = `${id}: result() was given the timeout ${shown(timeout)}; it must be ${durationForm}, above 0`
  throw new JobsError('JOB_INVALID', message, { id })
}

/**
 * Waits until the job at a place has ended.
 *
 * @param closed aborted when the instance is closed
 * @param isToCome whether the job was dispatched in a transaction. Such a job may come into the store later
 * @throws the errors of `JobHandle.result`
 * @internal
 */
export async function resultAt<J extends JobLike>(
  jobs: Operated,
  closed: AbortSignal,
  place: JobPlace,
  options: ResultOptions,
  isToCome: boolean,
): Promise<KeptResult<J>> {
  const { signal, onProgress } = options
  const timeout = readTimeout(place.id, options)
  const reported = onProgress && ((progress: string) => onProgress(decode(progress)))
  const job = await awaitWithin(jobs, timeout, `Job ${place.id}`, place.id, [closed, signal], (over) =>
    endedAt(jobs, place, over, latestArrival(isToCome, timeout), reported),
  )
  if (job !== undefined) return resultOf(job) as KeptResult<J>
  const absence = isToCome ? 'its transaction has not committed' : 'it never was there'
  const message = `Nothing is known of job ${place.id} on the queue ${place.queue}: it ended too long ago, was removed, gave its id to another job, or ${absence}`
  throw new JobsError('RESULT_GONE', message, {
    id: place.id,
    hint: "Ended jobs are kept by number and age. Await the result sooner, or give the class keepResult = '10m'.",
  })
}

/** The error for a call that awaits the result of a job which was not queued because its queue was full. */
export function notQueued({ id, queue }: JobPlace): JobsError {
  const message = `Job ${id} has no result: it was not queued, because the queue ${queue} was full`
  return new JobsError('JOB_NOT_QUEUED', message, {
    id,
    hint: 'Look at `queued` of the handle before you await the result, or dispatch again later.',
  })
}

/**
 * The latest progress report of the job at a place. Undefined if the job has reported nothing or does not
 * exist there.
 */
export async function progressAt(open: WatchedStore, place: JobPlace): Promise<unknown> {
  const partitions = await partitionsAt(open, place)
  for (const partition of partitions) {
    const fate = await open.watcher.look(partition, place.id)
    if (fate.kind === 'unknown') continue
    const progress = fate.kind === 'ended' ? fate.job.progress : fate.kind === 'present' && fate.progress
    return typeof progress === 'string' ? decode(progress) : undefined
  }
  const partition = await movedFrom(open, partitions, place.id)
  return partition === undefined ? undefined : progressAt(open, { ...place, partition })
}

/**
 * Waits for the end of a job and returns the ended job, or undefined if no partition has the job. While the
 * store is unreachable, the wait goes on.
 *
 * @param comesUntil until when the job may come into the store, by `performance.now()`
 */
async function endedAt(
  jobs: Operated,
  place: JobPlace,
  over: AbortSignal,
  comesUntil: number,
  reported?: (progress: string) => void,
): Promise<EndedJob | undefined> {
  let at = place
  for (let wait = LOOK.first; ; wait = Math.min(2 * wait, LOOK.last)) {
    over.throwIfAborted()
    try {
      const open = await jobs.watcher()
      const partitions = await partitionsAt(open, at)
      const [own, ...others] = partitions
      const ended = (partition: string, signal: AbortSignal) =>
        open.watcher.ended(partition, place.id, signal, reported, place.born)
      const job = (await ended(own!, over)) ?? (await firstOf(others, over, ended))
      if (job !== undefined) return job
      const partition = await movedFrom(open, partitions, place.id)
      if (partition !== undefined) {
        at = { ...place, partition }
        continue
      }
      if (performance.now() >= comesUntil) return undefined
      await pause(wait, undefined, { signal: over })
    } catch (error) {
      if (!passes(error)) throw error
      await pause(WATCH_AGAIN, undefined, { signal: over })
    }
  }
}

/**
 * Asks partitions one after the other, and returns the first result. Undefined if no partition has a result.
 */
async function firstOf<T>(
  partitions: readonly string[],
  over: AbortSignal,
  find: (partition: string, signal: AbortSignal) => Promise<T | undefined>,
): Promise<T | undefined> {
  const found = new AbortController()
  const signal = AbortSignal.any([over, found.signal])
  const all = partitions.map(async (partition) => {
    const what = await find(partition, signal)
    if (what !== undefined) found.abort(what)
  })
  const settled = await Promise.allSettled(all)
  if (found.signal.aborted) return found.signal.reason
  for (const each of settled) if (each.status === 'rejected') throw each.reason
  return undefined
}

/**
 * Calls a function with a signal. The signal is aborted as soon as one of the given signals is aborted, or
 * with RESULT_TIMEOUT after the timeout.
 *
 * @throws the reason of the signal as soon as it is aborted
 * @internal
 */
export async function awaitWithin<T>(
  jobs: Operated,
  ms: number | undefined,
  what: string,
  id: string,
  signals: readonly (AbortSignalLike | undefined)[],
  wait: (over: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const timeOver = () =>
    over.abort(new JobsError('RESULT_TIMEOUT', `${what} has not ended within ${readable(ms!)}`, { id }))
  const leaves = signals.flatMap((signal) => (signal ? onAbort(signal, () => over.abort(signal.reason)) : []))
  if (ms !== undefined) leaves.push(jobs.after?.(ms, timeOver) ?? afterTime(ms, timeOver))
  try {
    return await orAborted(over.signal, wait(over.signal))
  } finally {
    for (const leave of leaves) leave()
  }
}

function afterTime(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms)
  return () => clearTimeout(timer)
}

/** @throws JOB_FAILED, JOB_CANCELLED, JOB_REMOVED, RESULT_DROPPED */
function resultOf({ id, key, state, reason, because, errors, result }: EndedJob): unknown {
  const last = errors.at(-1)
  const cause = last && restored(last)
  const what = `${key} ${id}`
  if (state === 'failed')
    throw new JobsError(
      'JOB_FAILED',
      `${what} failed: ${last ? errorLine(last) : 'its error is not known'}`,
      { id, cause },
    )
  if (reason === 'removed')
    throw new JobsError('JOB_REMOVED', `${what} was removed before it had ended`, { id, cause, reason })
  if (state === 'cancelled')
    throw new JobsError(
      'JOB_CANCELLED',
      `${what} was cancelled: ${reason ?? 'the reason is not known'}${because === undefined ? '' : `: ${visible(because)}`}`,
      { id, cause, reason, because },
    )
  const dropped = result === undefined ? undefined : whyDropped(result)
  if (dropped !== undefined)
    throw new JobsError(
      'RESULT_DROPPED',
      `${what} completed, but what its handle() returned was not kept: ${dropped}`,
      {
        id,
      },
    )
  return result === undefined ? undefined : decode(result)
}
