/**
 * Tells classes of jobs that ended where no handler ran: they crashed too often, or were cancelled or dropped while they
 * waited. The store hands them out; whoever takes one calls the hook of its class, and names it as done. A job of a
 * class that is not known here is left for another worker.
 *
 *   idle → telling, partition by partition → idle; stopped
 */
import { inContext } from '../../model/context.ts'
import { JobsError, type JobsErrorCode } from '../../model/errors.ts'
import type { JobRecord } from '../../model/record.ts'
import { Run, timedOut } from '../../model/run.ts'
import type { Registry } from '../../options/registry.ts'
import { within } from '../../run/bounded-wait.ts'
import { type LastWord, tell } from '../../run/last-hook.ts'
import type { Store } from '../../store/contract/store.ts'
import type { Report } from '../report.ts'

/** Milliseconds that hooks get to end when the worker stops. What is not done by then, another does again. */
const LAST_WORDS = 1_000

export interface EndingsOptions {
  store: Store
  registry: Registry
  report: Report
  /** Milliseconds for which a job is this worker's, and a hook may take at most. */
  lease: number
  met: (error: unknown) => void
}

export class Endings {
  readonly #options: EndingsOptions
  readonly #looks = new Map<string, Promise<void>>()
  /** By `performance.now()`: of partitions that had jobs which are for others. */
  readonly #restUntil = new Map<string, number>()
  #stopped = false

  constructor(options: EndingsOptions) {
    this.#options = options
  }

  /** There is something in a partition. */
  look(partition: string): void {
    if (this.#stopped || this.#looks.has(partition)) return
    if (performance.now() < (this.#restUntil.get(partition) ?? 0)) return
    const look = this.#tellAll(partition)
      .catch((error) => this.#options.met(error))
      .finally(() => this.#looks.delete(partition))
    this.#looks.set(partition, look)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await within(LAST_WORDS, Promise.all(this.#looks.values()))
  }

  async #tellAll(partition: string): Promise<void> {
    const { store, lease } = this.#options
    let done: string[] = []
    do {
      const jobs = await store.endings(partition, done, lease)
      const told = await Promise.all(jobs.map((job) => this.#tell(job)))
      done = told.filter((id) => id !== undefined)
      // Else it might be the first to take them again, each time.
      if (done.length < jobs.length) this.#restUntil.set(partition, performance.now() + 3 * lease)
    } while (done.length > 0)
  }

  /** @returns its id when nothing more is to be done */
  async #tell(job: JobRecord): Promise<string | undefined> {
    const { registry, report, lease } = this.#options
    const jobClass = job.unreadable?.kind === 'marked' ? undefined : registry.find(job.key)
    if (jobClass === undefined) return undefined
    const { id, failures, options, payload } = job
    const run = new Run(id, failures, {
      write: (level, text) =>
        report.wrote({ ...job, token: '' }, jobClass.name, { at: Date.now(), level, text }),
    })
    const timeout = Math.min(lease, options?.timeout ?? jobClass.timeout)
    const timer = setTimeout(() => run.abort(timedOut(jobClass.name, timeout)), timeout)
    await inContext(options?.context, tell, jobClass, run, wordOf(job), payload)
    clearTimeout(timer)
    return id
  }
}

function wordOf({ id, state, reason = 'user', errors }: JobRecord): LastWord {
  if (state === 'cancelled') return { kind: 'cancelled', reason }
  const { code = 'WORKER_DIED', message = 'its worker died' } = errors.at(-1) ?? {}
  return { kind: 'failed', error: new JobsError(code as JobsErrorCode, message, { id }) }
}
