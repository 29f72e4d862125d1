/**
 * Lists the groups of a queue, page by page: which groups may begin jobs, and what the other groups wait for.
 * A call reads a limited number of pages of the store, and does not read jobs.
 */
import { defined } from '@s18i/lark/internal'
import { queueOf } from '../../model/partition.ts'
import { isHash, shownName } from '../../model/stored-name.ts'
import { readNeed } from '../../options/limiter.ts'
import { isText, type OptionsOf, oneOf, option, whole } from '../../options/schema.ts'
import { type LaneFilter, type LaneRecord, MAX_ITEMS } from '../../store/contract/store.ts'
import { Cursors } from './cursor.ts'
import { checkFilter, conditions, type Flags, queueName } from './filter.ts'
import { type OpenQueues, partitionsToLookIn } from './stored-jobs.ts'

/** The maximum number of pages of the store that a call reads. */
const PAGES = 50

const groupStates = ['paused', 'turn', 'asleep', 'full', 'running'] as const
export type GroupState = (typeof groupStates)[number]

/** The store's name for each state of a group. */
const places: Readonly<Record<GroupState, LaneFilter['state']>> = {
  paused: 'paused',
  turn: 'turn',
  asleep: 'asleep',
  full: 'busy',
  running: 'busy',
}

const filterSchema = conditions({
  /** The queue of the groups. */
  queue: queueName.needed(),
  /** Only groups in this state. Default: groups in all states. */
  state: oneOf(groupStates),
  /**
   * Only groups whose name contains this text, in upper or lower case. Default: all groups. A name of more
   * than 64 characters is not found, because the store knows only its hash.
   */
  name: option<string>('a part of the name of a group', isText),
})

export const pageOptions = conditions({
  /** The cursor of the previous page. */
  cursor: option<string>('the cursor of a page', isText),
  /** The maximum number of entries on the page. Default 100. */
  limit: whole(1, MAX_ITEMS),
})

export interface GroupFilter extends OptionsOf<typeof filterSchema.entries> {
  queue: string
}

export interface PageOptions extends OptionsOf<typeof pageOptions.entries> {}

/**
 * A group of a queue. If its jobs need permits of limiters, the group has one entry for each limiter and
 * number of permits.
 */
export interface GroupStatus {
  queue: string
  partition: string
  /**
   * The name of the group. Absent for jobs that have no group but need permits, and if `groupHash` is
   * present.
   */
  group?: string
  /**
   * The hash of the group's name. Present if the name has more than 64 characters, because the store knows
   * only the hash of such a name.
   */
  groupHash?: string
  /** The limiter of the group's jobs, and how many permits each of these jobs needs. */
  limiter?: string
  permits?: number
  /**
   * `paused`: the group is paused until a time, or until somebody resumes it. `turn`: jobs of the group may
   * begin, if there are permits. `asleep`: before the time `until`, no job of the group is due, or a rate
   * allows no job to begin. The group wakes with the first claim after that time. `full`: as many jobs of the
   * group are running as are allowed to run at the same time. `running`: jobs of the group are running, and
   * no other job of the group waits.
   */
  state: GroupState
  /** Milliseconds since 1970. */
  until?: number
  /** How many jobs of the group are waiting or delayed. An embedded store counts only up to 1,000. */
  pending: number
  active: number
}

export interface GroupPage {
  groups: GroupStatus[]
  /**
   * Where the next page begins. Absent if there are no more groups. A page with a cursor may have fewer
   * entries than `limit`, or none.
   */
  cursor?: string
}

/** @throws FILTER_INVALID */
export function checkGroups(filter: unknown, options: unknown, flags?: Flags): void {
  checkFilter('operate().groups()', filter, filterSchema, { flags })
  checkFilter('operate().groups()', options, pageOptions, { flags, whole: 'the second argument' })
}

/** @throws CURSOR_INVALID, UNKNOWN_QUEUE @param filter must be checked already, like `options` */
export async function groups(
  open: OpenQueues,
  { queue, state, name }: GroupFilter,
  { cursor, limit = 100 }: PageOptions,
  flags?: Flags,
): Promise<GroupPage> {
  const { store } = open
  const kinds = [...new Set(Object.values(state === undefined ? places : { state: places[state] }))]
  const parts = (await partitionsToLookIn(open, queue))
    .sort()
    .flatMap((partition) => kinds.map((kind) => [partition, kind] as const))
  const cursors = new Cursors<[partition: string, kind: string, after: string | null]>('operate().groups()', [
    queue,
    state,
    name,
    store.isRemote,
  ])
  const from = cursor === undefined ? undefined : cursors.read(cursor, flags)
  const first = from && parts.findIndex(([partition, kind]) => partition === from[0] && kind === from[1])
  const found: GroupStatus[] = []
  let pages = 0
  for (let i = Math.max(0, first ?? 0); i < parts.length; i++) {
    const [partition, kind] = parts[i]!
    let after = i === first ? (from![2] ?? undefined) : undefined
    do {
      if (found.length >= limit || pages++ === PAGES)
        return { groups: found, cursor: cursors.write([partition, kind, after ?? null]) }
      const filter = {
        state: kind,
        limit: limit - found.length,
        ...defined({ cursor: after }),
      }
      const page = await store.lanes(partition, filter)
      for (const lane of page.lanes)
        if (isShown(lane) && (state === undefined || lane.state === state) && hasName(lane, name))
          found.push(shown(partition, lane))
      after = page.cursor
    } while (after !== undefined)
  }
  return { groups: found }
}

/** Groups that Lark itself creates are not shown. */
function isShown({ group }: LaneRecord): boolean {
  return !group?.startsWith('=')
}

/** @param part a part of the name; undefined for any name */
function hasName({ group }: LaneRecord, part: string | undefined): boolean {
  if (part === undefined) return true
  if (group === undefined || isHash(group)) return false
  return shownName(group).toLowerCase().includes(part.toLowerCase())
}

function shown(partition: string, { group, limiter, ...rest }: LaneRecord): GroupStatus {
  const need = limiter === undefined ? undefined : readNeed(limiter)
  return {
    queue: queueOf(partition),
    partition,
    ...(group !== undefined && (isHash(group) ? { groupHash: group } : { group: shownName(group) })),
    ...(need && { limiter: need.name, permits: need.weight }),
    ...rest,
  }
}
