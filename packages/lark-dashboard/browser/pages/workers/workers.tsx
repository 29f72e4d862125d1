/** The live workers by host, the workers that have died lately, and the page of one worker. */
import type { WorkerRecord } from '@s18i/lark-jobs/operate'
import { useAsked } from '../../data/asked.ts'
import type { Output } from '../../data/call.ts'
import { snapshot } from '../../data/live.ts'
import { href, route } from '../../data/route.ts'
import { Empty, isStale } from '../../parts/empty.tsx'
import { count, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Moment, Since } from '../../parts/time.tsx'
import { Blocked, LostWorkers, Silent } from './lost-workers.tsx'
import { Alone, WorkerPage } from './worker.tsx'
import { WorkerOrders } from './worker-orders.tsx'

/** Milliseconds between two requests for the workers that have died. */
const EVERY = 5_000
const NONE: Output<'workers.unheard'> = { lost: [], silent: [], deadly: [] }

export default function Workers() {
  const [id] = route.value.rest
  const { data: { lost, silent, deadly } = NONE } = useAsked('workers.unheard', {}, EVERY)
  const seen = snapshot.value
  if (seen === undefined) return <Empty>{isStale() ? 'The store has not answered yet' : 'Loading …'}</Empty>
  if (id !== undefined)
    return (
      <WorkerPage
        key={id}
        id={id}
        worker={seen.workers.find((each) => each.id === id)}
        lost={lost.find((each) => each.id === id)}
        silent={silent.find((each) => each.id === id)}
      />
    )
  const hosts = byHost(seen.workers)
  const versions = new Set(seen.workers.map(({ version }) => version ?? 'unknown'))
  const slots = seen.workers.reduce((sum, { concurrency }) => sum + concurrency, 0)
  const newest = [...versions]
    .filter((version) => version !== 'unknown')
    .sort(byVersion)
    .at(-1)
  const otherwise = (['quiet', 'stopping', 'restarting'] as const).flatMap((state) => {
    const some = seen.workers.filter((worker) => worker.state === state).length
    return some === 0 ? [] : [`${count(some)} ${state}`]
  })
  const running = seen.workers.reduce((sum, worker) => sum + worker.running, 0)
  const release = latestRelease(seen.workers)
  const older = seen.workers.filter((worker) => isOld(worker, release))
  return (
    <div class={isStale() ? 'stale' : undefined}>
      <div class="page-head">
        <h1>Workers</h1>
        <span class="quiet">
          {plural(seen.workerCount, 'worker')} on {plural(hosts.size, 'host')}, {count(running)} of{' '}
          {plural(slots, 'slot')} in use{otherwise.length > 0 && `, ${otherwise.join(', ')}`}
        </span>
        <span class="spread" />
        <WorkerOrders filter={{ all: true }} workers={seen.workers} what="all workers" />
      </div>
      {versions.size > 1 && (
        <p class="warn">
          The workers have several versions of Lark: {[...versions].sort(byVersion).join(', ')}.
        </p>
      )}
      {older.length > 0 && (
        <p class="warn">
          {plural(older.length, 'worker')} of {seen.workers.length} {older.length === 1 ? 'has' : 'have'}{' '}
          another release than {release}, which started last:{' '}
          {[...new Set(older.map((worker) => worker.release ?? 'unknown'))].join(', ')}.
        </p>
      )}
      {seen.workers.map((worker) => (
        <Alone key={worker.id} worker={worker} />
      ))}
      {seen.workers.map((worker) => (
        <Blocked key={worker.id} worker={worker} />
      ))}
      {silent.map((worker) => (
        <Silent key={worker.id} worker={worker} />
      ))}
      {seen.workers.length === 0 ? (
        <Empty>No worker is alive. Start one: npx lark jobs:work</Empty>
      ) : (
        [...hosts].map(([host, workers]) => (
          <section key={host}>
            <header>
              <h2>{host}</h2>
              {hosts.size > 1 && (
                <WorkerOrders filter={{ host }} workers={workers} what={`the workers of ${host}`} />
              )}
            </header>
            <WorkerTable workers={workers} newest={newest} release={release} />
          </section>
        ))
      )}
      {seen.workerCount > seen.workers.length && (
        <p class="quiet small">The first {count(seen.workers.length)} are shown.</p>
      )}
      {lost.length > 0 && <LostWorkers lost={lost} deadly={deadly} />}
    </div>
  )
}

function byHost(workers: readonly WorkerRecord[]): Map<string, WorkerRecord[]> {
  const hosts = new Map<string, WorkerRecord[]>()
  for (const worker of workers) hosts.set(worker.host, [...(hosts.get(worker.host) ?? []), worker])
  return hosts
}

/** The release of the worker that started last; undefined if no worker knows its release. */
function latestRelease(workers: readonly WorkerRecord[]): string | undefined {
  const known = workers.filter(({ release }) => release !== undefined)
  return known.sort((one, other) => other.startedAt - one.startedAt)[0]?.release
}

function isOld(worker: WorkerRecord, latest: string | undefined): boolean {
  return latest !== undefined && worker.release !== latest
}

/** Compares versions: 0.9 comes before 0.10. */
function byVersion(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true })
}

interface WorkerTableProps {
  workers: readonly WorkerRecord[]
  /** The newest version that any worker has. Workers with an older version are marked. */
  newest: string | undefined
  /** The release that started last. Workers with another release are marked. */
  release: string | undefined
}

function WorkerTable({ workers, newest, release }: WorkerTableProps) {
  return (
    <Rows heads={['State', 'Process', 'Worker', { number: 'Slots' }, 'Queues', 'Version', 'Up for', 'Heard']}>
      <tbody>
        {workers.map((worker) => (
          <tr key={worker.id}>
            <td class={worker.state === 'running' ? 'quiet' : 'warn'}>{worker.state}</td>
            <td data-label="process">{worker.pid}</td>
            <td>
              <a data-row class="mono" href={href('workers', [worker.id])}>
                {worker.id}
              </a>
            </td>
            <td class="number" data-label="slots">
              {worker.running} of {worker.concurrency}
            </td>
            <td class="wide">
              <span class="cut job-last" title={worker.queues.join(', ')}>
                {worker.queues.join(worker.strict ? ' › ' : ', ')}
              </span>
            </td>
            <td class={(worker.version ?? 'unknown') === newest ? 'quiet' : 'warn'} data-label="version">
              {worker.version ?? 'unknown'}
              {release !== undefined && (
                <span class={isOld(worker, release) ? 'warn' : 'quiet'}>
                  {' '}
                  · {worker.release ?? 'no release'}
                </span>
              )}
            </td>
            <td class="quiet" data-label="up for">
              <Since at={worker.startedAt} />
            </td>
            <td class="quiet" data-label="heard">
              {worker.seenAt !== undefined && <Moment at={worker.seenAt} />}
            </td>
          </tr>
        ))}
      </tbody>
    </Rows>
  )
}
