/**
 * Decides where the nodes of a flow are drawn. Layers follow each other from left to right. Each node is to
 * the right of all nodes that it waits for, and in its layer at about the same height as these nodes.
 */
interface LaidNode {
  name: string
  after: readonly string[]
}

/** A box of the drawing: a node, or a whole closed layer. */
export interface FlowBox<N extends LaidNode> {
  /** The name of the node or of the layer. */
  id: string
  layer: number
  row: number
  nodes: readonly N[]
  isLayer: boolean
}

export interface FlowEdge<N extends LaidNode> {
  from: FlowBox<N>
  to: FlowBox<N>
  /** The nodes that the box stands for. */
  nodes: readonly N[]
}

/** A layer with more nodes than this is closed at first. */
const LONG = 12

/** The layers that are closed at first, because they have many nodes. */
export function longLayers({ layers }: Pick<Layout<LaidNode>, 'layers'>): ReadonlySet<number> {
  return new Set(layers.flatMap((layer, i) => (layer.length > LONG ? [i] : [])))
}

/** The minimum number of uneventful nodes in a row that are drawn as one box at first. */
const ROW = 4

/**
 * The states of uneventful nodes: completed nodes, and nodes that have not begun. Viewers rarely look for
 * these nodes.
 */
const uneventful: ReadonlySet<string> = new Set(['completed', 'blocked', 'skipped', 'not needed'])

/**
 * Joins consecutive layers that have one node each, if these nodes are in the same uneventful state. So the
 * drawing of a long chain is short, and shows mainly the nodes that run or failed.
 *
 * @param opened the names of the first nodes of rows that the viewer has opened
 * @returns `folded`: the layers that stand for several joined layers
 */
export function foldRows<N extends LaidNode & { state: string }>(
  { layers }: Pick<Layout<N>, 'layers'>,
  opened: ReadonlySet<string>,
): { layers: N[][]; folded: ReadonlySet<number> } {
  const found: N[][] = []
  const folded = new Set<number>()
  let row: N[] = []
  const end = () => {
    if (row.length >= ROW && !opened.has(row[0]!.name)) {
      folded.add(found.length)
      found.push(row)
    } else found.push(...row.map((node) => [node]))
    row = []
  }
  for (const layer of layers) {
    const [node] = layer
    const joins = layer.length === 1 && uneventful.has(node!.state)
    if (!joins || (row.length > 0 && row[0]!.state !== node!.state)) end()
    if (joins) row.push(node!)
    else found.push(layer)
  }
  end()
  return { layers: found, folded }
}

/** The boxes of a flow that are drawn, and the number of rows of the tallest layer. */
export function boxesOf<N extends LaidNode>(
  { layers }: Pick<Layout<N>, 'layers'>,
  closed: ReadonlySet<number>,
) {
  const boxes = layers.flatMap((nodes, layer): FlowBox<N>[] =>
    closed.has(layer)
      ? [{ id: `layer ${layer + 1}`, layer, row: 0, nodes, isLayer: true }]
      : nodes.map((node, row) => ({ id: node.name, layer, row, nodes: [node], isLayer: false })),
  )
  const boxOf = new Map(boxes.flatMap((box) => box.nodes.map(({ name }) => [name, box] as const)))
  const edges = new Map<FlowBox<N>, Map<FlowBox<N>, N[]>>()
  for (const to of boxes)
    for (const node of to.nodes)
      for (const name of node.after) {
        const from = boxOf.get(name)
        if (from === undefined || from === to) continue
        const of = edges.get(from) ?? new Map<FlowBox<N>, N[]>()
        edges.set(from, of)
        const nodes = of.get(to)
        if (nodes === undefined) of.set(to, [node])
        else nodes.push(node)
      }
  const rows = layers.map((layer, i) => (closed.has(i) ? 1 : layer.length))
  return {
    boxes,
    edges: [...edges].flatMap(([from, of]) =>
      [...of].map(([to, nodes]): FlowEdge<N> => ({ from, to, nodes })),
    ),
    rows,
    tallest: Math.max(1, ...rows),
  }
}

interface Layout<N extends LaidNode> {
  layers: N[][]
  /** The layer of each node, and its place in the layer. */
  places: ReadonlyMap<string, { layer: number; row: number }>
}

/** How many times the rows of all layers are sorted. */
const ROUNDS = 4

export function layersOf<N extends LaidNode>(nodes: readonly N[]): Layout<N> {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const depths = new Map<string, number>()
  // If each node waits only for nodes before it in the list, one round is enough. If not, at most as many
  // rounds are needed as there are layers.
  let isSettled = false
  for (let round = 0; round <= nodes.length && !isSettled; round++) {
    isSettled = true
    for (const { name, after } of nodes) {
      const depth = Math.max(
        0,
        ...after.filter((each) => byName.has(each)).map((each) => (depths.get(each) ?? 0) + 1),
      )
      if (depth !== (depths.get(name) ?? -1)) {
        depths.set(name, depth)
        isSettled = false
      }
    }
  }
  const layers: N[][] = []
  for (const node of nodes) {
    const depth = depths.get(node.name)!
    layers[depth] ??= []
    layers[depth].push(node)
  }
  const rows = new Map<string, number>()
  const count = (layer: readonly N[]) => {
    for (const [row, { name }] of layer.entries()) rows.set(name, row - (layer.length - 1) / 2)
  }
  for (const layer of layers) count(layer)
  const followers = new Map<string, string[]>()
  for (const { name, after } of nodes)
    for (const each of after) {
      const some = followers.get(each)
      if (some === undefined) followers.set(each, [name])
      else some.push(name)
    }
  const middle = (names: readonly string[], own: number) =>
    names.length === 0 ? own : names.reduce((sum, name) => sum + (rows.get(name) ?? 0), 0) / names.length
  for (let round = 0; round < ROUNDS; round++) {
    const isForward = round % 2 === 0
    for (const layer of isForward ? layers : [...layers].reverse()) {
      const near = new Map(
        layer.map(({ name, after }) => [
          name,
          middle(isForward ? after : (followers.get(name) ?? []), rows.get(name) ?? 0),
        ]),
      )
      layer.sort((one, other) => near.get(one.name)! - near.get(other.name)!)
      count(layer)
    }
  }
  const places = new Map<string, { layer: number; row: number }>()
  for (const [layer, some] of layers.entries())
    for (const [row, { name }] of some.entries()) places.set(name, { layer, row })
  return { layers, places }
}
