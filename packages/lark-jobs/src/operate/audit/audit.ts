/** Reads the audit: the changes that people made by hand. */

import { isObject, isText, type OptionsOf, oneOf, option, whole } from '../../options/schema.ts'
import { parsed } from '../../store/contract/rules/unreadable.ts'
import { type AuditRecord, MAX_ITEMS, type Store } from '../../store/contract/store.ts'
import { Cursors } from '../look/cursor.ts'
import { checkFilter, conditions, type Flags } from '../look/filter.ts'
import { sinceCondition, sinceInstant } from '../look/since.ts'
import type { ActorOrigin } from './actor.ts'
import { type Audited, audited } from './audited.ts'
import { type AuditOutcome, type AuditText, PACE } from './recording.ts'

/**
 * Milliseconds. If the entry of a running change was not written for this long, the change counts as
 * interrupted, because its process has died or hangs.
 */
const SILENCE = 6 * PACE
/** The default number of entries on a page. */
const LIMIT = 100

const auditConditions = conditions({
  /** Only changes that began after this time: an instant, or how long ago. Default: all stored changes. */
  since: sinceCondition,
  /** Only changes of this person: a name, or `name@host`. */
  who: option<string>('the name of a person, or name@host', isText),
  /** Only changes of this kind, such as `retry` or `pause`. */
  what: oneOf<Audited>(audited),
  /** The maximum number of entries on the page: 1…1,000. Default 100. */
  limit: whole(1, MAX_ITEMS),
  /** The cursor of the previous page, with the same conditions. */
  cursor: option<string>('the cursor that the page before has', isText),
})

export interface AuditOptions extends OptionsOf<typeof auditConditions.entries> {}

/** One change by hand. */
export interface AuditEntry {
  id: string
  /** When the change began: milliseconds since 1970, by the store's clock. */
  at: number
  /** When the change ended, or when the entry was last updated. */
  endedAt?: number
  /** The name of the person. */
  who: string
  host: string
  /** How the change was made: with a command of `lark`, in a dashboard, or by other code. */
  from: ActorOrigin
  what: Audited
  /** What was changed, in words. */
  on: string
  /**
   * How many jobs or other things were changed. For a change that is running or was interrupted: the number
   * in the last update of the entry.
   */
  count: number
  /**
   * Present if the process that made the change has died or hangs. In that case `count` is a minimum: the
   * process may have changed more since it last updated the entry.
   */
  atLeast?: true
  /**
   * `interrupted`: a person ended the change, or its process died. `failed`: the change failed with `error`.
   */
  outcome: AuditOutcome
  error?: string
}

export interface AuditPage {
  /** The entries, the last change first. */
  entries: AuditEntry[]
  /**
   * Where the next page begins. Absent if there are no more entries. A page with a cursor may have fewer
   * entries than `limit`, or none.
   */
  cursor?: string
  /**
   * How many entries of the page cannot be read because Lark did not write them. Absent if all entries can be
   * read.
   */
  damaged?: number
}

/** @throws FILTER_INVALID */
export function checkAudit(options: unknown, flags?: Flags): void {
  checkFilter('operate().audit()', options, auditConditions, { flags })
}

/** @throws CURSOR_INVALID @param options must be checked already */
export async function audit(store: Store, options: AuditOptions, flags?: Flags): Promise<AuditPage> {
  const { since, who, what, limit = LIMIT, cursor } = options
  const cursors = new Cursors<[at: number, id: string]>('operate().audit()', [who ?? null, what ?? null])
  const [at, id] = cursor === undefined ? [] : cursors.read(cursor, flags)
  const before = at === undefined ? undefined : { at, id: id! }
  const page = await store.audit.list(MAX_ITEMS, before)
  const from = sinceInstant(since, page.now)
  const entries: AuditEntry[] = []
  let damaged = 0
  let last: AuditRecord | undefined
  let isOver = page.entries.length < MAX_ITEMS
  for (const record of page.entries) {
    if (record.at < from) {
      isOver = true
      break
    }
    if (entries.length === limit) {
      isOver = false
      break
    }
    last = record
    const entry = entryOf(record, page.now)
    if (entry === undefined) damaged++
    else if (meets(entry, who, what)) entries.push(entry)
  }
  return {
    entries,
    ...(!isOver && last !== undefined && { cursor: cursors.write([last.at, last.id]) }),
    ...(damaged > 0 && { damaged }),
  }
}

function meets(entry: AuditEntry, who: string | undefined, what: Audited | undefined): boolean {
  const isWho = who === undefined || entry.who === who || `${entry.who}@${entry.host}` === who
  return isWho && (what === undefined || entry.what === what)
}

/** Parses an entry. Returns undefined if Lark did not write the text. */
function entryOf({ id, at, writtenAt, text }: AuditRecord, now: number): AuditEntry | undefined {
  const value = parsed(text)
  if (!isObject(value)) return undefined
  const { who, host, from, what, on, count, outcome, error } = value as unknown as AuditText
  const texts = [who, host, from, what, on, outcome]
  if (!texts.every((each) => typeof each === 'string') || typeof count !== 'number') return undefined
  const isLost = outcome === 'running' && now - writtenAt > SILENCE
  return {
    id,
    at,
    ...(outcome !== 'running' || isLost ? { endedAt: writtenAt } : {}),
    ...{ who, host, from, what, on, count },
    ...(isLost && { atLeast: true as const }),
    outcome: isLost ? 'interrupted' : outcome,
    ...(typeof error === 'string' && { error }),
  }
}
