/**
 * The workers that have died within the last hour. The page shows when each worker was last seen, which jobs
 * it held, and which workers took these jobs back. The page also shows silent workers.
 */
import type { WorkerRecord } from '@s18i/lark-jobs/operate'
import type { Output } from '../../data/call.ts'
import { href } from '../../data/route.ts'
import { duration, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment } from '../../parts/time.tsx'

export type LostWorker = Output<'workers.unheard'>['lost'][number]
export type SilentWorker = Output<'workers.unheard'>['silent'][number]

/** The maximum number of jobs that are named for one worker. */
const MOST = 10

interface LostWorkersProps {
  lost: readonly LostWorker[]
  /** The jobs that several workers held when they died. */
  deadly: Output<'workers.unheard'>['deadly']
}

export function LostWorkers({ lost, deadly }: LostWorkersProps) {
  return (
    <Section id="lost" title="Died within the last hour">
      {deadly.slice(0, MOST).map(({ id, deaths }) => (
        <p key={id} class="warn">
          {plural(deaths, 'worker')} held{' '}
          <a class="mono" href={href('jobs', [id])}>
            {id}
          </a>{' '}
          when they died.
        </p>
      ))}
      <Rows heads={['Last seen', 'Worker', 'Process', 'It held', 'Taken back by']}>
        <tbody>
          {lost.map((worker) => (
            <tr key={worker.id}>
              <td class="warn">
                <Moment at={worker.lastSeen} />
              </td>
              <td>
                <a data-row class="mono" href={href('workers', [worker.id])}>
                  {worker.id}
                </a>
              </td>
              <td class="quiet" data-label="process">
                {worker.pid} on {worker.host}
              </td>
              <td class="wide" data-label="it held">
                <Held worker={worker} />
              </td>
              <td data-label="taken back by">
                <Takers worker={worker} />
              </td>
            </tr>
          ))}
        </tbody>
      </Rows>
    </Section>
  )
}

/** Says that a worker is silent and holds a job whose lease has not ended. */
export function Silent({ worker: { id, host, pid, lastSeen, job, blocks } }: { worker: SilentWorker }) {
  return (
    <p class="warn">
      <code>{id}</code> on {host}, process {pid}, was last heard of <Moment at={lastSeen} />, and its leases
      last: {blocks === undefined ? 'perhaps a handler' : oneOf(blocks.by)} blocks it, see{' '}
      <a class="mono" href={href('jobs', [job])}>
        {job}
      </a>
      .
    </p>
  )
}

/** Shows which classes block the event loop of a worker, or have blocked it within the last hour. */
export function Blocked({ worker: { id, blocks, blocked = [] } }: { worker: WorkerRecord }) {
  const lately = blocked.map(({ by, took, times }) => {
    const often = times === 1 ? '' : ` (${times} times)`
    return `${oneOf(by)} for ${duration(took)}${often}`
  })
  if (blocks === undefined && lately.length === 0) return null
  return (
    <p class="warn">
      {blocks !== undefined && (
        <>
          {oneOf(blocks.by)} blocks the event loop of <code>{id}</code> since <Moment at={blocks.since} />.{' '}
        </>
      )}
      {lately.length > 0 && (
        <>
          Within the hour, the event loop of <code>{id}</code> was blocked by {lately.join(', ')}.{' '}
        </>
      )}
      <code>isolate = isolated()</code> in the class runs it in a process of its own.
    </p>
  )
}

/** The words for one or more classes, such as `ReportJob` or `one of ReportJob, MailJob`. */
function oneOf(by: readonly string[]): string {
  return by.length === 1 ? by[0]! : `one of ${by.join(', ')}`
}

/** Shows the jobs that a worker held when it died. */
export function Held({ worker: { taken } }: { worker: LostWorker }) {
  const count = taken.reduce((sum, each) => sum + each.count, 0)
  if (count === 0) return <span class="quiet">no job</span>
  const ids = taken.flatMap(({ jobs }) => jobs).slice(0, MOST)
  return (
    <>
      {plural(count, 'job')}:{' '}
      {ids.map((id, i) => (
        <span key={id}>
          {i > 0 && ', '}
          <a class="mono" href={href('jobs', [id])}>
            {id}
          </a>
        </span>
      ))}
      {count > ids.length && ', …'}
    </>
  )
}

export function Takers({ worker: { id, taken } }: { worker: LostWorker }) {
  const takers = [...new Set(taken.map(({ by }) => by))]
  return takers.map((by, i) => (
    <span key={by}>
      {i > 0 && ', '}
      {by === id ? (
        'its own process'
      ) : by === 'supervisor' ? (
        'its supervisor'
      ) : (
        <a class="mono" href={href('workers', [by])}>
          {by}
        </a>
      )}
    </span>
  ))
}
