/**
 * Jobs by filter, or one job.
 */

import { useState } from 'preact/hooks'
import { dueOf } from '../../data/due.ts'
import { href, route, setQuery } from '../../data/route.ts'
import { useKeys } from '../../frame/keys.ts'
import { Empty } from '../../parts/empty.tsx'
import { plural } from '../../parts/numbers.ts'
import { isPhone } from '../../parts/phone.ts'
import { State } from '../../parts/state.tsx'
import { Moment } from '../../parts/time.tsx'
import { Windowed } from '../../parts/windowed.tsx'
import { JobPage } from '../job/job.tsx'
import { JobActions } from './job-actions.tsx'
import { JobFilter } from './job-filter.tsx'
import { type JobList, type ListedJob, nameOf, useJobList } from './job-list.ts'
import { isOneList, jobQuery, queryWords } from './job-query.ts'

/** The height of a row in CSS pixels, as in the styles. */
const HEIGHT = 32
const CARD_HEIGHT = 76
const COLUMNS = 7

export default function Jobs() {
  const [id] = route.value.rest
  return id === undefined ? <JobsPage /> : <JobPage key={id} id={id} />
}

function JobsPage() {
  const query = jobQuery()
  const list = useJobList(query)
  const [picked, pick] = useState<ReadonlySet<string>>(new Set())
  const chosen = list.jobs.filter((job) => picked.has(nameOf(job)))
  const toggle = (job: ListedJob) => {
    pick((before) => {
      const next = new Set(before)
      if (!next.delete(nameOf(job))) next.add(nameOf(job))
      return next
    })
  }
  useKeys([
    {
      key: 'x',
      title: 'Choose the row',
      press: () => {
        const name = (document.activeElement as HTMLElement | null)?.dataset.row
        const job = list.jobs.find((each) => nameOf(each) === name)
        if (job !== undefined) toggle(job)
      },
    },
  ])
  const isAll = list.jobs.length > 0 && chosen.length === list.jobs.length
  return (
    <>
      <div class="page-head">
        <h1>Jobs</h1>
        <span class="quiet" aria-live="polite">
          {(list.jobs.length > 0 || list.isWhole) &&
            `${list.jobs.length.toLocaleString('en')}${list.isWhole ? '' : '+'} `}
          {queryWords(query.filter).replace(/^all jobs/, 'jobs')}
        </span>
        <span class="spread" />
        <button
          type="button"
          class="plain"
          onClick={() => setQuery({ order: query.order === 'newest' ? 'oldest' : undefined })}
        >
          {query.order === 'newest' ? 'Latest end first' : 'Earliest end first'}
          {!isOneList(query.filter) && ' in each queue and state'}
        </button>
      </div>
      <JobFilter problem={query.problem} />
      <JobActions
        chosen={chosen}
        filter={query.filter}
        jobs={list.jobs}
        onDone={() => {
          pick(new Set())
          list.again()
        }}
      />
      {list.problem !== undefined && (
        <p class="problem" role="alert">
          {list.problem.message} {list.problem.hint}{' '}
          <button type="button" class="plain" onClick={list.goOn}>
            Try again
          </button>
        </p>
      )}
      <SearchProgress list={list} />
      {list.jobs.length > 0 && (
        <div class="scroll">
          <table class="rows job-table">
            <thead>
              <tr>
                <th>
                  <input
                    type="checkbox"
                    aria-label="Choose all in the list"
                    checked={isAll}
                    onChange={() => pick(isAll ? new Set() : new Set(list.jobs.map(nameOf)))}
                  />
                </th>
                <th>State</th>
                <th>Job</th>
                <th>Class</th>
                <th>Queue</th>
                <th>Since</th>
                <th>What happened last</th>
              </tr>
            </thead>
            <Windowed
              rows={list.jobs}
              height={isPhone.value ? CARD_HEIGHT : HEIGHT}
              columns={COLUMNS}
              onEnd={list.more}
              draw={(job) => (
                <JobRow
                  key={nameOf(job)}
                  job={job}
                  isChosen={picked.has(nameOf(job))}
                  onChoose={() => toggle(job)}
                />
              )}
            />
          </table>
        </div>
      )}
      <p class="quiet small job-end">
        {!list.isLoading && !list.isWhole && !list.isStopped && list.problem === undefined && (
          <button type="button" onClick={list.more}>
            Show more
          </button>
        )}
      </p>
      {list.isWhole && list.jobs.length === 0 && (
        <Empty>There are no {queryWords(query.filter).replace(/^all /, '')}.</Empty>
      )}
    </>
  )
}

