/**
 * The limits of a partition: how many jobs may begin now, and when the next may.
 *
 * `rates` has the window that began `at` and how many began in it, or what a bucket had then; `starts` has when the last
 * jobs began, as long as that matters.
 */
import type { Limits, Rate } from '../../limit.ts'
import type { Partition } from './partition.ts'

export interface Permits {
  /** Jobs that may begin now. */
  free: number
  /** Milliseconds until more may; undefined: once one ends. */
  wait: number | undefined
  /** So many have begun. */
  note(begun: number): void
}

const find = 'SELECT at, count FROM rates WHERE partition = ?'
const keep = `
  INSERT INTO rates (partition, at, count) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET at = excluded.at, count = excluded.count`
const forget = 'DELETE FROM starts WHERE partition = ? AND at <= ?'
const begun = 'SELECT count(*) AS count, min(at) AS at FROM starts WHERE partition = ?'
const begin = `
  WITH RECURSIVE times (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM times WHERE n < ?3)
  INSERT INTO starts (partition, at) SELECT ?1, ?2 FROM times`

export function permits(partition: Partition, { concurrency, rate }: Limits): Permits {
  const byRate = rate && kinds[rate.kind](partition, rate)
  const free = concurrency === undefined ? Number.POSITIVE_INFINITY : concurrency - partition.active
  const isByRate = byRate !== undefined && byRate.free <= free
  return {
    free: Math.max(0, isByRate ? byRate.free : free),
    wait: isByRate ? byRate.wait : undefined,
    note: (count) => count > 0 && byRate?.note(count),
  }
}

const kinds: Record<Rate['kind'], (partition: Partition, rate: Rate) => Permits> = {
  window({ database, id, now }, { limit, per }) {
    const at = now - (now % per)
    const known = database.get<{ at: number; count: number }>(find, id)
    const count = known?.at === at ? known.count : 0
    return {
      free: limit - count,
      wait: at + per - now,
      note: (more) => database.run(keep, id, at, count + more),
    }
  },
  bucket({ database, id, now }, { limit, per, burst }) {
    const known = database.get<{ at: number; count: number }>(find, id)
    const saved = known && known.count + (Math.max(0, now - known.at) * limit) / per
    const tokens = Math.min(burst, saved ?? burst)
    return {
      free: Math.floor(tokens),
      wait: Math.ceil(((1 - (tokens % 1)) * per) / limit),
      note: (fewer) => database.run(keep, id, now, tokens - fewer),
    }
  },
  sliding({ database, id, now }, { limit, per }) {
    database.run(forget, id, now - per)
    const { count, at } = database.get<{ count: number; at: number | null }>(begun, id)!
    return {
      free: limit - count,
      wait: at === null ? 0 : at + per - now,
      note: (more) => database.run(begin, id, now, more),
    }
  },
}
