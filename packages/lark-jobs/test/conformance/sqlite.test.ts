import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { erase } from '../../src/store/sqlite/erase.ts'
import { library } from '../../src/store/sqlite/library.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { through } from '../../src/testing/link.ts'
import { open, rewordLanes } from '../sqlite/raw.ts'
import { describeStore } from './suite.ts'

/** `npm test` runs this file twice: with `libsql`, and on Node 24 with `node:sqlite`. */
const { name } = library('the suite')
const isLibsql = name === 'libsql'

describeStore(
  `SQLite in a file, by ${name}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lark-sqlite-'))
    const file = join(folder, 'jobs.db')
    let copies = 0
    return {
      handle: (options) => new SqliteStore(file, options),
      save: async () => {
        const copy = join(folder, `${copies++}.db`)
        const other = open(file)
        other.exec(`VACUUM INTO '${copy}'`)
        other.close()
        return async () => {
          await erase(file)
          await copyFile(copy, file)
        }
      },
      mentions: async (text) => {
        const database = open(file)
        const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all([]) as {
          name: string
        }[]
        const found = tables
          .map(({ name }) => name)
          .filter((name) =>
            database
              .prepare(`SELECT * FROM "${name}"`)
              .all([])
              .some((row) => JSON.stringify(row).includes(text)),
          )
        database.close()
        return found
      },
      rewordLimits: async (from, to) => rewordLanes(file, from, to),
      remove: () => rm(folder, { recursive: true }),
    }
  },
  { shared: true, rollsBack: true, seeds: isLibsql ? [1, 180] : [181, 300] },
)

// A store in memory differs from a file only in its place, so only one of the two libraries is tested in
// memory.
if (isLibsql)
  describeStore(
    'SQLite in memory, by libsql',
    async () => ({
      // The store in memory, through the layer with which the fakes of `lark-jobs/testing` use it.
      handle: (options) => through(new SqliteStore(':memory:', options), (_verb, _args, go) => go()),
      remove: async () => {},
    }),
    { shared: false, rollsBack: false, isVariant: true, seeds: [301, 360] },
  )
