/**
 * Checks the options of Lark's own middleware when the middleware is created, that is, when its class is registered.
 */
import { nearest } from '@s18i/lark/config'
import { type Duration, durationForm, milliseconds } from '../../model/duration.ts'
import { JobsError } from '../../model/errors.ts'

/** @throws JOB_INVALID for an unknown option, which would otherwise be ignored silently */
export function checkOptions(middleware: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw refused(middleware, 'what it is given', options, `an object with ${known.join(', ')}`)
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw new JobsError('JOB_INVALID', `${middleware}(): ${unknown} is not an option`, {
    hint: near === undefined ? `Options: ${known.join(', ')}` : `Did you mean ${near}?`,
  })
}

/** Milliseconds, above 0. @throws JOB_INVALID */
export function span(middleware: string, field: string, value: Duration): number {
  const ms = milliseconds(value)
  if (ms === undefined || ms <= 0) throw refused(middleware, field, value, `${durationForm}, above 0`)
  return ms
}

export function refused(middleware: string, field: string, value: unknown, right: string): JobsError {
  const got = typeof value === 'string' ? `'${value}'` : String(value)
  return new JobsError('JOB_INVALID', `${middleware}(): ${field} is ${got}; it must be ${right}`)
}
