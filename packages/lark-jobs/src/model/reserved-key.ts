/**
 * The keys of Lark's own jobs. A job with such a key runs a command of `lark`, so a caller must not be able
 * to choose the key: `dispatchByKey()` and the import of jobs refuse these keys. Only the calls that dispatch
 * commands use these keys.
 */

/** The prefix of these keys. */
const RESERVED = 'lark:'

/** Words for messages: the rule for keys of the application. */
export const unreserved = `a key that does not begin with ${RESERVED}, because such jobs are Lark's own`

export function isReserved(key: string): boolean {
  return key.startsWith(RESERVED)
}
