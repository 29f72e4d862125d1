/**
 * Prepares a file for use by several processes, whichever opens it first: makes its tables, or converts it to
 * the present layout.
 */
import { JobsError } from '../../model/errors.ts'
import { unknownLayout, wayFrom } from '../contract/rules/layout.ts'
import type { StoreOptions } from '../contract/store.ts'
import type { SqliteDatabase } from './database.ts'
import { type FileLayout, layout as present } from './schema.ts'

/** "Lark" in ASCII. It distinguishes our file from the files of other programs. */
const APPLICATION = 0x4c61726b
/**
 * All numbers of layouts are below this. The version in the file is composed of the number of the layout and
 * its mark.
 */
const NUMBERS = 1_024

const OTHER = 'another file'

/**
 * WAL lets readers work while a process writes. `synchronous = NORMAL` syncs only at checkpoints: a power cut
 * loses the commits since the last checkpoint, and a killed process loses nothing. `FULL` syncs every commit.
 *
 * @throws LAYOUT_UNKNOWN
 */
export async function prepare(
  database: SqliteDatabase,
  durability: StoreOptions['durability'] = 'normal',
  layout = present,
): Promise<void> {
  // This check comes first, so that nothing is changed in a file of another program, not even its journal
  // mode.
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
  // The first transaction creates the log, also for a file that was copied without it.
  if (isDone) await database.read(() => undefined)
  else await database.write(() => layOut(database, layout))
  const version = versionOf(layout.name)
  database.ready(() => check(database, version, layout))
}

/**
 * Checks whether a newer Lark has changed the layout while this process has the file open (1.7 µs a
 * transaction).
 */
function check(database: SqliteDatabase, version: number, layout: FileLayout): void {
  const found = versionIn(database)
  if (found !== version) throw unknownLayout(database.name, nameOf(found), layout, OTHER)
}

/**
 * Makes the tables, or converts them to the present layout, under the write lock, unless another process has
 * done it meanwhile.
 */
function layOut(database: SqliteDatabase, layout: FileLayout): void {
  const found = layoutOf(database)
  const sql =
    found === undefined
      ? [layout.tables, `PRAGMA application_id = ${APPLICATION}`]
      : wayFrom(database.name, found, layout, OTHER).map(({ step }) => step)
  database.exec([...sql, `PRAGMA user_version = ${versionOf(layout.name)}`].join(';'))
}

/** The layout of the file; undefined if it is empty. @throws LAYOUT_UNKNOWN if another program made it */
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

/** The version number in the files that have a layout. */
export function versionOf(layout: string): number {
  const [number, mark] = layout.split('.')
  return Number.parseInt(mark!, 16) * NUMBERS + Number(number)
}

/**
 * The name of the layout whose version in a file is `version`. Files from the time before layouts had marks
 * have none.
 */
export function nameOf(version: number): string {
  const mark = Math.floor(version / NUMBERS)
  return mark === 0 ? `${version}` : `${version % NUMBERS}.${mark.toString(16).padStart(5, '0')}`
}
