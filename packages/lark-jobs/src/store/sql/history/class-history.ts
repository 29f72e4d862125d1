/** The runs of each class in past hours and days (`contract/class-history.ts`), one row for each. */
import {
  BASE,
  baseIn,
  classesIn,
  type KeptClasses,
  nameOfBucket,
  namesOfBuckets,
  outdatedNames,
  textsToKeep,
} from '../../contract/class-history.ts'
import { DAY } from '../../contract/history.ts'
import type { FleetRuns } from '../../contract/runs.ts'
import type { Database } from '../database.ts'
import { list } from '../row.ts'

const one = 'SELECT text FROM classHistory WHERE name = ?'
const some = 'SELECT name, text FROM classHistory WHERE name IN (SELECT value FROM json_each(?))'
const keep = `
  INSERT INTO classHistory (name, text) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text`
const names = 'SELECT name FROM classHistory'
const forget = 'DELETE FROM classHistory WHERE name IN (SELECT value FROM json_each(?))'

/** Keeps the runs of each class if an hour is over. Call this in a transaction that may write. */
export function keepClasses(database: Database, found: FleetRuns): void {
  const base = baseIn(textOf(database, BASE))
  const day = base && textOf(database, nameOfBucket(base.hour, DAY))
  const texts = textsToKeep(base, day, found)
  if (texts === undefined) return
  for (const [name, text] of Object.entries(texts)) database.run(keep, name, text)
  const all = database.all<{ name: string }>(names).map(({ name }) => name)
  const old = outdatedNames(all, found.at)
  if (old.length > 0) database.run(forget, list(old))
}

export function classHistory(database: Database, length: number, count: number): KeptClasses {
  const which = namesOfBuckets(database.now(), length, count)
  const rows = database.all<{ name: string; text: string }>(some, list(which))
  const texts = rows.map(({ name, text }) => [name, text] as const)
  return { base: baseIn(textOf(database, BASE)), within: classesIn(texts) }
}

function textOf(database: Database, name: string): string | undefined {
  return database.get<{ text: string }>(one, name)?.text
}
