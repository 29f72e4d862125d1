/**
 * The name of a lane: where the jobs of one group and one limiter wait, apart from all others. Both stores keep it so.
 */
import type { PausedGroup } from './change.ts'

/** Of a job that has either: the group, or nothing, and `^` and the limiter, if there is one. */
export function laneName(group = '', limiter?: string): string {
  return limiter === undefined ? written(group) : `${written(group)}^${written(limiter)}`
}

/** Parses the name of a lane. A damaged name is taken as it is. */
export function readLane(lane: string): { group?: string; limiter?: string } {
  const [group = '', limiter] = String(lane).split('^')
  return {
    ...(group !== '' && { group: decoded(group) ?? group }),
    ...(limiter !== undefined && { limiter: decoded(limiter) ?? limiter }),
  }
}

/** Whether a name is damaged. */
export function isDamagedLane(lane: unknown): boolean {
  return typeof lane !== 'string' || decoded(lane) === undefined
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** A group that is paused, as it is shown. @param lane its name @param until as stores keep it: a very large number is for ever */
export function pausedGroup(lane: string, until: number): PausedGroup {
  const { group = '' } = readLane(lane)
  return until >= Number.MAX_SAFE_INTEGER ? { group } : { group, until }
}

/** Names have no character that stores, or their scripts, have another use for. */
function written(name: string): string {
  return /^[\w.*-]*$/.test(name) ? name : encodeURIComponent(name).replaceAll('~', '%7E')
}
