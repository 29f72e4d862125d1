/** The jobs that a viewer has chosen: by their ids, or by a filter. */
import { LarkError } from '@s18i/lark/config'
import { refused } from '../guard/input.ts'
import type { KnownViewer } from '../guard/viewer.ts'

/** The maximum number of ids of one request. */
export const MOST_IDS = 1_000

/** The part of a request that names jobs. */
export interface ChosenJobs<Filter> {
  ids?: string[]
  /** The queue of the jobs with these ids. Needed if several queues have a job with one of these ids. */
  queue?: string
  filter?: Filter
}

/** @throws INPUT_INVALID unless there are either ids or a filter; VALUES_REFUSED */
export function chosen<Filter extends object>(
  viewer: KnownViewer,
  { ids, filter }: ChosenJobs<Filter>,
): string[] | Filter {
  if ((ids === undefined) === (filter === undefined)) throw refused('ids', ids, 'there, or else a filter')
  if (filter !== undefined) return allowed(viewer, filter)
  return ids!
}

/**
 * Refuses conditions on payloads if the viewer may not see payloads. Otherwise the viewer could find out the
 * contents of payloads by trying one value after another.
 *
 * @throws VALUES_REFUSED
 */
export function allowed<Filter extends object>({ payloads, user }: KnownViewer, filter: Filter): Filter {
  if (!payloads && 'where' in filter)
    throw new LarkError(
      'VALUES_REFUSED',
      `${user} may not search in payloads, since these are not shown to them`,
    )
  return filter
}
