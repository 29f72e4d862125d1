/** The changes that can be made to the chosen jobs, or to all jobs that the filter finds. */
import type { ListFilter } from '@s18i/lark-jobs/operate'
import { Fragment } from 'preact'
import { useState } from 'preact/hooks'
import { change } from '../../data/change.ts'
import { tellWhy } from '../../data/changes.ts'
import { may } from '../../data/viewer.ts'
import { useKeys } from '../../frame/keys.ts'
import { Question } from '../../parts/dialog.tsx'
import { plural } from '../../parts/numbers.ts'
import { BeginChange, type SlowVerb, slowTitles } from '../changes/begin-change.tsx'
import { type ListedJob, nameOf } from './job-list.ts'
import { queryWords } from './job-query.ts'
import { changeWith, isGentle, type JobVerb, jobVerbs, verbNames } from './job-verbs.ts'
import { type MovedJobs, MoveJobs } from './move-jobs.tsx'

/** How many samples a question shows. */
const SAMPLES = 3

type Asking = Exclude<JobVerb, 'move'>

interface Asked {
  verb: Asking
  title: string
  /** How many jobs are changed. */
  jobs: number
  samples: readonly ListedJob[]
  act(): void
}

export interface JobActionsProps {
  chosen: readonly ListedJob[]
  filter: ListFilter
  /** The jobs in the list. */
  jobs: readonly ListedJob[]
  onDone(): void
}

export function JobActions({ chosen, filter, jobs, onDone }: JobActionsProps) {
  const [asked, ask] = useState<Asked | undefined>(undefined)
  const [slow, slows] = useState<SlowVerb | undefined>(undefined)
  const [moved, moves] = useState<{ title: string; which: readonly MovedJobs[] } | undefined>(undefined)
  const allowed = verbNames.filter((name) => may(jobVerbs[name].role))
  const fits = (verb: JobVerb) => chosen.filter(({ state }) => jobVerbs[verb].states.includes(state))
  const actOnChosen = (verb: JobVerb) => {
    const some = fits(verb)
    if (some.length === 0) return
    if (verb === 'move') return moves({ title: `Move ${plural(some.length, 'job')}`, which: byQueue(some) })
    const act = () => void changeIds(verb, some).then(onDone)
    if (isGentle(verb) || some.length === 1) return act()
    ask({
      verb,
      title: `${jobVerbs[verb].title} ${plural(some.length, 'job')}?`,
      jobs: some.length,
      samples: some.slice(0, SAMPLES),
      act,
    })
  }
  const retryByKey = () => {
    if (chosen.length > 0) return actOnChosen('retry')
    const name = (document.activeElement as HTMLElement | null)?.dataset.row
    const job = jobs.find((each) => nameOf(each) === name)
    if (job === undefined || !may(jobVerbs.retry.role) || !jobVerbs.retry.states.includes(job.state)) return
    void changeIds('retry', [job]).then(onDone)
  }
  const actOnAll = async (verb: JobVerb) => {
    if (verb === 'move') {
      const which = [{ filter: narrowed(verb, filter) }]
      return moves({ title: `Move all ${queryWords(filter).replace(/^all /, '')}`, which })
    }
    const some = jobs.filter(({ state }) => jobVerbs[verb].states.includes(state)).slice(0, SAMPLES)
    const count = await countOf(verb, filter).catch(tellWhy)
    if (count === undefined) return
    const what = `${plural(count, 'job')}: all ${queryWords(filter).replace(/^all /, '')}`
    ask({
      verb,
      title: `${jobVerbs[verb].title} ${what}?`,
      jobs: count,
      samples: some,
      act: () => void changeFilter(verb, filter).then(onDone),
    })
  }
  useKeys([{ key: 'r', title: 'Retry the chosen jobs, or the one with the focus', press: retryByKey }])
  if (allowed.length === 0) return null
  const isFiltered = Object.keys(filter).length > 0
  return (
    <div class="job-actions">
      {chosen.length > 0 ? (
        <>
          <span>{plural(chosen.length, 'job')} chosen</span>
          {allowed.map((verb) => (
            <button
              key={verb}
              type="button"
              class={verb === 'remove' || verb === 'cancel' ? 'danger' : undefined}
              disabled={fits(verb).length === 0}
              onClick={() => actOnChosen(verb)}
            >
              {jobVerbs[verb].title}
              {fits(verb).length > 0 && fits(verb).length < chosen.length && ` ${fits(verb).length}`}
            </button>
          ))}
        </>
      ) : (
        isFiltered &&
        jobs.length > 0 && (
          <>
            <span class="quiet">All of them:</span>
            {allowed
              .filter((verb) => jobs.some(({ state }) => jobVerbs[verb].states.includes(state)))
              .map((verb) => (
                <Fragment key={verb}>
                  <button type="button" class="plain" onClick={() => void actOnAll(verb)}>
                    {jobVerbs[verb].title}
                  </button>
                  {isSlow(verb) && (
                    <button type="button" class="plain" onClick={() => slows(verb)}>
                      {slowTitles[verb][0]}
                    </button>
                  )}
                </Fragment>
              ))}
          </>
        )
      )}
      {moved !== undefined && (
        <MoveJobs
          {...moved}
          onDone={() => {
            moves(undefined)
            onDone()
          }}
        />
      )}
      {slow !== undefined && (
        <BeginChange
          verb={slow}
          filter={narrowed(slow, filter)}
          what={`all ${queryWords(filter).replace(/^all /, '')}`}
          onClose={() => slows(undefined)}
        />
      )}
      {asked !== undefined && (
        <Question
          title={asked.title}
          verb={`${jobVerbs[asked.verb].title} ${plural(asked.jobs, 'job')}`}
          jobs={asked.jobs}
          isDangerous={!isGentle(asked.verb)}
          onAnswer={(yes) => {
            ask(undefined)
            if (yes) asked.act()
          }}
        >
          {asked.samples.length > 0 && (
            <ul class="samples">
              {asked.samples.map(({ id, key, queue }) => (
                <li key={id} class="cut">
                  <code>{id}</code> {key} <span class="quiet">{queue}</span>
                </li>
              ))}
            </ul>
          )}
        </Question>
      )}
    </div>
  )
}

