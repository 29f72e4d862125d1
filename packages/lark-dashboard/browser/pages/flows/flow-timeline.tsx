/**
 * The nodes of a flow in time: when each node started, and how long it took, including the wait for a worker.
 * The space before a bar is the time for which the node waited for other nodes.
 */
import { now } from '../../data/clock.ts'
import { href } from '../../data/route.ts'
import { Empty } from '../../parts/empty.tsx'
import { duration, plural } from '../../parts/numbers.ts'
import { exact } from '../../parts/time.tsx'
import type { ShownNode } from './flow-graph.tsx'

/** The maximum number of nodes that are shown. */
const MOST = 500
/** The states of nodes that have started. */
const began: ReadonlySet<string> = new Set(['started', 'completed', 'failed', 'cancelled'])
/** The minimum width of a bar, in percent. */
const LEAST = 0.4

/**
 * @param from when the flow was dispatched.
 * @param to when the flow ended. Absent if the flow has not ended
 */
export function FlowTimeline({
  nodes,
  from,
  to,
}: {
  nodes: readonly ShownNode[]
  from: number
  to: number | undefined
}) {
  const ends = new Map(nodes.map(({ name, endedAt }) => [name, endedAt]))
  // A node starts when the last node that it waits for has ended. So the start of a node is computed, because
  // a flow keeps the starts of only some nodes.
  const beganAt = ({ since, after }: ShownNode) =>
    since ?? Math.max(from, ...after.map((name) => ends.get(name) ?? from))
  const begun = nodes
    .filter(({ state }) => began.has(state))
    .map((node) => ({ ...node, since: beganAt(node) }))
    .sort((one, other) => one.since - other.since || one.name.localeCompare(other.name))
  if (begun.length === 0) return <Empty>No node has started.</Empty>
  const start = Math.min(from, begun[0]!.since)
  const end = to ?? Math.max(now.value, start + 1)
  const length = Math.max(1, end - start)
  const percent = (at: number) => Math.min(100, Math.max(0, ((at - start) / length) * 100))
  return (
    <>
      <p class="quiet">
        {duration(length)} from the dispatch {to === undefined ? 'until now' : 'to the end'}. A bar begins
        when its node was queued.
      </p>
      <ol class="flow-times">
        {begun.slice(0, MOST).map((node) => {
          const { name, state, since, endedAt, jobId, flow, queue } = node
          const left = percent(since)
          const took = Math.max(0, (endedAt ?? end) - since)
          const link =
            flow !== undefined
              ? href('flows', [flow.id], { home: flow.home })
              : href('jobs', [jobId ?? ''], { queue })
          const words = `${state}, ${duration(took)}, ${duration(Math.max(0, since - start))} after the dispatch`
          return (
            <li key={name}>
              <a class="cut" href={link} title={`${name}: queued ${exact(since)}`}>
                {name}
              </a>
              <span class="flow-time" title={words}>
                <i
                  class={`flow-time-bar flow-time-${state.replace(' ', '-')}`}
                  style={{ left: `${left}%`, width: `${Math.max(LEAST, percent(endedAt ?? end) - left)}%` }}
                />
              </span>
              <span class={state === 'failed' ? 'number bad' : 'number quiet'}>
                {duration(took)}
                <span class="hidden-text"> {state}</span>
              </span>
            </li>
          )
        })}
      </ol>
      {begun.length > MOST && (
        <p class="quiet small">{plural(begun.length - MOST, 'more node')} started later: see the table.</p>
      )}
    </>
  )
}
