/**
 * Lists names in a message: the first few, and the number of the others. An application may have thousands of queues.
 */
import { excerpt } from '@s18i/lark/config'

const MOST = 10

/** @param most how many names are listed */
export function listed(names: Iterable<string>, most = MOST): string {
  const all = [...names]
  const more = all.length - most
  return `${all.slice(0, most).map(excerpt).join(', ')}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}`
}
