/**
 * Records a change by hand in the audit of the store:
 *
 *   begun     written before anything is changed. If this write fails, the change is not made
 *   running   written again soon, and then every few seconds, with how many jobs were changed so far
 *   ended     written for the last time, with the result
 *
 * If the process dies during a change, the audit therefore says how far the change came. A store that refuses
 * the write because its disk or memory is full (`STORE_REFUSED`) does not stop the change, because the change
 * may free space. When a write is refused in this way, the process emits a warning that contains the missing
 * entry.
 */

import { JobsError } from '../../model/errors.ts'
import { newId } from '../../model/id.ts'
import type { AuditBounds, Store } from '../../store/contract/store.ts'
import { filterWords } from '../../words/filter-words.ts'
import { listed } from '../../words/listed.ts'
import { fieldOf, textOf } from '../../words/thrown.ts'
import { type Chosen, isIds } from '../look/filter.ts'
import type { KnownActor } from './actor.ts'
import type { Audited } from './audited.ts'
import type { HandChange } from './hand-change.ts'

/**
 * Milliseconds between two writes of a running change: `FIRST` is the first pause, and `PACE` the longest.
 * Each pause is twice as long as the previous pause.
 */
const FIRST = 250
export const PACE = 5_000
/** Texts are cut to this many characters. */
const LONGEST = 500

export type AuditOutcome = 'running' | 'done' | 'interrupted' | 'failed'

/** The text of an entry, as JSON. */
export interface AuditText extends KnownActor {
  what: Audited
  on: string
  count: number
  outcome: AuditOutcome
  error?: string
}

export async function withRecord<T>(
  { audit }: Pick<Store, 'audit'>,
  bounds: AuditBounds,
  actor: KnownActor,
  change: HandChange<T>,
  act: (noted: (done: number) => void) => Promise<T>,
): Promise<T> {
  const { what, on } = change
  const chosen = typeof on === 'string' ? on : chosenWords(on, change.queue, what)
  const words = change.to === undefined ? chosen : `${chosen} to queue ${change.to}`
  const text: AuditText = { ...actor, what, on: cut(words), count: 0, outcome: 'running' }
  const id = newId()
  const write = () => audit.write(id, JSON.stringify(text), bounds)
  await write().catch((error: unknown) => {
    if (!JobsError.is(error, 'STORE_REFUSED')) throw error
    warn(text, error)
  })
  let writing: Promise<unknown> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const writeIn = (ms: number) => {
    timer = setTimeout(() => {
      writeIn(Math.min(2 * ms, PACE))
      // An error of this write is ignored, because the next write contains the same data.
      writing ??= write()
        .catch(() => undefined)
        .finally(() => {
          writing = undefined
        })
    }, ms)
    timer.unref()
  }
  writeIn(FIRST)
  const finish = async (outcome: AuditOutcome) => {
    clearTimeout(timer)
    await writing
    text.outcome = outcome
    await write().catch((error: unknown) => warn(text, error))
  }
  try {
    const answer = await act((done) => {
      text.count = done
    })
    text.count = change.count(answer)
    await finish(change.signal?.aborted ? 'interrupted' : 'done')
    return answer
  } catch (error) {
    text.error = cut(errorWords(error, what))
    await finish('failed')
    throw error
  }
}

function warn({ who, host, what, on, count, outcome }: AuditText, error: unknown): void {
  const change = `${what} ${on} by ${who} at ${host}: ${outcome}, ${count} changed`
  process.emitWarning(`The audit of the store lacks this: ${change}. ${textOf(error)}`, {
    code: 'LARK_AUDIT_INCOMPLETE',
  })
}

/**
 * Changes that take payloads. The messages of their errors come from a schema or from the application, and
 * may quote a payload.
 */
const GIVEN: ReadonlySet<Audited> = new Set(['edit', 'dispatch', 'send', 'import', 'undo'])

/**
 * The error for the audit. A purge does not remove entries of the audit, so an entry must not contain any
 * part of a payload.
 */
function errorWords(error: unknown, what: Audited): string {
  if (GIVEN.has(what)) return String(fieldOf(error, 'code') ?? fieldOf(error, 'name'))
  return error instanceof JobsError ? `${error.code}: ${error.message}` : textOf(error)
}

/**
 * Describes the jobs that a call was asked to change. A purge is meant to remove data, so its entry must not
 * contain that data in names such as group or tag.
 */
function chosenWords(chosen: Chosen, queue: string | undefined, what: Audited): string {
  if (!isIds(chosen))
    return `jobs ${filterWords(chosen, what === 'purge' ? 'names' : 'payloads') || 'of every queue'}`
  const of = queue === undefined ? '' : ` of queue ${queue}`
  return `${chosen.length === 1 ? 'job' : `${chosen.length} jobs`}${of}: ${listed(chosen)}`
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text
}
