/**
 * Events: how a process learns what happens to the jobs of a partition. `test/conformance/listening.ts` tests
 * what this comment says.
 *
 * **Written while somebody listens.** `Store.listen` asks a partition to write events for `ttl` milliseconds.
 * Most calls of `listen` write nothing, because more than half of the `ttl` of an earlier call is left. Until
 * the `ttl` is over, each verb that changes the state of jobs writes an event in the same atomic step. A
 * listener that stops makes no last call: its `ttl` runs out. When the `ttl` of all listeners has run out,
 * the next change removes all events. In a partition without listeners, events need no memory and no time.
 *
 * **Which.** The event `started` is written when a job counts as started (`store.ts`). A prefetched job
 * counts as started when an `extend` names it, or when it is settled before an `extend` names it. No event is
 * written when a job goes back before it has started, when retention removes a job, or when the payload or
 * the due time of a job changes. No event is written when a job becomes due either, because no process moves
 * a job that becomes due.
 *
 * **Published events.** `Store.publish` writes an event of an application, while somebody listens. In place
 * of the id of a job, the event has a text: one line of at most `PUBLISHED_BYTES`.
 *
 * **Entries.** The events of one kind from one call are stored together as one entry: at most
 * `EVENTS_TOGETHER` events, and fewer if the ids are long. A partition keeps about `EVENTS_KEPT` entries
 * (about 20 MB) in the order of the changes.
 *
 * **Positions.** A listener continues after a position: the number of an entry and a mark of the entry's
 * text. If the partition has no entry with this number and mark, events may be missing: there were too many
 * events, the `ttl` of the listener had run out, or the server has lost its last changes. If the position is
 * missing, the listener continues after the last entry, and the answer says so. (After a loss of changes,
 * another entry may have the same number, but it has another mark.)
 *
 * **Rings.** The first change after each call of a listener rings the listener (`noticed` of `Store.wait`). A
 * ring is only a hint, so listeners also call about every `WATCH_AGAIN` milliseconds.
 */
import { createHash } from 'node:crypto'
import type { EventKind, PUBLISHED } from '../../model/event.ts'

/** About how many entries a partition keeps. */
export const EVENTS_KEPT = 10_000
/** The largest number of events in an entry. */
export const EVENTS_TOGETHER = 50
/**
 * The largest size of the ids in an entry, in bytes. `EVENTS_TOGETHER` ids that Lark makes always fit. An id
 * of an application takes at most a sixth of this size.
 */
export const EVENTS_BYTES = 2_000
/** The largest size of the text of a published event, in bytes. */
export const PUBLISHED_BYTES = 4_096
/** The largest number of entries in an answer. */
export const EVENTS_PAGE = 100

/** Events of one kind from one call of a verb. */
export interface EventEntry {
  /** An entry `begun` marks the place where a listener began, and has no ids. */
  kind: EventKind | typeof PUBLISHED | 'begun'
  /** When the events happened: milliseconds since 1970, by the store's clock. */
  at: number
  ids: string[]
}

export interface Heard {
  entries: EventEntry[]
  /** The position from which the next call of `listen` continues. */
  position: string
  /**
   * Present if the partition no longer has the position that the call named. Events may be missing, and the
   * answer has no entries.
   */
  isGap?: true
}

/** Makes the text in which a store keeps an entry. */
export function entryText(kind: EventEntry['kind'], at: number, ids: readonly string[]): string {
  return [`${kind} ${at}`, ...ids].join('\n')
}

/** Divides ids into lots that fit into one entry each. */
export function* inEntries(ids: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < ids.length; ) {
    let to = Math.min(from + EVENTS_TOGETHER, ids.length)
    while (to - from > 1 && Buffer.byteLength(ids.slice(from, to).join('\n')) > EVENTS_BYTES)
      to = from + Math.ceil((to - from) / 2)
    yield ids.slice(from, to)
    from = to
  }
}

function readEntry(text: string): EventEntry {
  const [head = '', ...ids] = text.split('\n')
  const [kind, at] = head.split(' ')
  return { kind: kind as EventEntry['kind'], at: Number(at), ids }
}

function markOfText(text: string): string {
  return createHash('sha1').update(text).digest('base64url').slice(0, 8)
}

/** Makes a mark for an entry, which differs from the marks of all other entries. */
export function markOf({ kind, at, ids }: EventEntry): string {
  return markOfText(entryText(kind, at, ids))
}

function positionOf(number: number, text: string): string {
  return `${number}.${markOfText(text)}`
}

/** Reads the number of the entry in a position; 0 if the text is not a position. */
export function numberAt(position: string): number {
  return Number.parseInt(position, 10) || 0
}

/**
 * Makes the answer of `listen` from the texts that a store has found.
 *
 * @param first the number of the first entry in `texts`
 * @param texts the entry at the position and the entries after it. For a call without a position, only the
 * last entry
 * @returns undefined if the partition has no entry at this position
 */
export function readHeard(
  since: string | undefined,
  first: number,
  texts: readonly string[],
): Heard | undefined {
  if (since !== undefined && (texts[0] === undefined || positionOf(first, texts[0]) !== since))
    return undefined
  const position = positionOf(first + texts.length - 1, texts.at(-1)!)
  return { entries: texts.slice(1).map(readEntry), position }
}
