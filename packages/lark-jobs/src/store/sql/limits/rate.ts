/**
 * Computes how many starts the limits of a partition, of a lane or of a limiter allow now, and when the next
 * start is allowed. A start is a job that begins, or for a limiter a permit that is granted.
 *
 * A row of the table `rates` has the current window (when it began, and the number of its starts), or a
 * bucket (the number of tokens at a time, and how many tokens were ever taken). The table `starts` has the
 * times of recent starts; a start counts until `over`. The key of a row is '' for the limits of the partition
 * itself, or names a lane or a limiter.
 */
import type { Limits } from '../../../model/limits.ts'
import type { Rate } from '../../../model/rate.ts'
import { isRateKind, UNKNOWN_RATE_AGAIN } from '../../contract/rules/rate.ts'
import { MAX_ITEMS } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'

export interface AllowedStarts {
  /** The number of starts that are allowed now. */
  free: number
  /**
   * Milliseconds until one more lot of `each` starts is allowed; undefined if an active job must end first.
   */
  wait: number | undefined
  /**
   * Records starts. @returns a mark for `refund`, which says where the rate has counted these starts;
   * undefined without a rate
   */
  note(begun: number): number | undefined
}

/**
 * The key of the rows for one rate. Rows of limiters have the partition number 0, which no partition has
 * (`limiters.ts`).
 */
export interface RateKey extends Pick<Partition, 'database' | 'id' | 'now'> {
  key: string
}

interface RateRow {
  at: number
  count: number
  taken: number
}

const find = 'SELECT at, count, taken FROM rates WHERE partition = ? AND key = ?'
const keep = `
  INSERT INTO rates (partition, key, at, count, over, taken) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET at = excluded.at, count = excluded.count, over = excluded.over, taken = excluded.taken`
const recount = 'UPDATE rates SET count = ? WHERE partition = ? AND key = ?'
const forget = 'DELETE FROM starts WHERE partition = ? AND key = ? AND at <= ?'
const begun = 'SELECT count(*) AS count FROM starts WHERE partition = ? AND key = ? AND at > ?'
const nth = 'SELECT at FROM starts WHERE partition = ? AND key = ? AND at > ? ORDER BY at LIMIT 1 OFFSET ?'
const begin = `
  WITH RECURSIVE times (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM times WHERE n < ?5)
  INSERT INTO starts (partition, key, at, over) SELECT ?1, ?2, ?3, ?4 FROM times`
const unbegin = `
  DELETE FROM starts WHERE rowid IN
    (SELECT rowid FROM starts WHERE partition = ? AND key = ? AND at = ? LIMIT ?)`
const forgetRates = `
  DELETE FROM rates WHERE (partition, key) IN
    (SELECT partition, key FROM rates WHERE over <= ? ORDER BY over LIMIT ${MAX_ITEMS})`
const forgetStarts = `
  DELETE FROM starts WHERE rowid IN (SELECT rowid FROM starts WHERE over <= ? ORDER BY over LIMIT ${MAX_ITEMS})`

/** SQL that says whether there are rows that `forgetOver` would remove at the instant `now`. */
export const overRates = (now: string) => `
  EXISTS (SELECT 1 FROM rates WHERE over <= ${now}) OR EXISTS (SELECT 1 FROM starts WHERE over <= ${now})`

/**
 * Computes how many starts are allowed now. This function only reads; the function `note` in its result
 * writes.
 *
 * @param key the lane or the limiter to which the limits belong. Default: the whole partition
 * @param active the number of active jobs or held permits, which counts against `concurrency`
 * @param each the size of a lot
 */
export function allowedStarts(
  { database, id, now, active: jobs }: Pick<Partition, 'database' | 'id' | 'now' | 'active'>,
  { concurrency, rate }: Limits,
  key = '',
  active = jobs,
  each = 1,
): AllowedStarts {
  if (rate !== undefined && !isRateKind(rate.kind)) return unknown
  const byRate = rate && kinds[rate.kind]({ database, id, now, key }, rate, each)
  const free = concurrency === undefined ? Number.POSITIVE_INFINITY : concurrency - active
  const isByRate = byRate !== undefined && byRate.free <= free
  return {
    free: Math.max(0, isByRate ? byRate.free : free),
    wait: isByRate ? byRate.wait : undefined,
    note: (count) => (count > 0 ? byRate?.note(count) : undefined),
  }
}

