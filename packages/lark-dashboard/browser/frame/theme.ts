/** The theme: light, dark, or the theme of the system. This browser remembers the choice. */
import { computed, signal } from '@preact/signals'
import { remember, remembered } from '../data/remembered.ts'

const KEY = 'lark-dashboard-theme'
const themes = ['system', 'light', 'dark'] as const
type Theme = (typeof themes)[number]

export const chosenTheme = signal<Theme>(kept())
show(chosenTheme.value)

const system = matchMedia('(prefers-color-scheme: dark)')
const isSystemDark = signal(system.matches)
system.addEventListener('change', ({ matches }) => {
  isSystemDark.value = matches
})
/** Whether the theme in use is dark. A drawing on a canvas must be drawn again when this value changes. */
export const isDark = computed(() =>
  chosenTheme.value === 'system' ? isSystemDark.value : chosenTheme.value === 'dark',
)

export function switchTheme(): void {
  const next = themes[(themes.indexOf(chosenTheme.value) + 1) % themes.length]!
  chosenTheme.value = next
  show(next)
  remember(KEY, next)
}

function show(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

function kept(): Theme {
  return themes.find((theme) => theme === remembered(KEY)) ?? 'system'
}
