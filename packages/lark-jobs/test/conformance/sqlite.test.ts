import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { describeStore } from './suite.ts'

describeStore(
  'SQLite in a file',
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
  'SQLite in memory',
  async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }),
  { shared: false },
)
