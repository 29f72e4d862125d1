/**
 * Flows by filter, or one flow.
 */
import type { FlowFilter } from '@s18i/lark-jobs/operate'
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { href, queried, route } from '../../data/route.ts'
import { Choice, Pages } from '../../parts/choice.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { State } from '../../parts/state.tsx'
import { Moment } from '../../parts/time.tsx'
import { FlowPage } from './flow.tsx'
import { FlowProgress } from './flow-progress.tsx'

/** Milliseconds between two requests. */
const EVERY = 3_000
const kinds = choicesOf('chain', 'batch', 'workflow')
const flowStates = choicesOf('filling', 'open', 'ending', 'completed', 'failed', 'cancelled')

function choicesOf(...values: string[]): [value: string, words: string][] {
  return [['', 'all'], ...values.map((each): [string, string] => [each, each])]
}

export default function Flows() {
  const [id] = route.value.rest
  return id === undefined ? <FlowsPage /> : <FlowPage key={id} id={id} />
}

function FlowsPage() {
  const { query } = route.value
  const filter = queried('kind', 'state', 'name', 'tag') as FlowFilter
  const cursor = query.get('after') ?? undefined
  const asked = useAsked('flows.list', { filter, limit: 100, ...(cursor !== undefined && { cursor }) }, EVERY)
  return (
    <>
      <div class="page-head">
        <h1>Flows</h1>
        <span class="spread" />
        <Choice name="kind" title="Kind" values={kinds} />
        <Choice name="state" title="State" values={flowStates} />
      </div>
      <Answer asked={asked}>
        {({ flows, cursor: next, damaged }) => (
          <>
            {damaged.map(({ id, home, message }) => (
              <p key={`${home} ${id}`} class="problem">
                {id ?? home}: {message}
              </p>
            ))}
            {flows.length === 0 && next === undefined ? (
              <Empty>
                {Object.keys(filter).length > 0
                  ? 'No flow matches the filter.'
                  : 'There are no flows: no chain, batch or workflow.'}
              </Empty>
            ) : (
              <FlowTable flows={flows} />
            )}
            <Pages cursor={cursor} next={next} first="To the first" onward="Go on" />
          </>
        )}
      </Answer>
    </>
  )
}

function FlowTable({ flows }: { flows: Output<'flows.list'>['flows'] }) {
  return (
    <Rows
      heads={[
        'State',
        'Flow',
        'Kind',
        'Progress',
        { number: 'Nodes' },
        { number: 'Failed' },
        'Dispatched',
        'Runs now',
      ]}
    >
      <tbody>
        {flows.map((flow) => (
          <tr key={`${flow.home} ${flow.id}`}>
            <td>
              <State state={flow.state} />
            </td>
            <td>
              <a data-row href={href('flows', [flow.id], { home: flow.home })}>
                {flow.name ?? <code>{flow.id}</code>}
              </a>
            </td>
            <td class="quiet">{flow.kind}</td>
            <td>
              <FlowProgress counts={flow.counts} />
            </td>
            <td class="number" data-label="nodes">
              {count(flow.counts.total)}
            </td>
            <td class={flow.counts.failed > 0 ? 'number bad' : 'number quiet'} data-label="failed">
              {count(flow.counts.failed)}
            </td>
            <td class="quiet" data-label="dispatched">
              <Moment at={flow.at} />
            </td>
            <td class="wide">
              <span class="cut job-last">{flow.runs.join(', ')}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </Rows>
  )
}
