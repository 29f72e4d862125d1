/**
 * The key that the dashboard of `lark jobs:dashboard` gives to the browser in which its link was opened. The
 * cookie alone does not let in, since a browser sends it to every server of this machine, whatever its port.
 * What a page keeps is for pages of the same port. A dashboard in a server with a login of its own has no
 * key.
 */
const NAME = 'lark-dashboard-key'
let key = kept()

/** Takes the key out of the address, where the link has put it. */
export function takeKey(): void {
  const [, given] = /^#key=([\w-]+)$/.exec(location.hash) ?? []
  if (given === undefined) return
  key = given
  history.replaceState(history.state, '', location.pathname + location.search)
  try {
    localStorage.setItem(NAME, given)
  } catch {
    // The browser keeps nothing: it holds until the page is loaded again.
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
