/**
 * The name of a lane. A lane contains the jobs of one group that need the same permits. All stores write the
 * name in the same way.
 */
import type { LaneFilter, LaneRecord } from '../page.ts'

/**
 * Makes the name of the lane for jobs with a group, with a limiter or with both. The name is the encoded
 * group, if there is one, followed by `^` and the encoded limiter, if there is one.
 */
export function laneName(group = '', limiter?: string): string {
  return limiter === undefined ? written(group) : `${written(group)}^${written(limiter)}`
}

/** Parses the name of a lane. In a damaged name nothing is decoded. */
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

/**
 * The record of a lane, to show to people. @param until the time that the store keeps; a very large number
 * means for ever
 */
export function laneRecord(
  state: LaneFilter['state'],
  lane: string,
  { until, pending, active }: { until?: number | undefined; pending: number; active: number },
): LaneRecord {
  return {
    ...readLane(lane),
    state: state !== 'busy' ? state : pending > 0 ? 'full' : 'running',
    ...(until !== undefined && until < Number.MAX_SAFE_INTEGER && { until }),
    pending,
    active,
  }
}

/**
 * Encodes a name, so that it contains no character that has a special meaning for stores or their scripts.
 */
function written(name: string): string {
  return /^[\w.*-]*$/.test(name) ? name : encodeURIComponent(name).replaceAll('~', '%7E')
}
