/**
 * What an action of the dashboard is: what a viewer sees or does with one request.
 */
import { LarkError } from '@s18i/lark/config'
import type { Operate } from '@s18i/lark-jobs/operate'
import type { Failing } from './failing.ts'
import type { Live } from './live.ts'
import type { Past } from './past.ts'
import type { Troubles } from './troubles.ts'
import type { Underway } from './underway.ts'
import type { Undos } from './undo.ts'
import type { KnownViewer, Role } from './viewer.ts'

/** What an action works with. */
export interface Act {
  operate: Operate
  viewer: KnownViewer
  live: Live
  past: Past
  failing: Failing
  undos: Undos
  underway: Underway
  troubles: Troubles
}

export interface Action<Input, Output> {
  /** The least that may do it. */
  role: Role
  /** It changes something: only a POST does it. */
  changes: boolean
  run(act: Act, input: Input): Promise<Output>
}

/** Shows something to everybody who may look. */
export function look<Input, Output>(run: Action<Input, Output>['run']): Action<Input, Output> {
  return { role: 'read', changes: false, run }
}

/** Changes something. */
export function change<Input, Output>(role: Role, run: Action<Input, Output>['run']): Action<Input, Output> {
  return { role, changes: true, run }
}

/** What came with the request is not what the action takes. */
export function refused(field: string, value: unknown, right: string): LarkError {
  const given = JSON.stringify(value)?.slice(0, 60) ?? 'missing'
  return new LarkError('INPUT_INVALID', `${field} is ${given}; it must be ${right}`)
}

export function textOf(input: object, field: string): string {
  const value = (input as Record<string, unknown>)[field]
  if (typeof value !== 'string' || value === '') throw refused(field, value, 'a text that is not empty')
  return value
}

/** @returns `most` if there is no such field */
export function countOf(input: object, field: string, most: number): number {
  const value = (input as Record<string, unknown>)[field] ?? most
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most)
    throw refused(field, value, `a whole number from 1 to ${most}`)
  return value as number
}
