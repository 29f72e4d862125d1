/** Calls the undo functions of steps, beginning with the last step, and retries an undo that fails. */
import { readChildEnd } from '../flow/child.ts'
import { pauseAfter } from '../model/backoff.ts'
import { JobsError } from '../model/errors.ts'
import type { KeptSignal } from '../model/journal.ts'
import { isNonRetryable } from '../model/run/non-retryable.ts'
import { textOf } from '../words/thrown.ts'
import { callStep } from './call.ts'
import { writeEntry, writeTime } from './entries.ts'
import { stepWords } from './name.ts'
import type { Recorder } from './recorder.ts'
import type { Replay, StepEnd, UndoTries } from './replay.ts'
import { convert, inTime, type Undo } from './step-options.ts'
import type { StepsAround } from './steps-around.ts'
import type { UndoneSteps } from './undoing.ts'
import { passed, waitTimes } from './wait-clock.ts'

/** The minimum number of tries of an undo. */
const UNDO_TRIES = 5

export interface UndoAround {
  around: StepsAround
  replay: Replay
  recorder: Recorder
  /** How each step is undone, by its key. */
  found: ReadonlyMap<string, Undo>
  signals: readonly KeptSignal[]
  now(): number
}

/**
 * Undoes steps. If one step cannot be undone, the other steps are still undone. @throws the reason of the
 * run, if the run is over
 */
export async function undoSteps(run: UndoAround): Promise<UndoneSteps> {
  const { undos } = run.replay
  const failed: string[] = []
  let error: unknown
  for (const key of [...undos.keys()].reverse()) {
    const undone = await undoStep(run, key, undos.get(key)!)
    if (undone?.in !== undefined) return { kind: 'later', in: undone.in }
    if (undone !== undefined && failed.push(key) === 1) error = undone.error
  }
  // Resets the failed tries: if the job is retried and fails again, these undos are tried again.
  for (const key of failed) run.recorder.later(writeEntry('again', key, '0|0|'))
  return failed.length === 0 ? { kind: 'undone' } : { kind: 'failed', steps: failed.map(stepWords), error }
}

/**
 * Undoes one step. @returns the error, or the time until the next try, in milliseconds. Undefined if the step
 * was undone
 */
async function undoStep(
  { around, replay, recorder, found, signals, now }: UndoAround,
  key: string,
  { failed, until, message }: UndoTries,
): Promise<{ error: unknown; in?: undefined } | { in: number } | undefined> {
  const undo = found.get(key)
  if (undo === undefined) return { error: new Error('the code of the job no longer has an undo for it') }
  const { work, how } = undo
  const times = around.times ?? waitTimes
  const tries = Math.max(how.tries, UNDO_TRIES)
  if (failed >= tries) return { error: new Error(message) }
  const before = await replay.find(key)
  const result = before?.kind === 'result' ? convert(before.value, how.from) : childResultOf(before, signals)
  for (;;) {
    const left = until - now()
    if (left > times.short && around.suspend !== undefined) return { in: left }
    if (left > 0) await passed(left, times, around.rests)
    if (around.reason !== undefined) throw around.reason
    const context = { key: `${around.job.id}/${key}/undo`, attempt: failed + 1 }
    try {
      await callStep(around, 'undo', key, context.attempt, () =>
        inTime((told) => work(result, told), context, how, around.signal),
      )
      await recorder.now(writeEntry('undone', key), true)
      return undefined
    } catch (error) {
      const { reason } = around
      if (reason !== undefined && !JobsError.is(reason, 'JOB_TIMED_OUT')) throw reason
      failed = isNonRetryable(error) ? tries : failed + 1
      const pause = failed < tries ? pauseAfter(failed, how.backoff) : 0
      until = Math.round(now() + pause)
      recorder.later(writeEntry('again', key, `${failed}|${writeTime(until)}|${textOf(error)}`))
      if (reason !== undefined) return { in: pause }
      if (failed >= tries) return { error }
    }
  }
}

/** The result of a child job, or undefined if the child has not completed. */
function childResultOf(before: StepEnd | undefined, signals: readonly KeptSignal[]): unknown {
  const signal = before?.kind === 'got' ? signals[Number(before.value)] : undefined
  return signal && readChildEnd(signal.text).result
}
