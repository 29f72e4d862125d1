/** Tabs. The address names the chosen tab. */
import { route, setQuery } from '../data/route.ts'

export interface Tab {
  name: string
  title: string
  /** A count, shown beside the title if it is more than 0. */
  count?: number
}

/** The tab that the address names, or the first tab. */
export function openTab(tabs: readonly Tab[]): string {
  const named = route.value.query.get('tab')
  return (tabs.find(({ name }) => name === named) ?? tabs[0]!).name
}

export function Tabs({ tabs, title }: { tabs: readonly Tab[]; title: string }) {
  const open = openTab(tabs)
  const choose = (name: string) => setQuery({ tab: name === tabs[0]!.name ? undefined : name })
  const key = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (step === 0) return
    const at = tabs.findIndex(({ name }) => name === open)
    const next = tabs[(at + step + tabs.length) % tabs.length]!
    choose(next.name)
    const list = event.currentTarget as HTMLElement
    requestAnimationFrame(() => list.querySelector<HTMLElement>('[aria-selected="true"]')?.focus())
  }
  return (
    <div class="tabs" role="tablist" aria-label={title} tabIndex={-1} onKeyDown={key}>
      {tabs.map(({ name, title, count = 0 }) => (
        <button
          key={name}
          type="button"
          role="tab"
          class="plain tab"
          aria-selected={name === open}
          tabIndex={name === open ? 0 : -1}
          onClick={() => choose(name)}
        >
          {title}
          {count > 0 && <span class="quiet"> {count.toLocaleString('en')}</span>}
        </button>
      ))}
    </div>
  )
}
