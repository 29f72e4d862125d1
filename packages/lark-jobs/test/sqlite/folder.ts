/** A folder for the file of a store in one test, and access to the connections that stores open. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import type { FileLayout } from '../../src/store/sqlite/schema.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'

const plenty = { count: 1_000_000, age: 3_600_000 }
export const options = { retention: { completed: plenty, failed: plenty, cancelled: plenty } }

export class Folder implements AsyncDisposable {
  readonly path: string
  readonly file: string

  private constructor(path: string) {
    this.path = path
    this.file = join(path, 'jobs.db')
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'lark-sqlite-')))
  }

  /** Makes a store on the file, with the real clock. */
  async store(layout?: FileLayout): Promise<SqliteStore> {
    const store = new SqliteStore(this.file, options, layout)
    await store.open()
    return store
  }

  inMemory(): SqliteStore {
    return new SqliteStore(':memory:', options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true })
  }
}

/** Collects the connection of every store that is opened from now on. */
export function connections(): Promise<SqliteDatabase>[] {
  const made: Promise<SqliteDatabase>[] = []
  const original = SqliteDatabase.connect
  vi.spyOn(SqliteDatabase, 'connect').mockImplementation((...args) => {
    const connection = original.apply(SqliteDatabase, args)
    made.push(connection)
    return connection
  })
  return made
}
