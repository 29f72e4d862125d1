/**
 * The changes that people made by hand. Each row shows the person, the time and the machine, the change and
 * its jobs, and the outcome. The last change comes first.
 */
import type { AuditEntry } from '@s18i/lark-jobs/operate'
import { useAsked } from '../../data/asked.ts'
import { queried, route, setQuery } from '../../data/route.ts'
import { Choice, Pages, periods } from '../../parts/choice.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, duration, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Moment } from '../../parts/time.tsx'
import { ChangedThing } from './changed-thing.tsx'

/** Milliseconds between two requests for the first page. */
const EVERY = 5_000
const LIMIT = 100

const names: Readonly<Record<AuditEntry['what'], string>> = {
  retry: 'retry',
  cancel: 'cancel',
  'run-now': 'run now',
  reschedule: 'reschedule',
  prioritize: 'prioritize',
  move: 'move',
  edit: 'edit',
  tag: 'tag',
  untag: 'untag',
  remove: 'remove',
  purge: 'purge',
  import: 'put back',
  undo: 'undo',
  dispatch: 'dispatch',
  pause: 'pause',
  resume: 'resume',
  send: 'send a signal',
  'forget-steps': 'forget steps',
  'cancel-flow': 'cancel a flow',
  'retry-flow': 'retry a flow',
  'purge-flow': 'purge a flow',
  'pause-schedule': 'pause a schedule',
  'resume-schedule': 'resume a schedule',
  'remove-schedule': 'remove a schedule',
  'run-schedule': 'run a schedule',
  'quiet-workers': 'quiet workers',
  'resume-workers': 'resume workers',
  'begin-change': 'begin a change at a pace',
  'pause-change': 'pause a change at a pace',
  'resume-change': 'resume a change at a pace',
  'stop-change': 'stop a change at a pace',
  'retry-rows': 'retry rows of the outbox',
  'install-outbox': 'install the outbox',
  'restart-workers': 'restart workers',
}

export default function Audit() {
  const { query } = route.value
  const filter = queried('who', 'what', 'since')
  const cursor = query.get('after') ?? undefined
  const input = { filter, limit: LIMIT, ...(cursor !== undefined && { cursor }) }
  const asked = useAsked('audit', input, cursor === undefined ? EVERY : undefined)
  return (
    <>
      <div class="page-head">
        <h1>Audit</h1>
        <span class="spread" />
        <label class="quiet">
          Who{' '}
          <input
            type="search"
            placeholder="ada, or ada@host"
            value={query.get('who') ?? ''}
            onChange={(event) => setQuery({ who: event.currentTarget.value.trim(), after: undefined })}
          />
        </label>
        <Choice name="what" title="What" values={[['', 'all'], ...Object.entries(names)]} />
        <Choice name="since" title="Of" values={periods} />
      </div>
      <Answer asked={asked}>
        {({ entries, cursor: next, damaged = 0 }) => (
          <>
            {damaged > 0 && <p class="problem">{plural(damaged, 'entry', 'entries')} cannot be read.</p>}
            {entries.length === 0 && next === undefined ? (
              <Empty>
                {Object.keys(filter).length > 0
                  ? 'No change matches the filter.'
                  : 'Nobody has changed anything by hand.'}
              </Empty>
            ) : (
              <EntryTable entries={entries} />
            )}
            <Pages cursor={cursor} next={next} first="To the last" onward="Older ones" />
          </>
        )}
      </Answer>
    </>
  )
}

function EntryTable({ entries }: { entries: readonly AuditEntry[] }) {
  return (
    <Rows heads={['When', 'Who', 'From', 'What', 'On', { number: 'Count' }, 'Outcome']}>
      <tbody>
        {entries.map((entry) => (
          <EntryRow key={entry.id} entry={entry} />
        ))}
      </tbody>
    </Rows>
  )
}

const tones = { done: 'quiet', running: 'busy', interrupted: 'warn', failed: 'bad' } as const

function EntryRow({ entry }: { entry: AuditEntry }) {
  const { at, endedAt, who, host, from, what, on, count: changed, atLeast, outcome, error } = entry
  const took = endedAt === undefined ? undefined : `took ${duration(endedAt - at)}`
  return (
    <tr>
      <td>
        <Moment at={at} />
      </td>
      <td>
        {who}
        <span class="quiet">@{host}</span>
      </td>
      <td class="quiet">{from}</td>
      <td>{names[what] ?? what}</td>
      <td class="wide">
        <span class="cut kind-message" title={on}>
          <ChangedThing on={on} />
        </span>
      </td>
      <td
        class="number"
        title={atLeast && 'The process that made the change has died, so more may have been changed'}
      >
        {atLeast && 'at least '}
        {count(changed)}
      </td>
      <td class={tones[outcome]} title={error ?? took}>
        {outcome}
      </td>
    </tr>
  )
}
