/**
 * The job classes that a worker can run, by every key and alias.
 */
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import {
  declaresClass,
  defined,
  exportedValues,
  importModule,
  placeOf,
  sourceFiles,
  sourceFolders,
} from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import { EVERY_KEY } from '../model/every-key.ts'
import { isReserved } from '../model/reserved-key.ts'
import { listed } from '../words/listed.ts'
import { textOf } from '../words/thrown.ts'
import { definitions, lacksHandler, latest } from './definitions.ts'
import { classOf, isJobClass, type JobClass, type JobConstructor } from './job-class.ts'

export class Registry {
  readonly #classes = new Map<string, JobClass>()
  readonly #files = new Map<JobClass, string>()
  readonly #paths = new Map<JobClass, string>()

  /**
   * Adds a class. Adding the same class again has no effect.
   *
   * @param file the file of the class, for messages
   * @param path the absolute path of the file
   * @throws JOB_INVALID, also for a defined job without a handler; JOB_KEY_TAKEN if another class has the key
   *   or one of the aliases of this class
   */
  add(Class: JobConstructor, file?: string, path?: string): void {
    const jobClass = classOf(Class)
    if (lacksHandler(Class))
      throw new JobsError('JOB_INVALID', `${jobClass.name} has no handler`, {
        hint: 'Call handle() of the job before the worker starts, in a file that the program imports.',
      })
    for (const key of [jobClass.key, ...jobClass.aliases]) {
      const other = this.#classes.get(key)
      if (other !== undefined && other.Class !== Class) {
        const both = `${named(other, this.#files.get(other))} and ${named(jobClass, file)}`
        throw new JobsError('JOB_KEY_TAKEN', `Two job classes under the key '${key}': ${both}`, {
          hint: 'Give one of them another key. A class that extends another job inherits its key.',
        })
      }
    }
    for (const key of [jobClass.key, ...jobClass.aliases]) this.#classes.set(key, jobClass)
    if (file !== undefined) this.#files.set(jobClass, file)
    if (path !== undefined) this.#paths.set(jobClass, path)
  }

  /**
   * The class with a key. If no class has the key, the class that runs jobs of every key is returned, and
   * takes the given key. That class does not run Lark's own jobs.
   */
  find(key: string): JobClass | undefined {
    return this.#classes.get(key) ?? this.#rest(key)
  }

  #rest(key: string): JobClass | undefined {
    const rest = isReserved(key) ? undefined : this.#classes.get(EVERY_KEY)
    // The result is not cached, because an application may use any number of keys.
    return rest && { ...rest, key, name: key }
  }

  /** All keys and aliases. */
  get keys(): string[] {
    return [...this.#classes.keys()]
  }

  /** The file in which a class was found. Undefined if code passed the class itself. */
  fileOf(jobClass: JobClass): string | undefined {
    return this.#files.get(jobClass)
  }

  /** The absolute path of the file in which a class was found. */
  pathOf(jobClass: JobClass): string | undefined {
    return this.#paths.get(jobClass)
  }

  get classes(): JobClass[] {
    return [...new Set(this.#classes.values())]
  }
}

/**
 * The classes that a worker runs: the given classes or, if no classes are given, the classes of the
 * application. The classes of the application are all classes that extend `Job` and are exported by a file in
 * `paths`, and the defined jobs whose handlers these files set. The default of `paths` is `jobs/` and
 * `src/jobs/` in `folder`, or the built copies of these folders.
 *
 * If the import of a file throws, the classes of the other files are still returned, and a remark of one line
 * names the file.
 *
 * @throws JOB_KEY_TAKEN, JOB_INVALID if a job would be run by the wrong class or by no class
 */
export async function registryOf(
  given: readonly JobConstructor[] | undefined,
  folder: string,
  paths?: readonly string[],
): Promise<{ registry: Registry; remarks: string[] }> {
  const registry = new Registry()
  const remarks: string[] = []
  if (given !== undefined) {
    for (const Class of given) registry.add(Class)
    return { registry, remarks }
  }
  const unhandled = new Set<JobConstructor>()
  const folders = sourceFolders('jobs', folder, paths === undefined ? undefined : [...paths])
  for (const file of await sourceFiles(folders)) {
    const shown = relative(folder, file)
    const classes = await jobsIn(file).catch((cause: unknown) => {
      remarks.push(failedToLoad(shown, cause).message)
      return undefined
    })
    if (classes?.length === 0 && declaresClass(await readFile(file, 'utf8'), '\\w*Job')) {
      remarks.push(`${shown} has a job and does not export it: write export before class`)
    }
    for (const Class of (classes ?? []).map(latest))
      if (lacksHandler(Class)) unhandled.add(Class)
      else addFrom(shown, file, Class, registry)
  }
  for (const Class of definitions.values()) if (!lacksHandler(Class)) registry.add(Class)
  const idle = [...unhandled].filter((Class) => lacksHandler(Class)).map((Class) => classOf(Class).name)
  if (idle.length > 0)
    remarks.push(`No handler for ${listed(idle)}: no file in the folders of jobs calls its handle()`)
  if (registry.classes.length === 0) {
    const looked = folders.length > 0 ? folders : (paths ?? [`${folder}/jobs`, `${folder}/src/jobs`])
    remarks.push(
      `No job classes found in ${looked.join(', ')} (make one: lark make:job NAME; a bundle names them: Jobs.work({ jobs: [SendEmailJob] }))`,
    )
  }
  return { registry, remarks }
}

/** The job classes in a file. A base class without `handle` is not a job class. */
async function jobsIn(file: string): Promise<JobConstructor[]> {
  const exported = [...exportedValues(await importModule(file))].filter(isJobClass)
  return exported.filter((Class) => typeof Class.prototype.handle === 'function')
}

/**
 * Finds the class with a key that a file exports, or the defined job with a key whose handler the file sets.
 *
 * @param file the absolute path of the file
 * @throws JOB_INVALID; the errors that the file throws
 */
export async function classIn(file: string, key: string): Promise<JobConstructor> {
  const exported = (await jobsIn(file)).map(latest)
  const found = exported.find((Class) => classOf(Class).key === key) ?? definitions.get(key)
  if (found !== undefined && !lacksHandler(found)) return found
  throw new JobsError('JOB_INVALID', `${file} exports no job class with the key '${key}'`)
}

function addFrom(file: string, path: string, Class: JobConstructor, registry: Registry): void {
  try {
    registry.add(Class, file, path)
  } catch (error) {
    if (!(error instanceof JobsError)) throw error
    const { code, message, hint, cause } = error
    // If two classes have the same key, the message names both files.
    const text = code === 'JOB_KEY_TAKEN' && message.includes(file) ? message : `${message} (${file})`
    throw new JobsError(code, text, { cause, ...defined({ hint }) })
  }
}

function named({ name }: JobClass, file: string | undefined): string {
  return file === undefined ? name : `${name} (${file})`
}

function failedToLoad(file: string, cause: unknown): JobsError {
  const why = textOf(cause).split('\n', 1)[0]
  const place = placeOf(cause)
  const message = `${file} failed to load: ${why}${place === undefined ? '' : ` (${place})`}`
  return new JobsError('JOB_FAILED_TO_LOAD', message, { cause })
}
