/**
 * One kind of failure: its message, a sample, what the jobs have in common, and what can be done with all of
 * them.
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
        <a href={href('jobs', [], { kind, state: 'failed' })}>{plural(jobs, 'job')}</a> of the class {key}:
        the first <Moment at={first} />, the last <Moment at={last} />
        {frame !== undefined && (
          <>
            ; thrown at <code>{frame}</code>
          </>
        )}
        {releases.length > 0 && <>; seen in the releases {releases.join(', ')}</>}
      </p>
      {viewer.value?.payloads && <InCommon kind={kind} />}
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
          verb={asked.verb === 'retry' ? 'Retry' : 'Remove'}
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

/** What the payloads of the newest jobs have in common: the values that most of them share. */
function InCommon({ kind }: { kind: string }) {
  const asked = useAsked('jobs.list', { filter: { kind, state: 'failed' }, limit: 100 })
  return (
    <Section id="common" title="What they have in common">
      <Answer asked={asked}>
        {({ jobs }) => {
          const shared = sharedValues(jobs.map(({ payload }) => payload))
          if (shared.length === 0)
            return <Empty>Nothing in the payloads of the last {jobs.length} that stands out.</Empty>
          return (
            <ul>
              {shared.map(({ path, value, count }) => (
                <li key={path + value}>
                  <code>
                    {path} = {value}
                  </code>{' '}
                  <span class="quiet">
                    in {count} of the last {jobs.length}
                  </span>
                </li>
              ))}
            </ul>
          )
        }}
      </Answer>
    </Section>
  )
}

/** The share of the jobs that must have a value for it to stand out. */
const MOST_OF_THEM = 0.5
const MOST_SHOWN = 8

function sharedValues(payloads: readonly ({ json: string; hidden: number } | undefined)[]) {
  const counts = new Map<string, number>()
  let read = 0
  for (const payload of payloads) {
    if (payload === undefined || payload.hidden > 0) continue
    read++
    for (const leaf of leavesOf(JSON.parse(payload.json), '', 0))
      counts.set(leaf, (counts.get(leaf) ?? 0) + 1)
  }
  return [...counts]
    .filter(([, found]) => read > 1 && found >= read * MOST_OF_THEM)
    .sort(([, one], [, other]) => other - one)
    .slice(0, MOST_SHOWN)
    .map(([leaf, found]) => {
      const end = leaf.indexOf('\n')
      return { path: leaf.slice(0, end), value: leaf.slice(end + 1), count: found }
    })
}

/** The plain values of a payload with their paths: without those in lists, and without long texts. */
function* leavesOf(value: unknown, path: string, depth: number): Generator<string> {
  if (typeof value !== 'object' || value === null) {
    const text = JSON.stringify(value)
    if (path !== '' && text.length <= 80) yield `${path}\n${text}`
    return
  }
  if (Array.isArray(value) || depth > 3) return
  for (const [name, each] of Object.entries(value))
    yield* leavesOf(each, path === '' ? name : `${path}.${name}`, depth + 1)
}
