/**
 * The text for a place without data: why the place is empty, that data are loading, or which error occurred.
 * An error never looks like an empty result.
 */
import type { ComponentChildren } from 'preact'
import type { Asked } from '../data/asked.ts'
import { stale } from '../data/live.ts'
import { Moment } from './time.tsx'

/** @example <Empty>No failed jobs in the last 30 days</Empty> */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}

/**
 * Shows the answer to a question, or the reason why there is no answer. An old answer stays on the page, in
 * grey.
 */
export function Answer<T>({
  asked,
  children,
}: {
  asked: Asked<T>
  children: (data: T) => ComponentChildren
}) {
  const { data, problem, at } = asked
  return (
    <>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem.message}
          {problem.hint !== undefined && <span class="quiet"> {problem.hint}</span>}
          {data !== undefined && at !== undefined && (
            <>
              {' '}
              What you see is from <Moment at={at} />.
            </>
          )}{' '}
          <button type="button" class="plain" onClick={asked.again}>
            Try again
          </button>
        </p>
      )}
      {data !== undefined && <div class={problem === undefined ? undefined : 'stale'}>{children(data)}</div>}
      {data === undefined && problem === undefined && <p class="empty">Loading …</p>}
    </>
  )
}

/** Whether the data of a page are old. If they are, the frame says so, and shows the data in grey. */
export function isStale(): boolean {
  return stale.value
}
