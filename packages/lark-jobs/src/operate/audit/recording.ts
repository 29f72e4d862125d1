/**
 * Records a change by hand in the audit of the store:
 *
 *   begun     written before anything is changed. If it cannot be written, the change is not made
 *   running   written again soon after, and then every few seconds, with how many were changed so far
 *   ended     with what has become of it
 *
 * So a change that nobody finished, because its process died, is in the audit with how far it came. A store
 * that refuses to write (`STORE_REFUSED`: its disk or memory is full) does not keep people from the change,
 * which may be what makes room: a warning of the process then has what the audit lacks.
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
 * Milliseconds between two writes of a change that goes on: at first, and at most. Each wait is twice as long
 * as the last.
 */
const FIRST = 250
export const PACE = 5_000
/** The most characters of words that are kept. */
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
      // A failure now does no harm, if the next write succeeds.
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
 * What is given payloads. Messages of errors may have parts of these: a schema, or the application, writes
 * them.
 */
const GIVEN: ReadonlySet<Audited> = new Set(['edit', 'dispatch', 'send', 'import', 'undo'])

/** No purge reaches the audit, so nothing of a payload may come into it. */
function errorWords(error: unknown, what: Audited): string {
  if (GIVEN.has(what)) return String(fieldOf(error, 'code') ?? fieldOf(error, 'name'))
  return error instanceof JobsError ? `${error.code}: ${error.message}` : textOf(error)
}

/**
 * The jobs that a call was told to change. A purge takes data away, which must not remain in its record as a
 * name.
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
