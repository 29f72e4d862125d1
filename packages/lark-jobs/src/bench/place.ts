/**
 * Somewhere of its own for the measuring of a store: on the same servers or the same disk, by the same settings, and
 * nothing in it is anybody's. On Redis it is a prefix of keys, for the embedded store a file beside the user's.
 *
 *   made → removed, by `remove`
 */
import { existsSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Settings } from '../config/config.ts'
import { newNonce } from '../model/id.ts'
import { erase } from '../store/connect.ts'

export interface BenchPlace {
  settings: Settings
  /** What people call it, and what lies there. */
  words: string
  /** What they call the store that is measured, where the place has another name. */
  name?: string
  /** Where the store works: on servers, in this process with a file, or with nothing but memory. */
  kind: 'server' | 'file' | 'memory'
  /** Removes everything that was made there. Nobody may have it open any more. */
  remove(): Promise<void>
}

/** @param queues that jobs may name there: of one partition each, as is the default */
export function benchPlace(users: Settings, queues: string[]): BenchPlace {
  const settings = { ...users, queues, partitions: new Map(queues.map((queue) => [queue, 1])) }
  const { connection } = users
  const nonce = newNonce()
  const file = typeof connection === 'string' ? /^sqlite:(.+)$/i.exec(connection)?.[1] : undefined
  if (file === ':memory:')
    return { settings, words: 'a memory of its own', kind: 'memory', async remove() {} }
  if (file !== undefined) return besideFile(settings, `${file}-bench-${nonce}`)
  // Below the name of the bells: a user whose rights end with the keys and channels of the prefix may use them.
  const prefix = `${users.prefix}:bell:bench-${nonce}`
  return {
    settings: { ...settings, prefix },
    words: `keys of its own (${prefix}:…)`,
    kind: 'server',
    remove: () => erase(connection, prefix),
  }
}

function besideFile(users: Settings, file: string): BenchPlace {
  const folder = dirname(file)
  const isNew = !existsSync(folder)
  const settings = { ...users, connection: `sqlite:${file}` }
  return {
    settings,
    words: `a file of its own (${file})`,
    name: String(users.connection),
    kind: 'file',
    async remove() {
      await erase(settings.connection, settings.prefix)
      if (isNew) await removeFolder(folder)
    },
  }
}

/** Removes the folder, unless somebody has begun to use it meanwhile. */
async function removeFolder(folder: string): Promise<void> {
  const left = await readdir(folder).catch(() => [])
  if (left.length === 1 && left[0] === '.gitignore') await rm(join(folder, '.gitignore'), { force: true })
  await rmdir(folder).catch(() => {})
}
