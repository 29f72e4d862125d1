/**
 * One worker, and the jobs that it has now.
 */
import type { WorkerRecord } from '@s18i/lark-jobs/operate'
import { useAsked } from '../../data/asked.ts'
import { href } from '../../data/route.ts'
import { Answer, Empty } from '../../parts/empty.tsx'
import { Rows } from '../../parts/rows.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment, Since } from '../../parts/time.tsx'
import { Blocked, Held, type LostWorker, Silent, type SilentWorker, Takers } from './lost-workers.tsx'
import { WorkerOrders } from './worker-orders.tsx'

/** Milliseconds between two requests. */
const EVERY = 2_000

interface WorkerPageProps {
  id: string
  worker: WorkerRecord | undefined
  /** The data about the worker, if it has died within the last hour. */
  lost: LostWorker | undefined
  /** The data about the worker, if it is silent. */
  silent: SilentWorker | undefined
}

export function WorkerPage({ id, worker, lost, silent }: WorkerPageProps) {
  const asked = useAsked('runs', { filter: { worker: id }, limit: 200 }, EVERY)
  return (
    <article>
      <div class="page-head">
        <h1>
          <code>{id}</code>
        </h1>
        {worker === undefined ? (
          silent === undefined && <NotAlive lost={lost} />
        ) : (
          <span class="quiet">
            {worker.state} on {worker.host}, process {worker.pid}, up for <Since at={worker.startedAt} />
          </span>
        )}
        <span class="spread" />
        {worker !== undefined && (
          <WorkerOrders filter={{ worker: id }} workers={[worker]} what="this worker" />
        )}
      </div>
      {worker !== undefined && <Alone worker={worker} />}
      {worker !== undefined && <Blocked worker={worker} />}
      {worker === undefined && silent !== undefined && <Silent worker={silent} />}
      {worker !== undefined && (
        <p class="quiet">
          Serves {worker.queues.join(worker.strict ? ' › ' : ', ')}; knows{' '}
          {worker.keys.slice(0, 40).join(', ')}
          {worker.keys.length > 40 && ' …'}
        </p>
      )}
      <Section id="runs" title="Its jobs now">
        <Answer asked={asked}>
          {({ runs, cursor }) =>
            runs.length === 0 && cursor === undefined ? (
              <Empty>The worker has no jobs.</Empty>
            ) : (
              <Rows heads={['Job', 'Class', 'Queue', 'For']}>
                <tbody>
                  {runs.map(({ id, key, queue, since }) => (
                    <tr key={`${queue} ${id}`}>
                      <td>
                        <a data-row class="mono" href={href('jobs', [id], { queue })}>
                          {id}
                        </a>
                      </td>
                      <td>
                        <a href={href('classes', [key])}>{key}</a>
                      </td>
                      <td class="quiet">{queue}</td>
                      <td class="wide">
                        <Since at={since} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </Rows>
            )
          }
        </Answer>
      </Section>
    </article>
  )
}

function NotAlive({ lost }: { lost: LostWorker | undefined }) {
  if (lost === undefined)
    return <span class="warn">The worker is not alive. Its jobs are taken back when their leases end.</span>
  return (
    <span class="warn">
      It died on {lost.host}, process {lost.pid}, and was seen last <Moment at={lost.lastSeen} />. It held{' '}
      <Held worker={lost} />
      {lost.taken.length > 0 && (
        <>
          , taken back by <Takers worker={lost} />
        </>
      )}
      .
    </span>
  )
}

/** Says that a worker starts no other job beside a job that may kill the process of the worker. */
export function Alone({ worker: { id, alone } }: { worker: WorkerRecord }) {
  if (alone === undefined) return null
  return (
    <p class="warn">
      <code>{id}</code> starts no other job beside{' '}
      <a class="mono" href={href('jobs', [alone.job])}>
        {alone.job}
      </a>
      , which may have killed its process before.
    </p>
  )
}
