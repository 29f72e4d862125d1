/**
 * A temporary store for the measures: on the same servers or the same disk, with the same settings, but
 * without the user's jobs, middleware and hooks. On Redis it is a prefix of keys, for the embedded store a
 * file beside the user's.
 *
 *   made → removed, by `remove`
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadConfig } from '@s18i/lark/config'
import { type CodeConfig, createJobs, Jobs } from '@s18i/lark-jobs'
import { operate, type StorePlace } from '@s18i/lark-jobs/operate'

export interface BenchPlace {
  /** Where the user's jobs are. */
  users: StorePlace
  /** Dispatches the jobs of the measures. */
  here: Jobs
  /**
   * Runs the worker, with its own connection as in another process. For a store in memory it is the same as
   * `here`.
   */
  there: Jobs
  /** What messages call the place. The text contains the prefix of its keys, or the path of its file. */
  words: string
  /** The name of the measured store in messages, if it is not the store of the place. */
  name?: string
  /** Whether the store works in this process. */
  isEmbedded: boolean
  /** Closes `here` and `there`, and removes all data of the measures. */
  remove(): Promise<void>
}

/** @param queues the queues that the jobs of the measures name, with one partition each, as is the default */
export async function benchPlace(queues: string[]): Promise<BenchPlace> {
  const users = await operate(Jobs).place()
  const { config } = await loadConfig({ sections: ['jobs'] })
  const { connection, prefix } = users
  const nonce = randomBytes(6).toString('hex')
  const file = typeof connection === 'string' ? /^sqlite:(.+)$/i.exec(connection)?.[1] : undefined
  const own: CodeConfig = { ...config.jobs, connection, queues, middleware: [], hooks: {} }
  if (file === ':memory:') {
    const here = createJobs(own)
    const words = 'a memory of its own'
    return { users, here, there: here, words, isEmbedded: true, remove: () => here.close() }
  }
  if (file === undefined) {
    // The prefix begins with the name of the rings' channels, because an ACL may allow only the keys and
    // channels of the store's own prefix.
    own.prefix = `${prefix}:bell:bench-${nonce}`
    const words = `keys of its own (${own.prefix}:…)`
    return { users, ...pair(own), words, isEmbedded: false }
  }
  const beside = `${file}-bench-${nonce}`
  const folder = dirname(beside)
  const isNew = !existsSync(folder)
  const { remove, ...both } = pair({ ...own, connection: `sqlite:${beside}` })
  return {
    users,
    ...both,
    words: `a file of its own (${beside})`,
    name: `sqlite:${file}`,
    isEmbedded: true,
    async remove() {
      await remove()
      if (isNew) await removeFolder(folder)
    },
  }
}

function pair(config: CodeConfig): Pick<BenchPlace, 'here' | 'there' | 'remove'> {
  const [here, there] = [createJobs(config), createJobs(config)]
  const remove = async () => {
    await there.close()
    await here.close()
    await operate(here).erase({ all: true })
  }
  return { here, there, remove }
}

/** Removes the folder, unless somebody has begun to use it meanwhile. */
async function removeFolder(folder: string): Promise<void> {
  const left = await readdir(folder).catch(() => [])
  if (left.length === 1 && left[0] === '.gitignore') await rm(join(folder, '.gitignore'), { force: true })
  await rmdir(folder).catch(() => {})
}