/**
 * Takes back `count` starts that `note` has recorded but that did not happen.
 *
 * @param mark the result of `note`
 */
export function refund(place: RateKey, rate: Rate, mark: number, count: number): void {
  refunds[rate.kind](place, rate, mark, count)
}

/**
 * Removes windows, buckets and starts that no longer count, in all partitions: a limited number in each call.
 * @returns a number that is at most the number of removed rows, and 0 only if none was removed
 */
export function forgetOver({ database, now }: Pick<Partition, 'database' | 'now'>): number {
  return Math.max(database.run(forgetRates, now), database.run(forgetStarts, now))
}

/** The result for a rate of a kind that this version does not know. */
const unknown: AllowedStarts = { free: 0, wait: UNKNOWN_RATE_AGAIN, note: () => undefined }

// New kind of rate: add how it counts starts; and in `refunds`, how starts are taken back.
const kinds: Record<Rate['kind'], (place: RateKey, rate: Rate, each: number) => AllowedStarts> = {
  window({ database, id, key, now }, { limit, per }) {
    const at = now - (now % per)
    const known = database.get<RateRow>(find, id, key)
    const count = known?.at === at ? known.count : 0
    return {
      free: limit - count,
      wait: at + per - now,
      note: (more) => {
        database.run(keep, id, key, at, count + more, at + per, 0)
        return at
      },
    }
  },
  bucket({ database, id, key, now }, { limit, per, burst }, each) {
    const known = database.get<RateRow>(find, id, key)
    const saved = known && known.count + (Math.max(0, now - known.at) * limit) / per
    const tokens = Math.min(burst, saved ?? burst)
    const fullAt = now + Math.ceil((burst * per) / limit)
    return {
      free: Math.floor(tokens),
      wait: Math.ceil(((each - (tokens % each)) * per) / limit),
      note: (fewer) => {
        // In a new bucket, `taken` begins with the microseconds since 1970. So a bucket that was removed and
        // is created again never returns the same mark twice.
        const taken = (known?.taken || now * 1_000) + fewer
        database.run(keep, id, key, now, tokens - fewer, fullAt, taken)
        return taken
      },
    }
  },
  sliding({ database, id, key, now }, { limit, per }, each) {
    const over = now - per
    const free = limit - database.get<{ count: number }>(begun, id, key, over)!.count
    // The number of starts that must expire before one more lot of `each` fits.
    const fewer = each - (((free % each) + each) % each)
    const first = database.get<{ at: number }>(nth, id, key, over, fewer - 1)
    return {
      free,
      wait: first === undefined ? per : first.at + per - now,
      note: (more) => {
        database.run(forget, id, key, over)
        database.run(begin, id, key, now, now + per, more)
        return now
      },
    }
  },
}

const refunds: Record<Rate['kind'], (place: RateKey, rate: Rate, mark: number, count: number) => void> = {
  window({ database, id, key }, _, mark, count) {
    const known = database.get<RateRow>(find, id, key)
    if (known?.at === mark) database.run(recount, Math.max(0, known.count - count), id, key)
  },
  /**
   * Right after the grant, the bucket had at most `burst` tokens. Since then it has given `known.taken -
   * mark` tokens. So a refund fills the bucket at most up to `burst` minus this number.
   */
  bucket({ database, id, key }, { burst }, mark, count) {
    const known = database.get<RateRow>(find, id, key)
    if (known === undefined || known.taken < mark) return
    const most = burst - (known.taken - mark)
    const tokens = Math.min(known.count + count, most)
    if (tokens > known.count) database.run(recount, tokens, id, key)
  },
  sliding({ database, id, key }, _, mark, count) {
    database.run(unbegin, id, key, mark, count)
  },
}
