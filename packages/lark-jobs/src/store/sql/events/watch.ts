/**
 * Watches in SQLite (`contract/watch.ts`). The table `watches` has a row for each job and watcher, until the
 * job ends. The column `watched` of a partition says when the last watch runs out, so that no call looks for
 * watches in a partition without watches. When the time of all watches of a partition is over, their rows are
 * removed.
 */
import type { Fate } from '../../contract/store.ts'
import { rememberEnds } from '../effects/effect.ts'
import { fates } from '../look/read.ts'
import type { Partition } from '../partition.ts'
import { holderOf, list } from '../row.ts'
import { ACTIVE } from '../states.ts'
import { notify } from './waiters.ts'

const inList = 'IN (SELECT value FROM json_each(?))'
const own = `SELECT id FROM watches WHERE partition = ? AND id ${inList} AND watcher = ? AND until >= ?`
const register = `
  INSERT INTO watches (partition, watcher, until, id) SELECT ?, ?, ?, value FROM json_each(?) WHERE true
  ON CONFLICT DO UPDATE SET until = excluded.until`
const live = `SELECT id, watcher FROM watches WHERE partition = ? AND id ${inList} AND until > ?`
const held = `
  SELECT token FROM jobs
  WHERE partition = ? AND id ${inList} AND state = ${ACTIVE} AND token IS NOT NULL`
const reporting = `${held} AND progress IS NOT NULL`
const take = `DELETE FROM watches WHERE partition = ? AND id ${inList} RETURNING id, watcher, until`
const clear = 'DELETE FROM watches WHERE partition = ?'

interface WatchRow {
  id: string
  watcher: string
  /** When the watch runs out: milliseconds since 1970. */
  until: number
}

/** Reads the fates of jobs, and finds the jobs whose watch is missing or must be renewed. */
export function look(
  partition: Partition,
  watcher: string,
  ids: readonly string[],
  ttl: number,
): { found: Fate[]; unwatched: string[] } {
  const { database, id, now } = partition
  const found = fates(partition, ids)
  const present = ids.filter((_, i) => found[i]!.kind === 'present')
  const rows = database.all<Pick<WatchRow, 'id'>>(own, id, list(present), watcher, now + ttl / 2)
  const watched = new Set(rows.map((row) => row.id))
  return { found, unwatched: present.filter((each) => !watched.has(each)) }
}

/**
 * @param news whether all workers that hold these jobs get a notice, so that they send log lines and
 *   progress, even if they know of an earlier watch
 */
export function watch(
  partition: Partition,
  watcher: string,
  ids: readonly string[],
  ttl: number,
  news: boolean,
): Fate[] {
  const { found, unwatched } = look(partition, watcher, ids, ttl)
  const until = partition.now + Math.ceil(ttl)
  if (news) notifyHolders(partition, held, ids)
  if (unwatched.length > 0) {
    const known = watchersOf(partition, unwatched)
    const fresh = unwatched.filter((id) => !known.has(id))
    if (!news) notifyHolders(partition, reporting, fresh)
    partition.database.run(register, partition.id, watcher, until, list(unwatched))
    partition.watched = Math.max(partition.watched ?? 0, until)
  }
  return found
}

/** The watchers of jobs, by the id of the job. Jobs without watchers are left out. */
export function watchersOf(partition: Partition, ids: readonly string[]): Map<string, string[]> {
  const { database, id, now, watched = 0 } = partition
  const found = new Map<string, string[]>()
  if (watched <= now) return found
  for (const row of database.all<Omit<WatchRow, 'until'>>(live, id, list(ids), now))
    found.set(row.id, [...(found.get(row.id) ?? []), row.watcher])
  return found
}

/**
 * Leaves notices for the workers that hold these jobs, so that the workers learn that the jobs are watched.
 *
 * @param which the statement that chooses the jobs. `held`: all active jobs. `reporting`: active jobs that
 * have reported progress
 */
function notifyHolders(partition: Partition, which: string, ids: readonly string[]): void {
  const rows = partition.database.all<{ token: string }>(which, partition.id, list(ids))
  for (const holder of new Set(rows.map(({ token }) => holderOf(token)))) notify(partition, holder)
}

/** Rings the watchers of jobs, and removes the watches. @returns the ids of the jobs that were watched */
export function unwatch(partition: Partition, ids: readonly string[]): string[] {
  const { database, id, now, watched } = partition
  if (watched === undefined) return []
  const taken = database.all<WatchRow>(take, id, list(ids)).filter(({ until }) => until > now)
  for (const watcher of new Set(taken.map((each) => each.watcher))) notify(partition, watcher)
  return [...new Set(taken.map((each) => each.id))]
}

/** Rings the watchers of jobs that have ended in this transaction, and remembers the ends of these jobs. */
export function ringWatchers(partition: Partition, ids: readonly string[]): void {
  const { database, id, now, watched } = partition
  if (watched === undefined || ids.length === 0) return
  if (watched <= now) {
    database.run(clear, id)
    partition.watched = undefined
    return
  }
  const live = unwatch(partition, ids)
  if (live.length > 0) rememberEnds(partition, live)
}
