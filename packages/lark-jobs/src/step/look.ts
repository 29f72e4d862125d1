/**
 * The recorded steps of a job, for people: each step and wait with its state. For a new kind of entry, add a
 * case to `after` that says how the entry changes its step.
 */

import { defined } from '@s18i/lark/internal'
import { readChildEnd } from '../flow/child.ts'
import { JobsError } from '../model/errors.ts'
import type { Journal, KeptSignal } from '../model/journal.ts'
import type { EndedState } from '../model/record.ts'
import { isChildSignal } from '../store/contract/rules/signal-room.ts'
import type { Child } from './child.ts'
import { type Entry, readEntry, readJson, readTime, readTries } from './entries.ts'
import { stepWords } from './name.ts'
import { type Stamp, stampOf } from './stamp.ts'

/**
 *   done       the step has a result, or the wait is over
 *   failed     the step has failed for good, and the handler continued
 *   begun      the step runs, or its worker died while the step ran. The beginning is recorded only if the
 *              step can be undone, or if the job has crashed before
 *   waiting    a sleep, or a wait for signals, has begun
 *   retrying   a try has failed, and another try follows
 *   undoing    a try to undo the step has failed, and another try follows
 *   undone     the step was undone. If the job is retried, the step runs again
 *   forgotten  the earlier entries of the step no longer count: the step runs again
 */
export type StepState =
  | 'done'
  | 'failed'
  | 'begun'
  | 'waiting'
  | 'retrying'
  | 'undoing'
  | 'undone'
  | 'forgotten'

/** A step or a wait. */
export interface SeenStep {
  /** The key in the form of the journal: a text, or a list of texts and numbers as JSON. */
  key: string
  /** The name for people: `mail 7`. */
  name: string
  state: StepState
  /** How many tries have failed. Absent if no failed try was recorded. */
  failed?: number
  /**
   * The time until which the step waits: milliseconds since 1970. Absent if the step does not wait, or waits
   * without a limit.
   */
  until?: number
  /** How long the step took, in milliseconds. Absent for a wait, or if the time was not recorded. */
  took?: number
  /** When the result was recorded, or the wait was over: milliseconds since 1970, to the second. */
  at?: number
  /** The name of the signal that ended the wait. Absent if the time of the wait was over. */
  signal?: string
  isWait?: true
  /** The job that the step has started. `state`: how that job ended, if its end is recorded here. */
  child?: Child & { state?: EndedState }
  /** The numbers of the runs in which the step began without ending, if recorded. */
  runs?: number[]
  /** The result or the error, as JSON text. */
  text?: string
  /** The state of the step before its undo began. */
  was?: SeenStep
}

export interface SeenSteps {
  /** The steps, in the order in which they last changed. */
  steps: SeenStep[]
  /** The numbers of the signals that were taken. */
  taken: Set<number>
  /** How many entries cannot be read. */
  damaged: number
}

/** @param journal the journal, from its first entry on */
export function seeSteps({ entries, signals }: Pick<Journal, 'entries' | 'signals'>): SeenSteps {
  const steps = new Map<string, SeenStep>()
  const taken = new Set<number>()
  let damaged = 0
  let at: number | undefined
  for (const text of entries) {
    try {
      const entry = readEntry(text)
      if (entry.kind === 'now') {
        for (const step of steps.values()) if (waits(step)) step.until = Number(entry.value)
        continue
      }
      const stamp = stampOf(text.slice(entry.key.length + 2))
      at = stamp.at ?? at
      const when = { ...defined({ at }), ...stamp }
      const step = after(entry, steps.get(entry.key), signals, when)
      if (step === undefined) continue
      if (entry.kind === 'got') taken.add(Number(entry.value))
      steps.delete(entry.key)
      steps.set(entry.key, step)
    } catch (error) {
      if (!JobsError.is(error, 'JOURNAL_DAMAGED')) throw error
      damaged += 1
    }
  }
  return { steps: [...steps.values()], taken, damaged }
}

/** Whether a step waits until a time. */
function waits({ state }: SeenStep): boolean {
  return state === 'waiting' || state === 'retrying'
}

/**
 * The state of a step after an entry, or undefined if the entry belongs to no step. @param when the time at
 * which the entry was recorded
 */
function after(
  { kind, key, value }: Entry,
  before: SeenStep | undefined,
  signals: readonly KeptSignal[],
  when: Stamp,
): SeenStep | undefined {
  const { failed, isWait, child } = before ?? {}
  const step = (state: StepState, more: Partial<SeenStep> = {}): SeenStep => {
    return {
      key,
      name: stepWords(key),
      state,
      ...(failed && { failed }),
      ...(isWait && { isWait }),
      ...defined({ child }),
      ...more,
    }
  }
  switch (kind) {
    case 'result':
      return step('done', { text: value.replace(/^@\d+ /, ''), ...when })
    case 'error':
      return step('failed', { text: value, ...when })
    case 'try': {
      const tries = readTries(value)
      return step('retrying', { failed: tries.failed, until: tries.until })
    }
    case 'begun':
      return step('begun')
    case 'started':
      return step('begun', { runs: [...(before?.runs ?? []), Number(value)] })
    case 'child':
      return step('waiting', {
        isWait: true,
        child: readJson(value) as Child,
        ...defined({ until: before?.until }),
      })
    case 'wait':
      return step('waiting', { isWait: true, ...(value !== '' && { until: readTime(value) }) })
    case 'over':
      return step('done', { isWait: true, ...defined({ at: before?.until }) })
    case 'got': {
      const signal = signals[Number(value)]
      if (signal === undefined || child === undefined || !isChildSignal(signal.name))
        return step('done', { isWait: true, ...defined({ signal: signal?.name }), ...when })
      const { state, result } = readChildEnd(signal.text)
      const text = result === undefined ? undefined : JSON.stringify(result)
      const isDone = state === 'completed'
      return step(isDone ? 'done' : 'failed', {
        isWait: true,
        child: { ...child, state },
        ...defined({ text }),
        ...when,
      })
    }
    case 'undone':
      return step('undone')
    case 'again': {
      const tries = readTries(value)
      // The step could not be undone, so it has its earlier state again.
      if (tries.failed === 0) return before?.was
      return step('undoing', {
        failed: tries.failed,
        until: tries.until,
        ...defined({ was: before?.was ?? before }),
      })
    }
    case 'forgotten':
      return step('forgotten')
    default:
      return undefined
  }
}
