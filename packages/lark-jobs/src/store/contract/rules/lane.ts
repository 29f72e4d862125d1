/**
 * The name of a lane. A lane holds the jobs of one group that need the same permits, apart from all other
 * jobs. Both stores write the name in the same way.
 */
import type { LaneFilter, LaneRecord } from '../page.ts'

/**
 * For a job with a group, a limiter, or both: the group (or nothing), and if there is a limiter, `^` and the
 * limiter.
 */
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

/** A lane, as people see it. @param until as stores keep it; a very large number means for ever */
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

/** Encodes a name, so that it has no character with a meaning of its own to the stores or their scripts. */
function written(name: string): string {
  return /^[\w.*-]*$/.test(name) ? name : encodeURIComponent(name).replaceAll('~', '%7E')
}
