/**
 * The effects of ended jobs (`model/effect.ts`): one row of `effects` for each, from the end of its job until
 * the effect is acknowledged; for a member, until nobody can ask for it again.
 *
 *   due         `at` has come: the next call that asks for effects is handed it
 *   handed out  `at` is the end of the caller's lease
 *   remembered  `at` is NULL: it was acknowledged. It is removed at `over`
 *
 * Workers deliver the effects that are handed out (`worker/maintenance/deliverer.ts`). A member whose home is
 * its own partition has no effect: it is counted in the same step (`tally.ts`).
 *
 * The end of a watched job (`watch.ts`) is remembered from the beginning, by a row of the kind `watch`. A
 * member whose home is another partition needs no such row, because its own row is kept for longer.
 *
 * `effects` of a job is the number of its rows here, or NULL. A job with effects that is removed becomes
 * hidden: its state is raised by `HIDDEN`, so that it is in no index and no counter of its state. Its row is
 * removed with its last effect, and its payload with its hook, because a flow does not need the payload.
 * `nextEffect` of a partition is the earliest `at`, so that calls need not look for effects.
 *
 * Measured on 2026-11-26 (2 cores, 24 GiB, shared and busy, Node 20.20, `libsql`, 50 jobs a call; µs of CPU
 * for a job that is queued, claimed and completed, lowest of 6 runs in turns): a plain job 23 in memory and
 * 27 in a file; a member of a batch that ends at home 27 and 27, and a node 32 and 31; a member of another
 * home, with `apply` and the acknowledgement, 48 and 48. (A plain job took 20.5 before effects were added,
 * and 20.9 afterwards.)
 */
import { type Effect, type EffectKind, type EffectName, memberOf } from '../../../model/effect.ts'
import {
  type EffectsWanted,
  MAX_HOOKS,
  MAX_ITEMS,
  MEMBER_LEASE_MS,
  RESEND_MEMORY,
  UNKEPT_MEMORY,
} from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { keptBytes, payload, shownBytes } from '../payload.ts'
import { Room } from '../room.ts'
import { columns, type JobRow, list, type ShownRow, toEnded, toRecord } from '../row.ts'
import { HIDDEN } from '../states.ts'

const insert = 'INSERT INTO effects (seq, kind, partition, at) VALUES (?, ?, ?, ?)'
const insertMembers = `
  INSERT INTO effects (seq, kind, partition, at) SELECT value, 'member', ?, ? FROM json_each(?)`
const withdrawAll = 'DELETE FROM effects WHERE seq = ?'
const moving = "SELECT 1 FROM effects WHERE seq = ? AND kind = 'move' AND at IS NOT NULL"
const owed = "SELECT 1 FROM effects WHERE seq = ? AND kind = 'hook'"
const find = (kind: EffectKind, bytes: string, most: number) => `
  SELECT effects.seq, ${bytes} FROM effects CROSS JOIN jobs ON jobs.seq = effects.seq
  WHERE effects.partition = ? AND kind = '${kind}' AND at <= ? AND at IS NOT NULL ORDER BY at LIMIT ${most}`
const findHooks = find('hook', shownBytes, MAX_HOOKS)
const findMembers = find('member', `${keptBytes} AS bytes`, MAX_ITEMS)
const postpone = 'UPDATE effects SET at = ? WHERE kind = ? AND seq IN (SELECT value FROM json_each(?))'
const showHooks = `
  SELECT ${columns}, result, progress, ${payload} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`
const showMembers = `
  SELECT ${columns}, result, progress, '' AS payload FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`
const named = `
  SELECT seq, id, finishedAt FROM jobs
  WHERE partition = ? AND id IN (SELECT value FROM json_each(?)) AND effects IS NOT NULL`
const tell = `
  DELETE FROM effects WHERE kind = 'hook' AND seq IN (SELECT value FROM json_each(?)) RETURNING seq`
const remember = `
  UPDATE effects SET at = NULL, over = ?
  WHERE kind = 'member' AND at IS NOT NULL AND seq IN (SELECT value FROM json_each(?))`
const forget = `
  DELETE FROM effects WHERE kind <> 'hook' AND seq IN (
    SELECT seq FROM effects WHERE partition = ? AND over <= ? ORDER BY over LIMIT ?
  ) RETURNING seq`
const removeHidden = `
  DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(?)) AND effects = 1 AND state >= ${HIDDEN}`
/** SQL: hidden jobs whose class has been told of their end, or need not be. No flow needs their payloads. */
const bare = `
  seq IN (SELECT value FROM json_each(?)) AND state >= ${HIDDEN}
  AND NOT EXISTS (SELECT 1 FROM effects WHERE effects.seq = jobs.seq AND kind = 'hook')`
