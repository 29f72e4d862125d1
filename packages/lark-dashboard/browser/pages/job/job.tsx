/** One job: its state and why it waits, its history, and its data. */
import { useEffect, useState } from 'preact/hooks'
import type { ShownReport } from '../../../src/server/streams.ts'
import { useAsked } from '../../data/asked.ts'
import { look, type Output } from '../../data/call.ts'
import { useFollowed } from '../../data/followed.ts'
import { href, route } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { useKeys } from '../../frame/keys.ts'
import { incidents } from '../../frame/troubles.ts'
import { Question } from '../../parts/dialog.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { JobErrorView } from '../../parts/job-error.tsx'
import { Json } from '../../parts/json.tsx'
import { State } from '../../parts/state.tsx'
import { openTab, type Tab, Tabs } from '../../parts/tabs.tsx'
import { Duration } from '../../parts/time.tsx'
import { changeWith, type JobVerb, jobVerbs, verbNames } from '../jobs/job-verbs.ts'
import { MoveJobs } from '../jobs/move-jobs.tsx'
import { EditPayload } from './edit-payload.tsx'
import { JobLog } from './job-log.tsx'
import { SendButtons, StepList } from './job-steps.tsx'
import { JobTimeline } from './job-timeline.tsx'
import { ReasonList, Reasons } from './reasons.tsx'

export type ShownJob = NonNullable<Output<'jobs.find'>>

/**
 * Milliseconds between two requests for a job that has not ended. The interval is long, because the stream
 * reports changes of the job at once.
 */
const EVERY = 5_000

export function JobPage({ id }: { id: string }) {
  const queue = route.value.query.get('queue') ?? undefined
  const named = { id, ...(queue !== undefined && { queue }) }
  const [isOver, setOver] = useState(false)
  const asked = useAsked('jobs.find', named, isOver ? undefined : EVERY)
  const job = asked.data
  const hasEnded = job === null || job?.finishedAt !== undefined
  if (hasEnded !== isOver && job !== undefined) setOver(hasEnded)
  const report = useFollowed(!job || hasEnded ? undefined : { id, queue: job.queue })
  useEffect(() => {
    if (report !== undefined) asked.again()
  }, [report?.changes])
  return (
    <Answer asked={asked}>
      {(found) =>
        found === null ? <NoJob id={id} /> : <JobView job={withReport(found, report)} again={asked.again} />
      }
    </Answer>
  )
}

/**
 * Adds to a job what the stream has reported about it. The report of the stream is newer than the answer to
 * the last request.
 */
function withReport(job: ShownJob, report: ShownReport | undefined): ShownJob {
  if (report === undefined || job.finishedAt !== undefined) return job
  const { log, progress = job.progress } = report
  return { ...job, log: [...log], ...(progress !== undefined && { progress }) }
}

/**
 * Says that there is no such job. The id may belong to a node that has not started and that only its flow
 * contains, or the store may have lost the job.
 */
function NoJob({ id }: { id: string }) {
  const asked = useAsked('jobs.why', { id })
  const drops = incidents.value.flatMap((each) =>
    each.kind === 'finding' && each.code === 'eviction' ? each : [],
  )[0]
  return (
    <>
      <h1>
        Job <code>{id}</code>
      </h1>
      <Answer asked={asked}>
        {(why) =>
          why === null ? (
            <Empty>
              There is no job with this id. Jobs that have ended are kept for a while only.{' '}
              <a href={href('flows', [id])}>Look for a flow with this id</a>
              {drops !== undefined && (
                <>
                  . Or its store has lost it: <a href={href('doctor')}>{drops.subject}</a> {drops.text}
                </>
              )}
            </Empty>
          ) : (
            <>
              <p>
                <State state={why.state} /> {why.key}
              </p>
              <FlowLine id={id} />
              <ReasonList id={id} reasons={why.reasons} />
            </>
          )
        }
      </Answer>
    </>
  )
}

