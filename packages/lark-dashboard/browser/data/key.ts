/**
 * The key that the dashboard of `lark jobs:dashboard` gives to the browser in which its link was opened. The
 * cookie alone is not enough, because a browser sends it to every server of this machine, whatever its port.
 * The storage of a page can be read only by pages of the same port. A dashboard in a server with a login of
 * its own has no key.
 */
const NAME = 'lark-dashboard-key'
let key = kept()

/** Moves the key from the address, where the link has put it, into the browser's storage. */
export function takeKey(): void {
  const [, given] = /^#key=([\w-]+)$/.exec(location.hash) ?? []
  if (given === undefined) return
  key = given
  history.replaceState(history.state, '', location.pathname + location.search)
  try {
    localStorage.setItem(NAME, given)
  } catch {
    // The browser stores nothing, so the key is kept only until the page is loaded again.
  }
}

/** The header of every request. */
export function keyHeader(): Record<string, string> {
  return key === undefined ? {} : { 'x-lark-dashboard-key': key }
}

function kept(): string | undefined {
  try {
    return localStorage.getItem(NAME) ?? undefined
  } catch {
    return undefined
  }
}
