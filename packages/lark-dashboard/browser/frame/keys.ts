/**
 * The keyboard shortcuts: `/` searches, `g` and a letter opens a page, `j` and `k` move through rows, `u`
 * undoes, `?` lists the shortcuts. A page adds its own keys while it is open. In the list, the viewer can
 * switch off all keys except `?`, as WCAG 2.1.4 demands for keys that are a single character. This browser
 * remembers the choice.
 */
import { signal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { undoLast } from '../data/changes.ts'
import { remember, remembered } from '../data/remembered.ts'
import { go, href } from '../data/route.ts'
import { shownPlaces } from './places.ts'

export const isPaletteOpen = signal(false)
export const isListOpen = signal(false)

/** A key of a page, and its effect. */
export interface PageKey {
  key: string
  /** The description in the list of keys. */
  title: string
  /**
   * The key acts on the object of the page. The key does nothing while the focus is on a row, because the row
   * may show another object.
   */
  acts?: boolean
  press(): void
}

const KEY = 'lark-dashboard-keys'
export const areKeysOn = signal(remembered(KEY) !== 'off')

export function switchKeys(): void {
  areKeysOn.value = !areKeysOn.value
  remember(KEY, areKeysOn.value ? 'on' : 'off')
}

export const pageKeys = signal<readonly PageKey[]>([])

/**
 * Adds keys while a component is shown. The keys are added in a layout effect, because a viewer may press a
 * key before the page is painted, and other effects run only after that. Each key does what the last
 * rendering of the component says.
 */
export function useKeys(keys: readonly PageKey[]): void {
  const latest = useRef(keys)
  latest.current = keys
  const names = keys.map(({ key }) => key).join(' ')
  useLayoutEffect(() => {
    const own: PageKey[] = latest.current.map((page) => ({
      ...page,
      press: () => latest.current.find(({ key }) => key === page.key)?.press(),
    }))
    pageKeys.value = [...pageKeys.peek(), ...own]
    return () => {
      pageKeys.value = pageKeys.peek().filter((each) => !own.includes(each))
    }
  }, [names])
}

let hasGo = false

export function listenKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return
    const target = event.target as HTMLElement
    if (target.closest('input, textarea, select, [contenteditable], dialog') !== null) return
    if (press(event.key)) event.preventDefault()
  })
}

function press(key: string): boolean {
  if (key === '?') {
    isListOpen.value = true
    return true
  }
  if (!areKeysOn.value) return false
  if (hasGo) {
    hasGo = false
    const place = shownPlaces.value.find((each) => each.key === key)
    if (place !== undefined) go(href(place.page))
    return place !== undefined
  }
  if (key === 'g') {
    hasGo = true
    setTimeout(() => (hasGo = false), 1_500)
    return true
  }
  const own = pageKeys.value.findLast((each) => each.key === key)
  if (own !== undefined) {
    const isElsewhere = own.acts && document.activeElement?.closest('[data-row]') != null
    if (!isElsewhere) own.press()
    return true
  }
  if (key === '/') isPaletteOpen.value = true
  else if (key === 'u') undoLast()
  else if (key === 'j' || key === 'k') moveRow(key === 'j' ? 1 : -1)
  else return false
  return true
}

/** Moves the focus through the links of the rows. */
function moveRow(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')]
  const at = rows.indexOf(document.activeElement as HTMLElement)
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step]
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}
