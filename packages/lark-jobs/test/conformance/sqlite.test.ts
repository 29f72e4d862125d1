import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { library } from '../../src/store/sqlite/library.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { describeStore } from './suite.ts'

/** `npm test` runs this on Node 20 with `libsql`, and on Node 24 with `node:sqlite`. */
const { name } = library('the suite')

describeStore(
  `SQLite in a file, by ${name}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lark-sqlite-'))
    return {
      handle: (options) => new SqliteStore(join(folder, 'jobs.db'), options),
      remove: () => rm(folder, { recursive: true }),
    }
  },
  { shared: true },
)

describeStore(
  `SQLite in memory, by ${name}`,
  async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }),
  { shared: false },
)
