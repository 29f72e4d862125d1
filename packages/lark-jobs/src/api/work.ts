/**
 * Makes a worker in this process, on an open store. `Jobs.work` imports this file when it is called, because
 * most processes only dispatch, and the code of the worker is the larger half of the package.
 */

import { defined } from '@s18i/lark/internal'
import type { JobsConfig, Settings } from '../config/config.ts'
import { absence } from '../config/config-source.ts'
import { misplaced, serviceOf } from '../config/queues.ts'
import { ISOLATED } from '../model/copies.ts'
import { JobsError } from '../model/errors.ts'
import { EVERY_KEY } from '../model/every-key.ts'
import type { Operated } from '../operate/operated.ts'
import { keyless } from '../options/class-name.ts'
import { classOf } from '../options/job-class.ts'
import { type Registry, registryOf } from '../options/registry.ts'
import { CommandJob } from '../run/command-job.ts'
import type { StoreLocation } from '../store/connect.ts'
import type { Store } from '../store/contract/store.ts'
import { milliseconds } from '../words/duration.ts'
import { listed } from '../words/listed.ts'
import { CONCURRENCY, type WorkerOptions, type WorkOptions } from '../worker/options.ts'
import { PlainReport } from '../worker/report.ts'
import { Worker } from '../worker/worker.ts'
import { type Evaluations, loadedAgain } from './evaluations.ts'
import { saySchedulesOff } from './schedules/schedules-off.ts'
import { schedulesOfWorker } from './schedules/worker-schedules.ts'

export { registryOf } from '../options/registry.ts'
export { checkWork, type WorkOptions } from '../worker/options.ts'
export { Worker } from '../worker/worker.ts'
export { schedulesOfWorker } from './schedules/worker-schedules.ts'

/** The options that only the command `jobs:work` passes. */
export interface SupervisedOptions
  extends Pick<WorkerOptions, 'id' | 'onStuck' | 'onRestart' | 'onDelivering' | 'onEnding'> {
  /** Whether `boot` of the configuration was called. */
  boots?: boolean
}

/** An open store, and the data that a worker needs to use the store. */
export interface OpenStore {
  settings: Settings
  /** The data with which another thread opens the same store. */
  location: StoreLocation
  store: Store
  /** Warnings of the store for people who start a worker on it. */
  warnings: string[]
}

/**
 * Makes a worker, and reports which queues the worker serves and which of its settings may be wrong. The
 * worker is not started.
 *
 * @param owner the instance of `Jobs` that the worker belongs to
 * @throws UNKNOWN_QUEUE, JOB_KEY_TAKEN, JOB_INVALID; WORKER_INVALID in a process for isolated jobs
 * @internal
 */
export async function workerOn(
  open: OpenStore,
  options: WorkOptions,
  { boots = false, ...supervised }: SupervisedOptions,
  owner: Operated,
): Promise<Worker> {
  if (ISOLATED in globalThis)
    throw new JobsError('WORKER_INVALID', 'A process for isolated jobs cannot start a worker', {
      hint: 'The file of an isolated class starts a worker: move the class to a file of its own.',
    })
  const { settings, store, warnings } = open
  const { queues: named, jobs, report = new PlainReport(), ...rest } = options
  const { queues, strict, words } = serviceOf(settings, named)
  const { registry, remarks } = await registryOf(jobs, settings.folder, settings.paths)
  const { make = settings.make } = options
  const { concurrency = CONCURRENCY } = options
  const isProduction = process.env.NODE_ENV === 'production'
  const odd = misplaced(registry, settings)
  const missing = absence(settings.source, isProduction || odd.length > 0)
  const unsure = isProduction ? [keyless(registry.classes) ?? []].flat() : []
  const needy = make === undefined ? needing(registry) : []
  const { schedules, off, remarks: wrong } = await schedulesOfWorker(registry, settings, jobs === undefined)
  // The class that runs commands is added after the checks above, because these checks are for the classes of
  // the application. A worker with a class for every key (`EVERY_KEY`) does not run commands.
  if (registry.find(EVERY_KEY) === undefined) registry.add(CommandJob)
  const own = workerSettings(open, owner)
  const { preset = own.preset } = options
  const outcomes = options.outcomes === undefined ? own.outcomes : milliseconds(options.outcomes)
  const around = { makes: make !== undefined, boots, isOwnMake: make === settings.make, concurrency }
  const isolation = await isolationIn(registry, settings, around, (text) => report.warn(text))
  const worker = new Worker({
    ...{ ...own, ...rest, ...supervised, registry, report, preset, make, isolation },
    ...{ queues, strict, schedules, outcomes },
  })
  const { telemetry } = settings
  if (telemetry !== undefined) {
    const { levelsOf } = await import('../telemetry/levels.ts')
    void worker.done.then(telemetry.observing(() => levelsOf(owner)))
  }
  report.info(`Serving ${store.name}: ${words}, ${concurrency} at a time${missing}`)
  for (const remark of [...warnings, ...remarks, ...odd, ...unsure, ...needy, ...wrong]) report.warn(remark)
  if (schedules === undefined) await saySchedulesOff(store, report, off, worker.done)
  return worker
}

