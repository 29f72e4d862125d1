/**
 * Follows the jobs that open dashboards show and that have not ended, so that browsers get at once what a job
 * writes to its log and reports as progress. A job is followed only once, even if several browsers show it,
 * and only while at least one browser shows it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { LarkError } from '@s18i/lark/config'
import type { LogLine, Operate, TailEvent } from '@s18i/lark-jobs/operate'

/** Milliseconds until a store that did not answer is asked again. */
const AGAIN = 500
/** The maximum number of lines that are kept, which is the number of lines that the store keeps. */
const MOST_LINES = 100

/** A report about a followed job. Each report is complete, so a slow browser may miss earlier reports. */
export interface JobReport {
  /** Increases when the state of the job changes, another run begins, or the job no longer exists. */
  changes: number
  log: readonly LogLine[]
  /** The last progress that the job reported. Undefined if the job has reported no progress. */
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
   * Calls the listener at once if there is a report about the job already, and then with each new report
   * until the job has ended.
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
   * @param forget called when the job has ended or the last listener has left. After that, a new listener
   *   makes the server follow the job again
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
        // The error may mean that there is no such job. It is ignored here, because the page gets the same
        // error when it asks for the job.
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
    // All news from one reading of the job are reported together.
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