/** The progress of the search, with a button that stops or continues the search. */
function SearchProgress({ list }: { list: JobList }) {
  const { looked, of } = list.progress
  const far = `${looked.toLocaleString('en')} of about ${plural(of, 'job')}`
  if (list.isStopped)
    return (
      <p class="job-search-progress">
        <span role="status">Stopped: looked at {far}.</span>
        <button type="button" onClick={list.goOn}>
          Go on
        </button>
      </p>
    )
  if (list.isLoading && looked === 0) return <p class="job-search-progress quiet small">Loading …</p>
  if (list.isLoading && list.isOpen)
    return (
      <p class="job-search-progress">
        <progress aria-label="How many jobs the search has looked at" max={of} value={looked} />
        <span class="quiet small">Looked at {far}</span>
        <button type="button" onClick={list.stop}>
          Stop
        </button>
      </p>
    )
  if (list.isLoading || !list.isCostly) return null
  return (
    <p class="job-search-progress">
      <span class="quiet small" role="status">
        {list.isWhole ? `Looked at all ${plural(looked, 'job')}.` : `Looked at ${far}.`}
      </span>
      <button type="button" class="plain" onClick={list.again}>
        Search again
      </button>
    </p>
  )
}

interface JobRowProps {
  job: ListedJob
  isChosen: boolean
  onChoose(): void
}

function JobRow({ job, isChosen, onChoose }: JobRowProps) {
  const { id, key, queue, state, errors, undoing } = job
  const error = state === 'completed' || undoing ? undefined : errors.at(-1)
  const words =
    error === undefined
      ? undoing
        ? 'undoing'
        : (job.because ?? job.reason ?? (state === 'delayed' ? suspendedWords(job.suspended) : ''))
      : `${error.name}: ${error.message}`
  return (
    <tr aria-selected={isChosen}>
      <td>
        <input type="checkbox" aria-label={`Choose ${id}`} checked={isChosen} onChange={onChoose} />
      </td>
      <td>
        <State state={state} />
      </td>
      <td>
        <a class="mono" data-row={nameOf(job)} href={href('jobs', [id], { queue })}>
          {id.length > 28 ? `${id.slice(0, 27)}…` : id}
        </a>
      </td>
      <td>{key.length > 40 ? `${key.slice(0, 39)}…` : key}</td>
      <td class="quiet">{queue}</td>
      <td class="quiet">
        <Moment at={timeOf(job)} />
      </td>
      <td class="wide">
        <span class="cut job-last" title={words.slice(0, 2_000)}>
          {words.slice(0, 300)}
        </span>
      </td>
    </tr>
  )
}

/**
 * The time at which the job entered its state. For a delayed job, when the job will leave this state, if that
 * is known.
 */
function timeOf(job: ListedJob): number {
  const { state, finishedAt, claimedAt, queuedAt } = job
  if (state === 'active') return claimedAt ?? queuedAt
  if (state === 'delayed') return dueOf(job) ?? queuedAt
  return finishedAt ?? queuedAt
}

/** What a suspended job waits for. */
function suspendedWords(signals: readonly string[] | undefined): string {
  if (signals === undefined) return ''
  // The signal that reports the end of a child job has an internal name, which is not shown.
  const names = signals.map((name) => {
    if (name.startsWith('$child:')) return 'another job has ended'
    return name.replace(/^\$approval:/, 'the answer to ')
  })
  return names.length === 0 ? 'suspended' : `suspended until ${[...new Set(names)].join(' or ')}`
}
