/**
 * Shows values in messages, including values that may contain a password. A connection often has mistakes:
 * one quote, a list around it, no scheme, or a whole URL as its host. In such a value Lark cannot find the
 * password, so messages show only the form of the value, and no part of its text. (A connection that Lark can
 * parse has a name without secrets: `store/redis/client/address.ts`.)
 */
import { inspect } from 'node:util'
import { plain } from './connection-text.ts'

/** How `inspect` shows a value on one line, cut if it is long. */
export const oneLine = {
  compact: true,
  breakLength: Infinity,
  depth: 1,
  maxArrayLength: 10,
  maxStringLength: 80,
}

/** Shown values are cut to this many characters: an object may have any number of keys of any length. */
const MOST = 1_000

/** A value as JavaScript, on one line, cut if it is long. */
export function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  const text = inspect(value, oneLine)
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text
}

/** Describes the form of a value that was passed as a connection. */
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

/**
 * A setting in the form for messages. If the setting may contain an address with a password, the result
 * describes only its form.
 */
export function shownSetting(value: unknown): string {
  return /:\/\/|@/.test(inspect(value, { depth: 5, maxStringLength: null }))
    ? `${formOf(value)} with what may be a password`
    : shown(value)
}

/**
 * A server's reply to a password, without the password: some servers repeat text that they did not
 * understand.
 */
export function withoutPassword(said: string, password: string): string {
  return password !== '' && said.includes(password)
    ? `${said.split(' ', 1)[0]} (it repeated the password)`
    : said
}
