/**
 * A worker in this process, on a store that is open. `Jobs.work` imports this file when it is called: most processes
 * only dispatch, and the worker is the larger half of the package.
 */
import { keyless } from './class-name.ts'
import type { Settings } from './config.ts'
import { absence } from './config-source.ts'
import type { JobConstructor } from './job-class.ts'
import { misplaced, serviceOf } from './queues.ts'
import type { Place } from './store/connect.ts'
import type { Store } from './store/store.ts'
import { loadedAgain, type Scripts } from './worker/caller-scripts.ts'
import { CONCURRENCY, type WorkerOptions } from './worker/options.ts'
import { PlainReport } from './worker/plain-report.ts'
import { registryOf } from './worker/registry.ts'
import type { Report } from './worker/report.ts'
import { Worker } from './worker/worker.ts'

export { checkNames } from './worker/options.ts'

/** How `Jobs.work` works. Everything is optional. */
export interface WorkOptions
  extends Pick<WorkerOptions, 'concurrency' | 'preset' | 'stopWhenEmpty' | 'maxJobs' | 'lease'> {
  /** Served strictly in this order; one that is named twice has the first place. Default: every configured queue, in fair turns. */
  queues?: string | readonly string[]
  /** The job classes to run. Default: those that the configuration names, else those found in the application's folders. */
  jobs?: readonly JobConstructor[]
  /** Who is told what happens. Default: job lines and failures go to stderr. */
  report?: Report
}

/** What `jobs:work` says of a worker whose process has a supervisor. */
export type SupervisedOptions = Pick<WorkerOptions, 'id' | 'onStuck'>

/** The store that is open. */
interface Opened {
  settings: Settings
  place: Place
  store: Store
  warnings: string[]
}

/**
 * A worker, not yet started. Its report has been told what it serves, and what is odd about that.
 *
 * @throws UNKNOWN_QUEUE, JOB_KEY_TAKEN, JOB_INVALID, WORKER_INVALID
 */
export async function workerOn(
  { settings, place, store, warnings }: Opened,
  options: WorkOptions,
  supervised: SupervisedOptions,
): Promise<Worker> {
  const { queues: named, jobs, report = new PlainReport(), ...rest } = options
  const { queues, strict, words } = serviceOf(settings, named)
  const { registry, remarks } = await registryOf(jobs, settings.folder, settings.paths)
  const { preset = settings.preset } = options
  const { partitions, limits, limiters, weights, agings, middleware, hooks } = settings
  const served = { queues, partitions, limits, limiters, weights, agings, strict }
  const where = { place, store, registry, report, preset, ...served, middleware, hooks }
  const worker = new Worker({ ...rest, ...supervised, ...where })
  const { concurrency = CONCURRENCY } = options
  const isProduction = process.env.NODE_ENV === 'production'
  const odd = misplaced(registry, settings)
  const missing = absence(settings.source, isProduction || odd.length > 0)
  report.info(`Serving ${store.name}: ${words}, ${concurrency} at a time${missing}`)
  const unsure = isProduction ? [keyless(registry.classes) ?? []].flat() : []
  for (const remark of [...warnings, ...remarks, ...odd, ...unsure]) report.warn(remark)
  return worker
}

/**
 * Has the workers end that a former load of a file started which now starts another.
 *
 * @param workers of this process, with the files that started them
 */
export function replaceFormer(
  workers: Map<Worker, Scripts | undefined>,
  now: Scripts,
  { jobs, report = new PlainReport() }: WorkOptions,
): void {
  for (const [former, then] of workers) {
    const file = then && loadedAgain(now, then)
    if (file === undefined) continue
    report.info(`${file} was loaded again: this worker takes the place of the one that it had started`)
    if (jobs === undefined)
      report.warn(
        'Its classes are those that were loaded first, since Node loads the files of jobs once. Name them: Jobs.work({ jobs: [SendEmailJob] })',
      )
    workers.set(former, undefined)
    void former.stop()
  }
}
