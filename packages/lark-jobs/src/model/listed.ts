/**
 * Lists names in a message: the first few, and the number of the others. An application may have thousands of queues.
 */
import { MAX_NAME } from './record.ts'

const MOST = 10

/** @param most how many names are listed */
export function listed(names: Iterable<string>, most = MOST): string {
  const all = [...names]
  const more = all.length - most
  const first = all
    .slice(0, most)
    .map((name) => (name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name))
  return `${first.join(', ')}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}`
}
