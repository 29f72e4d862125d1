/** The options for the ended jobs that are kept, for all queues and for one queue. */

import { duration, isObject, Option, type OptionsOf, type Read, Schema, whole } from '../options/schema.ts'
import { type QueueRetention, RETENTION, type Retention } from '../store/contract/rules/retention.ts'
import { LONGEST, milliseconds } from '../words/duration.ts'

/** How many jobs are kept, and for how long. An absent limit does not apply. */
export const keptOptions = new Schema(
  "an object such as { count: 5_000, age: '7d' }",
  {
    /** How many of the newest jobs are kept. Default: all. */
    count: whole(0),
    /** How long after its end a job is kept. Default: for ever. */
    age: duration(),
  },
  ({ count, age }, refuse) => {
    if (count === undefined && age === undefined) refuse('', 'an object with count, age, or both')
  },
)

/** An age (`'7d'`), `{ count, age }`, or `false`. With `false`, no job is kept. */
export type KeepRule = false | string | KeepLimits

export interface KeepLimits extends OptionsOf<typeof keptOptions.entries> {}

/** A number is refused, because it could be a count or milliseconds. */
const kept = new Option<KeepRule, Retention>(
  "false, an age such as '7d', or { count, age }",
  (value, path, voice) => {
    if (value === false) return { count: 0, age: 0 }
    const isAge = typeof value === 'string' && milliseconds(value)
    if (!isAge && !isObject(value)) return undefined
    const { count, age } = isAge ? { age: isAge } : keptOptions.readAll(value, voice, path)
    return { count: count ?? Number.MAX_SAFE_INTEGER, age: age ?? LONGEST }
  },
)

export const keepOptions = new Schema("an object such as { completed: '7d', failed: { count: 50_000 } }", {
  /** Which completed jobs are kept. Default: the newest 1,000, for 1 hour. */
  completed: kept,
  /** Which failed jobs are kept. Default: the newest 100,000, with 256 MiB together, for 30 days. */
  failed: kept,
  /** Which cancelled jobs are kept. Default: the newest 1,000, for 1 day. */
  cancelled: kept,
})

/** How many ended jobs are kept, and for how long, in a queue or in each of its partitions. */
export interface KeepConfig extends OptionsOf<typeof keepOptions.entries> {}

type KeepRead = Read<typeof keepOptions.entries>

/** @param all the setting for all queues */
export function retentionFrom(all: KeepRead | undefined, own?: KeepRead): QueueRetention {
  const of = (state: keyof QueueRetention) => own?.[state] ?? all?.[state] ?? RETENTION[state]
  return { completed: of('completed'), failed: of('failed'), cancelled: of('cancelled') }
}
