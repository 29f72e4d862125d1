/**
 * The nodes of a flow as a drawing: who starts after whom, what runs now, and what was skipped because of what.
 */
import type { Output } from '../../data/call.ts'
import { href } from '../../data/route.ts'
import { layersOf } from './flow-layers.ts'

const WIDTH = 176
const HEIGHT = 40
const GAP_X = 56
const GAP_Y = 12
/** The most characters of a name. */
const LONGEST = 20

export type ShownNode = NonNullable<Output<'flows.get'>>['nodes'][number]

/** The shape that stands for each state, for those who do not see colours. */
const shapes: Readonly<Record<string, string>> = {
  blocked: '◌',
  started: '▶',
  completed: '✓',
  failed: '✕',
  cancelled: '–',
  skipped: '⤼',
  'not needed': '·',
}

export function FlowGraph({ nodes }: { nodes: readonly ShownNode[] }) {
  const { layers, places } = layersOf(nodes)
  const tallest = Math.max(1, ...layers.map((layer) => layer.length))
  const width = layers.length * (WIDTH + GAP_X) - GAP_X + 4
  const height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 4
  const at = (name: string) => {
    const { layer, row } = places.get(name)!
    const offset = (tallest - layers[layer]!.length) / 2
    return { x: layer * (WIDTH + GAP_X) + 2, y: (row + offset) * (HEIGHT + GAP_Y) + 2 }
  }
  const byName = new Map(nodes.map((node) => [node.name, node]))
  return (
    <div class="flow-scroll">
      <svg class="flow-graph" width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
        <title>The nodes of the flow</title>
        {nodes.flatMap((node) =>
          node.after
            .filter((name) => places.has(name))
            .map((name) => {
              const [from, to] = [at(name), at(node.name)]
              const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2]
              const isRunning = node.state === 'started'
              const isSkipped = node.state === 'skipped' || byName.get(name)?.state === 'skipped'
              return (
                <path
                  key={`${name} ${node.name}`}
                  class={`edge${isRunning ? ' edge-running' : ''}${isSkipped ? ' edge-skipped' : ''}`}
                  d={`M${x1} ${y1}C${x1 + GAP_X / 2} ${y1} ${x2 - GAP_X / 2} ${y2} ${x2} ${y2}`}
                />
              )
            }),
        )}
        {nodes.map((node) => (
          <GraphNode key={node.name} node={node} {...at(node.name)} />
        ))}
      </svg>
    </div>
  )
}

function GraphNode({ node, x, y }: { node: ShownNode; x: number; y: number }) {
  const { name, state, key, kind, cause, error, flow, jobId, queue } = node
  const to =
    flow !== undefined
      ? href('flows', [flow.id], { home: flow.home })
      : jobId !== undefined && state !== 'blocked'
        ? href('jobs', [jobId], { queue })
        : undefined
  const words = [`${name}: ${state}`, cause && `because of ${cause}`, error].filter(Boolean).join(', ')
  const drawing = (
    <g class={`node node-${state.replace(' ', '-')}`} transform={`translate(${x} ${y})`}>
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
