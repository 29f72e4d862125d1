/** The jobs that workers of this process run, so that other code in the process can write to their logs. */

interface JobInProcess {
  readonly id: string | undefined
  readonly larkId: string
  /** Called when children are added to the job. */
  gotChildren(): void
}

/** A `Worker` of this process, which may not run yet. */
export interface OwnWorker {
  readonly id: string
  readonly opts: { name?: string }
  /** The id of the worker in Lark; undefined if it does not run. */
  readonly larkId: string | undefined
}

export class RunningJobs {
  readonly #jobs = new Map<string, Set<JobInProcess>>()

  add(queue: string, job: JobInProcess): void {
    const all = this.#jobs.get(queue) ?? new Set()
    this.#jobs.set(queue, all.add(job))
  }

  delete(queue: string, job: JobInProcess): void {
    this.#jobs.get(queue)?.delete(job)
  }

  /** @param id the id in Lark, or the id that the application has chosen */
  get(queue: string, id: string): JobInProcess | undefined {
    for (const job of this.#jobs.get(queue) ?? []) if (job.id === id || job.larkId === id) return job
    return undefined
  }
}
