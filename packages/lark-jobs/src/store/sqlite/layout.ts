/**
 * Prepares a database file when it is opened: creates the tables in a new file, and converts an older file to
 * the present layout. Several processes may open the file at the same time.
 */
import { JobsError } from '../../model/errors.ts'
import { unknownLayout, wayFrom } from '../contract/rules/layout.ts'
import type { StoreOptions } from '../contract/store.ts'
import type { SqliteDatabase } from './database.ts'
import { type FileLayout, layout as present } from './schema.ts'

/** The application id in a file of Lark: "Lark" in ASCII. SQLite files of other programs have another id. */
const APPLICATION = 0x4c61726b
/**
 * Numbers of layouts are smaller than this. The version number in a file contains the number of the layout
 * and the mark of the layout.
 */
const NUMBERS = 1_024

const OTHER = 'another file'

/**
 * Opens a store in WAL mode, in which processes can read while another process writes. `synchronous = NORMAL`
 * syncs the disk only at checkpoints: after a power cut the commits since the last checkpoint are lost, but
 * after a kill of the process nothing is lost. `synchronous = FULL` syncs at every commit.
 *
 * @throws LAYOUT_UNKNOWN
 */
export async function prepare(
  database: SqliteDatabase,
  durability: StoreOptions['durability'] = 'normal',
  layout = present,
): Promise<void> {
  // This check comes before all settings, because Lark must not even change the journal mode in a file of
  // another program.
  const found = await database.read(() => layoutOf(database))
  const isDone = found !== undefined && wayFrom(database.name, found, layout, OTHER).length === 0
  const synchronous = durability === 'strict' ? 'FULL' : 'NORMAL'
  for (const setting of [
    'journal_mode = WAL',
    `synchronous = ${synchronous}`,
    'cache_size = -16000',
    'temp_store = MEMORY',
  ])
    await database.retry(() => database.exec(`PRAGMA ${setting}`))
  // The first transaction creates the log of a file that has none, for example after the file was copied
  // alone.
  if (isDone) await database.read(() => undefined)
  else await database.write(() => layOut(database, layout))
  const version = versionOf(layout.name)
  database.ready(() => check(database, version, layout))
}

/**
 * Throws if a newer Lark has changed the layout while this process has the file open. The check takes 1.7 µs
 * in each transaction.
 */
function check(database: SqliteDatabase, version: number, layout: FileLayout): void {
  const found = versionIn(database)
  if (found !== version) throw unknownLayout(database.name, nameOf(found), layout, OTHER)
}

/**
 * Creates the tables, or converts them to the present layout. The layout is read again under the write lock,
 * because another process may have done the same work a moment ago.
 */
function layOut(database: SqliteDatabase, layout: FileLayout): void {
  const found = layoutOf(database)
  const sql =
    found === undefined
      ? [layout.tables, `PRAGMA application_id = ${APPLICATION}`]
      : wayFrom(database.name, found, layout, OTHER).map(({ step }) => step)
  database.exec([...sql, `PRAGMA user_version = ${versionOf(layout.name)}`].join(';'))
}

/**
 * The name of the layout of the file; undefined if the file is empty. @throws LAYOUT_UNKNOWN if another
 * program made the file
 */
function layoutOf(database: SqliteDatabase): string | undefined {
  const application = database.get<{ application_id: number }>('PRAGMA application_id')?.application_id
  if (application === APPLICATION) return nameOf(versionIn(database))
  if (database.get('SELECT 1 FROM sqlite_schema LIMIT 1') === undefined) return undefined
  throw new JobsError('LAYOUT_UNKNOWN', `${database.name} holds the tables of another program`, {
    hint: `Use ${OTHER}`,
  })
}

function versionIn(database: SqliteDatabase): number {
  return database.get<{ user_version: number }>('PRAGMA user_version')!.user_version
}

/** Computes the version number that stands in files with this layout. */
export function versionOf(layout: string): number {
  const [number, mark] = layout.split('.')
  return Number.parseInt(mark!, 16) * NUMBERS + Number(number)
}

/**
 * The name of the layout that belongs to a version number in a file. Early layouts have no mark, so their
 * name is only a number.
 */
export function nameOf(version: number): string {
  const mark = Math.floor(version / NUMBERS)
  return mark === 0 ? `${version}` : `${version % NUMBERS}.${mark.toString(16).padStart(5, '0')}`
}
