/**
 * The nodes of a flow as a drawing. The drawing shows which nodes wait for which nodes, which nodes run now,
 * and why nodes were skipped. A viewer can close layers to make the drawing smaller. A closed layer is one
 * box with a bar.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Output } from '../../data/call.ts'
import { href } from '../../data/route.ts'
import { Empty } from '../../parts/empty.tsx'
import { count, plural } from '../../parts/numbers.ts'
import { boxesOf, type FlowBox, type FlowEdge, foldRows, layersOf, longLayers } from './flow-layers.ts'

const WIDTH = 176
const HEIGHT = 40
const GAP_X = 56
const GAP_Y = 12
/** The height of the line with the buttons that close and open layers. */
const TOP = 26
/**
 * The maximum number of rows by which a short layer is moved down from the top. In the middle of a tall
 * drawing, such a layer would be out of sight.
 */
const LOWEST = 4
/** The maximum number of characters of a name. */
const LONGEST = 20
/** The maximum number of boxes that are drawn. */
const MOST_DRAWN = 400

export type ShownNode = NonNullable<Output<'flows.get'>>['nodes'][number]

type Box = FlowBox<ShownNode>

/** The node to which the drawing scrolls, and how many times the viewer has asked for a node. */
export interface Aim {
  node: string | undefined
  times: number
}

/** The shape for each state, for people who do not see colours. */
const shapes: Readonly<Record<string, string>> = {
  blocked: '◌',
  started: '▶',
  completed: '✓',
  failed: '✕',
  cancelled: '–',
  skipped: '⤼',
  'not needed': '·',
}

/** @param aim the node to which the drawing scrolls, and how many times the viewer has asked for a node */
export function FlowGraph({ nodes, aim }: { nodes: readonly ShownNode[]; aim: Aim }) {
  const shape = nodes.map(({ name, after }) => `${name}<${after}`).join()
  // Nodes keep their places when only their states change.
  const whole = useMemo(() => layersOf(nodes).layers, [shape])
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const [opened, open] = useState<ReadonlySet<string>>(new Set())
  const layout = foldRows(
    { layers: whole.map((layer) => layer.map(({ name }) => byName.get(name)!)) },
    opened,
  )
  const { layers, folded } = layout
  // A layer is named after its first node. An index would change when an earlier row is opened or folded.
  const [shut, close] = useState<ReadonlySet<string>>(
    () => new Set([...longLayers(layout)].flatMap((i) => (folded.has(i) ? [] : layers[i]![0]!.name))),
  )
  const closed = new Set(layers.flatMap((layer, i) => (folded.has(i) || shut.has(layer[0]!.name) ? [i] : [])))
  const [follows, follow] = useState(false)
  const scroll = useRef<HTMLDivElement>(null)
  const drawn = boxesOf(layout, closed)
  const running = drawn.boxes.find((box) => box.nodes.some(({ state }) => state === 'started'))
  useEffect(() => {
    if (!follows || running === undefined) return
    const { x, y } = placeOf(running, drawn)
    const { clientWidth = 0, clientHeight = 0 } = scroll.current ?? {}
    scroll.current?.scrollTo({ left: x - (clientWidth - WIDTH) / 2, top: y - (clientHeight - HEIGHT) / 2 })
  }, [follows, running?.id])
  const aimed = drawn.boxes.find((box) => box.nodes.some(({ name }) => name === aim.node))
  useEffect(() => {
    if (aimed === undefined) return
    const { x, y } = placeOf(aimed, drawn)
    const { clientWidth = 0, clientHeight = 0 } = scroll.current ?? {}
    scroll.current?.scrollTo({ left: x - (clientWidth - WIDTH) / 2, top: y - (clientHeight - HEIGHT) / 2 })
    if (aim.times > 0) scroll.current?.scrollIntoView({ block: 'nearest' })
  }, [aim.node, aim.times])
  if (drawn.boxes.length > MOST_DRAWN)
    return (
      <Empty>
        It has too many nodes to draw: {plural(drawn.boxes.length, 'box', 'boxes')}. See its table.
      </Empty>
    )
  const width = layers.length * (WIDTH + GAP_X) - GAP_X + 4
  const height = TOP + drawn.tallest * (HEIGHT + GAP_Y) - GAP_Y + 4
  const toggle = (layer: number) => {
    const { name } = layers[layer]![0]!
    const next = new Set(folded.has(layer) ? opened : shut)
    if (!next.delete(name)) next.add(name)
    if (folded.has(layer)) open(next)
    else close(next)
  }
  return (
    <>
      <label class="flow-follow quiet">
        <input type="checkbox" checked={follows} onChange={() => follow(!follows)} /> Follow what runs
      </label>
      <div class="flow-scroll" ref={scroll}>
        <svg class="flow-graph" width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
          <title>The nodes of the flow</title>
          {layers.map(
            ({ length }, layer) =>
              length > 1 && (
                <foreignObject key={layer} x={layer * (WIDTH + GAP_X) + 2} y={0} width={WIDTH} height={TOP}>
                  <button type="button" class="plain small flow-toggle" onClick={() => toggle(layer)}>
                    {closed.has(layer) ? `Open ${count(length)} nodes` : `Close ${count(length)} nodes`}
                  </button>
                </foreignObject>
              ),
          )}
          {drawn.edges.map((edge) => (
            <GraphEdge key={`${edge.from.id} ${edge.to.id}`} edge={edge} drawn={drawn} />
          ))}
          {drawn.boxes.map((box) => {
            const { x, y } = placeOf(box, drawn)
            return box.isLayer ? (
              <ClosedLayer key={box.id} box={box} x={x} y={y} />
            ) : (
              <GraphNode key={box.id} node={box.nodes[0]!} x={x} y={y} isAimed={box === aimed} />
            )
          })}
        </svg>
      </div>
    </>
  )
}

