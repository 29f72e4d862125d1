/**
 * A folder for one test, with a file for a store in it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

  /** A store on the file, by the real clock. */
  async store(): Promise<SqliteStore> {
    const store = new SqliteStore(this.file, options)
    await store.open()
    return store
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true })
  }
}