const dropLarge = `DELETE FROM payloads WHERE id IN (SELECT apart FROM jobs WHERE ${bare})`
const dropSmall = `UPDATE jobs SET payload = '', apart = NULL WHERE ${bare}`
const countDown = `
  UPDATE jobs SET effects = nullif(effects - 1, 0) WHERE seq IN (SELECT value FROM json_each(?))`
const rememberWatched = `
  INSERT INTO effects (seq, kind, partition, over)
  SELECT seq, 'watch', partition, ?1 FROM jobs
  WHERE partition = ?2 AND id IN (SELECT value FROM json_each(?3))`
const countUp = `
  UPDATE jobs SET effects = ifnull(effects, 0) + 1 WHERE partition = ? AND id IN (SELECT value FROM json_each(?))`
/** Jobs that are watched are remembered for longer already. */
const rememberOthers = `
  INSERT OR IGNORE INTO effects (seq, kind, partition, over) SELECT value, 'watch', ?, ? FROM json_each(?) WHERE true
  RETURNING seq`
const countUpThese = `
  UPDATE jobs SET effects = ifnull(effects, 0) + 1 WHERE seq IN (SELECT value FROM json_each(?))`
const first = `
  SELECT min(at) AS at FROM (
    SELECT min(at) AS at FROM effects WHERE partition = ?1 AND kind = 'hook' AND at IS NOT NULL
    UNION ALL SELECT min(at) FROM effects WHERE partition = ?1 AND kind = 'member' AND at IS NOT NULL
  )`
/** SQL: whether `forgetEffects` would remove something of a row of `partitions`, at an instant. */
export const olderEffects = (now: string) =>
  `EXISTS (SELECT 1 FROM effects WHERE partition = partitions.id AND over <= ${now})`

/** Writes the effects of a job that ends now. @returns their number, as stored in the job's row */
export function writeEffects(
  partition: Partition,
  { seq, id, hooked }: Pick<JobRow, 'seq' | 'id' | 'hooked'>,
  isUntold: boolean,
): number | null {
  const kinds: EffectKind[] = []
  if (isUntold && hooked !== null) kinds.push('hook')
  const home = memberOf(id)?.home
  if (home !== undefined && home !== partition.name) kinds.push('member')
  for (const kind of kinds) partition.database.run(insert, seq, kind, partition.id, partition.now)
  if (kinds.length === 0) return null
  partition.owe()
  return kinds.length
}

/** Writes the effects of members that end now. Their rows must already say that they have one effect. */
export function writeMembers(partition: Partition, seqs: readonly number[]): void {
  if (seqs.length === 0) return
  partition.database.run(insertMembers, partition.id, partition.now, list(seqs))
  partition.owe()
}

/** Removes the effects of a job that goes back to its line. */
export function withdrawEffects(
  partition: Partition,
  { seq, effects }: Pick<JobRow, 'seq' | 'effects'>,
): void {
  if (effects === null) return
  partition.database.run(withdrawAll, seq)
  refresh(partition)
}

/** Whether the class of a job has not been told of its end yet. */
export function owesHook(
  { database }: Partition,
  { seq, effects }: Pick<JobRow, 'seq' | 'effects'>,
): boolean {
  return effects !== null && database.get(owed, seq) !== undefined
}

/** Whether a job in the state `GONE` has not arrived in its new partition yet (`moves.ts`). */
export function isOnItsWay({ database }: Partition, { seq }: Pick<JobRow, 'seq'>): boolean {
  return database.get(moving, seq) !== undefined
}

/** Acknowledges effects, and hands out others, as a call asks. */
export function exchangeEffects(partition: Partition, wanted: EffectsWanted | undefined): Effect[] {
  if (wanted === undefined) return []
  if (wanted.done !== undefined && wanted.done.length > 0) acknowledge(partition, wanted.done)
  return wanted.leaseMs === 0 ? [] : handOut(partition, wanted.leaseMs)
}

/** Milliseconds until there is an effect to hand out; undefined if there is none. */
export function nextEffect({ nextEffect: at, now }: Partition): number | undefined {
  return at === undefined ? undefined : Math.max(0, at - now)
}

/** Forgets effects that were acknowledged long ago, at most `most`. @returns how many */
export function forgetEffects(partition: Partition, most: number): number {
  const { database, id, now } = partition
  const over = database.all<Pick<JobRow, 'seq'>>(forget, id, now, most)
  release(partition, over)
  return over.length
}

