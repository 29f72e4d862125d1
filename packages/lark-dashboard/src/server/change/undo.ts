/**
 * Changes that can be undone for some seconds. They are kept only in this process: after a restart, or in
 * another process of the server, a change can no longer be undone, and the viewer is told.
 */
import { randomUUID } from 'node:crypto'
import { LarkError } from '@s18i/lark/config'
import type { Undone } from '@s18i/lark-jobs/operate'

/**
 * Milliseconds. The page offers an undo for eight seconds; the rest is for the request to reach the server.
 */
const KEPT = 12_000
/** The most undos that are kept at a time; the oldest is dropped. */
const MOST = 200

interface KeptUndo {
  user: string
  /** Counts jobs, queues or schedules. */
  undo: () => Promise<Undone>
  timer: NodeJS.Timeout
}

export class Undos {
  readonly #kept = new Map<string, KeptUndo>()

  /** @param user who may undo the change @returns the id of the undo */
  keep(user: string, undo: () => Promise<Undone>): string {
    const id = randomUUID()
    const timer = setTimeout(() => this.#kept.delete(id), KEPT).unref()
    this.#kept.set(id, { user, undo, timer })
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MOST) this.#drop(oldest!)
    return id
  }

  /** @throws UNDO_GONE */
  async undo(user: string, id: string): Promise<Undone> {
    const found = this.#kept.get(id)
    if (found === undefined || found.user !== user)
      throw new LarkError(
        'UNDO_GONE',
        'This can no longer be undone: it was done too long ago, or is undone already',
      )
    this.#drop(id)
    return await found.undo()
  }

  clear(): void {
    for (const id of this.#kept.keys()) this.#drop(id)
  }

  #drop(id: string): void {
    clearTimeout(this.#kept.get(id)?.timer)
    this.#kept.delete(id)
  }
}
