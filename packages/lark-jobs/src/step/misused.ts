/** The errors for wrong uses of steps. */
import { JobsError } from '../model/errors.ts'
import { listed } from '../words/listed.ts'
import { shown } from '../words/secret.ts'
import type { Attention } from './awaited.ts'
import { stepWords } from './name.ts'

/** @param job the name of the job's class */
export function usedTwice(job: string, key: string): JobsError {
  return new JobsError('STEP_TWICE', `${job}: the step ${stepWords(key)} is used twice in one run`, {
    hint: "Steps are found by their names: in a loop, give each step its own name, such as ['mail', user.id].",
  })
}

/**
 * @param all the keys of the steps and waits that have not ended
 * @returns the error, or undefined if all open keys belong to waits that have lost a race
 */
export function notAwaited(
  job: string,
  all: ReadonlyMap<string, Attention | undefined>,
): JobsError | undefined {
  const open = [...all.keys()].filter((key) => !all.get(key)?.isPaid)
  if (open.length === 0) return undefined
  const steps = listed(open.slice(0, 5).map(stepWords))
  return new JobsError('STEP_NOT_AWAITED', `${job}: handle() ended before its steps: ${steps}`, {
    hint: 'Await each of them, or all of them with Promise.all(), also those that lose a Promise.race().',
  })
}

/** The error for a journal with fewer entries than earlier runs have recorded. */
export function shortened(): JobsError {
  return new JobsError('JOURNAL_DAMAGED', 'The store has lost what earlier runs of the job recorded', {
    hint: 'The next attempt runs the missing steps again.',
  })
}

/** @param found the value that the function of an iteration returned */
export function noPage(job: string, key: string, found: unknown): JobsError {
  const right = 'it must be { items, cursor }'
  return new JobsError('STEP_INVALID', `${job}: the page of ${stepWords(key)} was ${shown(found)}; ${right}`)
}

/** @param key the key of the wait @param step the key of the step around the wait */
export function waitsInside(name: string, key: string, step: string): JobsError {
  const message = `${name}: ${stepWords(key)} waits inside the step ${stepWords(step)}`
  return new JobsError('STEP_INVALID', message, {
    hint: 'A step runs as a whole: sleep and wait between steps.',
  })
}

/** @param key the key of the step @param around the key of the outer step */
export function commitsInside(name: string, key: string, around: string): JobsError {
  const message = `${name}: ${stepWords(key)} would commit inside the step ${stepWords(around)}`
  return new JobsError('STEP_INVALID', message, {
    hint: 'A step runs as a whole: use stepIn() between steps.',
  })
}

/** The error of `runJob` in a run that belongs to no instance of `Jobs`: such a run knows no queues. */
export function noChildren(job: string, key: string): JobsError {
  const message = `${job}: runJob(${stepWords(key)}) was called in a run that cannot begin jobs`
  return new JobsError('STEP_INVALID', message, { hint: 'Start the worker with Jobs.work().' })
}

/** The error for a step that is used after its run has ended. */
export function hasEnded(job: string): JobsError {
  return new JobsError('STEP_OUTSIDE', `${job}: handle() has ended, so its steps can no longer be used`, {
    hint: 'Await every call that uses a step before handle() returns.',
  })
}

/** Copies an object. Returns undefined if the value is not an object, or if a getter or a proxy throws. */
export function copied<T>(value: T): T | undefined {
  try {
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/**
 * Copies an object that was passed to a method of a job.
 *
 * @param call the call, for messages: `step(mail)`
 * @throws STEP_INVALID
 */
export function given<T extends object>(job: string, call: string, what: string, value: T, right: string): T {
  const copy = copied(value)
  if (copy !== undefined) return copy
  throw invalid(job, call, what, value, right)
}

export function invalid(job: string, call: string, what: string, value: unknown, right: string): JobsError {
  const message = `${job}: ${call} was given ${shown(value)} as ${what}; it must be ${right}`
  return new JobsError('STEP_INVALID', message)
}
