/** The conditions of the list, all of which are in the address. */
import { useState } from 'preact/hooks'
import { snapshot } from '../../data/live.ts'
import { go, href, route, setQuery } from '../../data/route.ts'
import { states } from './job-query.ts'
import { JobSearch } from './job-search.tsx'

export function JobFilter({ problem }: { problem: string | undefined }) {
  const { query } = route.value
  const queues = snapshot.value?.queues.map(({ queue }) => queue) ?? []
  const queue = query.get('queue') ?? ''
  const state = query.get('state') ?? ''
  const known = queue === '' || queues.includes(queue) ? queues : [...queues, queue]
  return (
    <search class="job-filter">
      <JobSearch />
      <label>
        <span>Queue</span>
        <select value={queue} onChange={(event) => setQuery({ queue: event.currentTarget.value })}>
          <option value="">all</option>
          {known.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>State</span>
        <select value={state} onChange={(event) => setQuery({ state: event.currentTarget.value })}>
          <option value="">all</option>
          {states.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
          {state.includes(',') && <option value={state}>{state}</option>}
        </select>
      </label>
      <Text name="since" title="Since" placeholder="1h" size={6} />
      <Text name="until" title="Until" placeholder="30m" size={6} />
      {query.size > 0 && (
        <button type="button" class="plain" onClick={() => go(href('jobs'))}>
          Clear
        </button>
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </search>
  )
}

interface TextProps {
  name: string
  title: string
  placeholder?: string
  size?: number
}

/** A text field whose value takes effect with Enter, or when the field loses the focus. */
function Text({ name, title, placeholder, size = 12 }: TextProps) {
  const value = route.value.query.get(name) ?? ''
  const [typed, setTyped] = useState<string | undefined>(undefined)
  const take = () => {
    if (typed !== undefined && typed.trim() !== value) setQuery({ [name]: typed.trim() })
    setTyped(undefined)
  }
  return (
    <label>
      <span>{title}</span>
      <input
        type="text"
        size={size}
        placeholder={placeholder}
        value={typed ?? value}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take()
        }}
      />
    </label>
  )
}
