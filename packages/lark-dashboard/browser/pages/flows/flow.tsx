/**
 * One flow: its progress, its nodes as a drawing and as a table, its failed members, and the changes that can
 * be made to it.
 */
import { useState } from 'preact/hooks'
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { make } from '../../data/changes.ts'
import { href, route, setQuery } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { Question } from '../../parts/dialog.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, duration, plural } from '../../parts/numbers.ts'
import { isPhone } from '../../parts/phone.ts'
import { Rows } from '../../parts/rows.tsx'
import { State } from '../../parts/state.tsx'
import { openTab, type Tab, Tabs } from '../../parts/tabs.tsx'
import { Moment } from '../../parts/time.tsx'
import { Windowed } from '../../parts/windowed.tsx'
import { FailedNodes, failedNodes } from './flow-failed.tsx'
import { type Aim, FlowGraph, type ShownNode } from './flow-graph.tsx'
import { FlowProgress } from './flow-progress.tsx'
import { FlowTimeline } from './flow-timeline.tsx'

/**
 * Milliseconds between two requests for a flow that has not ended, for each thousand nodes. The time depends
 * on the number of nodes because each request reads all nodes.
 */
const EVERY = 1_500
/** The height of a row of the table, in CSS pixels. */
const HEIGHT = 32
const CARD_HEIGHT = 76
const HEADS = ['State', 'Node', 'Class', 'Starts after', 'Since', 'What happened']

type ShownFlow = NonNullable<Output<'flows.get'>>

function isEnded(state: string | undefined): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled'
}

export function FlowPage({ id }: { id: string }) {
  const home = route.value.query.get('home')
  const flow = home === null ? id : { id, home }
  const [isOver, setOver] = useState(false)
  const [thousands, setThousands] = useState(1)
  const asked = useAsked('flows.get', { flow }, isOver ? undefined : EVERY * thousands)
  const size = Math.max(1, Math.round((asked.data?.nodes.length ?? 0) / 1_000))
  if (asked.data && size !== thousands) setThousands(size)
  const hasEnded = asked.data === null || isEnded(asked.data?.state)
  if (asked.data !== undefined && hasEnded !== isOver) setOver(hasEnded)
  return (
    <Answer asked={asked}>
      {(found) =>
        found === null ? (
          <>
            <h1>
              Flow <code>{id}</code>
            </h1>
            <Empty>There is no flow with this id. Flows that have ended are kept for a while only.</Empty>
          </>
        ) : (
          <FlowView flow={found} again={asked.again} />
        )
      }
    </Answer>
  )
}

function FlowView({ flow, again }: { flow: ShownFlow; again(): void }) {
  const { id, home, kind, name, state, counts, nodes, failures = [], reason, because, parent } = flow
  const bad = counts.failed + counts.cancelled
  const members = kind === 'batch' ? [{ name: 'members', title: 'Failed members', count: bad }] : []
  const [asked, ask] = useState<Aim>({ node: undefined, times: 0 })
  const aim = { ...asked, node: asked.node ?? failedNodes(nodes)[0]?.name }
  // For a batch, the tab with the failed members is open at first.
  const tabs: Tab[] = [
    ...(bad > 0 ? members : []),
    { name: 'graph', title: 'Drawing' },
    { name: 'timeline', title: 'Timeline' },
    { name: 'table', title: 'Nodes', count: nodes.length },
    ...(bad > 0 ? [] : members),
  ]
  const open = openTab(tabs)
  return (
    <article>
      <div class="page-head">
        <h1>{name ?? kind}</h1>
        <State state={state} word={reason === undefined ? state : `${state} (${reason})`} />
        <span class="spread" />
        <FlowButtons flow={flow} again={again} />
      </div>
      <p class="quiet">
        {kind} <code>{id}</code> at {home}, dispatched <Moment at={flow.at} />
        {flow.endedAt !== undefined && (
          <>
            , ended <Moment at={flow.endedAt} />
          </>
        )}
        {flow.deadline !== undefined && flow.endedAt === undefined && (
          <>
            , its deadline is <Moment at={flow.deadline} />
          </>
        )}
        {parent !== undefined && (
          <>
            , a node of <a href={href('flows', [parent.id], { home: parent.home })}>{parent.id}</a>
          </>
        )}
      </p>
      {because !== undefined && <p class="quiet">Because: {because}</p>}
      {flow.failedNode !== undefined && <p class="bad">The node that failed first: {flow.failedNode}</p>}
      <div class="flow-whole">
        <FlowProgress counts={counts} />
        <span>
          {count(counts.completed)} of {plural(counts.total, kind === 'batch' ? 'member' : 'node')} completed
          {counts.failed > 0 && <span class="bad">, {count(counts.failed)} failed</span>}
          {counts.cancelled > 0 && `, ${count(counts.cancelled)} cancelled`}
          {counts.skipped > 0 && `, ${count(counts.skipped)} skipped`}
          {counts.running > 0 && `, ${count(counts.running)} running`}
        </span>
      </div>
      <FailedNodes
        nodes={nodes}
        onShow={({ name }) => {
          ask({ node: name, times: asked.times + 1 })
          if (open !== 'graph') setQuery({ tab: tabs[0]?.name === 'graph' ? undefined : 'graph' })
        }}
      />
      <Tabs tabs={tabs} title="Parts of the flow" />
      {open === 'graph' &&
        (nodes.length === 0 ? (
          <Empty>The flow has only members, and no callbacks.</Empty>
        ) : (
          <FlowGraph nodes={nodes} aim={aim} />
        ))}
      {open === 'timeline' && <FlowTimeline nodes={nodes} from={flow.at} to={flow.endedAt} />}
      {open === 'table' && <NodeTable nodes={nodes} />}
      {open === 'members' && <Members failures={failures} failed={bad} />}
    </article>
  )
}

