/** The `jobs` section of `lark.config`: its type, its check, and the settings that are made from it. */
import { isAbsolute, join, resolve } from 'node:path'
import type { LoadedConfig, LoadOptions } from '@s18i/lark/config'
import { LarkError, loadConfig } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import type { Limits } from '../model/limits.ts'
import type { Telemetry, TelemetryCalls } from '../model/run/telemetry.ts'
import type { Middleware } from '../options/middleware.ts'
import { PRESET, type Preset, presets } from '../options/preset.ts'
import {
  duration,
  func,
  isObject,
  isText,
  list,
  Option,
  type OptionsOf,
  oneOf,
  option,
  type Read,
  Schema,
} from '../options/schema.ts'
import type { ConfiguredOutbox } from '../outbox/outbox-database.ts'
import type { Around, Hooks } from '../run/hooks.ts'
import type { Make } from '../run/made-job.ts'
import type { connect } from '../store/connect.ts'
import type { AuditBounds } from '../store/contract/audit.ts'
import type { RedisServers } from '../store/contract/connection/servers.ts'
import type { Durability } from '../store/contract/store.ts'
import { plain } from '../words/connection-text.ts'
import { formOf, shownSetting } from '../words/secret.ts'
import { auditOption } from './audit.ts'
import { type ConfigSource, placeFor, spokenOf } from './config-source.ts'
import { type ConfiguredDashboard, type DashboardConfig, dashboardOptions } from './dashboard.ts'
import { type ConfiguredIsolation, type IsolationConfig, isolationOptions } from './isolation.ts'
import { type KeepConfig, keepOptions } from './keep.ts'
import { limitersOption } from './limiters.ts'
import { type OutboxConfig, outboxOptions } from './outbox.ts'
import { type ConfiguredQueues, queuesOf, queuesOption } from './queues.ts'
import { type ConfiguredSchedules, type SchedulesConfig, schedulesOf, schedulesOptions } from './schedules.ts'

export const hookOptions = new Schema('an object of functions', {
  started: func<NonNullable<Hooks['started']>>(),
  completed: func<NonNullable<Hooks['completed']>>(),
  failed: func<NonNullable<Hooks['failed']>>(),
  released: func<NonNullable<Hooks['released']>>(),
  suspended: func<NonNullable<Hooks['suspended']>>(),
  cancelled: func<NonNullable<Hooks['cancelled']>>(),
  crashed: func<NonNullable<Hooks['crashed']>>(),
})

/**
 * The maximum length of a release, in characters. The limit is low because each error of a failed attempt
 * contains the release.
 */
const MAX_RELEASE = 100

