/**
 * Lays out a graph as lines of text. The nodes of branches are indented, and a node that joins branches is
 * not indented:
 *
 *   charge
 *   ├─ invoice
 *   ├─ label
 *   │  print
 *   send             (after invoice and print)
 *
 * A node is below its dominator, which is the last node that every path to it goes through (Cooper, Harvey,
 * Kennedy 2001). A node that alone follows its dominator has the same indentation, so a chain is a plain
 * list.
 */

/** A node with the texts that place it in the tree. */
export interface TreeLine {
  node: number
  /** The text before the node on its line. */
  head: string
  /** The text before the node's further lines. */
  rest: string
  /** The nodes that this node waits for, if there are several. */
  joins: number[]
}

/** The maximum number of levels that are indented. Deeper levels keep the last indentation. */
const DEEPEST = 12

/** The number of an imaginary node before the first nodes. */
const ROOT = -1

/**
 * @param afters for each node, the numbers of the nodes that it waits for. These numbers are smaller than the
 * number of the node itself
 */
export function treeOf(afters: readonly (readonly number[])[]): TreeLine[] {
  const { below, joins } = dominated(afters)
  const lines: TreeLine[] = []
  /** The nodes that are not laid out yet. The next node is the last element. */
  const left: { node: number; head: string; rest: string; depth: number }[] = []
  const layOut = (nodes: readonly number[], indent: string, depth: number) => {
    const isFork = nodes.length > 1 && depth < DEEPEST
    const forks = isFork ? nodes.filter((node) => joins[node]!.length === 0) : []
    const others = nodes.filter((node) => !forks.includes(node))
    const places = forks.map((node, i) => {
      const isLast = i === forks.length - 1 && others.length === 0
      const [head, rest] = isLast ? ['└─ ', '   '] : ['├─ ', '│  ']
      return { node, head: indent + head, rest: indent + rest, depth: depth + 1 }
    })
    places.push(...others.map((node) => ({ node, head: indent, rest: indent, depth })))
    left.push(...places.reverse())
  }
  layOut(below.get(ROOT) ?? [], '', 0)
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { node, head, rest, depth } = next
    lines.push({ node, head, rest, joins: joins[node]! })
    layOut(below.get(node) ?? [], rest, depth)
  }
  return lines
}

/**
 * `below`: for each node, the nodes whose dominator it is, in ascending order. `joins`: for each node, the
 * nodes that it joins.
 */
function dominated(afters: readonly (readonly number[])[]): {
  below: Map<number, number[]>
  joins: number[][]
} {
  const dominators: number[] = []
  const depths: number[] = []
  const above = (node: number) => (node === ROOT ? ROOT : dominators[node]!)
  const depthOf = (node: number) => (node === ROOT ? 0 : depths[node]!)
  const common = (one: number, other: number): number => {
    while (one !== other) {
      if (depthOf(one) >= depthOf(other)) one = above(one)
      else other = above(other)
    }
    return one
  }
  const below = new Map<number, number[]>()
  const joins: number[][] = []
  for (const [node, after] of afters.entries()) {
    // A node that waits for another node also waits for the dominators of that node, so these are left out.
    const last = after.filter((one) => !after.some((other) => other !== one && common(one, other) === one))
    const dominator = last.length === 0 ? ROOT : last.reduce(common)
    dominators.push(dominator)
    depths.push(depthOf(dominator) + 1)
    joins.push(last.length > 1 ? last : [])
    const others = below.get(dominator)
    if (others === undefined) below.set(dominator, [node])
    else others.push(node)
  }
  return { below, joins }
}
