/**
 * Names in a message: a few of them, and how many more there are. An application may have thousands of queues.
 */
const MOST = 10

/** @param most that are named */
export function listed(names: Iterable<string>, most = MOST): string {
  const all = [...names]
  const more = all.length - most
  return `${all.slice(0, most).join(', ')}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}`
}
