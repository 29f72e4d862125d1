/**
 * Which page is open. The address contains all choices of the viewer, so that another person sees the same
 * page through a link.
 */
import { computed, signal } from '@preact/signals'

const base = new URL(document.baseURI)

export interface Route {
  /** The name of the page, such as `jobs`. The first page is `overview`. */
  page: string
  /** The parts of the path after the name of the page, such as `['01J…']`. */
  rest: string[]
  query: URLSearchParams
}

const address = signal(new URL(location.href))
/** Whether the Back or the Forward button has opened the page. */
let returned = false
/**
 * How long a page may take to grow to its former length after the viewer has returned to it, in milliseconds.
 */
const GROWING = 3_000

export const route = computed<Route>(() => {
  const [page = '', ...rest] = address.value.pathname
    .slice(base.pathname.length)
    .split('/')
    .filter((part) => part !== '')
    .map(decoded)
  return { page: page || 'overview', rest, query: address.value.searchParams }
})

/**
 * The address of a page: `href('jobs', [id])`, `href('jobs', [], { state: 'failed' })`. Values that are
 * undefined or empty are left out.
 */
export function href(
  page: string,
  rest: readonly string[] = [],
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const path = [page === 'overview' ? '' : page, ...rest.map(encodeURIComponent)].join('/')
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') params.set(name, value)
  const text = params.toString()
  return `${base.pathname}${path}${text === '' ? '' : `?${text}`}`
}

/** @param how with `replace`, the Back button does not lead back to the present page */
export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') {
    history.replaceState({ y: window.scrollY }, '')
    history.pushState(null, '', to)
  } else history.replaceState(null, '', to)
  returned = false
  const before = address.value.pathname
  address.value = new URL(location.href)
  if (address.value.pathname === before) return
  window.scrollTo(0, 0)
  // A screen reader announces the new page.
  document.getElementById('content')?.focus({ preventScroll: true })
}

/** Changes parts of the query of this page: `setQuery({ state: 'failed' })`. */
export function setQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const { page, rest, query } = route.value
  go(href(page, rest, { ...Object.fromEntries(query), ...changes }), 'replace')
}

/** The parts of the query with these names. Missing and empty parts are left out. */
export function queried(...names: string[]): Record<string, string> {
  const { query } = route.value
  return Object.fromEntries(
    names.map((name) => [name, query.get(name) ?? '']).filter(([, value]) => value !== ''),
  )
}

/** Follows links within the dashboard without loading the document again. */
export function followLinks(): void {
  history.scrollRestoration = 'manual'
  window.addEventListener('popstate', ({ state }) => {
    returned = true
    address.value = new URL(location.href)
    scrollBack((state as { y?: number } | null)?.y ?? 0)
  })
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest?.('a')
    if (link === null || link === undefined || event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    if (link.target !== '' || link.origin !== base.origin || link.hasAttribute('download')) return
    if (!link.pathname.startsWith(base.pathname)) return
    event.preventDefault()
    go(link.href)
  })
}

/**
 * Whether the viewer has returned to the page with the Back or the Forward button. Such a page shows its
 * former contents again.
 */
export function hasReturned(): boolean {
  return returned
}

/**
 * Scrolls to the position at which the viewer left the page, when the page is long enough. If the viewer
 * scrolls before that, this function does nothing.
 */
function scrollBack(y: number): void {
  const until = performance.now() + GROWING
  const scrolls = new AbortController()
  for (const event of ['wheel', 'touchmove', 'keydown', 'pointerdown'])
    window.addEventListener(event, () => scrolls.abort(), { signal: scrolls.signal, passive: true })
  const step = () => {
    if (scrolls.signal.aborted) return
    window.scrollTo(0, y)
    if (Math.abs(window.scrollY - y) > 1 && performance.now() < until) requestAnimationFrame(step)
    else scrolls.abort()
  }
  step()
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
