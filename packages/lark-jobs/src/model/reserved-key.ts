/**
 * The keys of Lark's own jobs. Such a job runs a command of `lark`, so a name from outside never becomes its
 * key: not that of a job that is imported, not one that `dispatchByKey()` is given. Only the calls that are
 * made for commands use it.
 */

/** What these keys begin with. */
const RESERVED = 'lark:'

/** What a message says that a key must be. */
export const unreserved = `a key that does not begin with ${RESERVED}, because such jobs are Lark's own`

export function isReserved(key: string): boolean {
  return key.startsWith(RESERVED)
}
