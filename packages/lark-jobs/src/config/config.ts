/**
 * The `jobs` section of `lark.config`: its type, its check, and what follows from it.
 */
import { isAbsolute, join, resolve } from 'node:path'
import { type LoadedConfig, type LoadOptions, loadConfig } from '@s18i/lark/config'
import { plain } from '../model/connection-text.ts'
import { JobsError } from '../model/errors.ts'
import type { Limits } from '../model/limit.ts'
import { formOf } from '../model/secret.ts'
import { checkKeys, isObject, type Shape } from '../options/check.ts'
import type { Middleware } from '../options/middleware.ts'
import { PRESET, type Preset, presets } from '../options/preset.ts'
import type { Hooks } from '../run/hooks.ts'
import type { RedisServers } from '../store/contract/servers.ts'
import type { Bound, Durability } from '../store/contract/store.ts'
import { type ConfigSource, placeFor, spokenOf } from './config-source.ts'
import { areLimiterNames, checkLimiter, type LimitersConfig, limitsOfLimiters } from './limiter-config.ts'
import {
  agingsOfAll,
  boundsOfAll,
  checkQueue,
  limitsOfAll,
  partitionsOfAll,
  type QueuesConfig,
  weightsOfAll,
} from './queue-config.ts'

/** What `lark.config` may say under `jobs`. Everything is optional. */
export interface JobsConfig {
  /**
   * Where jobs are kept: `redis://…` or `rediss://…` (`redis+cluster://…`, `redis+sentinel://…`, `valkey://…` and
   * `unix:/PATH` too), Redis servers as an object, or `sqlite:PATH`, relative to the configuration file. Default: the
   * variable `LARK_JOBS_URL`, then `REDIS_URL`, then the embedded store `.lark/jobs.db` beside the configuration file;
   * with `NODE_ENV=production` a store must be named.
   */
  connection?: string | RedisServers | undefined
  /** The queues that jobs may name, in order; one that is named twice counts once. Default `['default']`. */
  queues?: QueuesConfig
  /** What jobs of any queue share, by name: the middleware `rateLimited('stripe')` takes permits of it. */
  limiters?: LimitersConfig
  /** Folders of jobs, relative to the configuration file. Default `jobs` and `src/jobs`, or their built copies. */
  paths?: string | readonly string[]
  /** What keys begin with on Redis. Default `lark`. */
  prefix?: string
  /**
   * What a dispatch waits for: `normal` (default), `strict`: until it is on disk, `replicated`: until a replica has it
   * (Redis only).
   */
  durability?: Durability
  /**
   * How workers take jobs in: `balanced` (default), `throughput` for very many fast jobs, `spread` for slow or uneven
   * ones, which then go to whoever is free.
   */
  preset?: Preset
  /** What stands around the `handle` of every job, the outermost first. */
  middleware?: readonly Middleware[]
  /** Told how jobs begin and end: `started`, `completed`, `failed`, `released`. Nobody waits for them. */
  hooks?: Hooks
}

declare module '@s18i/lark/config' {
  interface LarkConfig {
    jobs?: JobsConfig
  }
}

/** What is said of every run, be it a worker's or one here and now. */
export interface Around {
  middleware: readonly Middleware[]
  hooks: Hooks | undefined
}

/** A checked configuration with every default filled in. */
export interface Settings extends Around {
  /** A connection string, `sqlite:` with an absolute path; or Redis servers. */
  connection: string | RedisServers
  queues: string[]
  /** How many partitions each has. */
  partitions: ReadonlyMap<string, number>
  /** Of each partition of a queue, where there are any. */
  limits: ReadonlyMap<string, Limits>
  /** Of the queues that say one. */
  weights: ReadonlyMap<string, number>
  /** Milliseconds, of the queues that say one. */
  agings: ReadonlyMap<string, number>
  /** Of each partition of a queue, where there are any. */
  bounds: ReadonlyMap<string, Bound>
  /** By name. */
  limiters: ReadonlyMap<string, Limits>
  /** Absolute, or undefined for the default places. */
  paths: string[] | undefined
  prefix: string
  durability: Durability
  preset: Preset
  /** What paths are relative to. */
  folder: string
  source: ConfigSource
}

type Env = Record<string, string | undefined>

const durabilities: readonly Durability[] = ['normal', 'strict', 'replicated']

const hook = { right: 'a function', ok: (value: unknown) => typeof value === 'function' }
const hooksShape: Shape<Hooks> = { started: hook, completed: hook, failed: hook, released: hook }

