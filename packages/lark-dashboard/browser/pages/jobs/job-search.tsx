/**
 * The search box of the list of jobs. The typed text becomes a condition of the list. The box suggests names
 * that exist in the store, and Enter takes the marked suggestion. A viewer can also write whole conditions:
 * `tag:vip`, `id:order-7`, `tenant=7`.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import { look, type Output } from '../../data/call.ts'
import { go, href, route, setQuery } from '../../data/route.ts'
import { viewer } from '../../data/viewer.ts'

/** Milliseconds without a key until suggestions are asked for. */
const PAUSE = 150

/** The conditions of the box by their names in the address, with the words for people. */
const titles = {
  key: 'class',
  tag: 'tag',
  group: 'group',
  kind: 'kind',
  idPrefix: 'id begins with',
  where: 'payload',
} as const
type Name = keyof typeof titles
const names = Object.keys(titles) as Name[]

/** The words before a colon that name a condition. */
const words: Readonly<Record<string, Name>> = {
  class: 'key',
  key: 'key',
  tag: 'tag',
  group: 'group',
  kind: 'kind',
  id: 'idPrefix',
}

interface Choice {
  title: string
  /** What the suggestion is: a queue, a tag and so on. */
  sort: string
  take(): void
}

export function JobSearch() {
  const { query } = route.value
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const [isOpen, setOpen] = useState(false)
  const found = useSuggestions(text.trim())
  const input = useRef<HTMLInputElement>(null)
  const choices = text.trim() === '' ? [] : choicesFor(text.trim(), found)
  const marked = Math.min(at, choices.length - 1)
  const take = (choice: Choice | undefined) => {
    if (choice === undefined) return
    setText('')
    setAt(0)
    choice.take()
  }
  const press = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt(Math.min(marked + 1, choices.length - 1))
    else if (event.key === 'ArrowUp') setAt(Math.max(marked - 1, 0))
    else if (event.key === 'Enter') take(choices[marked])
    else if (event.key === 'Escape' && isOpen) setOpen(false)
    else return
    event.preventDefault()
  }
  const isShown = isOpen && choices.length > 0
  return (
    <div class="job-search">
      <label>
        <span>Search</span>
        <input
          ref={input}
          type="text"
          autoComplete="off"
          autoCapitalize="off"
          spellcheck={false}
          role="combobox"
          aria-expanded={isShown}
          aria-controls="job-search-choices"
          aria-autocomplete="list"
          aria-activedescendant={isShown ? `job-search-${marked}` : undefined}
          placeholder={
            viewer.value?.payloads ? 'id, tag, class, group, kind, tenant=7' : 'id, tag, class, group, kind'
          }
          value={text}
          onFocus={() => setOpen(true)}
          onBlur={() => setOpen(false)}
          onInput={(event) => {
            setText(event.currentTarget.value)
            setAt(0)
            setOpen(true)
          }}
          onKeyDown={press}
        />
      </label>
      <div
        id="job-search-choices"
        class={isShown ? 'job-search-choices' : 'job-search-none'}
        role="listbox"
        aria-label="Suggestions"
      >
        {isShown &&
          choices.map((choice, i) => (
            <div
              key={`${choice.sort} ${choice.title}`}
              id={`job-search-${i}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === marked}
              class={i === marked ? 'palette-result palette-chosen' : 'palette-result'}
              // Without this line, a click on a suggestion would take the focus from the box.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(choice)}
              onKeyDown={press}
            >
              <span class="cut">{choice.title}</span>
              <span class="quiet small">{choice.sort}</span>
            </div>
          ))}
      </div>
      {names
        .filter((name) => query.get(name))
        .map((name) => (
          <button
            key={name}
            type="button"
            class="job-condition"
            aria-label={`Remove the condition ${titles[name]} ${query.get(name)}`}
            onClick={() => {
              setQuery({ [name]: undefined })
              input.current?.focus()
            }}
          >
            <span class="quiet">{titles[name]}</span> <span class="cut">{query.get(name)}</span>{' '}
            <span aria-hidden="true">×</span>
          </button>
        ))}
    </div>
  )
}

/** The suggestions for a text. Undefined until the server has answered. */
function useSuggestions(text: string): Output<'jobs.suggest'> | undefined {
  const [found, setFound] = useState<{ text: string; answer: Output<'jobs.suggest'> } | undefined>(undefined)
  useEffect(() => {
    if (text === '' || /[:=]/.test(text)) return
    const abort = new AbortController()
    const timer = setTimeout(() => {
      look('jobs.suggest', { text }, abort.signal).then(
        (answer) => setFound({ text, answer }),
        // An error is ignored here. The box works without suggestions, and the list shows what is wrong with
        // the server.
        () => {},
      )
    }, PAUSE)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [text])
  return found?.text === text ? found.answer : undefined
}

function choicesFor(text: string, found: Output<'jobs.suggest'> | undefined): Choice[] {
  const seesPayloads = viewer.value?.payloads ?? false
  const condition = (name: Name, value: string, sort: string): Choice => ({
    title: value,
    sort,
    take: () => setQuery({ [name]: value }),
  })
  const link = (title: string, sort: string, to: string): Choice => ({ title, sort, take: () => go(to) })
  const [, word = '', rest = ''] = /^(\w+):\s*(.+)$/.exec(text) ?? []
  if (Object.hasOwn(words, word)) {
    const name = words[word]!
    const only = condition(name, rest, name === 'idPrefix' ? 'jobs whose id begins like this' : titles[name])
    return name === 'idPrefix' ? [only, link(rest, 'job with this id', href('jobs', [rest]))] : [only]
  }
  if (word === 'flow') return [link(rest, 'flows with this name', href('flows', [], { name: rest }))]
  const payload = (where: string): Choice => {
    const before = route.value.query.get('where')
    return { ...condition('where', before ? `${before} ${where}` : where, 'value in payloads'), title: where }
  }
  if (text.includes('=')) return seesPayloads ? [payload(text)] : []
  const { job, isFlow, keys = [], tags = [], groups = [], kinds = [], flows = [], fields = [] } = found ?? {}
  const whole: Choice[] = [
    condition('idPrefix', text, 'jobs whose id begins like this'),
    condition('tag', text, 'tag'),
    condition('group', text, 'group'),
    condition('key', text, 'class'),
  ]
  const all = [
    ...(job
      ? [link(text, `job with this id, ${job.state}`, href('jobs', [text], { queue: job.queue }))]
      : []),
    ...(isFlow ? [link(text, 'flow with this id', href('flows', [text]))] : []),
    ...keys.map((each) => condition('key', each, 'class')),
    ...tags.map((each) => condition('tag', each, 'tag')),
    ...groups.map((each) => condition('group', each, 'group')),
    ...flows.map((each) => link(each, 'flows with this name', href('flows', [], { name: each }))),
    ...kinds.map(({ kind, message }) => ({
      ...condition('kind', kind, 'kind of failures'),
      title: `${kind} ${message}`,
    })),
    ...fields.map((path) => payload(`${path}=${valueText(text)}`)),
    ...whole,
  ]
  const known = new Set<string>()
  return all.filter(({ title, sort }) => known.size < known.add(`${sort} ${title}`).size)
}

/** A text as the value of a condition on payloads. */
function valueText(text: string): string {
  return /\s/.test(text) ? JSON.stringify(text) : text
}
