/**
 * The key that the dashboard of `lark jobs:dashboard` gives to the browser in which its link was opened. The
 * cookie alone is not enough, because a browser sends it to every server of this machine, on any port. Only
 * pages of the same port can read the storage in which the browser keeps the key. A dashboard in a server of
 * the application has no key, because that server has its own login.
 */
import { remember, remembered } from './remembered.ts'

const NAME = 'lark-dashboard-key'
let key = remembered(NAME)

/** Moves the key from the address of the link into the browser's storage. */
export function takeKey(): void {
  const [, given] = /^#key=([\w-]+)$/.exec(location.hash) ?? []
  if (given === undefined) return
  key = given
  history.replaceState(history.state, '', location.pathname + location.search)
  remember(NAME, given)
}

/** The header of every request. */
export function keyHeader(): Record<string, string> {
  return key === undefined ? {} : { 'x-lark-dashboard-key': key }
}
