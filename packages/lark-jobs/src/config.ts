/**
 * The `jobs` section of `lark.config`: its type, its check, and what follows from it.
 */
import { isAbsolute, join, resolve } from 'node:path'
import { LarkError, type LoadedConfig, type LoadOptions, loadConfig, nearest } from '@s18i/lark/config'
import { JobsError } from './errors.ts'

/** What `lark.config` may say under `jobs`. Everything is optional. */
export interface JobsConfig {
  /**
   * Where jobs are kept: `redis://…` or `rediss://…` (`valkey://…` and `unix:/PATH` too), or `sqlite:PATH`, relative
   * to the configuration file. Default: the variable `LARK_JOBS_URL`, then `REDIS_URL`, then the embedded store
   * `.lark/jobs.db` beside the configuration file; with `NODE_ENV=production` a store must be named.
   */
  connection?: string | undefined
  /** The queues that jobs may name, in order. Default `['default']`. */
  queues?: readonly string[] | Readonly<Record<string, QueueConfig>>
  /** Folders of jobs, relative to the configuration file. Default `jobs` and `src/jobs`, or their built copies. */
  paths?: string | readonly string[]
  /** What keys begin with on Redis. Default `lark`. */
  prefix?: string
}

/** What may be said of one queue. Nothing yet: limits come with their own page. */
export type QueueConfig = Record<string, never>

declare module '@s18i/lark/config' {
  interface LarkConfig {
    jobs?: JobsConfig
  }
}

/** A checked configuration with every default filled in. */
export interface Settings {
  /** A connection string; `sqlite:` with an absolute path. */
  connection: string
  queues: string[]
  /** Absolute, or undefined for the default places. */
  paths: string[] | undefined
  prefix: string
  /** What paths are relative to. */
  folder: string
}

const shape: Record<keyof JobsConfig, { right: string; ok: (value: unknown) => boolean }> = {
  // Empty is absent: `process.env.REDIS_URL` of an empty variable.
  connection: {
    right: "a text such as 'redis://localhost:6379' or 'sqlite:jobs.db'",
    ok: (value) => typeof value === 'string',
  },
  queues: {
    right:
      "a list of names (no spaces, commas, slashes or braces), such as ['default', 'emails'], or an object with a key a queue",
    ok: (value) => {
      const names = Array.isArray(value) ? value : isObject(value) ? Object.keys(value) : []
      return names.length > 0 && names.every(isQueueName)
    },
  },
  paths: {
    right: "a folder or a list of folders, such as 'src/jobs'",
    ok: (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
  },
  prefix: {
    right: "a text without braces, such as 'lark'",
    ok: (value) => isText(value) && !/[{}]/.test(value as string),
  },
}

/**
 * Finds and reads the configuration of this process.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FAILED, CONFIG_INVALID, STORE_NOT_CONFIGURED
 */
export async function loadSettings(options: LoadOptions = {}): Promise<Settings> {
  return resolveSettings(await loadConfig({ ...options, sections: ['jobs'] }), options.env ?? process.env)
}

/** Checks a section and fills in the defaults. */
export function resolveSettings(loaded: LoadedConfig, env: Record<string, string | undefined>): Settings {
  const { file, folder } = loaded
  const section: unknown = loaded.config.jobs ?? {}
  checkSection(section, file ?? 'createJobs()')
  const queues = section.queues ?? ['default']
  const paths = typeof section.paths === 'string' ? [section.paths] : section.paths
  return {
    connection: connectionOf(section.connection, env, folder, file),
    queues: [...new Set(Array.isArray(queues) ? queues : Object.keys(queues))],
    paths: paths?.map((path) => resolve(folder, path)),
    prefix: section.prefix ?? 'lark',
    folder,
  }
}

function connectionOf(
  named: string | undefined,
  env: Record<string, string | undefined>,
  folder: string,
  file: string | undefined,
): string {
  const connection = named || env.LARK_JOBS_URL || env.REDIS_URL
  if (connection !== undefined && connection !== '') {
    const path = /^sqlite:(.+)$/.exec(connection)?.[1]
    return path === undefined || path === ':memory:' || isAbsolute(path)
      ? connection
      : `sqlite:${join(folder, path)}`
  }
  if (env.NODE_ENV === 'production') {
    throw new JobsError('STORE_NOT_CONFIGURED', 'NODE_ENV is production, and no store is named for jobs', {
      hint: `Set REDIS_URL, or jobs.connection in ${file ?? 'lark.config.js'} ('sqlite:PATH' for the embedded store).`,
    })
  }
  return `sqlite:${join(folder, '.lark', 'jobs.db')}`
}

function checkSection(section: unknown, where: string): asserts section is JobsConfig {
  if (!isObject(section)) refuse(where, 'jobs', section, 'an object')
  for (const [key, value] of Object.entries(section)) {
    if (!(key in shape))
      unknownKey(where, `jobs.${key}`, nearest(key, Object.keys(shape)), Object.keys(shape))
    const { right, ok } = shape[key as keyof JobsConfig]
    if (value !== undefined && !ok(value)) refuse(where, `jobs.${key}`, value, right)
  }
  const queues = section.queues
  if (!isObject(queues)) return
  for (const [queue, config] of Object.entries(queues)) {
    if (!isObject(config)) refuse(where, `jobs.queues.${queue}`, config, 'an object')
    const option = Object.keys(config)[0]
    if (option !== undefined) unknownKey(where, `jobs.queues.${queue}.${option}`, undefined, [])
  }
}

function unknownKey(where: string, key: string, near: string | undefined, known: string[]): never {
  const hint = near
    ? `Did you mean ${near}?`
    : known.length > 0
      ? `Known keys: ${known.join(', ')}`
      : 'A queue takes no options yet.'
  throw new LarkError('CONFIG_INVALID', `${where}: ${key} is not a setting`, { hint })
}

function refuse(where: string, key: string, value: unknown, right: string): never {
  const got = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? typeof value)
  throw new LarkError('CONFIG_INVALID', `${where}: ${key} is ${got}; it must be ${right}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What the command line (`,`), the partitions of a queue (`/`) and Redis Cluster (`{}`) have no other use for. */
function isQueueName(value: unknown): boolean {
  return isText(value) && !/[\s,/{}\p{C}]/u.test(value as string)
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
