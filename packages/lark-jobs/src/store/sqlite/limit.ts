/**
 * Limits: of a partition, how many jobs may begin now, and when the next may; of a limiter, the same of permits.
 *
 * `rates` has the window that began `at` and how many began in it, or what a bucket had then; `starts` has when the last
 * began, as long as that matters. Each is of a partition, or of one of several places of it, told apart by a key.
 */
import type { Limits, Rate } from '../../limit.ts'
import type { Partition } from './partition.ts'

export interface Permits {
  /** So many may begin now. */
  free: number
  /** Milliseconds until so many as go together may; undefined: once one ends. */
  wait: number | undefined
  /** So many have begun. */
  note(begun: number): void
}

/** Where what began is kept. The partition 0 is that of no queue, but of limiters (`limiters.ts`). */
export interface Place extends Pick<Partition, 'database' | 'id' | 'now'> {
  key: string
}

const find = 'SELECT at, count FROM rates WHERE partition = ? AND key = ?'
const keep = `
  INSERT INTO rates (partition, key, at, count) VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET at = excluded.at, count = excluded.count`
const forget = 'DELETE FROM starts WHERE partition = ? AND key = ? AND at <= ?'
const begun = 'SELECT count(*) AS count FROM starts WHERE partition = ? AND key = ?'
const nth = 'SELECT at FROM starts WHERE partition = ? AND key = ? ORDER BY at LIMIT 1 OFFSET ?'
const begin = `
  WITH RECURSIVE times (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM times WHERE n < ?4)
  INSERT INTO starts (partition, key, at) SELECT ?1, ?2, ?3 FROM times`

/**
 * @param key where a partition has several places that are limited
 * @param active how many there are by now
 * @param each how many go together
 */
export function permits(
  { database, id, now, active: jobs }: Pick<Partition, 'database' | 'id' | 'now' | 'active'>,
  { concurrency, rate }: Limits,
  key = '',
  active = jobs,
  each = 1,
): Permits {
  const byRate = rate && kinds[rate.kind]({ database, id, now, key }, rate, each)
  const free = concurrency === undefined ? Number.POSITIVE_INFINITY : concurrency - active
  const isByRate = byRate !== undefined && byRate.free <= free
  return {
    free: Math.max(0, isByRate ? byRate.free : free),
    wait: isByRate ? byRate.wait : undefined,
    note: (count) => count > 0 && byRate?.note(count),
  }
}

const kinds: Record<Rate['kind'], (place: Place, rate: Rate, each: number) => Permits> = {
  window({ database, id, key, now }, { limit, per }) {
    const at = now - (now % per)
    const known = database.get<{ at: number; count: number }>(find, id, key)
    const count = known?.at === at ? known.count : 0
    return {
      free: limit - count,
      wait: at + per - now,
      note: (more) => database.run(keep, id, key, at, count + more),
    }
  },
  bucket({ database, id, key, now }, { limit, per, burst }, each) {
    const known = database.get<{ at: number; count: number }>(find, id, key)
    const saved = known && known.count + (Math.max(0, now - known.at) * limit) / per
    const tokens = Math.min(burst, saved ?? burst)
    return {
      free: Math.floor(tokens),
      wait: Math.ceil(((each - (tokens % each)) * per) / limit),
      note: (fewer) => database.run(keep, id, key, now, tokens - fewer),
    }
  },
  sliding({ database, id, key, now }, { limit, per }, each) {
    database.run(forget, id, key, now - per)
    const free = limit - database.get<{ count: number }>(begun, id, key)!.count
    // Beside what is left when all that may have begun, so many must be over.
    const over = each - (((free % each) + each) % each)
    const first = database.get<{ at: number }>(nth, id, key, over - 1)
    return {
      free,
      wait: first === undefined ? per : first.at + per - now,
      note: (more) => database.run(begin, id, key, now, more),
    }
  },
}
