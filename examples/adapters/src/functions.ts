/**
 * A queue of functions. Code that queues a job knows only a name; `Tasks` says which payload and which result a name has.
 */
import { createJobs, type DefinedJob, defineJob, group, type Job, type JobsConfig } from '@s18i/lark-jobs'

type Shape = Record<string, { payload: unknown; result: unknown }>

export interface TaskOptions<Payload> {
  queue?: string
  attempts?: number
  /** Milliseconds before each retry, or a list of them. */
  backoff?: number | number[]
  /** Jobs for which this is the same run one after the other. */
  groupBy?: (payload: Payload) => string
}

export interface AddOptions {
  /** Another job with this id is not queued while the first has not ended. */
  id?: string
  /** Milliseconds. */
  delay?: number
  priority?: number
}

export class FunctionQueue<Tasks extends Shape> {
  readonly #jobs
  // biome-ignore lint/suspicious/noExplicitAny: tasks of all payloads
  readonly #tasks = new Map<string, DefinedJob<any, any>>()

  constructor(config: JobsConfig) {
    this.#jobs = createJobs(config)
  }

  define<N extends keyof Tasks & string>(
    name: N,
    { queue = 'default', attempts = 3, backoff = 1_000, groupBy }: TaskOptions<Tasks[N]['payload']>,
    does: (payload: Tasks[N]['payload'], job: Job) => Promise<Tasks[N]['result']>,
  ): void {
    const settings = { key: name, queueName: queue, tries: attempts, backoff }
    const groups = groupBy && { group: group(groupBy, { concurrency: 1 }) }
    this.#tasks.set(name, defineJob<Tasks[N]['payload'], unknown>({ ...settings, ...groups }).handle(does))
  }

  /** @returns the id of the job; of the one that is there, if the id is taken */
  async add<N extends keyof Tasks & string>(
    name: N,
    payload: Tasks[N]['payload'],
    options: AddOptions = {},
  ): Promise<string> {
    const reuse = options.id === undefined ? undefined : 'ended'
    return (await this.#jobs.dispatchByKey(name, payload, { ...options, reuse })).id
  }

  result<N extends keyof Tasks & string>(name: N, id: string, timeout?: number): Promise<Tasks[N]['result']> {
    return this.#job(name, id).result({ timeout })
  }

  async status(name: keyof Tasks & string, id: string) {
    const job = await this.#job(name, id).status()
    return job && { state: job.state, progress: job.progress, error: job.errors.at(-1)?.message }
  }

  /** @returns false if the job runs, or is not there */
  remove(name: keyof Tasks & string, id: string): Promise<boolean> {
    return this.#job(name, id).remove()
  }

  work(concurrency = 10) {
    return this.#jobs.work({ jobs: [...this.#tasks.values()], concurrency })
  }

  close(): Promise<void> {
    return this.#jobs.close()
  }

  #job(name: string, id: string) {
    return this.#jobs.handle(this.#tasks.get(name)!, id)
  }
}
