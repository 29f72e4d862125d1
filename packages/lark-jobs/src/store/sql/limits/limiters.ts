/**
 * Limiters in SQLite: permits and circuits (`contract/limiters.ts`). Each verb is one transaction.
 *
 * The table `holders` has a row for each holder of a limiter, with the last call of the holder. A row whose
 * lease has ended does not count, and the next call of any holder removes it. The table `waits` has the sizes
 * of lots for which holders wait: since when, and until when the wait counts. The table `circuits` has the
 * open circuits, and the table `failures` the counted failures of closed circuits. The rates of limiters use
 * the same tables as the rates of partitions (`rate.ts`).
 */
import type { Circuit, CircuitEvent, CircuitRule } from '../../../options/circuit.ts'
import { mostOf } from '../../../options/limiter.ts'
import { checkLimits } from '../../contract/rules/rate.ts'
import {
  type LimiterRecord,
  type Limiters,
  type Lot,
  MAX_ITEMS,
  type PermitCall,
  type Permitted,
} from '../../contract/store.ts'
import type { Database } from '../database.ts'
import { allowedStarts, refund } from './rate.ts'

interface LimiterRow {
  number: number
  held: number
  granted: number
  wait: number | null
  mark: number | null
  /** The limiter knows all calls of the holder from this number on. */
  since: number | null
}

const find =
  'SELECT number, held, granted, wait, mark, since FROM holders WHERE limiter = ? AND holder = ? AND leaseEnd > ?'
const others = `
  SELECT total(held) AS held FROM holders WHERE limiter = ? AND holder <> ? AND leaseEnd > ?`
