/**
 * Follows one job until it has ended: its states, its progress reports, and the lines of its log.
 *
 * A job that is followed counts as watched, so its worker sends progress and log lines to the store within a
 * quarter of a second. When a new run of the job is first seen, its worker is told that the job is watched.
 * The store rings (sends a message) when the job has reported progress or has ended. This file also asks the
 * store every half second, because the store does not ring for other changes, and because a ring may be lost.
 * While the store is unreachable, the iteration waits.
 */

import { JobsError } from '../../model/errors.ts'
import type { LogLine } from '../../model/record.ts'
import { isText, type OptionsOf, option } from '../../options/schema.ts'
import { MAX_LOG_LINES, WATCH_AGAIN } from '../../store/contract/store.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import { onAbort } from '../../waiting/on-abort.ts'
import { checkFilter, conditions, queueName } from '../look/filter.ts'
import {
  JOB_GONE,
  type JobStatus,
  locate,
  partitionsToLookIn,
  shownJson,
  stored,
} from '../look/stored-jobs.ts'
import { passes, type WatchedStore } from './watcher.ts'

const tailOptions = conditions({
  /** The queue of the job. Default: every queue. Needed only if several queues have a job with this id. */
  queue: queueName,
  /** Aborting this signal ends the iteration. The job goes on. */
  signal: option<AbortSignalLike>(
    'an AbortSignal',
    (value) => typeof (value as AbortSignalLike | null)?.addEventListener === 'function',
  ),
})

export interface TailOptions extends OptionsOf<typeof tailOptions.entries> {}

/** News of a job that is followed. */
export type TailEvent =
  /**
   * The job without its payload. This event comes first, and again whenever the job changes its state or
   * begins another run. The last event of this kind has the ended job.
   */
  | { kind: 'state'; job: JobStatus }
  | { kind: 'log'; line: LogLine }
  /**
   * Lines of the log may be missing, because the job wrote more lines than the store keeps before this
   * iteration could read them.
   */
  | { kind: 'gap' }
  | { kind: 'progress'; progress: unknown }
  /** The job was removed, or is no longer kept. This is the last event. */
  | { kind: 'gone' }

/** @throws JOB_ID_INVALID, FILTER_INVALID */
export function checkTail(id: unknown, options: unknown): void {
  if (!isText(id))
    throw new JobsError('JOB_ID_INVALID', 'operate().tail() needs the id of a job', { exit: 2 })
  checkFilter('operate().tail()', options, tailOptions, { whole: 'the second argument' })
}

/**
 * @param closed aborted when the instance is closed
 * @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE
 */
export async function* tail(
  open: WatchedStore,
  closed: AbortSignal,
  id: string,
  { queue, signal }: TailOptions,
): AsyncGenerator<TailEvent, undefined> {
  const found = await locate(open, await partitionsToLookIn(open, queue), id, true)
  if (found === undefined)
    throw new JobsError('JOB_NOT_FOUND', `There is no job ${id}`, { id, hint: JOB_GONE })
  let { partition } = found
  const alarm = new Alarm()
  const leaves = [
    open.watcher.hear((rung) => {
      if (rung === partition) alarm.ring()
    }),
    ...[closed, signal].flatMap((each) => (each ? onAbort(each, alarm.ring) : [])),
  ]
  const isOver = () => closed.aborted || signal?.aborted === true
  let seen = ''
  let told: string | undefined
  let reported: string | undefined
  let log: LogLine[] = []
  try {
    while (!isOver()) {
      const look = await lookAt(open, partition, id, told).catch((error: unknown) => {
        if (!passes(error)) throw error
      })
      if (look === undefined) {
        // The store may forget the watch while it is unreachable, so the worker must be told again that the
        // job is watched.
        told = undefined
        await alarm.wait(WATCH_AGAIN)
        continue
      }
      const { job, lines, run } = look
      told = run
      const [place] = job === undefined ? await open.store.moves.where(partition, [id]) : []
      if (place !== undefined && place.kind !== 'here') {
        // A job that was moved is followed to its new queue.
        if (place.kind === 'moved') partition = place.to
        else await alarm.wait(WATCH_AGAIN)
        continue
      }
      if (job === undefined) {
        yield { kind: 'gone' }
        return
      }
      const isEnded = job.finishedAt !== undefined
      const state = `${partition} ${job.state} ${job.runs} ${job.dueAt}`
      // The log lines and progress of the job are returned before the event of its end.
      if (state !== seen && !isEnded) yield { kind: 'state', job: stored(job) }
      seen = state
      const fresh = newLines(log, lines)
      if (log.length > 0 && fresh.length === MAX_LOG_LINES) yield { kind: 'gap' }
      for (const line of fresh) yield { kind: 'log', line }
      log = lines
      if (job.progress !== undefined && job.progress !== reported)
        yield { kind: 'progress', progress: shownJson(job.progress) }
      reported = job.progress
      if (isEnded) {
        yield { kind: 'state', job: stored(job) }
        return
      }
      await alarm.wait(WATCH_AGAIN)
    }
  } finally {
    for (const leave of leaves) leave()
  }
}

/**
 * Reads the job and its log. The log is read last, so that the log of an ended job is complete.
 *
 * @param told the run whose worker already knows that somebody follows the job
 */
async function lookAt({ store, watcher }: WatchedStore, partition: string, id: string, told?: string) {
  await watcher.look(partition, id)
  const job = await store.get(partition, id, true)
  const run = job?.state === 'active' ? `${job.holder} ${job.claimedAt}` : undefined
  if (run !== undefined && run !== told) await watcher.look(partition, id, true)
  return { job, run, lines: job === undefined ? [] : await store.log(partition, id) }
}

/**
 * Returns the lines that follow the known lines. The store adds lines at the end of a log, and drops lines at
 * its beginning.
 */
function newLines(known: readonly LogLine[], lines: readonly LogLine[]): LogLine[] {
  const isSame = (one: LogLine, other: LogLine | undefined) =>
    one.at === other?.at && one.level === other.level && one.text === other.text
  for (let gone = 0; gone <= known.length; gone++) {
    const rest = known.slice(gone)
    if (rest.every((line, i) => isSame(line, lines[i]))) return lines.slice(rest.length)
  }
  return [...lines]
}

/** A wait that can be ended early. */
class Alarm {
  #isRung = false
  #wake: () => void = () => {}

  readonly ring = (): void => {
    this.#isRung = true
    this.#wake()
  }

  async wait(ms: number): Promise<void> {
    if (!this.#isRung)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    this.#isRung = false
  }
}
