/**
 * The stored names of locks, groups, limiters and circuits. Two different names of the user are also
 * different in the store, and no name of a user can equal a name that Lark creates:
 *
 *   name        most names are kept as they are
 *   ~name       a name that begins with a character that has a meaning here: `~`, `#` or `=`
 *   #hash       the hash of a long name, or of a name with a NUL character, at which some SQLite libraries
 *               end a text
 *   =lock       the group that Lark creates for the jobs of a lock (`unique.ts`)
 *   =:id        the group that Lark creates for the jobs of a schedule that run one after the other
 *   scope:name  a name within a scope, such as a value within the key of a class; `:` and `%` in the scope
 *               are escaped
 */
import { createHash } from 'node:crypto'

/** Names up to this length are stored unchanged. */
const MAX_NAME = 64

/**
 * @param text a text without lone surrogates: stores use UTF-8, in which all lone surrogates become the same
 *   character
 */
export function storedName(text: string): string {
  if (text.length > MAX_NAME || text.includes('\0'))
    return `#${createHash('sha256').update(text).digest('base64url')}`
  return /^[~#=]/.test(text) ? `~${text}` : text
}

/** The name that the user chose. For a long name, only its hash is known. */
export function shownName(stored: string): string {
  return stored.startsWith('~') ? stored.slice(1) : stored
}

/** Whether a stored name is the hash of a long name. */
export function isHash(stored: string): boolean {
  return /^#[\w-]{43}$/.test(stored)
}

/** A name within a scope. */
export function storedPair(scope: string, name: string): string {
  return storedName(`${scope.replace(/[:%]/g, encodeURIComponent)}:${name}`)
}

/** Describes a value that cannot be a name. Undefined if it can be one. */
export function notName(value: unknown): string | undefined {
  if (typeof value === 'string')
    return /\p{Surrogate}/u.test(value) ? 'a text with half of a surrogate pair' : undefined
  return Number.isFinite(value) ? undefined : value === null ? 'null' : typeof value
}
