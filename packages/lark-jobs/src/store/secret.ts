/**
 * What may be shown of values that may hold a password. A connection is often mistaken: with one quote, in a list, without
 * its scheme, with a whole URL as its host. Where the password stands in such a value nobody can tell, so that none of
 * its text is shown, only its form. (What is understood has a name without secrets: `redis/address.ts`.)
 */
import { plain } from './connection-text.ts'

/** What stands where a connection should. */
export function formOf(connection: unknown): string {
  if (typeof connection === 'string') {
    const text = plain(connection)
    if (text === '') return 'an empty text'
    if (/^["'`]|["'`]$/.test(text)) return 'a text with a quote at one end'
    const scheme = /^([a-z][a-z+-]*):\/\//i.exec(text)?.[1]
    return scheme === undefined ? 'a text without a scheme' : `'${scheme}://…'`
  }
  if (connection === null) return 'null'
  if (Array.isArray(connection)) return 'a list'
  return typeof connection === 'object' ? 'an object' : `a ${typeof connection}`
}

/** A setting as JSON, unless something in it may be an address with a password. */
export function shownSetting(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  const json = JSON.stringify(value) ?? typeof value
  return /:\/\/|@/.test(json) ? `${formOf(value)} with what may be a password` : json
}

/** What a server said when it was given a password: some repeat what they did not understand. */
export function withoutPassword(said: string, password: string): string {
  return password !== '' && said.includes(password)
    ? `${said.split(' ', 1)[0]} (it repeated the password)`
    : said
}
