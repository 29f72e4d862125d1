/**
 * The name of a lane: where the jobs of one group and one limiter wait, apart from all others. Both stores keep it so.
 */

/** Of a job that has either: the group, or nothing, and `^` and the limiter, if there is one. */
export function laneName(group = '', limiter?: string): string {
  return limiter === undefined ? written(group) : `${written(group)}^${written(limiter)}`
}

/** What a name says. */
export function readLane(lane: string): { group?: string; limiter?: string } {
  const [group = '', limiter] = lane.split('^')
  return {
    ...(group !== '' && { group: decodeURIComponent(group) }),
    ...(limiter !== undefined && { limiter: decodeURIComponent(limiter) }),
  }
}

/** Names have no character that stores, or their scripts, have another use for. */
function written(name: string): string {
  return /^[\w.*-]*$/.test(name) ? name : encodeURIComponent(name).replaceAll('~', '%7E')
}
