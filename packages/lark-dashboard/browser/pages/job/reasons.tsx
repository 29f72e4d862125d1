/**
 * Why a job waits, and what would let it run. `operate/why` of `@s18i/lark-jobs` puts the reasons into words,
 * also for the terminal. `parts/remedy.tsx` says on which page and button a remedy is.
 */
import type { Reason, Remedy } from '@s18i/lark-jobs/operate'
import { useAsked } from '../../data/asked.ts'
import { href } from '../../data/route.ts'
import { Answer } from '../../parts/empty.tsx'
import { RemedyLink } from '../../parts/remedy.tsx'
import { Moment } from '../../parts/time.tsx'

/** Milliseconds between two requests. */
const EVERY = 2_000
/** A reason has links to at most this many jobs, and to at most this many workers. */
const MOST_LINKS = 3

export function Reasons({ id, queue }: { id: string; queue: string }) {
  const asked = useAsked('jobs.why', { id, queue }, EVERY)
  return <Answer asked={asked}>{(why) => <ReasonList id={id} reasons={why?.reasons ?? []} />}</Answer>
}

/** @param id the id of the job */
export function ReasonList({ id, reasons }: { id: string; reasons: readonly Reason[] }) {
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
          {jobs.slice(0, MOST_LINKS).map((job) => (
            <a key={job} class="mono" href={href('jobs', [job])}>
              {' '}
              {job}
            </a>
          ))}
          {workers.slice(0, MOST_LINKS).map((worker) => (
            <a key={worker} class="mono" href={href('workers', [worker])}>
              {' '}
              {worker}
            </a>
          ))}
          {remedy !== undefined && !isThere(remedy, id, jobs) && (
            <p class="remedy">
              → <RemedyLink remedy={remedy} isFirst />
            </p>
          )}
        </li>
      ))}
    </ol>
  )
}

/**
 * Whether the page needs no link for a remedy. It needs none if the remedy is to look at the job of this
 * page, or at a job to which the page already has a link.
 */
function isThere(remedy: Remedy, id: string, jobs: readonly string[]): boolean {
  if (remedy.do !== 'see-why' && remedy.do !== 'see-job') return false
  return remedy.job === id || jobs.slice(0, MOST_LINKS).includes(remedy.job)
}