const keepHeld = `
  INSERT OR REPLACE INTO holders (limiter, holder, leaseEnd, number, held, granted, wait, mark, since)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
const renew = 'UPDATE holders SET leaseEnd = ?4 WHERE limiter = ?1 AND holder = ?2 AND leaseEnd > ?3'
const forget = `
  DELETE FROM holders WHERE (limiter, holder) IN
    (SELECT limiter, holder FROM holders WHERE leaseEnd <= ? ORDER BY leaseEnd LIMIT ${MAX_ITEMS})`

const holdersOf = `
  SELECT holder, held AS permits, leaseEnd AS until FROM holders
  WHERE limiter = ? AND leaseEnd > ? AND held > 0 LIMIT ${MAX_ITEMS}`
const waitsFor = `
  SELECT CAST(size AS INTEGER) AS permits, since, until FROM waits
  WHERE limiter = ? AND until > ? LIMIT ${MAX_ITEMS}`

const forgetWaits = 'DELETE FROM waits WHERE until <= ?'
const firstSize = 'SELECT size FROM waits WHERE limiter = ? ORDER BY since, size LIMIT 1'
const endWait = 'DELETE FROM waits WHERE limiter = ? AND size = ?'
const keepWait = `
  INSERT INTO waits (limiter, size, since, until) VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET until = excluded.until`

const findCircuit = 'SELECT opening, trial FROM circuits WHERE name = ?'
const keepCircuit = 'INSERT OR REPLACE INTO circuits (name, opening, trial) VALUES (?, ?, ?)'
const close = 'DELETE FROM circuits WHERE name = ?'
const forgetFailures = 'DELETE FROM failures WHERE circuit = ? AND at <= ?'
const keepFailure = 'INSERT OR IGNORE INTO failures (circuit, id, at) VALUES (?, ?, ?)'
const countFailures = 'SELECT count(*) AS count FROM failures WHERE circuit = ?'

/** The answer to a call that asks for no permits. */
const NOTHING: Pick<LimiterRow, 'granted' | 'wait' | 'mark'> = { granted: 0, wait: null, mark: null }

/**
 * An instant later than any other instant. If failures up to this instant are removed, a circuit has no
 * failures any more.
 */
const NEVER = Number.MAX_SAFE_INTEGER

export class SqliteLimiters implements Limiters {
  readonly #database: () => Database

  constructor(database: () => Database) {
    this.#database = database
  }

  async permit(limiter: string, call: PermitCall): Promise<Permitted> {
    const database = this.#database()
    return database.write(() => permit(database, limiter, call))
  }

  async renew(limiter: string, holder: string, leaseMs: number): Promise<boolean> {
    const database = this.#database()
    return database.write(() => {
      const now = database.now()
      return database.run(renew, limiter, holder, now, now + leaseMs) > 0
    })
  }

  async circuit(name: string, rule: CircuitRule, event: CircuitEvent): Promise<Circuit> {
    const database = this.#database()
    return database.write(() => circuit(database, name, rule, event))
  }

  async look(name: string, lot?: Lot): Promise<LimiterRecord> {
    const database = this.#database()
    return database.read(() => {
      const now = database.now()
      const open = database.get<{ opening: number; trial: number }>(findCircuit, name)
      return {
        holders: database.all<LimiterRecord['holders'][number]>(holdersOf, name, now),
        waits: database.all<LimiterRecord['waits'][number]>(waitsFor, name, now),
        ...(lot !== undefined && freeFor(database, name, lot, now)),
        ...(open !== undefined && { circuit: { openedAt: open.opening, trialAt: open.trial } }),
      }
    })
  }
}

function freeFor(
  database: Database,
  limiter: string,
  { limits, each }: Lot,
  now: number,
): Pick<LimiterRecord, 'free' | 'nextAt'> {
  checkLimits(limits)
  const { held } = database.get<{ held: number }>(others, limiter, '', now)!
  const { free, wait } = allowedStarts({ database, id: 0, now, active: held }, limits, limiter, held, each)
  return { free: Math.min(free, MAX_ITEMS), ...(free < each && wait !== undefined && { nextAt: now + wait }) }
}

function permit(database: Database, limiter: string, call: PermitCall): Permitted {
  const now = database.now()
  const { holder, number, after, limits, held, wanted, each = 1, unused = [], leaseMs } = call
  checkLimits(limits)
  const last = database.get<LimiterRow>(find, limiter, holder, now)
  if (last !== undefined && last.number > number)
    throw new Error("this permit call is older than the holder's last one")
  const isAgain = last?.number === number
  let { granted, wait, mark } = isAgain ? last : NOTHING
  // If a lease has ended, or the file was restored from a backup, the limiter may not know some calls of the
  // holder. Permits that were granted before such a call are not refunded.
  const since = (isAgain || last?.number === after ? last?.since : undefined) ?? number
  if (!isAgain && limits.rate !== undefined)
    for (const some of unused)
      if (some.number >= since)
        refund({ database, id: 0, now, key: limiter }, limits.rate, some.mark, some.count)
  if (!isAgain && wanted > 0) {
    const { held: all } = database.get<{ held: number }>(others, limiter, holder, now)!
    const within = allowedStarts(
      { database, id: 0, now, active: all + held },
      limits,
      limiter,
      undefined,
      each,
    )
    const inLots = (count: number) => {
      const most = Math.max(0, Math.min(count, wanted))
      return most - (most % each)
    }
    granted = inLots(within.free - keptFrom(database, limiter, each, now))
    mark = within.note(granted) ?? null
    const isByLimits = granted < wanted && granted === inLots(within.free)
    wait = isByLimits ? (within.wait ?? null) : null
    if (granted > 0) database.run(endWait, limiter, String(each))
    else if (each <= mostOf(limits))
      database.run(keepWait, limiter, String(each), now, now + leaseMs + (wait ?? 0))
  }
  database.run(forget, now)
  const uses = isAgain ? last.held : held + granted
  database.run(keepHeld, limiter, holder, now + leaseMs, number, uses, granted, wait, mark, since)
  return { granted, ...(wait !== null && { wait }), ...(mark !== null && { mark }) }
}

/**
 * How many permits are reserved for lots of other sizes than `each`: one lot of the size for which holders
 * have waited longest.
 */
function keptFrom(database: Database, limiter: string, each: number, now: number): number {
  database.run(forgetWaits, now)
  const first = Number(database.get<{ size: string }>(firstSize, limiter)?.size ?? 0)
  return first === each ? 0 : first
}

function circuit(
  database: Database,
  name: string,
  { failures, per, pause }: CircuitRule,
  event: CircuitEvent,
): Circuit {
  const now = database.now()
  const open = database.get<{ opening: number; trial: number }>(findCircuit, name)
  if (open === undefined) {
    if (event.kind !== 'failed') return { kind: 'closed' }
    database.run(forgetFailures, name, now - per)
    database.run(keepFailure, name, event.id, now)
    if (database.get<{ count: number }>(countFailures, name)!.count < failures) return { kind: 'closed' }
    database.run(forgetFailures, name, NEVER)
    database.run(keepCircuit, name, now, now + pause)
    return { kind: 'open', wait: pause }
  }
  const { opening, trial } = open
  const isItsTrial = event.kind !== 'begins' && event.opening === opening
  if (isItsTrial && event.kind === 'passed') {
    database.run(close, name)
    return { kind: 'closed' }
  }
  const isDue = event.kind === 'begins' && now >= trial
  if (!isDue && !isItsTrial) return { kind: 'open', wait: Math.max(0, trial - now) }
  const wait = event.kind === 'undecided' ? 0 : pause
  database.run(keepCircuit, name, opening, now + wait)
  return isDue ? { kind: 'trial', opening } : { kind: 'open', wait }
}