/** Whether a change can also be made slowly. */
function isSlow(verb: JobVerb): verb is SlowVerb {
  return Object.hasOwn(slowTitles, verb)
}

async function changeIds(verb: Asking, jobs: readonly { id: string; queue: string }[]): Promise<void> {
  for (const some of byQueue(jobs)) await changeWith(verb, some)
}

/** Groups the ids by queue, because two queues may have a job with the same id. */
function byQueue(jobs: readonly { id: string; queue: string }[]): { ids: string[]; queue: string }[] {
  const queues = new Map<string, string[]>()
  for (const { id, queue } of jobs) queues.set(queue, [...(queues.get(queue) ?? []), id])
  return [...queues].map(([queue, ids]) => ({ ids, queue }))
}

function changeFilter(verb: Asking, filter: ListFilter): Promise<unknown> {
  return changeWith(verb, { filter: narrowed(verb, filter) })
}

/** Narrows a filter to the states in which the change is possible. */
function narrowed(verb: JobVerb, filter: ListFilter): never {
  const { states } = jobVerbs[verb]
  const chosen =
    filter.state === undefined ? states : [filter.state].flat().filter((state) => states.includes(state))
  return { ...filter, state: chosen } as never
}

async function countOf(verb: Asking, filter: ListFilter): Promise<number> {
  const input = { filter: narrowed(verb, filter), dryRun: true }
  if (verb === 'retry') return (await change('jobs.retry', input)).retried
  if (verb === 'run-now') return (await change('jobs.run-now', input)).rescheduled
  if (verb === 'remove') return (await change('jobs.remove', input)).removed
  const { cancelled, asked } = await change('jobs.cancel', input)
  return cancelled + asked
}
