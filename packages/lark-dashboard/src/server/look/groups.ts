/**
 * Finds groups of a queue: all groups, or the groups whose names contain a text, in the order that the viewer
 * asks for. The store lists groups by state, so a list in another order is made from all groups.
 */
import type { GroupFilter, GroupStatus, Operate } from '@s18i/lark-jobs/operate'

/** The maximum number of groups that are read, and of groups on a page of the store. */
const MOST = 20_000
const PAGE = 1_000
/** The maximum number of pages that are read. If groups are searched by name, a page may be empty. */
const PAGES = 50

export const groupOrders = ['state', 'name', 'pending', 'active'] as const
export type GroupOrder = (typeof groupOrders)[number]

export interface FoundGroups {
  groups: GroupStatus[]
  /** How many groups were found. `groups` may list fewer. */
  count: number
  /** Whether the queue has more groups than were read. */
  hasMore: boolean
}

/** @param limit the maximum number of groups to return */
export async function foundGroups(
  operate: Operate,
  filter: GroupFilter,
  order: GroupOrder,
  limit: number,
): Promise<FoundGroups> {
  const found: GroupStatus[] = []
  let cursor: string | undefined
  for (let pages = 0; pages < PAGES && found.length < MOST; pages++) {
    const more = cursor === undefined ? {} : { cursor }
    const page = await operate.groups(filter, { limit: PAGE, ...more })
    // The store keeps jobs that need permits and have no group in a group without a name. This group is not
    // shown.
    found.push(
      ...page.groups.filter(({ group, groupHash }) => group !== undefined || groupHash !== undefined),
    )
    cursor = page.cursor
    if (cursor === undefined) break
  }
  const sorted = order === 'state' ? found : found.sort(compare(order))
  return { groups: sorted.slice(0, limit), count: found.length, hasMore: cursor !== undefined }
}

const nameOf = ({ group, groupHash = '' }: GroupStatus) => group ?? groupHash

function compare(order: Exclude<GroupOrder, 'state'>) {
  const byName = (one: GroupStatus, other: GroupStatus) =>
    nameOf(one).localeCompare(nameOf(other), 'en', { numeric: true })
  if (order === 'name') return byName
  return (one: GroupStatus, other: GroupStatus) => other[order] - one[order] || byName(one, other)
}