function FlowButtons({ flow, again }: { flow: ShownFlow; again(): void }) {
  const { id, home, state, counts, reason, within } = flow
  const [isAsked, ask] = useState(false)
  // If the flow has missed its deadline, a retry must set a new deadline.
  const time = reason === 'deadline' && within !== undefined ? { within } : {}
  if (!may('operate')) return null
  return (
    <>
      {counts.failed + counts.cancelled + counts.skipped > 0 && (
        <button
          type="button"
          class="main"
          onClick={() =>
            void make('flows.retry', { flow: { id, home }, ...time }, (done) =>
              done ? 'What did not complete starts again' : 'There is nothing to start again',
            ).then(again)
          }
        >
          Retry what failed{time.within !== undefined && `, within ${duration(time.within)}`}
        </button>
      )}
      {!isEnded(state) && state !== 'ending' && (
        <button type="button" class="danger" onClick={() => ask(true)}>
          Cancel
        </button>
      )}
      {isAsked && (
        <Question
          title="Cancel this flow?"
          verb="Cancel the flow"
          isDangerous
          onAnswer={(yes) => {
            ask(false)
            if (yes)
              void make('flows.cancel', { flow: { id, home } }, (done) =>
                done ? 'The flow is cancelled' : 'The flow has already ended, or is ending now',
              ).then(again)
          }}
        >
          <p>
            {plural(counts.running, 'job')} run or wait, {plural(counts.blocked, 'node')} have not started.
            None of them starts any more, and jobs that run are asked to end.
          </p>
        </Question>
      )}
    </>
  )
}

function NodeTable({ nodes }: { nodes: readonly ShownNode[] }) {
  if (nodes.length === 0) return <Empty>The flow has no nodes.</Empty>
  return (
    <Rows heads={HEADS}>
      <Windowed
        rows={nodes}
        height={isPhone.value ? CARD_HEIGHT : HEIGHT}
        columns={HEADS.length}
        draw={(node) => <NodeRow key={node.name} node={node} />}
      />
    </Rows>
  )
}

function NodeRow({ node }: { node: ShownNode }) {
  return (
    <tr>
      <td>
        <State state={node.state} />
      </td>
      <td>
        {node.flow !== undefined ? (
          <a data-row href={href('flows', [node.flow.id], { home: node.flow.home })}>
            {node.name}
          </a>
        ) : node.jobId !== undefined && node.state !== 'blocked' ? (
          <a data-row href={href('jobs', [node.jobId], { queue: node.queue })}>
            {node.name}
          </a>
        ) : (
          node.name
        )}
      </td>
      <td class="quiet">{node.key ?? node.kind}</td>
      <td class="quiet">{(node.waitsFor.length > 0 ? node.waitsFor : node.after).slice(0, 4).join(', ')}</td>
      <td class="quiet">
        {node.endedAt !== undefined ? (
          <Moment at={node.endedAt} />
        ) : (
          node.since !== undefined && <Moment at={node.since} />
        )}
      </td>
      <td class="wide">
        <span class="cut job-last">
          {node.error ?? (node.cause === undefined ? (node.reason ?? '') : `because of ${node.cause}`)}
        </span>
      </td>
    </tr>
  )
}

function Members({ failures, failed }: { failures: NonNullable<ShownFlow['failures']>; failed: number }) {
  if (failures.length === 0) return <Empty>No member has failed.</Empty>
  return (
    <>
      <Rows heads={[{ number: 'Member' }, 'Job', 'State', 'Error']}>
        <tbody>
          {failures.map(({ member, jobId, state = 'failed', error, reason }) => (
            <tr key={member}>
              <td class="number" data-label="member">
                {count(member)}
              </td>
              <td>
                <a data-row class="mono" href={href('jobs', [jobId])}>
                  {jobId}
                </a>
              </td>
              <td>
                <State state={state} />
              </td>
              <td class="wide">
                <span class="cut job-last">{error ?? reason}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </Rows>
      {failed > failures.length && (
        <p class="quiet small">
          The first {count(failures.length)} of {count(failed)} are shown.
        </p>
      )}
    </>
  )
}
