/**
 * A temporary store for the measures: on the same servers or the same disk, with the same settings, but
 * without the user's jobs, middleware and hooks. On Redis, the temporary store is a prefix of keys. For the
 * embedded store, it is a file in the folder of the user's file.
 *
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadConfig } from '@s18i/lark/config'
import { type CodeConfig, createJobs, Jobs } from '@s18i/lark-jobs'
import { operate, type StorePlace } from '@s18i/lark-jobs/operate'

export interface BenchPlace {
  /** The place of the user's own store. */
  users: StorePlace
  /** Dispatches the jobs of the measures. */
  here: Jobs
  /**
   * Runs the worker, with its own connection, like a worker in another process. For a store in memory,
   * `there` is the same object as `here`.
   */
  there: Jobs
  /** What messages call the place. The text contains the prefix of its keys, or the path of its file. */
  words: string
  /** What messages call the measured store, if it is not the connection of `users`. */
  name?: string
  /** Whether the store works in this process. */
  isEmbedded: boolean
  /** Closes `here` and `there`, and removes all data of the measures. */
  remove(): Promise<void>
}

/**
 * @param queues the queues of the jobs that the measures dispatch; each queue has one partition, the default
 */
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
    // The new prefix begins with the prefix of the user's store, and with the name of its notification
    // channels (`bell`). A Redis user whose ACL allows only the keys and channels of that store may use the
    // new prefix, too.
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

/** Removes the folder, unless another program has put a file into it meanwhile. */
async function removeFolder(folder: string): Promise<void> {
  const left = await readdir(folder).catch(() => [])
  if (left.length === 1 && left[0] === '.gitignore') await rm(join(folder, '.gitignore'), { force: true })
  await rmdir(folder).catch(() => {})
}
