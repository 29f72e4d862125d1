/** The base classes of classes that run the jobs of a queue or listen to its events. */
import type { BullQueueListener } from '../events/queue-events.ts'
import type { BullJob } from '../job/bull-job.ts'
import type { BullWorker } from '../worker/worker.ts'

function early(what: string): Error {
  return new Error(
    `"${what}" has not yet been initialized. It is there after "onModuleInit", for example in "onApplicationBootstrap"; with "manualRegistration", after "BullRegistrar.register()"`,
  )
}

/**
 * The worker of each host, by the host object and also by its class. For a request-scoped processor, Nest
 * makes a host object for each job. Such an object has no worker of its own, so its class leads to the
 * worker.
 */
const workers = new WeakMap<object, BullWorker>()
const listeners = new WeakMap<object, BullQueueListener>()

/** The base class of classes with `@Processor()`. */
export abstract class WorkerHost<T extends BullWorker = BullWorker> {
  get worker(): T {
    const found = workers.get(this) ?? workers.get(this.constructor)
    if (found === undefined) throw early('Worker')
    return found as T
  }

  /** @internal */
  static use(host: WorkerHost, worker: BullWorker): void {
    for (const each of [host, host.constructor]) workers.set(each, worker)
  }

  /**
   * Does the work of a job.
   *
   * @param token the proof of the lease
   * @param signal a signal that is aborted when the job should end. A method without this parameter gets no
   *   signal
   */
  abstract process(
    job: BullJob,
    token?: string,
    signal?: AbortSignal,
    // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  ): Promise<any>
}

/** The base class of classes with `@QueueEventsListener()`. */
export abstract class QueueEventsHost<T extends BullQueueListener = BullQueueListener> {
  get queueEvents(): T {
    const found = listeners.get(this)
    if (found === undefined) throw early('QueueEvents')
    return found as T
  }

  /** @internal */
  static use(host: QueueEventsHost, events: BullQueueListener): void {
    listeners.set(host, events)
  }

  async onApplicationShutdown(_signal?: string): Promise<void> {
    await listeners.get(this)?.close()
  }
}
