/**
 * A queue of classes. A task of the application has a constructor with services, and a method `run`; a container makes an
 * object for each run.
 */
import { createJobs, type DefinedJob, defineJob, group, type Job, type JobsConfig } from '@s18i/lark-jobs'

/** A task of the application. */
export interface Task<Payload, Result> {
  run(payload: Payload, job: Job): Promise<Result>
}

/** Its class: the static members say how its jobs are queued and run. */
export interface TaskClass<Payload, Result> {
  // biome-ignore lint/suspicious/noExplicitAny: services of all kinds
  new (...services: any[]): Task<Payload, Result>
  readonly key: string
  readonly queue?: string
  readonly attempts?: number
  /** Milliseconds before each retry. */
  readonly backoff?: number
  /** Jobs for which this is the same run one after the other. */
  groupBy?(payload: Payload): string
}

export type Container = <T>(Class: new (...services: never[]) => T) => T | Promise<T>

export interface AddOptions {
  /** Another job with this id is not queued while the first has not ended. */
  id?: string
  /** Milliseconds. */
  delay?: number
  priority?: number
}

export class ClassQueue {
  readonly #jobs
  // biome-ignore lint/suspicious/noExplicitAny: tasks of all payloads
  readonly #jobOf = new Map<TaskClass<any, any>, DefinedJob<any, any>>()

  constructor(config: JobsConfig, container: Container, tasks: readonly TaskClass<never, unknown>[]) {
    this.#jobs = createJobs(config)
    for (const Class of tasks) {
      const { key, queue = 'default', attempts = 3, backoff = 1_000 } = Class
      const groups = Class.groupBy && { group: group(Class.groupBy.bind(Class), { concurrency: 1 }) }
      const job = defineJob<never, unknown>({ key, queueName: queue, tries: attempts, backoff, ...groups })
      const run = async (payload: never, running: Job) => (await container(Class)).run(payload, running)
      this.#jobOf.set(Class, job.handle(run))
    }
  }

  /** @returns the job that is queued, or that has the id already */
  async add<P, R>(Class: TaskClass<P, R>, payload: P, options: AddOptions = {}): Promise<QueuedTask<R>> {
    const reuse = options.id === undefined ? undefined : 'ended'
    const draft = this.#jobOf.get(Class)!.with(payload)
    return (await this.#jobs.dispatch([draft.withOptions({ ...options, reuse })]))[0] as QueuedTask<R>
  }

  /** A task that this process, or another, has queued. */
  find<R>(Class: TaskClass<never, R>, id: string): QueuedTask<R> {
    return this.#jobs.handle(this.#jobOf.get(Class)!, id) as QueuedTask<R>
  }

  work(concurrency = 10) {
    return this.#jobs.work({ jobs: [...this.#jobOf.values()], concurrency })
  }

  close(): Promise<void> {
    return this.#jobs.close()
  }
}

/** What the application may do with a queued task: a part of Lark's handle. */
export interface QueuedTask<Result> {
  readonly id: string
  result(options?: { timeout?: number }): Promise<Result>
  status(): Promise<{ state: string; errors: { message: string }[] } | undefined>
  progress(): Promise<unknown>
  remove(): Promise<boolean>
}
