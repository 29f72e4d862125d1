/**
 * A choice of a list's filter, in the address, and the buttons that lead through its pages.
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

/** For the part `since` of the query. */
export const periods = [
  ['', 'all that are kept'],
  ['1h', 'the last hour'],
  ['1d', 'the last day'],
  ['7d', 'the last week'],
] as const

interface PagesProps {
  /** Where this page begins; undefined: it is the first. */
  cursor: string | undefined
  /** Where the next one begins; undefined: there is none. */
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
