/** Defines an action of the dashboard: what a viewer sees or does with one request. */
import type { Operate } from '@s18i/lark-jobs/operate'
import type { Underway } from './change/underway.ts'
import type { Undos } from './change/undo.ts'
import type { Shape } from './guard/input.ts'
import type { KnownViewer, Role } from './guard/viewer.ts'
import type { Failing } from './look/failing.ts'
import type { Live } from './look/live.ts'
import type { Past } from './look/past.ts'
import type { Suggesting } from './look/suggestions.ts'
import type { Troubles } from './look/troubles.ts'

/** The objects that an action works with. */
export interface Act {
  operate: Operate
  viewer: KnownViewer
  live: Live
  past: Past
  failing: Failing
  suggesting: Suggesting
  undos: Undos
  underway: Underway
  troubles: Troubles
}

export interface Action<Input, Output> {
  /** The lowest role that may call the action. */
  role: Role
  /** Whether the action changes something. Such an action needs a POST. */
  changes: boolean
  takes: Shape<Input>
  /** @param input the input, already checked against `takes` */
  run(act: Act, input: Input): Promise<Output>
}

/** An action that shows something to every viewer. */
export function look<Input, Output>(
  takes: Shape<Input>,
  run: Action<Input, Output>['run'],
): Action<Input, Output> {
  return { role: 'read', changes: false, takes, run }
}

/** An action that changes something. */
export function change<Input, Output>(
  role: Role,
  takes: Shape<Input>,
  run: Action<Input, Output>['run'],
): Action<Input, Output> {
  return { role, changes: true, takes, run }
}
