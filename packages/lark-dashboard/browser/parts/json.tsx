/**
 * A JSON value as a tree of text. Objects and lists can be opened and closed, and strings are shown as JSON
 * writes them.
 */
import type { ComponentChild } from 'preact'
import { useState } from 'preact/hooks'
import type { ShownValue } from '../../src/server/look/shown-to-viewer.ts'
import type { CallError } from '../data/call.ts'
import { notify, tellWhy } from '../data/changes.ts'
import { bytes, count, plural } from './numbers.ts'
import { saveFile } from './save-file.ts'

/** The maximum number of entries of an object or a list that are shown before the viewer asks for more. */
const MOST = 100
/** How many levels are open at first. */
const OPEN = 3
/** The maximum number of levels that are indented. With more levels, the text would not fit on the page. */
const INDENTED = 10

interface JsonProps {
  value: ShownValue
  /** Loads the whole value, if a part of it is hidden. */
  whole?: () => Promise<string>
  /** The name of the file that a download makes, without `.json`. */
  name?: string
}

export function Json({ value, whole, name = 'value' }: JsonProps) {
  const [text, setText] = useState('')
  const [loaded, setLoaded] = useState<string>()
  // If the value has changed since the whole value was loaded, the new value is shown.
  const isLoaded = loaded?.length === value.json.length + value.hidden && loaded.startsWith(value.json)
  const { json, hidden } = isLoaded ? { json: loaded, hidden: 0 } : value
  const parsed = hidden === 0 ? parse(json) : undefined
  const load = async (): Promise<string | undefined> => {
    if (hidden === 0 || whole === undefined) return json
    try {
      const all = await whole()
      setLoaded(all)
      return all
    } catch (error) {
      return tellWhy(error as CallError)
    }
  }
  const copy = async () => {
    const all = await load()
    if (all === undefined) return
    await navigator.clipboard.writeText(all).then(
      () => notify({ text: 'Copied', isBad: false }),
      () => notify({ text: 'The browser does not allow copying here', isBad: true }),
    )
  }
  const download = async () => {
    const all = await load()
    if (all === undefined) return
    saveFile(`${name}.json`, all, 'application/json')
  }
  return (
    <div class="json">
      <div class="json-head">
        <input
          type="search"
          placeholder="Search in it"
          aria-label="Search in it"
          value={text}
          onInput={(event) => setText(event.currentTarget.value.toLowerCase())}
        />
        <span class="spread" />
        <span class="quiet small">{bytes(json.length + hidden)}</span>
        <button type="button" onClick={() => void copy()}>
          Copy
        </button>
        <button type="button" onClick={() => void download()}>
          Download
        </button>
      </div>
      {parsed === undefined ? <pre>{json}</pre> : <Node value={parsed.value} level={0} text={text} />}
      {hidden > 0 && (
        <p class="quiet small">
          {count(hidden)} more characters are not shown, and the search does not look in them.{' '}
          {whole !== undefined && (
            <button type="button" onClick={() => void load()}>
              Show all
            </button>
          )}
        </p>
      )}
    </div>
  )
}

function parse(json: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(json) }
  } catch {
    return undefined
  }
}

interface NodeProps {
  name?: string
  value: unknown
  level: number
  /** The text that the viewer searches for. */
  text: string
}

function Node({ name, value, level, text }: NodeProps) {
  const label = name === undefined ? null : <Mark class="json-name" shown={name} text={text} />
  if (typeof value !== 'object' || value === null)
    return (
      <div class={level > INDENTED ? 'json-leaf json-deep' : 'json-leaf'}>
        {label}
        <Mark
          class={`json-${value === null ? 'null' : typeof value}`}
          shown={JSON.stringify(value)}
          text={text}
        />
      </div>
    )
  return <Branch label={label} value={value} level={level} text={text} />
}

function Branch({
  label,
  value,
  level,
  text,
}: Omit<NodeProps, 'name' | 'value'> & { label: ComponentChild; value: object }) {
  const [most, setMost] = useState(MOST)
  const [isOpen, setOpen] = useState(level < OPEN)
  const isList = Array.isArray(value)
  const entries = Object.entries(value)
  const sign = isList ? `[${entries.length}]` : `{${entries.length}}`
  return (
    <details
      class={level > INDENTED ? 'json-branch json-deep' : 'json-branch'}
      open={isOpen || text !== ''}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        {label}
        <span class="quiet">{sign}</span>
      </summary>
      {(isOpen || text !== '') &&
        entries
          .slice(0, most)
          .map(([key, each]) => <Node key={key} name={key} value={each} level={level + 1} text={text} />)}
      {isOpen && entries.length > most && (
        <button type="button" class="plain" onClick={() => setMost(most + 10 * MOST)}>
          {plural(entries.length - most, 'more entry', 'more entries')}
        </button>
      )}
    </details>
  )
}

/** Shows a text, with the matches of the search marked. */
function Mark({ shown, text, class: name }: { shown: string; text: string; class: string }) {
  const isFound = text !== '' && shown.toLowerCase().includes(text)
  // Without `bdi`, a name that is written from right to left would be shown in the place of its value.
  return <bdi class={isFound ? `${name} json-found` : name}>{shown}</bdi>
}
