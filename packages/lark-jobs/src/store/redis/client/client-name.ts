/**
 * What the connections of a store are called in `CLIENT LIST`: `lark:web`, `lark:worker`. A process that begins to work
 * after it has dispatched is called otherwise from then on, on the connections that it has too.
 *
 * It is told with `HELLO`, which every user may send whatever its ACL (`CLIENT SETNAME` needs a right). A server that
 * refuses it shows no name, and is used all the same.
 */
import type { Role } from '../../contract/store.ts'

/** What there is of a link here. */
interface Named {
  send(command: readonly string[]): Promise<unknown>
  readonly lost: Promise<unknown>
}

export class ClientName {
  readonly #base: string
  #role: Role
  readonly #links = new Set<Named>()

  /** @param base what comes before the role */
  constructor(base: string, role: Role) {
    this.#base = base
    this.#role = role
  }

  /** Tells the server of a link, and again when the role changes. */
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

  /** A link that has subscribed takes no such command: it keeps the name it has. */
  #tell(link: Named): void {
    link.send(['HELLO', '2', 'SETNAME', `${this.#base}:${this.#role}`]).catch(() => {})
  }
}
