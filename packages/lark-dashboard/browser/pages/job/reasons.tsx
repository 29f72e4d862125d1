/**
 * Why a job waits, with what ends it.
 */
import type { Reason } from '@s18i/lark-jobs/operate'
import { useAsked } from '../../data/asked.ts'
import { href } from '../../data/route.ts'
import { Answer } from '../../parts/empty.tsx'
import { Moment } from '../../parts/time.tsx'

/** Milliseconds between two questions. */
const EVERY = 2_000

export function Reasons({ id, queue }: { id: string; queue: string }) {
  const asked = useAsked('jobs.why', { id, queue }, EVERY)
  return <Answer asked={asked}>{(why) => <ReasonList reasons={why?.reasons ?? []} />}</Answer>
}

export function ReasonList({ reasons }: { reasons: readonly Reason[] }) {
  return (
    <ol class="reasons" aria-label="Why it does not run">
      {reasons.map(({ kind, text, until, jobs = [], workers = [], remedy }) => (
        <li key={kind + text}>
          {text}
          {until !== undefined && (
            <span class="quiet">
              {' '}
              (<Moment at={until} />)
            </span>
          )}
          {jobs.slice(0, 3).map((job) => (
            <a key={job} class="mono" href={href('jobs', [job])}>
              {' '}
              {job}
            </a>
          ))}
          {workers.slice(0, 3).map((worker) => (
            <a key={worker} class="mono" href={href('workers', [worker])}>
              {' '}
              {worker}
            </a>
          ))}
          {remedy !== undefined && <code class="remedy">{remedy}</code>}
        </li>
      ))}
    </ol>
  )
}
