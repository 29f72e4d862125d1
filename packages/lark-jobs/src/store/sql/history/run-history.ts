/**
 * The counts of all runs at past instants (`contract/run-history.ts`), one row for each instant. The first
 * announcement of a worker in a minute writes the row.
 */
import { MINUTE } from '../../contract/history.ts'
import { needed, outdated, type RunsAt, runsAt, runsOf, runsText } from '../../contract/run-history.ts'
import type { FleetRuns } from '../../contract/runs.ts'
import type { Database } from '../database.ts'
import { list } from '../row.ts'

const isKept = 'SELECT 1 FROM runHistory WHERE at = ?'
const keep = 'INSERT INTO runHistory (at, text) VALUES (?, ?)'
const instants = 'SELECT at FROM runHistory ORDER BY at'
const forget = 'DELETE FROM runHistory WHERE at IN (SELECT value FROM json_each(?))'
const some = 'SELECT at, text FROM runHistory WHERE at IN (SELECT value FROM json_each(?)) ORDER BY at'

/** Whether no call has kept the counts for the present minute yet. */
export function mustKeepRuns(database: Database): boolean {
  const now = database.now()
  return database.get(isKept, now - (now % MINUTE)) === undefined
}

/** Keeps the present counts of all runs. Call this in a transaction that may write. */
export function keepRuns(database: Database, found: FleetRuns): void {
  const runs = runsAt(found)
  database.run(keep, runs.at, runsText(runs))
  const old = outdated(allInstants(database), found.at)
  if (old.length > 0) database.run(forget, list(old))
}

export function runHistory(database: Database, length: number, count: number): RunsAt[] {
  const which = [...needed(allInstants(database), database.now(), length, count)]
  const rows = database.all<{ at: number; text: string }>(some, list(which))
  return rows.flatMap(({ at, text }) => runsOf(at, text) ?? [])
}

function allInstants(database: Database): number[] {
  return database.all<{ at: number }>(instants).map(({ at }) => at)
}
