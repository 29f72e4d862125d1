/**
 * One kind of failure: its message, a sample, the values that its jobs have in common, and the changes that
 * can be made to all its jobs.
 */
import type { FailureFilter } from '@s18i/lark-jobs/operate'
import { useState } from 'preact/hooks'
import { useAsked } from '../../data/asked.ts'
import { change } from '../../data/change.ts'
import { tellWhy } from '../../data/changes.ts'
import { go, href } from '../../data/route.ts'
import { may, viewer } from '../../data/viewer.ts'
import { Question } from '../../parts/dialog.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { JobErrorView } from '../../parts/job-error.tsx'
import { count, plural } from '../../parts/numbers.ts'
import { Trend } from '../../parts/past/trend.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment } from '../../parts/time.tsx'
import { BeginChange } from '../changes/begin-change.tsx'
import { changeWith } from '../jobs/job-verbs.ts'
import type { Kind } from './failures.tsx'
import { PatchKind } from './patch-kind.tsx'

interface FailureKindProps {
  kind: Kind
  filter: FailureFilter
  again(): void
}

export function FailureKindPage({ kind: shown, filter, again }: FailureKindProps) {
  const { kind, key, name, message, count: jobs, hours, releases, first, last, sample, frame } = shown
  const [asked, ask] = useState<{ verb: 'retry' | 'remove'; jobs: number } | undefined>(undefined)
  const [isPatched, patch] = useState(false)
  const [isSlow, slow] = useState(false)
  const which = { ...filter, kind, state: 'failed' } as never
  const act = async (verb: 'retry' | 'remove') => {
    const input = { filter: which, dryRun: true }
    const found =
      verb === 'retry'
        ? (await change('jobs.retry', input)).retried
        : (await change('jobs.remove', input)).removed
    ask({ verb, jobs: found })
  }
  return (
    <article>
      <div class="page-head">
        <h1>
          {name} <span class="quiet mono">{kind}</span>
        </h1>
        <span class="spread" />
        {may('operate') && (
          <button type="button" class="main" onClick={() => void act('retry').catch(tellWhy)}>
            Retry all {count(jobs)}
          </button>
        )}
        {may('operate') && (
          <button type="button" onClick={() => slow(true)}>
            Retry slowly
          </button>
        )}
        {may('admin') && viewer.value?.payloads && (
          <button type="button" onClick={() => patch(true)}>
            Change and retry
          </button>
        )}
        {may('admin') && (
          <button type="button" class="danger" onClick={() => void act('remove').catch(tellWhy)}>
            Remove all {count(jobs)}
          </button>
        )}
      </div>
      <pre class="job-error-message">{message}</pre>
      <Trend values={hours} points={hours.length} isOpen title="Failures in each of the last 24 hours" />
      <p class="quiet">
        <a href={href('jobs', [], { kind, state: 'failed' })}>{plural(jobs, 'job')}</a> of the class{' '}
        <a href={href('classes', [key])}>{key}</a>: the first <Moment at={first} />, the last{' '}
        <Moment at={last} />
        {frame !== undefined && (
          <>
            ; thrown at <code>{frame}</code>
          </>
        )}
        {releases.length > 0 && <>; seen in the releases {releases.join(', ')}</>}
      </p>
      {viewer.value?.payloads && <InCommon filter={{ ...filter, key, kind }} />}
      <Section
        id="sample"
        title="The last one"
        beside={
          <a class="mono" href={href('jobs', [sample.id], { queue: sample.queue })}>
            {sample.id}
          </a>
        }
      >
        <JobErrorView error={sample.error} />
      </Section>
      {isSlow && (
        <BeginChange
          verb="retry"
          filter={which}
          what={`failed jobs of the kind ${kind}`}
          onClose={() => slow(false)}
        />
      )}
      {isPatched && (
        <PatchKind
          filter={{ ...filter, kind }}
          onClose={() => patch(false)}
          onDone={() => {
            again()
            go(href('failures'))
          }}
        />
      )}
      {asked !== undefined && (
        <Question
          title={`${asked.verb === 'retry' ? 'Retry' : 'Remove'} ${plural(asked.jobs, 'job')} of the kind ${kind}?`}
          verb={`${asked.verb === 'retry' ? 'Retry' : 'Remove'} ${plural(asked.jobs, 'job')}`}
          jobs={asked.jobs}
          isDangerous={asked.verb === 'remove'}
          onAnswer={(yes) => {
            ask(undefined)
            if (!yes) return
            void changeWith(asked.verb, { filter: which }).then(() => {
              again()
              go(href('failures'))
            })
          }}
        >
          <p class="job-error-message">{message.slice(0, 300)}</p>
        </Question>
      )}
    </article>
  )
}

/** Shows values that most payloads of the jobs have in common. */
function InCommon({ filter }: { filter: FailureFilter & { kind: string } }) {
  const asked = useAsked('failures.common', { filter })
  return (
    <Section id="common" title="What they have in common">
      <Answer asked={asked}>
        {(found) => {
          if (found === null || found.jobs < 2) return <Empty>There are no two payloads to compare.</Empty>
          const { jobs, isPartial, values } = found
          const compared = `${jobs} payloads that were compared`
          if (values.length === 0) return <Empty>No value stands out in the {compared}.</Empty>
          return (
            <>
              <ul>
                {values.map(({ path, value, count }) => (
                  <li key={path}>
                    <code>
                      {path} = {value}
                    </code>{' '}
                    <span class="quiet">
                      in {count} of the {compared}
                    </span>
                  </li>
                ))}
              </ul>
              {isPartial && (
                <p class="quiet small">
                  There may be more jobs of this kind: the search ended behind many other failed jobs.
                </p>
              )}
            </>
          )
        }}
      </Answer>
    </Section>
  )
}
