/**
 * The pause and the limits of a partition, which all stores keep as one text. The text begins with the end of
 * the pause, in milliseconds since 1970. `1` means that the partition is paused until somebody resumes it;
 * `0` or an empty text means that it is not paused. If the partition has limits, `;` and the limits follow,
 * separated by colons. If there is a reason for the pause, `|` and the reason follow. If a person has paused
 * the partition, a separator, the time of the pause, a separator and the name of the person follow.
 */

import { defined } from '@s18i/lark/internal'
import type { Limits } from '../../../model/limits.ts'
import { readLane } from './lane.ts'
import { isRateKind } from './rate.ts'

/** A pause of a partition. When a pause has ended, the partition counts as not paused. */
export interface Pause extends Paused {
  /**
   * When the pause ends: milliseconds since 1970; infinite if the pause lasts until somebody resumes the
   * queue; 0 if there is no pause.
   */
  until: number
  because?: string
}

/** Who paused a partition or a group, if it was a person. */
export interface Paused {
  by?: string
  /** When the person paused the partition or the group: milliseconds since 1970. */
  at?: number
}

export interface PausedGroup extends Paused {
  group: string
  /**
   * When the pause ends: milliseconds since 1970; absent if the pause lasts until somebody resumes the group.
   */
  until?: number
}

/** How many characters of the reason for a pause are kept. */
const MAX_REASON = 200
/** How many characters of a person's name are kept. */
const MAX_BY = 100
const SEPARATOR = '\x1f'

/**
 * @param text the text that a store keeps. A damaged text means that the partition is not paused
 * @param now milliseconds since 1970. A pause that ends at this time or earlier counts as no pause
 */
export function readPause(text: unknown, now = 0): Pause {
  const [, end = '0', rest = ''] = /^(\d+)(?:;[^|]*)?(?:\|(.*))?$/s.exec(String(text ?? '0')) ?? []
  const until = end === '1' ? Number.POSITIVE_INFINITY : Number(end)
  if (until <= now) return { until: 0 }
  const [because = '', ...who] = rest.split(SEPARATOR)
  return { until, ...(because !== '' && { because }), ...readPaused(who.join(SEPARATOR)) }
}

/** The limits in the text that a store keeps. Damaged limits count as no limits. */
export function readLimits(text: unknown): Limits | undefined {
  const [, concurrency = '', kind = '', limit, per, burst] =
    /^\d*;(\d*):([^:|]*):(\d*):(\d*):(\d*)(?:\||$)/.exec(String(text ?? '')) ?? []
  const limits: Limits = {}
  if (concurrency !== '') limits.concurrency = Number(concurrency)
  if (isRateKind(kind)) limits.rate = { limit: Number(limit), per: Number(per), kind, burst: Number(burst) }
  return Object.keys(limits).length > 0 ? limits : undefined
}

/** Makes the part of the text that has the limits; '' if there are no limits. */
export function packStoredLimits({ concurrency, rate }: Limits = {}): string {
  if (concurrency === undefined && rate === undefined) return ''
  const parts = rate ? [rate.kind, rate.limit, Math.ceil(rate.per), rate.burst] : ['', '', '', '']
  return `;${[concurrency ?? '', ...parts].join(':')}`
}

/**
 * Combines the limits that are stored with a partition and the limits that a claim states. `rate.lua` has the
 * same rule.
 */
export function bothLimits(stored: Limits | undefined, stated: Limits | undefined): Limits | undefined {
  if (stored === undefined || stated === undefined) return stored ?? stated
  const concurrency = Math.min(
    stored.concurrency ?? Number.POSITIVE_INFINITY,
    stated.concurrency ?? Number.POSITIVE_INFINITY,
  )
  return {
    ...(concurrency < Number.POSITIVE_INFINITY && { concurrency }),
    ...defined({ rate: stored.rate ?? stated.rate }),
  }
}

interface Reasoned {
  because?: string | undefined
  by?: string | undefined
  at?: number | ''
}

/**
 * Makes the part of the text that has the reason and the person. @param at the time of the pause; '' if the
 * store adds the time
 */
export function packReason({ because = '', by, at = '' }: Reasoned): string {
  const why = cut(because, MAX_REASON)
  if (by === undefined) return why === '' ? '' : `|${why}`
  return `|${why}${SEPARATOR}${packPaused(by, at)}`
}

export function packPause(pause: Pause, limits?: Limits): string {
  const bounds = packStoredLimits(limits)
  if (pause.until === 0) return `0${bounds}`
  return `${pause.until === Number.POSITIVE_INFINITY ? '1' : pause.until}${bounds}${packReason(pause)}`
}

/**
 * Makes the part of the text that says who paused, and when. @param at the time of the pause; '' if the store
 * adds the time
 */
export function packPaused(by: string, at: number | '' = ''): string {
  return `${at}${SEPARATOR}${cut(by, MAX_BY)}`
}

/** Reads a text that `packPaused` made. For a damaged text, the result is empty. */
export function readPaused(text: unknown): Paused {
  const [at = '', by = ''] = String(text ?? '').split(SEPARATOR)
  return /^\d+$/.test(at) && by !== '' ? { by, at: Number(at) } : {}
}

/**
 * The record of a paused group, to show to people.
 *
 * @param lane the name of the group's lane
 * @param until the end of the pause as stores keep it; a very large number means for ever
 * @param paused the text that says who paused the group, and when (`packPaused`)
 */
export function pausedGroup(lane: string, until: number, paused: unknown): PausedGroup {
  const { group = '' } = readLane(lane)
  return { group, ...(until < Number.MAX_SAFE_INTEGER && { until }), ...readPaused(paused) }
}

function cut(text: string, most: number): string {
  return text.replaceAll(SEPARATOR, ' ').slice(0, most)
}
