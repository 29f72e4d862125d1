/** The names of the nodes of one flow. No two nodes have the same name. */
import { JobsError } from '../model/errors.ts'
import { shown } from '../words/secret.ts'

export class NodeNames {
  readonly #taken: Set<string>
  readonly #counts = new Map<string, number>()

  /** @param nodes the existing nodes */
  constructor(nodes: readonly { name: string }[] = []) {
    this.#taken = new Set(nodes.map(({ name }) => name))
  }

  /**
   * The name of the next node.
   *
   * @param what the default name of the node. The name gets a number if other nodes have the same name
   * @param given a name that the application chose
   * @throws FLOW_INVALID if another node has the given name
   */
  of(what: string, given?: string): string {
    if (given !== undefined && this.#taken.has(given))
      throw new JobsError('FLOW_INVALID', `Two nodes have the name ${shown(given)}`, {
        hint: 'Give each node a name of its own. Nodes without one are called by their class, with a number.',
      })
    let name = given ?? what
    while (this.#taken.has(name)) {
      const count = (this.#counts.get(what) ?? 1) + 1
      this.#counts.set(what, count)
      name = `${what} ${count}`
    }
    this.#taken.add(name)
    return name
  }
}
