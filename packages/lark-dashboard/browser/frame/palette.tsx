/** The palette for search and commands. The palette finds pages, queues, and any object with the typed id. */
import { useState } from 'preact/hooks'
import { snapshot } from '../data/live.ts'
import { go, href } from '../data/route.ts'
import { Dialog } from '../parts/dialog.tsx'
import { isPaletteOpen } from './keys.ts'
import { shownPlaces } from './places.ts'

/** The maximum number of results. */
const MOST = 12

interface Result {
  title: string
  kind: string
  to: string
}

export function Palette() {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const results = resultsFor(text.trim())
  const close = () => {
    isPaletteOpen.value = false
  }
  const open = (result: Result | undefined) => {
    if (result === undefined) return
    close()
    go(result.to)
  }
  const key = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt(Math.min(at + 1, results.length - 1))
    else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0))
    else if (event.key === 'Enter') open(results[at])
    else return
    event.preventDefault()
  }
  return (
    <Dialog title="Search" onClose={close}>
      <input
        type="text"
        autoComplete="off"
        aria-label="A page, a queue, the id of a job or a flow"
        placeholder="A page, a queue, the id of a job or a flow"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-results"
        aria-activedescendant={results.length > 0 ? `palette-${at}` : undefined}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={key}
      />
      <div class="palette-results" id="palette-results" role="listbox" aria-label="Results">
        {results.map((result, i) => (
          <div
            key={`${result.kind} ${result.title}`}
            id={`palette-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            class={i === at ? 'palette-result palette-chosen' : 'palette-result'}
            onClick={() => open(result)}
            onKeyDown={key}
          >
            <span class="cut">{result.title}</span>
            <span class="quiet small">{result.kind}</span>
          </div>
        ))}
      </div>
    </Dialog>
  )
}

function resultsFor(text: string): Result[] {
  const low = text.toLowerCase()
  const fits = (title: string) => title.toLowerCase().includes(low)
  const queues = snapshot.value?.queues ?? []
  const known = [
    ...shownPlaces.value.map(({ page, title }): Result => ({ title, kind: 'page', to: href(page) })),
    ...queues.map(({ queue }): Result => ({ title: queue, kind: 'queue', to: href('queues', [queue]) })),
  ].filter(({ title }) => fits(title))
  if (text === '' || /\s/.test(text)) return known.slice(0, MOST)
  const byId: Result[] = [
    { title: text, kind: 'job with this id', to: href('jobs', [text]) },
    { title: text, kind: 'flow with this id', to: href('flows', [text]) },
    { title: text, kind: 'jobs of this class', to: href('jobs', [], { key: text }) },
    { title: text, kind: 'jobs with this tag', to: href('jobs', [], { tag: text }) },
  ]
  return [...known.slice(0, MOST - byId.length), ...byId]
}
