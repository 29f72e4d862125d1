/**
 * The result of a job, for whoever awaits it: what its `handle` returned, or an error that says how it ended instead.
 */
import type { Signal } from '../model/abort-signal.ts'
import { type Duration, durationForm, milliseconds, readable } from '../model/duration.ts'
import type { EndedJob } from '../model/effect.ts'
import { JobsError } from '../model/errors.ts'
import { decode, whyDropped } from '../model/payload.ts'
import { shown } from '../model/secret.ts'
import type { JobLike, ResultOf } from '../options/job-class.ts'
import { errorLine, restored } from '../run/job-error.ts'
import { type JobPlace, type OpenQueues, partitionsAt } from './stored-jobs.ts'
import type { Watcher } from './watcher.ts'

/** How long to wait for a result. */
export interface ResultOptions {
  /** Milliseconds, or `'30s'`, `'5m'`. Default: as long as it takes. */
  timeout?: Duration
  /** Aborted, it ends the wait with its reason. The job goes on. */
  signal?: Signal
  /**
   * Called with what the job reports by `this.progress()`: with the latest report, and with each newer one within about
   * 250 ms. Reports that follow each other faster are left out.
   */
  onProgress?: (progress: unknown) => void
}

/** What `handle` returned, as it is kept: `undefined` for `true` and for nothing. */
export type KeptResult<J> =
  ResultOf<J> extends infer R
    ? // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return value is typed so
      R extends boolean | undefined | void
      ? undefined
      : R
    : never

/** The longest timer of Node: 24.8 days. */
const LONGEST = 2_147_483_647

/** @returns milliseconds @throws JOB_INVALID */
export function readTimeout(id: string, { timeout }: ResultOptions): number | undefined {
  const ms = milliseconds(timeout)
  if (timeout === undefined || ms !== undefined) return ms
  throw new JobsError(
    'JOB_INVALID',
    `${id}: result() was given the timeout ${shown(timeout)}; it must be ${durationForm}`,
    {
      id,
    },
  )
}

/** Waits for the end of the job at a place. @throws as `JobHandle.result` */
export async function resultAt<J extends JobLike>(
  open: OpenQueues,
  watcher: Watcher,
  place: JobPlace,
  timeout: number | undefined,
  { signal, onProgress }: ResultOptions,
): Promise<KeptResult<J>> {
  const partitions = await partitionsAt(open, place)
  const reported = onProgress && ((progress: string) => onProgress(decode(progress)))
  const job = await within(timeout, place.id, signal, (over) =>
    endedIn(watcher, partitions, place.id, over, reported),
  )
  if (job !== undefined) return resultOf(job) as KeptResult<J>
  const message = `Nothing is known of job ${place.id} on the queue ${place.queue}: it ended too long ago, was removed, or never was there`
  throw new JobsError('RESULT_GONE', message, {
    id: place.id,
    hint: "Ended jobs are kept by number and age. Await the result sooner, or give the class keepResult = '10m'.",
  })
}

/** The latest progress of the job at a place; undefined if it has reported none, or is not there. */
export async function progressAt(open: OpenQueues, watcher: Watcher, place: JobPlace): Promise<unknown> {
  for (const partition of await partitionsAt(open, place)) {
    const fate = await watcher.look(partition, place.id)
    const progress = fate.kind === 'ended' ? fate.job.progress : fate.kind === 'present' && fate.progress
    if (typeof progress === 'string') return decode(progress)
  }
  return undefined
}

/** The job as it ended in one of these partitions; undefined if none has it. */
async function endedIn(
  watcher: Watcher,
  partitions: readonly string[],
  id: string,
  over: AbortSignal,
  reported?: (progress: string) => void,
): Promise<EndedJob | undefined> {
  const found = new AbortController()
  const signal = AbortSignal.any([over, found.signal])
  if (partitions.length === 1) return watcher.ended(partitions[0]!, id, over, reported)
  const waits = partitions.map(async (partition) => {
    const job = await watcher.ended(partition, id, signal, reported)
    // Only one of them has it.
    if (job !== undefined) found.abort(job)
  })
  const failed = await Promise.allSettled(waits)
  if (found.signal.aborted) return found.signal.reason
  for (const each of failed) if (each.status === 'rejected') throw each.reason
  return undefined
}

/** Calls a function with a signal that is aborted by the given one, and by RESULT_TIMEOUT when the time is over. */
async function within<T>(
  ms: number | undefined,
  id: string,
  signal: Signal | undefined,
  wait: (over: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const abort = () => over.abort(signal!.reason)
  if (signal?.aborted) throw signal.reason
  signal?.addEventListener('abort', abort)
  const timer =
    ms === undefined
      ? undefined
      : setTimeout(
          () => {
            over.abort(
              new JobsError('RESULT_TIMEOUT', `Job ${id} has not ended within ${readable(ms)}`, { id }),
            )
          },
          Math.min(ms, LONGEST),
        )
  try {
    return await wait(over.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** @throws JOB_FAILED, JOB_CANCELLED, JOB_REMOVED, RESULT_DROPPED */
function resultOf({ id, key, state, reason, errors, result }: EndedJob): unknown {
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
    throw new JobsError('JOB_CANCELLED', `${what} was cancelled: ${reason ?? 'the reason is not known'}`, {
      ...{ id, cause, reason },
    })
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
