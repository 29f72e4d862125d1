/** The failed nodes of a flow, shown at the top of the page: each node with its error, and a link. */
import { href } from '../../data/route.ts'
import { plural } from '../../parts/numbers.ts'
import { State } from '../../parts/state.tsx'
import { Moment } from '../../parts/time.tsx'
import type { ShownNode } from './flow-graph.tsx'

/** The maximum number of nodes that are shown here. The table has all nodes. */
const MOST = 5

/**
 * The nodes that ended without completing for a reason of their own. The node that ended first comes first.
 */
export function failedNodes(nodes: readonly ShownNode[]): ShownNode[] {
  return nodes
    .filter(({ state }) => state === 'failed' || state === 'cancelled')
    .sort((one, other) => rank(one) - rank(other) || (one.endedAt ?? 0) - (other.endedAt ?? 0))
}

function rank({ state }: ShownNode): number {
  return state === 'failed' ? 0 : 1
}

/** @param onShow shows a node in the drawing */
export function FailedNodes({
  nodes,
  onShow,
}: {
  nodes: readonly ShownNode[]
  onShow(node: ShownNode): void
}) {
  const failed = failedNodes(nodes)
  if (failed.length === 0) return null
  return (
    <section aria-label="What failed">
      <ol class="flow-failed-nodes">
        {failed.slice(0, MOST).map((node) => (
          <li key={node.name}>
            <p>
              <State state={node.state} /> <FailedLink node={node} />
              <span class="quiet">
                {' '}
                {node.key ?? node.kind}
                {node.endedAt !== undefined && (
                  <>
                    , <Moment at={node.endedAt} />
                  </>
                )}
              </span>{' '}
              <button type="button" class="plain" onClick={() => onShow(node)}>
                Show {node.name} in the drawing
              </button>
            </p>
            {(node.error ?? node.reason) !== undefined && (
              <pre class="flow-failed-error">{node.error ?? node.reason}</pre>
            )}
          </li>
        ))}
      </ol>
      {failed.length > MOST && (
        <p class="quiet">{plural(failed.length - MOST, 'more node')} of this kind: see the table.</p>
      )}
    </section>
  )
}

/** A link to the job of a node, or to the flow of a node that is a flow. */
function FailedLink({ node: { name, flow, jobId, queue } }: { node: ShownNode }) {
  if (flow !== undefined) return <a href={href('flows', [flow.id], { home: flow.home })}>{name}</a>
  if (jobId !== undefined) return <a href={href('jobs', [jobId], { queue })}>{name}</a>
  return <strong>{name}</strong>
}
