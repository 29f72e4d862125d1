/**
 * The recorded steps of a job, for people: each step and wait with its state. New kind of entry: add to
 * `after` what it changes about its step.
 */

import { defined } from '@s18i/lark/internal'
import { readChildEnd } from '../flow/child.ts'
import { JobsError } from '../model/errors.ts'
import type { Journal, KeptSignal } from '../model/journal.ts'
import type { EndedState } from '../model/record.ts'
import { isChildSignal } from '../store/contract/rules/signal-room.ts'
import type { Child } from './child.ts'
import { type Entry, readEntry, readJson } from './entries.ts'
import { stepWords } from './name.ts'
import { type Stamp, stampOf } from './stamp.ts'

/**
 *   done       it has a result, or the wait is over
 *   failed     it has failed for good, and the handler went on
 *   begun      it runs, or its worker died while it ran: known only of a step that can be undone, and of a
 *              job that has crashed
 *   waiting    a sleep, or a wait for signals, has begun
 *   retrying   a try has failed, and another follows
 *   undoing    a try to undo it has failed, and another follows
 *   undone     it was undone: if the job is retried, it runs again
 *   forgotten  what was recorded does not count any more: it runs again
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
  /** The key, as the journal has it: a text, or a list of texts and numbers as JSON. */
  key: string
  /** As people read it: `mail 7`. */
  name: string
  state: StepState
  /** How many tries have failed. Absent: no failed try was recorded. */
  failed?: number
  /** Until when it waits: milliseconds since 1970. Absent: it does not wait, or waits for ever. */
  until?: number
  /** How many milliseconds it took. Absent: that was not recorded, or it is a wait. */
  took?: number
  /** When the result was recorded, or the wait was over: milliseconds since 1970, to the second. */
  at?: number
  /** Of a wait that is done: the name of the signal that ended it. Absent: its time was over. */
  signal?: string
  isWait?: true
  /** The job that it has started. `state`: how that job ended, if its end has been recorded here. */
  child?: Child & { state?: EndedState }
  /** The runs in which it started and did not end, if that was recorded. */
  runs?: number[]
  /** The result, or the error: JSON. */
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

/** @param journal from its first entry */
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

/** The step after an entry; undefined if the entry does not belong to a step. @param when it was recorded */
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
      const [count, until] = value.split('|').map(Number) as [number, number]
      return step('retrying', { failed: count, until })
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
      return step('waiting', { isWait: true, ...(value !== '' && { until: Number(value) }) })
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
      const [count, until] = value.split('|').map(Number) as [number, number]
      // The step could not be undone, so it has its earlier state again.
      if (count === 0) return before?.was
      return step('undoing', { failed: count, until, ...defined({ was: before?.was ?? before }) })
    }
    case 'forgotten':
      return step('forgotten')
    default:
      return undefined
  }
}
