/**
 * Lists names in a message: the first few names, and the number of the other names. The list is short because
 * an application may have thousands of queues.
 */

const MOST = 10
/** Names are cut to this many characters. (Names that a store accepts are not longer.) */
const LONGEST = 200

/** @param most how many names are listed */
export function listed(names: Iterable<string>, most = MOST): string {
  const all = [...names]
  const more = all.length - most
  const first = all
    .slice(0, most)
    .map((name) => (name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name))
  return `${first.join(', ')}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}`
}