interface AroundIsolated {
  makes: boolean
  boots: boolean
  /**
   * Whether the `make` function comes from the configuration, and not from the call that starts the worker.
   */
  isOwnMake: boolean
  concurrency: number
}

/**
 * Makes the part that runs isolated classes, or undefined if there are no such classes.
 *
 * @throws JOB_INVALID
 */
async function isolationIn(
  registry: Registry,
  { isolation, written, source, telemetry }: Settings,
  { makes, boots, isOwnMake, concurrency }: AroundIsolated,
  warn: (text: string) => void,
) {
  const first = registry.classes.find(({ isolate }) => isolate !== undefined)
  if (first === undefined) return undefined
  const { isolationOf, makerOf } = await import('../isolation/pool.ts')
  const makesJobs = makes && makerOf(first) === undefined
  if (makesJobs && (!isOwnMake || source.kind === 'code'))
    throw new JobsError(
      'JOB_INVALID',
      `${first.name} is isolated, and make() is set in code, which its own process does not have`,
      { hint: 'Write make into lark.config.' },
    )
  const { processes = concurrency, ...limits } = isolation
  const traced = telemetry !== undefined
  const setting = { makes: makesJobs, boots, traced, ...(written && { configure: crossing(written) }) }
  return isolationOf(registry, { processes, ...limits, setting, warn })
}

/** The part of a configuration in code that an isolated process needs to dispatch jobs. */
function crossing({ connection, queues, limiters, prefix, durability }: JobsConfig): JobsConfig {
  return defined({ connection, queues, limiters, prefix, durability }) as JobsConfig
}

/**
 * The settings of a worker that come from the configuration and from the open store.
 *
 * @param owner see `workerOn`
 * @internal
 */
export function workerSettings({ settings, location, store }: OpenStore, owner: Operated) {
  const { queues, partitions, bounds, limits, limiters, weights, agings } = settings
  const { middleware, hooks, make, preset, outcomes, telemetry, release, outbox } = settings
  return {
    ...{ owner, location, store, middleware, hooks, make, preset, outcomes, telemetry, release, outbox },
    ...{ queues, partitions, bounds, limits, limiters, weights, agings },
    // Loaded when a change at a pace is due, because most stores never have one.
    changes: async () => (await import('../operate/pace/lots.ts')).continueChanges(store, settings),
  }
}

/** Warnings about classes whose constructors have parameters although no `make` function passes arguments. */
function needing({ classes }: Registry): string[] {
  const names = classes.filter(({ Class }) => Class.length > 0).map(({ name }) => name)
  if (names.length === 0) return []
  const are = names.length === 1 ? 'has a constructor' : 'have constructors'
  return [`${listed(names)} ${are} with parameters, which are undefined: pass them with jobs.make`]
}

/** The call of `Jobs.work` that started a worker. */
export interface Origin {
  /**
   * The loads of the calling files. Undefined in production and after the worker has been replaced. If
   * undefined, no other worker replaces this worker.
   */
  evaluations: Evaluations | undefined
  options: WorkOptions
}

/**
 * Ends the workers that were started by an earlier load of a file, if that file now starts another worker.
 *
 * @param workers the workers of this process
 */
export function replaceFormer(workers: Map<Worker, Origin>, now: Origin): void {
  const { jobs, report = new PlainReport() } = now.options
  for (const [former, then] of workers) {
    const what = whatIsNew(now, then)
    if (what === undefined) continue
    report.info(`${what} was loaded again: this worker takes the place of the one from before`)
    if (jobs === undefined)
      report.warn(
        'Its classes are those that were loaded first, because Node loads each job file only once. Name the classes: Jobs.work({ jobs: [SendEmailJob] })',
      )
    workers.set(former, { ...then, evaluations: undefined })
    void former.stop()
  }
}

/**
 * The file that was loaded again, or the class that has been defined again. Two classes with one key would
 * run each other's jobs.
 */
function whatIsNew(now: Origin, then: Origin): string | undefined {
  if (now.evaluations === undefined || then.evaluations === undefined) return undefined
  return loadedAgain(now.evaluations, then.evaluations) ?? classAnew(now.options, then.options)
}

function classAnew(now: WorkOptions, then: WorkOptions): string | undefined {
  const theirs = new Map(then.jobs?.map((make) => [classOf(make).key, make]))
  const anew = now.jobs?.find((make) => (theirs.get(classOf(make).key) ?? make) !== make)
  return anew !== undefined && shareQueue(now, then) ? classOf(anew).name : undefined
}

function shareQueue({ queues: ours }: WorkOptions, { queues: theirs }: WorkOptions): boolean {
  if (ours === undefined || theirs === undefined) return true
  return [theirs].flat().some((queue) => [ours].flat().includes(queue))
}
