/**
 * Dispatching by key: finds the class of a key among the classes that code has named, the defined jobs, and at last the
 * classes in the folders of the application.
 */
import { nearest } from '@s18i/lark/config'
import type { Settings } from '../config/config.ts'
import type { Drafted } from '../dispatch/new-job.ts'
import { defined } from '../model/defined.ts'
import { JobsError } from '../model/errors.ts'
import { shown } from '../model/secret.ts'
import { definitions } from '../options/definitions.ts'
import { classOf, type JobConstructor, type JobFields } from '../options/job-class.ts'
import { jobSettings } from '../options/job-settings.ts'
import type { IdOptions } from '../options/own-id.ts'
import type { Registry } from '../options/registry.ts'
import { checkNames, voiceOf } from '../options/schema.ts'
import { COMMAND_JOB, CommandJob } from '../run/command-job.ts'

/** What one job says differently from its class, and its id. An option that is `undefined` is left out. */
export interface DispatchOptions
  extends Partial<{ [K in keyof typeof jobSettings.entries]: JobFields[K] | undefined }> {
  /** An id that you choose: see `Draft.withId`. */
  id?: string | undefined
  /** See `Draft.withId`. */
  reuse?: IdOptions['reuse'] | undefined
}

const names = [...Object.keys(jobSettings.entries), 'id', 'reuse']

/** @throws JOB_INVALID for an option that does not exist, and for `reuse` without an id */
export function saysOf(call: string, options: DispatchOptions): Pick<Drafted, 'fields' | 'ownId'> {
  checkNames(voiceOf('JOB_INVALID', call), Object.keys(options), names)
  const { id, reuse, ...fields } = defined(options)
  if (id !== undefined) return { fields, ownId: { id, options: defined({ reuse }) } }
  if (reuse === undefined) return { fields }
  throw new JobsError('JOB_INVALID', `${call}: reuse is ${shown(reuse)}, and there is no id`, {
    hint: "reuse says whether an id of yours may be used again: { id: 'invoice-7', reuse: 'ended' }",
  })
}

export class KnownJobs {
  readonly #settings: () => Promise<Settings>
  #found: Promise<Registry> | undefined

  constructor(settings: () => Promise<Settings>) {
    this.#settings = settings
  }

  /** @param named the classes that code has named. @throws UNKNOWN_JOB, JOB_KEY_TAKEN, JOB_INVALID */
  async find(key: string, named: readonly JobConstructor[] = []): Promise<JobConstructor> {
    const isIt = (Class: JobConstructor) => classOf(Class).key === key || classOf(Class).aliases.includes(key)
    if (key === COMMAND_JOB) return CommandJob
    const definedJob = () => [...definitions.values()].find(isIt)
    const known = named.find(isIt) ?? definedJob()
    if (known !== undefined) return known
    this.#found ??= this.#search().catch((error) => {
      this.#found = undefined
      throw error
    })
    const registry = await this.#found
    // The registry has no defined jobs without a handler: only workers need one.
    const found = registry.find(key)?.Class ?? definedJob()
    if (found !== undefined) return found
    const near = nearest(key, [
      ...named.map((Class) => classOf(Class).key),
      ...definitions.keys(),
      ...registry.keys,
    ])
    throw new JobsError('UNKNOWN_JOB', `Jobs.dispatchByKey(): there is no job with the key '${key}'`, {
      hint: `${near === undefined ? '' : `Did you mean ${near}? `}Import the file that defines it, or name its class in the option jobs.`,
    })
  }

  async #search(): Promise<Registry> {
    const [{ registryOf }, { folder, paths }] = await Promise.all([import('./work.ts'), this.#settings()])
    return (await registryOf(undefined, folder, paths)).registry
  }
}
