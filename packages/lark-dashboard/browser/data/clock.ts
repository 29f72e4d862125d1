/**
 * The current time, so that the ages on a page grow without a request to the server.
 */
import { signal } from '@preact/signals'

/**
 * Milliseconds since 1970, by the clock of this browser. This signal is updated each second while the page is
 * visible.
 */
export const now = signal(Date.now())

/** Whether the page is visible. */
export const isSeen = signal(!document.hidden)

export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now()
  }, 1_000)
  document.addEventListener('visibilitychange', () => {
    isSeen.value = !document.hidden
    if (isSeen.value) now.value = Date.now()
  })
}
