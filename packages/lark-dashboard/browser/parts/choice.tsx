/**
 * A choice in the filter of a list, and the buttons that lead through the pages of a list. The address of the
 * page contains the choice.
 */
import { route, setQuery } from '../data/route.ts'

interface ChoiceProps {
  /** The name of the parameter in the query. */
  name: string
  title: string
  values: readonly (readonly [value: string, words: string])[]
}

/** A choice between values. After a new choice, the list begins with its first page. */
export function Choice({ name, title, values }: ChoiceProps) {
  return (
    <label class="quiet">
      {title}{' '}
      <select
        value={route.value.query.get(name) ?? ''}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value, after: undefined })}
      >
        {values.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  )
}

/** The choices for the parameter `since` of the query. */
export const periods = [
  ['', 'everything that is kept'],
  ['1h', 'the last hour'],
  ['1d', 'the last day'],
  ['7d', 'the last week'],
] as const

interface PagesProps {
  /** The cursor at which this page begins. Undefined for the first page. */
  cursor: string | undefined
  /** The cursor at which the next page begins. Undefined if there is no next page. */
  next: string | undefined
  first: string
  onward: string
}

export function Pages({ cursor, next, first, onward }: PagesProps) {
  if (cursor === undefined && next === undefined) return null
  return (
    <p class="job-end">
      {cursor !== undefined && (
        <button type="button" onClick={() => setQuery({ after: undefined })}>
          {first}
        </button>
      )}{' '}
      {next !== undefined && (
        <button type="button" onClick={() => setQuery({ after: next })}>
          {onward}
        </button>
      )}
    </p>
  )
}
