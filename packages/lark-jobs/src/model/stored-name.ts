/**
 * Names of locks, groups, limiters and circuits, as a store keeps them. Two names that differ for the user
 * also differ in the store, and no name of a user can equal a name that Lark creates:
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

/** Names up to this length are kept as they are. */
const MAX_NAME = 64

/**
 * @param text without a lone surrogate: stores keep UTF-8, which turns all lone surrogates into the same
 *   character
 */
export function storedName(text: string): string {
  if (text.length > MAX_NAME || text.includes('\0'))
    return `#${createHash('sha256').update(text).digest('base64url')}`
  return /^[~#=]/.test(text) ? `~${text}` : text
}

/** The name that the user gave; for a long name, only its hash. */
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

/** Describes a value that cannot be a name; undefined if it can be one. */
export function notName(value: unknown): string | undefined {
  if (typeof value === 'string')
    return /\p{Surrogate}/u.test(value) ? 'a text with half of a surrogate pair' : undefined
  return Number.isFinite(value) ? undefined : value === null ? 'null' : typeof value
}
