/**
 * The name of a store's connections in `CLIENT LIST`: `lark:web`, `lark:worker`. If a process that dispatches
 * becomes a worker, its open connections get the new name, too.
 *
 * The command `HELLO` sets the name, because every user may send this command, whatever its permissions
 * (`CLIENT SETNAME`
 * needs a permission). If a server refuses the name, the connections to it have no name, and everything else
 * still works.
 */
import type { Role } from '../../contract/store.ts'

/** The members of a link that this file uses. */
interface Named {
  send(command: readonly string[]): Promise<unknown>
  readonly lost: Promise<unknown>
}

export class ClientName {
  readonly #base: string
  #role: Role
  readonly #links = new Set<Named>()

  /** @param base the part of the name before the role */
  constructor(base: string, role: Role) {
    this.#base = base
    this.#role = role
  }

  /**
   * Tells the server of a link the name of the connection, and tells it the new name when the role changes.
   */
  introduce(link: Named): void {
    this.#links.add(link)
    void link.lost.then(() => this.#links.delete(link))
    this.#tell(link)
  }

  change(role: Role): void {
    if (role === this.#role) return
    this.#role = role
    for (const link of this.#links) this.#tell(link)
  }

  /** A server refuses `HELLO` on a link that has subscribed to a channel, so such a link keeps its name. */
  #tell(link: Named): void {
    link.send(['HELLO', '2', 'SETNAME', `${this.#base}:${this.#role}`]).catch(() => {})
  }
}
