/**
 * Follows the jobs that open dashboards show and that have not ended, so that browsers get at once what a job
 * writes to its log and reports as progress. A job is followed once, however many browsers show it, and only
 * as long as at least one shows it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { LarkError } from '@s18i/lark/config'
import type { LogLine, Operate, TailEvent } from '@s18i/lark-jobs/operate'

/** Milliseconds until a store that did not answer is asked again. */
const AGAIN = 500
/** The most lines that are kept: as many as the store keeps. */
const MOST_LINES = 100

/**
 * All that is known about a followed job. Each report is complete, so a slow browser may miss earlier ones.
 */
export interface JobReport {
  /** Increases when the job changes its state or run, or is gone. */
  changes: number
  log: readonly LogLine[]
  /** The last progress that the job reported; undefined if it has reported none. */
  progress?: unknown
}

type Listener = (report: JobReport) => void

interface Named {
  id: string
  queue: string
}

export class FollowedJobs {
  readonly #operate: Pick<Operate, 'tail'>
  readonly #jobs = new Map<string, FollowedJob>()

  constructor(operate: Pick<Operate, 'tail'>) {
    this.#operate = operate
  }

  /**
   * Calls the listener at once if something is known about the job, and then for everything new until the job
   * has ended.
   *
   * @returns a function that stops following
   */
  follow(named: Named, listener: Listener): () => void {
    const name = JSON.stringify([named.queue, named.id])
    const forget = (job: FollowedJob) => {
      if (this.#jobs.get(name) === job) this.#jobs.delete(name)
    }
    const job = this.#jobs.get(name) ?? new FollowedJob(this.#operate, named, forget)
    this.#jobs.set(name, job)
    return job.listen(listener)
  }
}

class FollowedJob {
  readonly #listeners = new Set<Listener>()
  readonly #over = new AbortController()
  readonly #forget: (job: FollowedJob) => void
  #report: JobReport = { changes: 0, log: [] }
  #isAboutToTell = false

  /**
   * @param forget called when the job has ended, and when nobody listens any more, so that the next listener
   *   starts over
   */
  constructor(operate: Pick<Operate, 'tail'>, named: Named, forget: (job: FollowedJob) => void) {
    this.#forget = forget
    void this.#follow(operate, named).finally(() => forget(this))
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    if (this.#report.changes > 0) listener(this.#report)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#over.abort()
      this.#forget(this)
    }
  }

  async #follow(operate: Pick<Operate, 'tail'>, { id, queue }: Named): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      try {
        for await (const news of operate.tail(id, { queue, signal })) this.#heard(news)
        return
      } catch (error) {
        if (!LarkError.is(error)) console.error('@s18i/lark-dashboard:', error)
        // For example, there is no such job. The page gets this error when it asks for the job itself.
        if (!isAway(error)) return
      }
      await pause(AGAIN, undefined, { signal }).catch(() => {})
    }
  }

  #heard(news: TailEvent): void {
    const { changes, log } = this.#report
    if (news.kind === 'log') this.#report = { ...this.#report, log: [...log, news.line].slice(-MOST_LINES) }
    else if (news.kind === 'gap') this.#report = { ...this.#report, log: [] }
    else if (news.kind === 'progress') this.#report = { ...this.#report, progress: news.progress }
    else this.#report = { ...this.#report, changes: changes + 1 }
    if (this.#isAboutToTell) return
    this.#isAboutToTell = true
    // Everything that one reading of the job has found is reported together.
    setImmediate(() => {
      this.#isAboutToTell = false
      for (const listener of [...this.#listeners]) listener(this.#report)
    })
  }
}

const passing = ['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED']

function isAway(error: unknown): boolean {
  return LarkError.is(error) && passing.includes(error.code)
}