function JobView({ job, again }: { job: ShownJob; again(): void }) {
  const { id, key, queue, state, reason, errors, log, isVeiled, suspended, undoing, runs } = job
  const changes = suspended !== undefined || undoing
  const asked = useAsked('jobs.steps', { id, queue }, changes ? EVERY : undefined)
  const note = undoing ? 'undoing' : reason
  const { parent } = job.options ?? {}
  const steps = asked.data ?? undefined
  useEffect(() => asked.again(), [state, runs])
  // For a failed job, the tab with its errors is open at first.
  const failed: Tab = { name: 'errors', title: 'Errors', count: errors.length }
  const tabs: Tab[] = [
    ...(state === 'failed' ? [failed] : []),
    ...(isVeiled === undefined ? [{ name: 'payload', title: 'Payload' }] : []),
    { name: 'log', title: 'Log', count: log.length },
    ...(steps === undefined ? [] : [{ name: 'steps', title: 'Steps', count: steps.steps.length }]),
    ...(state === 'failed' ? [] : [failed]),
    ...(isVeiled === undefined ? [{ name: 'result', title: 'Result' }] : []),
    { name: 'raw', title: 'Raw' },
  ]
  const open = openTab(tabs)
  return (
    <article class="job">
      <div class="page-head">
        <h1>
          <a href={href('classes', [key])}>{key}</a>
        </h1>
        <State state={state} word={note === undefined ? state : `${state} (${note})`} />
        <span class="spread" />
        {steps !== undefined && <SendButtons steps={steps} again={again} />}
        <JobButtons job={job} again={again} />
      </div>
      <p class="job-line quiet">
        <code>{id}</code> in <a href={href('queues', [queue])}>{queue}</a>
        {job.partition !== queue && ` (${job.partition})`}
        {job.group !== undefined && (
          <>
            , group <a href={href('jobs', [], { queue, group: String(job.group) })}>{job.group}</a>
          </>
        )}
        {job.priority !== 0 && `, priority ${job.priority}`}
        {parent !== undefined && (
          <>
            , run by job <a href={href('jobs', [parent.id])}>{parent.id}</a>
          </>
        )}
        {(job.options?.tags ?? []).map((tag) => (
          <a key={tag} class="tag" href={href('jobs', [], { tag })}>
            {tag}
          </a>
        ))}
      </p>
      {job.finishedAt === undefined && <Reasons id={id} queue={queue} />}
      {job.because !== undefined && (
        <p class="quiet">
          {state === 'cancelled' ? 'Because' : 'Put back'}: {job.because}
        </p>
      )}
      {job.unreadable !== undefined && (
        <p class="problem">This version of Lark cannot read the record of this job.</p>
      )}
      {parent === undefined && <FlowLine id={id} />}
      <JobTimeline job={job} />
      <Tabs tabs={tabs} title="Parts of the job" />
      {open === 'payload' && <Payload job={job} again={again} />}
      {open === 'log' && <JobLog lines={log} isLive={state === 'active'} />}
      {open === 'steps' && steps !== undefined && <StepList steps={steps} again={asked.again} />}
      {open === 'errors' && <Errors job={job} />}
      {open === 'result' && <Result job={job} />}
      {open === 'raw' && <pre>{JSON.stringify(job, null, 2)}</pre>}
    </article>
  )
}

