/**
 * The pause of a partition. Both stores keep it as one text. It begins with `0` or nothing if the partition
 * is not paused, `1` if it is paused until somebody resumes it, or else the end of the pause, in milliseconds
 * since 1970. If the reason is known, `|` and the reason follow. If a person paused it, the separator, the
 * time, the separator and the name of the person follow.
 */

import { readLane } from './lane.ts'

/** A pause that has ended counts as no pause. */
export interface Pause extends Paused {
  /** Milliseconds since 1970; infinite if it lasts until somebody resumes. 0: not paused. */
  until: number
  because?: string
}

/** The person who paused a partition or a group, if it was a person. */
export interface Paused {
  by?: string
  /** When: milliseconds since 1970. */
  at?: number
}

export interface PausedGroup extends Paused {
  group: string
  /** Milliseconds since 1970. Absent: until somebody resumes the group. */
  until?: number
}

/** The most characters of a reason for a pause that are kept. */
const MAX_REASON = 200
/** The most characters of a person's name that are kept. */
const MAX_BY = 100
const SEPARATOR = '\x1f'

/**
 * @param text as a store keeps it; if it is damaged, the partition is not paused
 * @param now milliseconds since 1970: a pause that has ended by then does not count
 */
export function readPause(text: unknown, now = 0): Pause {
  const [, end = '0', rest = ''] = /^(\d+)(?:\|(.*))?$/s.exec(String(text ?? '0')) ?? []
  const until = end === '1' ? Number.POSITIVE_INFINITY : Number(end)
  if (until <= now) return { until: 0 }
  const [because = '', ...who] = rest.split(SEPARATOR)
  return { until, ...(because !== '' && { because }), ...readPaused(who.join(SEPARATOR)) }
}

interface Reasoned {
  because?: string | undefined
  by?: string | undefined
  at?: number | ''
}

/** The reason and the person as they are kept, with their separators. @param at '' if the store adds it */
export function packReason({ because = '', by, at = '' }: Reasoned): string {
  const why = cut(because, MAX_REASON)
  if (by === undefined) return why === '' ? '' : `|${why}`
  return `|${why}${SEPARATOR}${packPaused(by, at)}`
}

export function packPause(pause: Pause): string {
  if (pause.until === 0) return '0'
  return `${pause.until === Number.POSITIVE_INFINITY ? '1' : pause.until}${packReason(pause)}`
}

/** Packs who paused, and when, into one text. @param at '' if the store adds it */
export function packPaused(by: string, at: number | '' = ''): string {
  return `${at}${SEPARATOR}${cut(by, MAX_BY)}`
}

/** Reads such a text. For a damaged text, the result is empty. */
export function readPaused(text: unknown): Paused {
  const [at = '', by = ''] = String(text ?? '').split(SEPARATOR)
  return /^\d+$/.test(at) && by !== '' ? { by, at: Number(at) } : {}
}

/**
 * A paused group, as people see it.
 *
 * @param lane its name
 * @param until as stores keep it; a very large number is for ever
 * @param paused who paused it, and when, as stores keep it (`packPaused`)
 */
export function pausedGroup(lane: string, until: number, paused: unknown): PausedGroup {
  const { group = '' } = readLane(lane)
  return { group, ...(until < Number.MAX_SAFE_INTEGER && { until }), ...readPaused(paused) }
}

function cut(text: string, most: number): string {
  return text.replaceAll(SEPARATOR, ' ').slice(0, most)
}
