/**
 * The groups of a queue, some of them by a part of their names, in the order that the viewer asks for. The
 * store lists groups by state, so a list in another order is made of all of them.
 */
import type { GroupFilter, GroupStatus, Operate } from '@s18i/lark-jobs/operate'

/** The most groups that are read, and the most on a page of the store. */
const MOST = 20_000
const PAGE = 1_000
/** The most pages that are read. A page of groups that are looked for by name may be empty. */
const PAGES = 50

export const groupOrders = ['state', 'name', 'pending', 'active'] as const
export type GroupOrder = (typeof groupOrders)[number]

export interface FoundGroups {
  groups: GroupStatus[]
  /** How many groups were found. `groups` may have fewer. */
  count: number
  /** Whether the queue has more groups than were read. */
  hasMore: boolean
}

/** @param limit the most groups to return */
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
    // Jobs that need permits and have no group are not a group for people.
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