const shape: Shape<JobsConfig> = {
  // Empty is absent: `process.env.REDIS_URL` of an empty variable.
  connection: {
    right: "a text such as 'redis://localhost:6379' or 'sqlite:jobs.db', or an object with Redis servers",
    ok: (value) => typeof value === 'string' || isObject(value),
    show: formOf,
  },
  queues: {
    right:
      "a list of names (no spaces, commas, slashes or braces), such as ['default', 'emails'], or an object with a key a queue",
    ok: (value) => {
      const names = Array.isArray(value) ? value : isObject(value) ? Object.keys(value) : []
      return names.length > 0 && names.every(isQueueName)
    },
  },
  limiters: {
    right: 'an object with a key a limiter (up to 64 letters, no spaces, commas, colons, slashes or braces)',
    ok: areLimiterNames,
  },
  paths: {
    right: "a folder or a list of folders, such as 'src/jobs'",
    ok: (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
  },
  prefix: {
    right: "a text without braces, such as 'lark'",
    ok: (value) => isText(value) && !/[{}]/.test(value as string),
  },
  durability: {
    right: `one of ${durabilities.join(', ')}`,
    ok: (value) => durabilities.includes(value as Durability),
  },
  preset: {
    right: `one of ${presets.join(', ')}`,
    ok: (value) => presets.includes(value as Preset),
  },
  middleware: {
    right: 'a list of functions',
    ok: (value) => Array.isArray(value) && value.every((each) => typeof each === 'function'),
  },
  hooks: { right: 'an object of functions', ok: isObject },
}

/**
 * Finds and reads the configuration of this process.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FAILED, CONFIG_INVALID, STORE_NOT_CONFIGURED
 */
export async function loadSettings(options: LoadOptions = {}): Promise<Settings> {
  return resolveSettings(await loadConfig({ ...options, sections: ['jobs'] }), options.env ?? process.env)
}

/**
 * What the configuration of this process says of every run: no store need be named for that.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FAILED, CONFIG_INVALID
 */
export async function loadAround(options: LoadOptions = {}): Promise<Around> {
  const loaded = await loadConfig({ ...options, sections: ['jobs'] })
  const section: unknown = loaded.config.jobs ?? {}
  checkSection(section, sourceOf(loaded))
  return aroundOf(section)
}

export function aroundOf({ middleware = [], hooks }: JobsConfig): Around {
  return { middleware, hooks: hooks === undefined || Object.keys(hooks).length === 0 ? undefined : hooks }
}

/** Checks the section of a file and fills in the defaults. */
export function resolveSettings(loaded: LoadedConfig, env: Env): Settings {
  const section: unknown = loaded.config.jobs ?? {}
  const source = sourceOf(loaded)
  checkSection(section, source)
  return settingsFrom(section, source, loaded.folder, env)
}

function sourceOf({ file, looked = [] }: LoadedConfig): ConfigSource {
  return file === undefined ? { kind: 'none', looked } : { kind: 'file', file }
}

/** @param section checked. @param folder what paths are relative to. @throws STORE_NOT_CONFIGURED */
export function settingsFrom(section: JobsConfig, source: ConfigSource, folder: string, env: Env): Settings {
  const queues = partitionsOfAll(section.queues ?? ['default'])
  const paths = typeof section.paths === 'string' ? [section.paths] : section.paths
  return {
    connection: connectionOf(section.connection, env, folder, source),
    queues: [...queues.keys()],
    partitions: queues,
    limits: limitsOfAll(section.queues ?? {}),
    weights: weightsOfAll(section.queues ?? {}),
    agings: agingsOfAll(section.queues ?? {}),
    bounds: boundsOfAll(section.queues ?? {}),
    limiters: limitsOfLimiters(section.limiters ?? {}),
    paths: paths?.map((path) => resolve(folder, path)),
    prefix: section.prefix ?? 'lark',
    durability: section.durability ?? 'normal',
    preset: section.preset ?? PRESET,
    ...aroundOf(section),
    folder,
    source,
  }
}

/**
 * Whether an object leaves it to a url where the servers are, also to one that is not set here:
 * `{ url: process.env.REDIS_URL, tls: … }`.
 */
function isBesideUrl(named: RedisServers): boolean {
  const { url, host, port, path, cluster, sentinel } = named
  const isElsewhere = [host, port, path, cluster, sentinel].some((way) => way !== undefined)
  return 'url' in named && typeof (url ?? '') === 'string' && !(isElsewhere && !url)
}

function connectionOf(
  named: string | RedisServers | undefined,
  env: Env,
  folder: string,
  source: ConfigSource,
): string | RedisServers {
  if (typeof named === 'object' && !isBesideUrl(named)) return named
  const texts = [typeof named === 'object' ? named.url : named, env.LARK_JOBS_URL, env.REDIS_URL]
  const connection = texts.map((text) => plain(text ?? '')).find((text) => text !== '')
  if (connection !== undefined) {
    const path = /^sqlite:(.+)$/i.exec(connection)?.[1]
    if (path === undefined) return typeof named === 'object' ? { ...named, url: connection } : connection
    return path === ':memory:' || isAbsolute(path) ? connection : `sqlite:${join(folder, path)}`
  }
  if (env.NODE_ENV === 'production') {
    throw new JobsError('STORE_NOT_CONFIGURED', 'NODE_ENV is production, and no store is named for jobs', {
      hint: `Set REDIS_URL, or ${placeFor('connection', source)} ('sqlite:PATH' for the embedded store).`,
    })
  }
  return `sqlite:${join(folder, '.lark', 'jobs.db')}`
}

/** @throws CONFIG_INVALID */
export function checkSection(section: unknown, source: ConfigSource): asserts section is JobsConfig {
  const where = spokenOf(source)
  checkKeys(where, 'jobs', section, shape)
  const { queues, limiters, hooks } = section as { queues?: unknown; limiters?: object; hooks?: unknown }
  for (const [name, config] of Object.entries(limiters ?? {}))
    checkLimiter(where, `jobs.limiters.${name}`, config)
  if (hooks !== undefined) checkKeys(where, 'jobs.hooks', hooks, hooksShape)
  if (!isObject(queues)) return
  for (const [queue, config] of Object.entries(queues)) checkQueue(where, `jobs.queues.${queue}`, config)
}

/** What the command line (`,`), the partitions of a queue (`/`) and Redis Cluster (`{}`) have no other use for. */
function isQueueName(value: unknown): boolean {
  return isText(value) && !/[\s,/{}\p{C}]/u.test(value as string)
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
