/**
 * Events: how a process learns what happens to the jobs of a partition. `test/conformance/listening.ts` tests
 * what this comment says.
 *
 * **Written while somebody listens.** `Store.listen` asks a partition to write events for `ttl` milliseconds.
 * If more than half of the time of an earlier call is left, that is not prolonged, so most calls write
 * nothing. While the time lasts, each verb that changes the state of jobs writes an event in the same atomic
 * step. A listener that stops says nothing: its time runs out. The first change after that removes all
 * events. A partition without listeners stores nothing for events, and its jobs cost nothing more.
 *
 * **Which.** The event `started` comes when a job counts as started (`store.ts`): for a prefetched job, when
 * an `extend` names it, or when it is settled before that. A job that goes back before it has started causes
 * no event. A job that becomes due causes none, because no process moves it. Retention, changes of a payload
 * and changes of a due time cause none either.
 *
 * **Published events.** `Store.publish` writes an event of an application, while somebody listens. It has one
 * id, which is its text: one line of at most `PUBLISHED_BYTES`.
 *
 * **Entries.** An entry has the events of one kind from one call: at most `EVENTS_TOGETHER`, and fewer if
 * their ids are long. A partition keeps about `EVENTS_KEPT` entries, so about 20 MB, in the order of the
 * changes.
 *
 * **Positions.** A listener goes on after a position: the number of an entry and a mark of its text. If the
 * partition has no such entry, events may be lost: there were too many, the time of the listener had run out,
 * or the server has lost its last changes. Then the listener starts again after the last entry, and the
 * answer says so. After such a loss another entry may have the same number, but it has another mark.
 *
 * **Rings.** A listener is rung (`noticed` of `Store.wait`) by the first change after each of its calls. A
 * ring is only a hint, so listeners also call about every `WATCH_AGAIN`.
 */
import { createHash } from 'node:crypto'
import type { EventKind, PUBLISHED } from '../../model/event.ts'

/** About how many entries a partition keeps. */
export const EVENTS_KEPT = 10_000
/** The most events of an entry. */
export const EVENTS_TOGETHER = 50
/**
 * The most bytes of the ids in an entry. The ids that Lark makes always fit, and one id of an application
 * takes at most a sixth.
 */
export const EVENTS_BYTES = 2_000
/** The most bytes of the text of a published event. */
export const PUBLISHED_BYTES = 4_096
/** The most entries that an answer has. */
export const EVENTS_PAGE = 100

/** Events of one kind, of one call. */
export interface EventEntry {
  /** `begun`: the listening began here. It has no ids. */
  kind: EventKind | typeof PUBLISHED | 'begun'
  /** Milliseconds since 1970, by the store's clock. */
  at: number
  ids: string[]
}

export interface Heard {
  entries: EventEntry[]
  /** Where the next call goes on. */
  position: string
  /**
   * The partition no longer has the position of the call: events may be missing, and the answer has no
   * entries.
   */
  isGap?: true
}

/** An entry as stores keep it. */
export function entryText(kind: EventEntry['kind'], at: number, ids: readonly string[]): string {
  return [`${kind} ${at}`, ...ids].join('\n')
}

/** Divides ids into lots, one for each entry. */
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

/** A mark that distinguishes an entry from every other entry. */
export function markOf({ kind, at, ids }: EventEntry): string {
  return markOfText(entryText(kind, at, ids))
}

function positionOf(number: number, text: string): string {
  return `${number}.${markOfText(text)}`
}

/** The number of the entry at a position; 0 if the text is not a position. */
export function numberAt(position: string): number {
  return Number.parseInt(position, 10) || 0
}

/**
 * What a store has found for a call of `listen`.
 *
 * @param first the number of the first entry
 * @param texts the entry at the position and those after it; without a position, the last entry
 * @returns undefined if it has no entry at this position
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