interface Drawn {
  /** How many nodes each layer has. */
  rows: readonly number[]
  tallest: number
}

function placeOf({ layer, row }: Box, { rows, tallest }: Drawn): { x: number; y: number } {
  const offset = Math.min((tallest - rows[layer]!) / 2, LOWEST)
  return { x: layer * (WIDTH + GAP_X) + 2, y: TOP + (row + offset) * (HEIGHT + GAP_Y) + 2 }
}

function GraphEdge({ edge: { from, to, nodes }, drawn }: { edge: FlowEdge<ShownNode>; drawn: Drawn }) {
  const [start, end] = [placeOf(from, drawn), placeOf(to, drawn)]
  const [x1, y1, x2, y2] = [start.x + WIDTH, start.y + HEIGHT / 2, end.x, end.y + HEIGHT / 2]
  // A line that passes other layers stays at the height of its start, and bends only behind these layers.
  const turn = to.layer - from.layer > 1 ? x2 - GAP_X : x1
  const isRunning = nodes.some(({ state }) => state === 'started')
  const isSkipped = [nodes, from.nodes].some((some) => some.every(({ state }) => state === 'skipped'))
  return (
    <path
      class={`edge${isRunning ? ' edge-running' : ''}${isSkipped ? ' edge-skipped' : ''}`}
      d={`M${x1} ${y1}H${turn}C${turn + GAP_X / 2} ${y1} ${x2 - GAP_X / 2} ${y2} ${x2} ${y2}`}
    />
  )
}

const states = ['completed', 'failed', 'cancelled', 'skipped', 'started', 'blocked'] as const

/** A closed layer: how many of its nodes are in each state, as a bar. */
function ClosedLayer({ box: { id, nodes }, x, y }: { box: Box; x: number; y: number }) {
  const parts = states.flatMap((state) => {
    const some = nodes.filter((node) => node.state === state).length
    return some === 0 ? [] : [{ state, some }]
  })
  const words = parts.map(({ state, some }) => `${count(some)} ${state}`).join(', ')
  let from = 12
  return (
    <g class="node node-layer" transform={`translate(${x} ${y})`}>
      <title>{`${id}: ${words}`}</title>
      <rect width={WIDTH} height={HEIGHT} rx="5" />
      <text x="12" y="17" class="node-name">
        {plural(nodes.length, 'node')}
      </text>
      {parts.map(({ state, some }) => {
        const width = ((WIDTH - 24) * some) / nodes.length
        const part = (
          <rect key={state} class={`part part-${state}`} x={from} y="26" width={width} height="6" />
        )
        from += width
        return part
      })}
    </g>
  )
}

function GraphNode({ node, x, y, isAimed }: { node: ShownNode; x: number; y: number; isAimed: boolean }) {
  const { name, state, key, kind, cause, error, flow, jobId, queue } = node
  const to =
    flow !== undefined
      ? href('flows', [flow.id], { home: flow.home })
      : jobId !== undefined && state !== 'blocked'
        ? href('jobs', [jobId], { queue })
        : undefined
  const words = [`${name}: ${state}`, cause && `because of ${cause}`, error].filter(Boolean).join(', ')
  const drawing = (
    <g
      class={`node node-${state.replace(' ', '-')}${isAimed ? ' node-aimed' : ''}`}
      transform={`translate(${x} ${y})`}
    >
      <title>{words}</title>
      <rect width={WIDTH} height={HEIGHT} rx="5" />
      <text x="12" y="17" class="node-name">
        {shapes[state]} {name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name}
      </text>
      <text x="12" y="32" class="node-kind">
        {(kind ?? key ?? '').slice(0, 26)}
        {node.on !== undefined && ` · on ${node.on}`}
      </text>
    </g>
  )
  return to === undefined ? drawing : <a href={to}>{drawing}</a>
}
