/**
 * Lists the lanes of a partition page by page, to show to people. No index contains the lanes that wait for
 * the end of a job, so a call finds such lanes by a scan of a limited number of lanes.
 */
import { laneRecord } from '../../contract/rules/lane.ts'
import { type LaneFilter, type LanePage, type LaneRecord, MAX_ITEMS } from '../../contract/store.ts'
import type { LaneRow } from '../claim/lane.ts'
import type { Partition } from '../partition.ts'
import { PENDING } from '../states.ts'

type ListedLane = Pick<LaneRow, 'name' | 'busy' | 'turn' | 'wakeAt'> & {
  limiter: string
  until: number | null
}
/** The values of the two columns by which the rows are sorted. */
type LanePlace = readonly [string | number, string | number]

/** SQL that reads a lane and the end of its group's pause. */
const lane = `
  SELECT lanes.name, busy, limiter, turn, wakeAt, until FROM lanes LEFT JOIN pauses
    ON pauses.partition = lanes.partition AND until > ?2
    AND pauses.name = substr(lanes.name, 1, instr(lanes.name || '^', '^') - 1)`
const byTurn = `
  ${lane} WHERE lanes.partition = ?1 AND turn IS NOT NULL AND (limiter, turn) > (?3, ?4)
  ORDER BY limiter, turn LIMIT ?5`
const byWake = `
  ${lane} WHERE lanes.partition = ?1 AND wakeAt IS NOT NULL AND (wakeAt, lanes.name) > (?3, ?4)
  ORDER BY wakeAt, lanes.name LIMIT ?5`
const byName = `
  ${lane} WHERE lanes.partition = ?1 AND lanes.name > ?4 AND lanes.name >= ?3 ORDER BY lanes.name LIMIT ?5`
const pauses = `
  SELECT name, until FROM pauses WHERE partition = ?1 AND until > ?2 AND (until, name) > (?3, ?4)
  ORDER BY until, name LIMIT ?5`
/**
 * SQL that finds the lanes of a group. All names that begin with the group and `^` are between `<group>^` and
 * `<group>_`, because `_` is the character after `^`.
 */
const ofGroup = `
  SELECT name, busy FROM lanes
  WHERE partition = ?1 AND (name = ?2 OR name > ?2 || '^' AND name < ?2 || '_') ORDER BY name`
const countPending = `
  SELECT count(*) AS count FROM
    (SELECT 1 FROM jobs WHERE partition = ? AND lane = ? AND state = ${PENDING} LIMIT ${MAX_ITEMS})`

/**
 * For each state: the statement, the place before the first row, and a function that returns the place of a
 * row.
 */
const lists = {
  paused: { sql: pauses, first: [-1, ''], place: ({ until, name }: ListedLane) => [until!, name] },
  turn: { sql: byTurn, first: ['', -1], place: ({ limiter, turn }: ListedLane) => [limiter, turn!] },
  asleep: { sql: byWake, first: [-1, ''], place: ({ wakeAt, name }: ListedLane) => [wakeAt!, name] },
  busy: { sql: byName, first: ['', ''], place: ({ name }: ListedLane) => ['', name] },
} as const satisfies Record<
  LaneFilter['state'],
  { sql: string; first: LanePlace; place: (row: ListedLane) => LanePlace }
>

export function listLanes(partition: Partition, filter: LaneFilter): LanePage {
  const { database, id, now } = partition
  const { state, cursor } = filter
  const limit = Math.max(1, Math.min(MAX_ITEMS, filter.limit ?? MAX_ITEMS))
  const { sql, first, place } = lists[state]
  const from = cursor === undefined ? first : (JSON.parse(cursor) as LanePlace)
  const rows = database.all<ListedLane>(sql, id, now, ...from, limit)
  const last = rows.length === limit ? rows.at(-1) : undefined
  return {
    lanes:
      state === 'paused'
        ? rows.flatMap((row) => lanesOfPause(partition, row))
        : shown(partition, state, rows),
    ...(last !== undefined && { cursor: JSON.stringify(place(last)) }),
  }
}

/**
 * Makes the records of lanes for one state. Leaves out lanes of paused groups, which are listed only for the
 * state `paused`.
 */
function shown(partition: Partition, state: LaneFilter['state'], rows: readonly ListedLane[]): LaneRecord[] {
  const isHere = ({ turn, wakeAt, until }: ListedLane) =>
    state === 'turn' || (until === null && (state === 'asleep' || (turn === null && wakeAt === null)))
  return rows
    .filter(isHere)
    .map((row) => recordOf(partition, state, row, state === 'asleep' ? row.wakeAt! : undefined))
}

function lanesOfPause(partition: Partition, { name, until }: ListedLane): LaneRecord[] {
  const lanes = partition.database.all<Pick<ListedLane, 'name' | 'busy'>>(ofGroup, partition.id, name)
  const all = lanes.length > 0 ? lanes : [{ name, busy: 0 }]
  return all.map((row) => recordOf(partition, 'paused', row, until!))
}

function recordOf(
  { database, id }: Partition,
  state: LaneFilter['state'],
  { name, busy }: Pick<ListedLane, 'name' | 'busy'>,
  until: number | undefined,
): LaneRecord {
  const pending = database.get<{ count: number }>(countPending, id, name)!.count
  return laneRecord(state, name, { until, pending, active: busy })
}
