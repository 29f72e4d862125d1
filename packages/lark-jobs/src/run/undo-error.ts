/** The error of a job that has steps which could not be undone. */
import { JobsError } from '../model/errors.ts'
import type { UndoneSteps } from '../step/undoing.ts'
import type { LaterEnd } from '../store/contract/rules/undoing.ts'
import { listed } from '../words/listed.ts'
import { textOf } from '../words/thrown.ts'

/**
 * Why steps were not undone: undoing a step failed, or the handler threw before it had come to all these
 * steps, so some undo functions are missing.
 */
export type NotUndone = Extract<UndoneSteps, { kind: 'failed' }> | { kind: 'thrown'; error: unknown }

/** @param name the name of the class @param end how the job would have ended */
export function undoFailed(name: string, found: NotUndone, end: LaterEnd): JobsError {
  const what = found.kind === 'failed' ? listed(found.steps.slice(0, 5)) : 'its steps'
  const message = `${name}: ${what} could not be undone: ${textOf(found.error)}. ${wouldEnd(end)}`
  return new JobsError('UNDO_FAILED', message, { hint: 'Undo by hand what is left', cause: found.error })
}

/** Says why the steps of the job were undone. No other stored data of the job says this. */
function wouldEnd(end: LaterEnd): string {
  return end.kind === 'failed' ? `It had failed: ${end.error.message}` : 'It had been cancelled'
}
