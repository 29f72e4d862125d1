/** The options of a flow, and of a node of a workflow. */

import { type IfFailed, MAX_FLOW_ID } from '../model/flow.ts'
import { type Duration, milliseconds } from '../words/duration.ts'
import { duration, isText, Option, oneOf, option, type Read, Schema, whole } from './schema.ts'
import { isTags, tagsForm } from './tags.ts'

/** The maximum length of the name of a flow or a node, in characters. */
const MAX_NAME = 100
const nameForm = `a text of 1 to ${MAX_NAME} characters, without control characters`

function isName(value: unknown): boolean {
  return isText(value) && value.length <= MAX_NAME && !/\p{C}/u.test(value)
}

/** An age, read as milliseconds; `false` is read as 0. */
const age = new Option<Duration | false, number>("false, or an age such as '7d', above 0", (value) =>
  value === false ? 0 : milliseconds(value) || undefined,
)

export const flowKeep = new Schema("an object such as { completed: '7d' }", {
  /** How long a flow that completed is kept. */
  completed: age,
  /** How long a flow that failed is kept. */
  failed: age,
  /** How long a flow that was cancelled is kept. */
  cancelled: age,
})

export const flowOptions = new Schema('a flow', {
  name: option<string>(nameForm, isName),
  id: option<string>(
    `a text of 1 to ${MAX_FLOW_ID} letters, digits, - and _`,
    (value) => typeof value === 'string' && isFlowId(value),
  ),
  within: duration(),
  unknownAfter: duration(),
  tags: option<readonly string[]>(tagsForm, isTags),
  keep: flowKeep,
  /** The number of members of a batch that may fail. */
  allowFailures: option<number | 'any'>(
    whole(0).right,
    (value) => value === 'any' || (Number.isInteger(value) && (value as number) >= 0),
  ),
})

export type FlowOptions = Read<typeof flowOptions.entries>

/** The options of a node of a workflow, besides the nodes that it waits for. */
export const nodeEntries = {
  name: option<string>(nameForm, isName),
  ifFailed: oneOf<IfFailed>(['skip', 'run', 'fail']),
}

export function isFlowId(value: string): boolean {
  return value.length <= MAX_FLOW_ID && /^[\w-]+$/.test(value)
}
