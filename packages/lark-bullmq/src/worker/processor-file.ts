/**
 * A processor in a file. As in BullMQ, its jobs run in processes of their own, which are isolated processes
 * of Lark. Such a process loads this file, and this file makes a job class from the function that the
 * processor's file exports.
 */
import { statSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importModule } from '@s18i/lark/internal'
import { JobsError } from '@s18i/lark-jobs'
import { inContext, returnToPlace, runOf } from '@s18i/lark-jobs/internal'
import { wrongValue } from '../compared/unsupported.ts'
import { BullJob } from '../job/bull-job.ts'
import { changeData } from '../job/changed-data.ts'
import { endingOf } from '../job/ending-errors.ts'
import { EveryJob } from '../job/every-job.ts'
import { contextWithout } from '../job/job-options.ts'
import { keptValue } from '../job/returned-value.ts'
import { type Place, SharedStore } from '../store/shared-store.ts'
import { restAgain, restFor } from './child-rests.ts'
import type { Processor } from './processor.ts'

/** The data about the worker that an isolated process gets. */
export interface WorkerPlace extends Place {
  queue: string
}

/** The extensions of modules. A path with any other extension means a `.js` file. */
const extensions = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.flow']

/**
 * The path of a processor's file. As in BullMQ, the path `email.processor` means `email.processor.js`. A URL
 * means the file that it names, if this file exists.
 *
 * @throws JOB_INVALID
 */
export function processorFile(who: string, given: string | URL): string {
  const file = pathsOf(given).find((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
  if (file === undefined)
    throw wrongValue(who, 'the processor', `${given}`, 'a function, or a file that exists')
  return file
}

function pathsOf(given: string | URL): string[] {
  if (typeof given === 'string') return [resolve(extensions.includes(extname(given)) ? given : `${given}.js`)]
  if (given.protocol !== 'file:') return []
  const path = fileURLToPath(given)
  return [path, `${path}.js`]
}

/** The path of this file, from which another process loads it. */
export function makerFile(who: string): string {
  const { createRequire } = process.getBuiltinModule('node:module')
  for (const from of [import.meta.url, process.argv[1]])
    try {
      return createRequire(from!).resolve('@s18i/lark-bullmq/processor-file')
    } catch {
      // The code is in a bundle, or the file does not exist in the package.
    }
  throw new JobsError(
    'JOB_INVALID',
    `${who}: a processor in a file needs @s18i/lark-bullmq beside the bundle`,
    {
      hint: 'Install @s18i/lark-bullmq where the program runs.',
    },
  )
}

/**
 * Makes the class of a worker's jobs.
 *
 * @param file the file that exports the processor, as its default export or as `module.exports`
 */
export async function classIn(file: string, { queue, ...place }: WorkerPlace): Promise<typeof EveryJob> {
  const processor = processorIn(await importModule(file))
  if (processor === undefined)
    throw new JobsError('JOB_INVALID', `${file} exports no processor`, {
      hint: 'Export a function: export default async (job) => {…}, or module.exports = async (job) => {…}.',
    })
  const home = { store: SharedStore.at(place, queue), queue }
  // The processor may read `job.queueQualifiedName`, which needs the prefix of the configuration.
  await home.store.settings()
  return class FileJob extends EveryJob {
    override async handle(data?: unknown): Promise<unknown> {
      const { job: claimed } = runOf(this)
      await restAgain(this, home, claimed)
      const job = BullJob.held(home, claimed, data, {
        edit: (value) => changeData(home, claimed, value),
        progress: (value) => this.progress(value),
        info: (text) => this.info(text),
        reported: async () => {},
      })
      if (claimed.runs > 1) {
        const found = await home.store.jobs.find(claimed.id, { queue }).catch(() => undefined)
        if (found !== undefined) job.recall(found)
      }
      home.store.running.add(queue, job)
      try {
        const signal = this.signal as AbortSignal
        const value = await inContext(contextWithout(), () => processor(job, claimed.token, signal))
        if (job.awaits === undefined) await job.mustBeAlone()
        if (!job.isMoved) return keptValue(value)
      } catch (error) {
        const ending = error instanceof Error ? endingOf(error) : undefined
        if (ending === 'limited') returnToPlace(this, 0, 'rateLimit()')
        if (ending !== 'released' || !job.isMoved) throw error
      } finally {
        home.store.running.delete(queue, job)
      }
      if (job.awaits !== undefined) restFor(this, claimed, job.awaits)
      return this.release(job.movedFor)
    }
  }
}

function processorIn(module: object): Processor | undefined {
  let found: unknown = module
  // A module that was compiled from TypeScript to CommonJS has a default export inside its default export.
  for (let depth = 0; depth < 3 && typeof found === 'object' && found !== null; depth++)
    found = (found as { default?: unknown }).default
  return typeof found === 'function' ? (found as Processor) : undefined
}