function JobButtons({ job: { id, queue, state }, again }: { job: ShownJob; again(): void }) {
  const [isAsked, ask] = useState(false)
  const [isMoved, move] = useState(false)
  const allowed = verbNames.filter((verb) => {
    return may(jobVerbs[verb].role) && jobVerbs[verb].states.includes(state)
  })
  const act = (verb: JobVerb) => {
    // Before a running job is cancelled, the viewer must confirm this, because the work of the job is lost.
    if (verb === 'cancel' && state === 'active' && !isAsked) return ask(true)
    ask(false)
    if (verb === 'move') return move(true)
    void changeWith(verb, { ids: [id], queue }).then(again)
  }
  useKeys(
    (['retry', 'run-now'] as const).map((verb) => ({
      key: jobVerbs[verb].key!,
      title: jobVerbs[verb].title,
      acts: true,
      press: () => {
        if (allowed.includes(verb)) act(verb)
      },
    })),
  )
  return (
    <div class="job-buttons">
      {allowed.map((verb) => (
        <button
          key={verb}
          type="button"
          class={verb === 'cancel' || verb === 'remove' ? 'danger' : undefined}
          onClick={() => act(verb)}
        >
          {jobVerbs[verb].title}
          {jobVerbs[verb].key !== undefined && <kbd>{jobVerbs[verb].key}</kbd>}
        </button>
      ))}
      {isMoved && (
        <MoveJobs
          title="Move this job"
          which={[{ ids: [id], queue }]}
          onDone={() => {
            move(false)
            again()
          }}
        />
      )}
      {isAsked && (
        <Question
          title="Cancel this job while it runs?"
          verb="Cancel the job"
          isDangerous
          onAnswer={(yes) => (yes ? act('cancel') : ask(false))}
        >
          <p>The job is asked to end, and does not run again.</p>
        </Question>
      )}
    </div>
  )
}

function FlowLine({ id }: { id: string }) {
  const { data } = useAsked('jobs.flow', { id })
  if (!data) return null
  const { id: flow, kind, name, node, member } = data
  return (
    <p class="quiet">
      {member === undefined ? `Node ${node}` : `Member ${member}`} of the {kind}{' '}
      <a href={href('flows', [flow])}>{name ?? flow}</a>
    </p>
  )
}

function Payload({ job, again }: { job: ShownJob; again(): void }) {
  const [isEdited, edit] = useState(false)
  const canEdit = may('admin') && job.state !== 'active' && job.payload?.hidden !== undefined
  return (
    <>
      {job.payload === undefined ? (
        <Empty>It was dispatched without a payload.</Empty>
      ) : (
        <Json value={job.payload} whole={wholeOf(job, 'payload')} name={`${job.id} payload`} />
      )}
      {job.options?.redact !== undefined && (
        <p class="quiet small">Hidden by its class: {job.options.redact.join(', ')}</p>
      )}
      {canEdit && job.options?.redact === undefined && (
        <p>
          <button type="button" onClick={() => edit(true)}>
            Edit the payload
          </button>
        </p>
      )}
      {isEdited && (
        <EditPayload
          job={job}
          whole={wholeOf(job, 'payload')}
          onClose={() => {
            edit(false)
            again()
          }}
        />
      )}
    </>
  )
}

/** Loads a value of the job that is too long to come with the job. */
function wholeOf({ id, queue }: ShownJob, of: 'payload' | 'result' | 'progress'): () => Promise<string> {
  return async () => (await look('jobs.value', { id, queue, of })) ?? 'null'
}

function Result({ job }: { job: ShownJob }) {
  if (job.progress === undefined && job.result === undefined)
    return <Empty>{job.finishedAt === undefined ? 'It has no result yet.' : 'It returned nothing.'}</Empty>
  return (
    <>
      {job.progress !== undefined && (
        <>
          <h2>Progress</h2>
          <Json value={job.progress} whole={wholeOf(job, 'progress')} name={`${job.id} progress`} />
        </>
      )}
      {job.result !== undefined && (
        <>
          {job.progress !== undefined && <h2>Result</h2>}
          <Json value={job.result} whole={wholeOf(job, 'result')} name={`${job.id} result`} />
        </>
      )}
    </>
  )
}

function Errors({ job: { errors, failures } }: { job: ShownJob }) {
  if (errors.length === 0) return <Empty>No attempt has failed.</Empty>
  return (
    <ol class="job-errors">
      {failures > errors.length && (
        <li class="quiet">
          The newest {errors.length} of {failures} are kept.
        </li>
      )}
      {[...errors].reverse().map((error) => (
        <li key={error.run}>
          <h2>
            Run {error.run}
            {error.took !== undefined && (
              <>
                , after <Duration ms={error.took} />
              </>
            )}
          </h2>
          <JobErrorView error={error} />
        </li>
      ))}
    </ol>
  )
}
