/**
 * Changes that take longer than a browser should wait for one answer, such as a change of 100,000 jobs. Such
 * a change goes on in the server, even if the browser is closed. The browser asks for the progress of the
 * change.
 *
 *   begun      the change has begun, and the request waits for a while
 *   underway   the change takes longer, so the request was answered with an id
 *   ended      the change has ended. Its answer or error is kept for some time
 *
 * Only this process knows the change. If the process dies, the audit says how many jobs were changed.
 */
import { randomUUID } from 'node:crypto'
import { LarkError } from '@s18i/lark/config'

/** Milliseconds for which a request waits for the end of its change. */
const PATIENCE = 2_000
/** Milliseconds for which the answer or the error of an ended change is kept. */
const KEPT = 5 * 60_000
/** The maximum number of changes that one process makes at a time, and that it makes for one user. */
const MOST = 20
const MOST_OF_A_USER = 10

/** The signal that a long change gets, and the functions with which it reports its progress. */
export interface Meanwhile {
  /** Aborted when the viewer ends the change, which then stops after the jobs that it is changing. */
  signal: AbortSignal
  onProgress(done: number, found: number): void
}

/** The answer to a request whose change is still going on. */
export interface GoesOn {
  /** The id of the change. */
  underway: string
}

export interface Progress {
  /** How many jobs were changed, and how many were found so far. */
  done: number
  found: number
  /** The answer. Absent until the change has ended. */
  answer?: unknown
  /** The error with which the change ended. */
  error?: { code: string; message: string }
}

interface Change {
  user: string
  abort: AbortController
  progress: Progress
}

export class Underway {
  readonly #changes = new Map<string, Change>()

  /** @throws TOO_MANY_CHANGES; the error of the change, if it fails while the request waits */
  async run<T>(
    user: string,
    act: (meanwhile: Meanwhile) => Promise<T>,
    patience = PATIENCE,
  ): Promise<T | GoesOn> {
    const running = [...this.#changes.values()].filter(({ progress }) => !hasEnded(progress))
    const own = running.filter((each) => each.user === user).length
    if (running.length >= MOST || own >= MOST_OF_A_USER) {
      const whose = own >= MOST_OF_A_USER ? `${own} changes of ${user}` : `${MOST} changes`
      throw new LarkError('TOO_MANY_CHANGES', `${whose} are under way on this server: wait for one to end`)
    }
    const id = randomUUID()
    const change: Change = { user, abort: new AbortController(), progress: { done: 0, found: 0 } }
    this.#changes.set(id, change)
    const acting = act({
      signal: change.abort.signal,
      onProgress: (done, found) => Object.assign(change.progress, { done, found }),
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<typeof isLate>((resolve) => {
      timer = setTimeout(() => resolve(isLate), patience)
    })
    let forgets = true
    try {
      const first = await Promise.race([acting, late])
      if (first !== isLate) return first
      forgets = false
      void this.#follow(id, change, acting)
      return { underway: id }
    } finally {
      clearTimeout(timer)
      if (forgets) this.#changes.delete(id)
    }
  }

  /** @throws CHANGE_GONE */
  progress(user: string, id: string): Progress {
    return this.#find(user, id).progress
  }

  /** Jobs that are already changed stay changed. @throws CHANGE_GONE */
  end(user: string, id: string): Progress {
    const { abort, progress } = this.#find(user, id)
    abort.abort()
    return progress
  }

  /** Stops all changes. Each stops after the jobs that it is changing. */
  close(): void {
    for (const { abort } of this.#changes.values()) abort.abort()
  }

  async #follow(id: string, { progress }: Change, acting: Promise<unknown>): Promise<void> {
    try {
      progress.answer = (await acting) ?? null
    } catch (error) {
      // The message of an error that is not a `LarkError` may contain anything, so the message is not sent to
      // the browser.
      progress.error = LarkError.is(error)
        ? { code: error.code, message: error.message }
        : { code: 'DASHBOARD_FAULT', message: 'The dashboard has a fault; the log of its server says which' }
      if (!LarkError.is(error)) console.error('@s18i/lark-dashboard:', error)
    }
    setTimeout(() => this.#changes.delete(id), KEPT).unref()
  }

  #find(user: string, id: string): Change {
    const change = this.#changes.get(id)
    if (change === undefined || change.user !== user)
      throw new LarkError(
        'CHANGE_GONE',
        'This server does not know the change: the audit says what has become of it',
      )
    return change
  }
}

const isLate = Symbol('late')

function hasEnded({ answer, error }: Progress): boolean {
  return answer !== undefined || error !== undefined
}
