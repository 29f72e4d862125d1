/**
 * Finds the class for a dispatch by key: first among the classes in the option `jobs`, then among the jobs
 * made by `defineJob`, and then among the classes in the folders of the application.
 */
import { defined, excerpt, nearest } from '@s18i/lark/internal'
import type { Settings } from '../config/config.ts'
import type { Drafted } from '../dispatch/new-job.ts'
import { JobsError } from '../model/errors.ts'
import { isReserved } from '../model/reserved-key.ts'
import type { ByHand, DispatchRequest } from '../operate/change/dispatch.ts'
import { definitions } from '../options/definitions.ts'
import { type DispatchOptions, dispatchOptions } from '../options/dispatch-options.ts'
import { classOf, type JobConstructor } from '../options/job-class.ts'
import type { Registry } from '../options/registry.ts'
import { checkNames, voiceOf } from '../options/schema.ts'
import type { Rejection } from '../options/unique.ts'
import { shown } from '../words/secret.ts'

/** @throws JOB_INVALID for an option that does not exist, and for `reuse` without an id */
export function saysOf(call: string, options: DispatchOptions): Pick<Drafted, 'fields' | 'ownId'> {
  checkNames(voiceOf('JOB_INVALID', call), Object.keys(options), dispatchOptions)
  const { id, reuse, ...fields } = defined(options)
  if (id !== undefined) return { fields, ownId: { id, options: defined({ reuse }) } }
  if (reuse === undefined) return { fields }
  throw new JobsError('JOB_INVALID', `${call}: reuse is ${shown(reuse)}, and there is no id`, {
    hint: "reuse says whether an id of yours may be used again: { id: 'invoice-7', reuse: 'ended' }",
  })
}

/**
 * Refuses the keys of Lark's own jobs. For example, the key of the job that runs commands is refused, because
 * somebody who may dispatch jobs by key must not be able to run any command of the application.
 *
 * @throws UNKNOWN_JOB
 */
export function refuseReserved(call: string, key: string): void {
  if (!isReserved(key)) return
  throw new JobsError('UNKNOWN_JOB', `${call}: ${excerpt(key)} is not a job of the application`, {
    hint: 'Jobs.dispatchCommand() dispatches commands.',
  })
}

export class KnownJobs {
  readonly #settings: () => Promise<Settings>
  #found: Promise<Registry> | undefined

  constructor(settings: () => Promise<Settings>) {
    this.#settings = settings
  }

  /** @param named the classes that were passed in code. @throws UNKNOWN_JOB, JOB_KEY_TAKEN, JOB_INVALID */
  async find(
    key: string,
    named: readonly JobConstructor[] = [],
    call = 'Jobs.dispatchByKey()',
  ): Promise<JobConstructor> {
    refuseReserved(call, key)
    const isIt = (Class: JobConstructor) => classOf(Class).key === key || classOf(Class).aliases.includes(key)
    const definedJob = () => [...definitions.values()].find(isIt)
    const known = named.find(isIt) ?? definedJob()
    if (known !== undefined) return known
    const registry = await this.#registry()
    // A defined job without a handler is not in the registry, but it can be dispatched: only workers need the
    // handler.
    const found = registry.find(key)?.Class ?? definedJob()
    if (found !== undefined) return found
    const near = nearest(key, [
      ...named.map((Class) => classOf(Class).key),
      ...definitions.keys(),
      ...registry.keys,
    ])
    throw new JobsError('UNKNOWN_JOB', `${call}: there is no job with the key ${shown(key)}`, {
      hint: `${near === undefined ? '' : `Did you mean ${near}? `}Import the file that defines it, or name its class in the option jobs.`,
    })
  }

  /**
   * All classes of the application: the classes that were passed in code, or else the classes in the folders
   * of the application. Jobs made by `defineJob` are always included.
   *
   * @throws JOB_KEY_TAKEN, JOB_INVALID
   */
  async all(named: readonly JobConstructor[] | undefined): Promise<JobConstructor[]> {
    const found = named ?? (await this.#registry()).classes.map(({ Class }) => Class)
    return [...new Set([...found, ...definitions.values()])]
  }

  /** The classes in the folders of the application. The folders are read only once. */
  async #registry(): Promise<Registry> {
    this.#found ??= this.#search().catch((error) => {
      this.#found = undefined
      throw error
    })
    return await this.#found
  }

  async #search(): Promise<Registry> {
    const [{ registryOf }, { folder, paths }] = await Promise.all([import('./work.ts'), this.#settings()])
    return (await registryOf(undefined, folder, paths)).registry
  }
}

/**
 * Makes the object with which the dashboard and commands dispatch a job by hand. The job's class must have
 * been passed in code, or be in the folders of the application.
 */
export function byHandOf(
  known: KnownJobs,
  named: readonly JobConstructor[] | undefined,
  dispatch: (
    said: Drafted,
  ) => Promise<Omit<DispatchRequest, 'rejection'> & { rejection: Rejection | undefined }>,
): ByHand {
  const call = 'operate().dispatch()'
  return {
    named,
    classes: () => known.all(named),
    dispatch: async (key, payload, options) => {
      const Class = await known.find(key, named, call)
      const { id, queue, queued, rejection } = await dispatch({ Class, payload, ...saysOf(call, options) })
      return { id, queue, queued, ...defined({ rejection }) }
    },
  }
}
