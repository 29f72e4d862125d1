/**
 * Jobs as the reading scripts return them (`lua/shared/show.lua`), made into records; and the cursors of pages.
 */
import type { JobRecord, State } from '../../record.ts'
import type { Filter } from '../store.ts'
import { unpackCounters, unpackErrors, unpackJob } from './packing.ts'
import type { ScriptName } from './script.ts'

type Texts = (string | null)[]
export type Shown = [
  state: State,
  ids: string[],
  records?: string[],
  counters?: Texts,
  errors?: Texts,
  places?: Texts,
  holders?: Texts,
  results?: Texts,
  reasons?: Texts,
]

const LIMIT = 100
const MOST = 1_000

export function readJobs(partition: string, shown: Shown): JobRecord[] {
  const [state, ids, records = [], counters, errors, places, holders, results, reasons] = shown
  const started = state === 'active' || state === 'completed'
  return ids.flatMap((id, i) => {
    const record = records[i]
    if (!record) return []
    const packed = unpackJob(record)
    const place = places?.[i]
    const holder = holders?.[i]
    const result = results?.[i]
    const reason = reasons?.[i]
    return {
      id,
      partition,
      state,
      ...packed,
      ...unpackCounters(counters?.[i], started),
      errors: unpackErrors(errors?.[i]),
      ...readTime(state, packed.queuedAt, place),
      ...(holder && readHolder(holder)),
      ...(result !== null && result !== undefined && { result }),
      ...(reason && { reason: reason as NonNullable<JobRecord['reason']> }),
    }
  })
}

/** A job in a list has no place of its own: it was due when it was queued. */
function readTime(state: State, queuedAt: number, place: string | null | undefined): Partial<JobRecord> {
  if (state === 'waiting' || state === 'delayed') return { dueAt: place ? Number(place) : queuedAt }
  return state === 'active' ? {} : { finishedAt: Number(place) }
}

/** `caller.number|claimed at`, and maybe `@place`. */
function readHolder(holder: string): Partial<JobRecord> {
  const bar = holder.lastIndexOf('|')
  const claimedAt = Number.parseInt(holder.slice(bar + 1), 10)
  const token = holder.slice(0, bar)
  return { claimedAt, holder: token.slice(0, token.lastIndexOf('.')) }
}

export interface PageQuery {
  script: ScriptName
  args: string[]
}

/** Which script reads a page, and from where. Cursors are JSON: what the script said of the last job. */
export function pageQuery({ state, limit = LIMIT, cursor }: Filter): PageQuery {
  const size = String(Math.max(1, Math.min(MOST, Math.floor(limit))))
  const from = cursor === undefined ? undefined : (JSON.parse(cursor) as string[])
  if (state === 'waiting') return { script: 'list-waiting', args: [size, ...(from ?? ['first', '0', '0'])] }
  if (state === 'delayed') return { script: 'list-delayed', args: [size, ...(from ?? ['', '', ''])] }
  return { script: 'list', args: [state, size, ...(from ?? ['', ''])] }
}

/** @param mark what the script said of the last job; empty when there are no more */
export function nextCursor(shown: Shown, mark: string | string[]): { cursor?: string } {
  if (mark.length === 0) return {}
  return { cursor: JSON.stringify(Array.isArray(mark) ? mark : [mark, shown[1].at(-1)]) }
}
