/** Why jobs failed for good: a list with a row for each kind of failure, or the page of one kind. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { href, route } from '../../data/route.ts'
import { Choice, periods } from '../../parts/choice.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { count, plural, share } from '../../parts/numbers.ts'
import { Trend } from '../../parts/past/trend.tsx'
import { Rows } from '../../parts/rows.tsx'
import { Moment } from '../../parts/time.tsx'
import { FailureKindPage } from './failure-kind.tsx'

/**
 * Milliseconds between two requests: normally, and while the server reads the failed jobs for the first time.
 */
const EVERY = 5_000
const WHILE_READING = 1_000

type Found = Output<'failures'>
export type Kind = Found['kinds'][number]

export default function Failures() {
  const since = route.value.query.get('since') ?? ''
  const queue = route.value.query.get('queue') ?? ''
  const filter = { ...(since !== '' && { since: since as '1h' }), ...(queue !== '' && { queue }) }
  const isReading = useSignal(false)
  const asked = useAsked('failures', { filter }, isReading.value ? WHILE_READING : EVERY)
  useEffect(() => {
    isReading.value = asked.data?.isReading ?? false
  })
  const [kind] = route.value.rest
  return (
    <Answer asked={asked}>
      {(found) => {
        const opened = kind === undefined ? undefined : found.kinds.find((each) => each.kind.startsWith(kind))
        if (opened !== undefined)
          return (
            <>
              <Reading found={found} />
              <FailureKindPage kind={opened} filter={filter} again={asked.again} />
            </>
          )
        return (
          <>
            <div class="page-head">
              <h1>Failures</h1>
              <span class="quiet">
                {plural(found.failed, 'failed job')} of {plural(found.kinds.length, 'kind')}
                {found.others > 0 && `, and ${count(found.others)} of others`}
              </span>
              <span class="spread" />
              <Choice name="since" title="Of" values={periods} />
            </div>
            <Reading found={found} />
            {kind !== undefined && !found.isReading && (
              <p class="problem">There are no failures of the kind {kind} any more.</p>
            )}
            {found.kinds.length === 0 && found.isReading ? undefined : found.kinds.length === 0 ? (
              <Empty>
                No failed jobs{' '}
                {since === '' ? 'are kept' : `in ${periods.find(([value]) => value === since)?.[1]}`}.
              </Empty>
            ) : (
              <Rows
                heads={[
                  'Kind',
                  'Class',
                  'Error',
                  { number: 'Jobs' },
                  { number: 'Share' },
                  '24 hours',
                  'First',
                  'Last',
                ]}
              >
                <tbody>
                  {found.kinds.map((each) => (
                    <KindRow key={each.kind} kind={each} failed={found.failed} />
                  ))}
                </tbody>
              </Rows>
            )}
          </>
        )
      }}
    </Answer>
  )
}

/** Shows the progress of the first reading, or how many of the failed jobs are known. */
function Reading({ found: { read, stored, isReading } }: { found: Found }) {
  if (isReading)
    return (
      <p class="quiet">
        <progress max={stored} value={read} aria-label="Failed jobs that were read" /> {count(read)} of{' '}
        {plural(stored, 'failed job')} were read
      </p>
    )
  if (read >= stored) return null
  return (
    <p class="quiet">
      These are the latest {count(read)} of {plural(stored, 'failed job')}.
    </p>
  )
}

function KindRow({
  kind: { kind, key, name, message, count: jobs, hours, releases, first, last },
  failed,
}: {
  kind: Kind
  failed: number
}) {
  const query = Object.fromEntries(route.value.query)
  return (
    <tr>
      <td>
        <a data-row class="mono" href={href('failures', [kind], query)}>
          {kind}
        </a>
      </td>
      <td>
        <a href={href('classes', [key])}>{key}</a>
      </td>
      <td class="wide">
        <span
          class="cut kind-message"
          title={`${message}${releases.length > 0 ? ` (${releases.join(', ')})` : ''}`}
        >
          <strong>{name}</strong> {message.slice(0, 300)}
        </span>
      </td>
      <td class="number" data-label="jobs">
        <a href={href('jobs', [], { ...query, kind, state: 'failed' })}>{count(jobs)}</a>
      </td>
      <td class="number" data-label="share">
        {share(jobs, failed)}
      </td>
      <td class="kind-trend">
        <Trend
          values={hours}
          points={hours.length}
          isOpen
          title={`Failures in each of the last 24 hours, ${kind}`}
        />
      </td>
      <td class="quiet" data-label="first">
        <Moment at={first} />
      </td>
      <td class="quiet" data-label="last">
        <Moment at={last} />
      </td>
    </tr>
  )
}
