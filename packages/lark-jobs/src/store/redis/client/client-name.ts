/**
 * The name of a store's connections in `CLIENT LIST`: `lark:web`, `lark:worker`. If a process that dispatches
 * becomes a worker, its existing connections are renamed too.
 *
 * The name is set with `HELLO`, which every user may send, no matter what its ACL says (`CLIENT SETNAME`
 * needs a permission). If a server refuses the name, the connections have no name there, and everything else
 * still works.
 */
import type { Role } from '../../contract/store.ts'

/** The part of a link that this file needs. */
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

  /** Sets the name on the server of this link, and sets it again when the role changes. */
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

  /** A link that has subscribed accepts no `HELLO`, so it keeps its name. */
  #tell(link: Named): void {
    link.send(['HELLO', '2', 'SETNAME', `${this.#base}:${this.#role}`]).catch(() => {})
  }
}
