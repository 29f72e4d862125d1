/**
 * Changes that can be undone for some seconds. Only this process knows how to undo a change. After a restart,
 * or in another process of the server, a change can no longer be undone, and the viewer gets an error that
 * says so.
 */
import { randomUUID } from 'node:crypto'
import { LarkError } from '@s18i/lark/config'
import type { Undone } from '@s18i/lark-jobs/operate'

/**
 * Milliseconds. The page offers an undo for eight seconds, and the request needs some more time to reach the
 * server.
 */
const KEPT = 12_000
/**
 * The maximum number of undos that are kept at a time, and of characters in their records. If there are more,
 * the oldest undos are dropped.
 */
const MOST = 200
const MOST_CHARACTERS = 64 * 2 ** 20

interface KeptUndo {
  user: string
  /** How many jobs, queues or schedules were undone, and how many were left unchanged. */
  undo: () => Promise<Undone>
  timer: NodeJS.Timeout
  characters: number
}

export class Undos {
  readonly #kept = new Map<string, KeptUndo>()
  #characters = 0

  /**
   * @param user the user who may undo the change
   * @param characters the length of the records that the undo needs
   * @returns the id of the undo
   */
  keep(user: string, undo: () => Promise<Undone>, characters = 0): string {
    const id = randomUUID()
    const timer = setTimeout(() => this.#drop(id), KEPT).unref()
    this.#kept.set(id, { user, undo, timer, characters })
    this.#characters += characters
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST && this.#characters <= MOST_CHARACTERS) break
      this.#drop(oldest)
    }
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
    const { timer, characters = 0 } = this.#kept.get(id) ?? {}
    clearTimeout(timer)
    this.#characters -= characters
    this.#kept.delete(id)
  }
}
