/**
 * A configuration that is passed in code, to `createJobs()` or `Jobs.configure()`, instead of coming from a
 * file.
 */
import { isDeepStrictEqual } from 'node:util'
import { homeFolder } from '@s18i/lark/internal'
import { classOf, type JobConstructor, jobClasses } from '../options/job-class.ts'
import { voiceOf } from '../options/schema.ts'
import type { Around } from '../run/hooks.ts'
import {
  aroundOf,
  type JobsConfig,
  readSection,
  type Section,
  type Settings,
  settingsFrom,
} from './config.ts'
import type { ConfigSource } from './config-source.ts'

/**
 * The `jobs` section of `lark.config`, and the job classes, which only code can name. Everything is optional.
 */
export interface CodeConfig extends JobsConfig {
  /**
   * The job classes that workers of this program run, unless `Jobs.work({ jobs })` names others. Default: the
   * classes in the folders of the application. A bundle has no such folders.
   */
  jobs?: readonly JobConstructor[]
}

export class Configured {
  /** The classes that were passed in code. Undefined for the classes in the folders of the application. */
  readonly jobs: readonly JobConstructor[] | undefined
  readonly #section: JobsConfig
  readonly #source: ConfigSource & { kind: 'code' }

  constructor({ jobs, ...section }: CodeConfig, call: string) {
    this.jobs = jobs
    this.#section = section
    this.#source = { kind: 'code', call }
  }

  /** @throws CONFIG_INVALID; JOB_INVALID for the classes */
  check(): Section {
    jobClasses.read(this.jobs, 'jobs', voiceOf('JOB_INVALID', this.#source.call))
    return readSection(this.#section, this.#source)
  }

  /**
   * @throws the errors of `check`; STORE_NOT_CONFIGURED; CONFIG_NOT_FOUND or CONFIG_FOREIGN if the base
   *   folder of relative paths is not found
   */
  settings(): Settings {
    const settings = settingsFrom(this.check(), this.#source, homeFolder(), process.env)
    return { ...settings, written: this.#section }
  }

  /** @throws the errors of `check` */
  around(): Around {
    return aroundOf(this.check())
  }

  /**
   * The names of the options in which two configurations differ. When a module is loaded again, perhaps after
   * an edit, its functions and classes are new objects. So functions with the same name count as equal. Lists
   * of job classes count as equal if they have the same keys, in any order.
   */
  differences(other: Configured): string[] {
    const [one, two] = [this.#compared(), other.#compared()]
    const names = [...new Set([...Object.keys(one), ...Object.keys(two)])]
    return names.filter((name) => !isDeepStrictEqual(one[name], two[name]))
  }

  #compared(): Record<string, unknown> {
    const jobs = this.jobs?.map((make) => classOf(make).key).sort()
    return comparable({ ...this.#section, jobs }) as Record<string, unknown>
  }
}

/** Converts a value so that two values which count as equal have equal results. */
function comparable(value: unknown): unknown {
  if (typeof value === 'function') return { function: value.name }
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null || !isPlain(value)) return value
  const entries = Object.entries(value).filter(([, part]) => part !== undefined)
  return Object.fromEntries(entries.map(([name, part]) => [name, comparable(part)]))
}

/**
 * Whether a value is a plain object of options. Other objects, such as a buffer with a certificate, are
 * compared as a whole.
 */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
