/**
 * The choices that this browser remembers. If the browser stores nothing (in some private windows), a choice
 * lasts until the page is loaded again.
 */

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // This browser stores nothing.
  }
}

export function remembered(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined
  } catch {
    return undefined
  }
}