/**
 * Keeps the ends of watched jobs so that their watchers can read them, even if the jobs are removed
 * meanwhile.
 */
export function rememberEnds(partition: Partition, ids: readonly string[]): void {
  const { database, id, name, now } = partition
  const others = list(ids.filter((each) => (memberOf(each)?.home ?? name) === name))
  database.run(rememberWatched, now + RESEND_MEMORY, id, others)
  database.run(countUp, id, others)
  // As many rows are removed here as are added: see `acknowledge`.
  forgetEffects(partition, MAX_ITEMS)
}

/** Remembers the ends of jobs that are not kept, for a moment, as the contract says (`contract/watch.ts`). */
export function rememberUnkept(partition: Partition, jobs: readonly Pick<JobRow, 'seq' | 'id'>[]): void {
  const { database, id, name, now } = partition
  const others = jobs.filter((job) => (memberOf(job.id)?.home ?? name) === name)
  if (others.length === 0) return
  const seqs = list(others.map(({ seq }) => seq))
  const rows = database.all<Pick<JobRow, 'seq'>>(rememberOthers, id, now + UNKEPT_MEMORY, seqs)
  database.run(countUpThese, list(rows.map(({ seq }) => seq)))
  forgetEffects(partition, MAX_ITEMS)
}

/** Removes the payloads of those jobs that are hidden and have no hook left. */
export function dropPayloads({ database }: Partition, jobs: readonly Pick<JobRow, 'seq'>[]): void {
  if (jobs.length === 0) return
  const seqs = list(jobs.map(({ seq }) => seq))
  database.run(dropLarge, seqs)
  database.run(dropSmall, seqs)
}

function acknowledge(partition: Partition, names: readonly EffectName[]): void {
  const { database, id, now } = partition
  const ends = new Map<string, Pick<JobRow, 'seq' | 'id' | 'finishedAt'>>()
  for (const row of database.all<JobRow>(named, id, list(names.map((name) => name.id)))) ends.set(row.id, row)
  const seqsOf = (kind: EffectKind) => {
    const its = names.filter((name) => name.kind === kind && ends.get(name.id)?.finishedAt === name.at)
    return list(its.map((name) => ends.get(name.id)!.seq))
  }
  const told = database.all<Pick<JobRow, 'seq'>>(tell, seqsOf('hook'))
  release(partition, told)
  dropPayloads(partition, told)
  database.run(remember, now + RESEND_MEMORY, seqsOf('member'))
  // As many old rows are removed as new ones are added, so that they do not pile up even if `prune` cannot
  // keep pace.
  forgetEffects(partition, MAX_ITEMS)
  refresh(partition)
}

function handOut(partition: Partition, ms: number | undefined): Effect[] {
  const { database, id, name, now } = partition
  if ((partition.nextEffect ?? Number.POSITIVE_INFINITY) > now) return []
  const room = new Room()
  const dueOf = (find: string) => database.all<{ seq: number; bytes: number }>(find, id, now)
  const take = (kind: EffectKind, found: ReturnType<typeof dueOf>, among: number, until: number) => {
    const due = room.take(found, among).map(({ seq }) => seq)
    if (due.length === 0) return []
    database.run(postpone, until, kind, list(due))
    const rows = new Map<number, ShownRow>()
    for (const row of database.all<ShownRow>(kind === 'hook' ? showHooks : showMembers, list(due)))
      rows.set(row.seq, row)
    return due.map((seq) => rows.get(seq)!)
  }
  const dueMembers = dueOf(findMembers)
  // Large hooks leave half of the answer to members that are due.
  const among = dueMembers.length > 0 ? 2 : 1
  const hooks = ms === undefined ? [] : take('hook', dueOf(findHooks), among, now + ms)
  const members = take('member', dueMembers, 1, now + MEMBER_LEASE_MS)
  refresh(partition)
  if (ms !== undefined) partition.owes = false
  return [
    ...hooks.map((row): Effect => ({ kind: 'hook', job: toRecord(row, name, now) })),
    ...members.map((row): Effect => ({ kind: 'member', job: toEnded(row, name, now) })),
  ]
}

/** Counts down the effects of each job, and removes hidden jobs that have no effect left. */
function release({ database }: Partition, jobs: readonly Pick<JobRow, 'seq'>[]): void {
  if (jobs.length === 0) return
  const seqs = list(jobs.map(({ seq }) => seq))
  database.run(removeHidden, seqs)
  database.run(countDown, seqs)
}

function refresh(partition: Partition): void {
  partition.nextEffect = partition.database.get<{ at: number | null }>(first, partition.id)!.at ?? undefined
}