export const jobsOptions = new Schema('an object', {
  /**
   * Where jobs are kept: `redis://…` or `rediss://…` (`redis+cluster://…`, `redis+sentinel://…`, `valkey://…`
   * and `unix:/PATH` too), Redis servers as an object, or `sqlite:PATH`, relative to the configuration file.
   * Default: the variable `LARK_JOBS_URL`, then `REDIS_URL`, then the embedded store `.lark/jobs.db` beside
   * the configuration file; with `NODE_ENV=production` a store must be named. An empty text counts as absent.
   */
  connection: option<string | RedisServers | undefined>(
    "a text such as 'redis://localhost:6379' or 'sqlite:jobs.db', or an object with Redis servers",
    (value) => typeof value === 'string' || isObject(value),
  ).with({ show: formOf }),
  /**
   * The queues that jobs may name, in order; a queue that is named twice counts once. Default `['default']`.
   */
  queues: queuesOption.or(['default']),
  /** Which ended jobs are kept in queues without a `keep` of their own. */
  keep: keepOptions as Option<KeepConfig, Read<typeof keepOptions.entries>>,
  /**
   * How much of the audit is kept: the changes that people made by hand. Default: 10,000 changes, for 90
   * days.
   */
  audit: auditOption.or({}),
  /**
   * Limiters by name, which jobs of any queue share. The middleware `rateLimited('stripe')` takes permits of
   * the limiter `stripe`.
   */
  limiters: limitersOption.or({}),
  /**
   * Folders of jobs, relative to the configuration file. Default `jobs` and `src/jobs`, or their built
   * copies.
   */
  paths: option<string | readonly string[]>(
    "a folder or a list of folders, such as 'src/jobs'",
    (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
  ),
  /** The prefix of all keys on Redis. Default `lark`. */
  prefix: option<string>(
    "a text without braces, such as 'lark'",
    (value) => isText(value) && !/[{}]/.test(value),
  ).or('lark'),
  /**
   * What a dispatch and a step wait for. `normal` (default): the answer of the store. `strict`: the data is
   * on disk. `replicated`: a replica has the data (Redis only).
   */
  durability: oneOf<Durability>(['normal', 'strict', 'replicated']).or('normal'),
  /**
   * How workers prefetch jobs: `balanced` (default), `throughput` for very many fast jobs, `spread` for slow
   * or uneven jobs, which then go to any worker that is free.
   */
  preset: oneOf<Preset>(presets).or(PRESET),
  /**
   * How long a stopping worker goes on trying to report to an unreachable store how its jobs ended. Default 2
   * minutes.
   */
  outcomes: duration(0),
  /**
   * The release of the application that this process runs, such as `'2.14.0'`, or a commit. Workers show the
   * release, and keep it with each error. Default: none. An empty text counts as absent.
   */
  release: option<string | undefined>(
    `a text of 1 to ${MAX_RELEASE} characters, such as '2.14.0'`,
    (value) => typeof value === 'string' && value.length <= MAX_RELEASE,
  ),
  /** The time zone of schedules, and whether workers of this process queue their jobs. */
  schedules: (schedulesOptions as Option<SchedulesConfig, Read<typeof schedulesOptions.entries>>).or({}),
  /** The address on which `lark jobs:dashboard` listens, and the people who may use it. */
  dashboard: (dashboardOptions as Option<DashboardConfig, ConfiguredDashboard>).or({}),
  /**
   * The table in the database of the application into which `dispatch(payload, { tx })` writes. Workers put
   * its jobs into the store.
   */
  outbox: outboxOptions as Option<OutboxConfig, Read<typeof outboxOptions.entries>>,
  /** How many processes run isolated classes, and for how long. */
  isolation: (isolationOptions as Option<IsolationConfig, ConfiguredIsolation>).or({}),
  /** The middleware that runs around the `handle` of every job, the outermost first. */
  middleware: list<Middleware>('a list of functions', (each) => typeof each === 'function').or([]),
  /**
   * Functions that are called when jobs begin and end: `started`, `completed`, `failed`, `released`,
   * `suspended` and others. Jobs do not wait for these functions.
   */
  hooks: new Option<Hooks, Hooks>(hookOptions.right, (value, path, voice) => {
    hookOptions.readAll(value, voice, path)
    return value as Hooks
  }),
  /**
   * The telemetry to which every dispatch and every run is reported: `otel()` of `@s18i/lark-jobs/otel`.
   * Default: none.
   */
  telemetry: new Option<Telemetry, TelemetryCalls>('otel() of @s18i/lark-jobs/otel', (value) =>
    isObject(value) && 'kind' in value && value.kind === 'opentelemetry'
      ? (value as unknown as TelemetryCalls)
      : undefined,
  ),
  /**
   * Makes the job for each run, such as `(Class) => container.resolve(Class)`, so that the constructor of a
   * class can have parameters. The function may be async. The function returns a new object of the class,
   * alone or as `{ job, dispose }`. `dispose` is called when the run has ended. Default: `new`, without
   * arguments.
   */
  make: func<Make>(),
  /**
   * A function that `lark jobs:work` calls before the worker takes its first job, in every process of
   * `--processes`: for example to start the container. The function may be async, and may return a function
   * that is called when the worker has stopped.
   */
  boot: func<() => unknown>(),
})

/** The `jobs` section of `lark.config`. Everything is optional. */
export interface JobsConfig extends OptionsOf<typeof jobsOptions.entries> {}

/** The `jobs` section after it was checked. */
export type Section = Read<typeof jobsOptions.entries>

declare module '@s18i/lark/config' {
  interface LarkConfig {
    jobs?: JobsConfig
  }
}

/** The checked configuration, with all defaults. */
export interface Settings extends Around, ConfiguredQueues {
  /** A connection string (with `sqlite:`, its path is absolute), or Redis servers. */
  connection: string | RedisServers
  /** The limits of the configured limiters, by name. */
  limiters: ReadonlyMap<string, Limits>
  /** How much of the audit is kept, or `false` if changes are not recorded. */
  audit: AuditBounds | false
  /** The absolute paths of the folders of jobs. Undefined for the default folders. */
  paths: string[] | undefined
  prefix: string
  durability: Durability
  preset: Preset
  /** The option `outcomes` in milliseconds. Undefined if it is not set. */
  outcomes: number | undefined
  /** The release. Undefined if the configuration has none. */
  release: string | undefined
  schedules: ConfiguredSchedules
  dashboard: ConfiguredDashboard
  boot: (() => unknown) | undefined
  outbox: ConfiguredOutbox | undefined
  isolation: ConfiguredIsolation
  /** The configuration as it is written in code. Undefined if it comes from a file. */
  written?: JobsConfig
  /**
   * Makes the store, which is not opened yet. Default: `connect()` of `store/connect.ts`. Only the test kit
   * sets another function.
   */
  connect?: typeof connect
  /** The folder to which paths are relative. */
  folder: string
  source: ConfigSource
}

type Env = Record<string, string | undefined>

/**
 * Finds and reads the configuration of this process.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FAILED, CONFIG_INVALID, STORE_NOT_CONFIGURED
 */
export async function loadSettings(options: LoadOptions = {}): Promise<Settings> {
  return resolveSettings(await loadConfig({ ...options, sections: ['jobs'] }), options.env ?? process.env)
}

/**
 * Loads the middleware and the hooks in the configuration of this process. The configuration need not name a
 * store for this.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FAILED, CONFIG_INVALID
 */
export async function loadAround(options: LoadOptions = {}): Promise<Around> {
  const loaded = await loadConfig({ ...options, sections: ['jobs'] })
  return aroundOf(readSection(loaded.config.jobs ?? {}, sourceOf(loaded)))
}

export function aroundOf({ middleware, hooks, make, telemetry }: Section): Around {
  const isHeard = hooks !== undefined && Object.keys(hooks).length > 0
  return { middleware, hooks: isHeard ? hooks : undefined, make, telemetry }
}

/** Checks the section of a file and fills in the defaults. */
export function resolveSettings(loaded: LoadedConfig, env: Env): Settings {
  const source = sourceOf(loaded)
  return settingsFrom(readSection(loaded.config.jobs ?? {}, source), source, loaded.folder, env)
}

function sourceOf({ file, looked = [] }: LoadedConfig): ConfigSource {
  return file === undefined ? { kind: 'none', looked } : { kind: 'file', file }
}

/** @throws CONFIG_INVALID */
export function readSection(section: unknown, source: ConfigSource): Section {
  const voice = {
    name: (path: string) => `${spokenOf(source)}: ${path}`,
    error: (message: string, hint?: string) => new LarkError('CONFIG_INVALID', message, { hint }),
    show: shownSetting,
  }
  return jobsOptions.readAll(section, voice, 'jobs')
}

/** @param folder the folder to which paths are relative. @throws STORE_NOT_CONFIGURED */
export function settingsFrom(section: Section, source: ConfigSource, folder: string, env: Env): Settings {
  const { queues, limiters, audit, prefix, durability, preset, outcomes, dashboard, boot, outbox } = section
  const { isolation } = section
  const paths = typeof section.paths === 'string' ? [section.paths] : section.paths
  return {
    connection: connectionOf(section.connection, env, folder, source),
    ...queuesOf(queues, section.keep),
    ...{ limiters, audit, prefix, durability, preset, outcomes, dashboard, boot, outbox, isolation },
    release: section.release || undefined,
    schedules: schedulesOf(section.schedules, env),
    paths: paths?.map((path) => resolve(folder, path)),
    ...aroundOf(section),
    folder,
    source,
  }
}

/**
 * Whether an object names its servers by a `url`, even if the value of `url` is undefined: `{ url:
 * process.env.REDIS_URL, tls: … }`.
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
