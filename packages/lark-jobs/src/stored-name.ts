/**
 * Names that users give (to locks, groups, limiters, circuits) as a store keeps them. Two that differ for the user
 * differ in the store, and no user can name what Lark makes up by itself:
 *
 *   name        as it is. Most are
 *   ~name       one that begins with a sign that has a meaning here: `~`, `#` or `=`
 *   #hash       a long one, or one with a NUL character, at which some SQLite libraries end a text: by its hash
 *   =lock       the group that Lark makes for the jobs of a lock (`unique.ts`)
 *   scope:name  one within another, such as a value within the key of a class; `:` and `%` in the scope are escaped
 */
import { createHash } from 'node:crypto'

/** Names up to this length are kept as they are. */
const MAX_NAME = 64

/** @param text without a lone surrogate: stores keep UTF-8, in which all of these are the same character */
export function storedName(text: string): string {
  if (text.length > MAX_NAME || text.includes('\0'))
    return `#${createHash('sha256').update(text).digest('base64url')}`
  return /^[~#=]/.test(text) ? `~${text}` : text
}

/** A name as its user knows it; for a long one, only the hash. */
export function shownName(stored: string): string {
  return stored.startsWith('~') ? stored.slice(1) : stored
}

/** Whether it is the hash of a long name. */
export function isHash(stored: string): boolean {
  return /^#[\w-]{43}$/.test(stored)
}

/** The name of one thing within another. */
export function storedPair(scope: string, name: string): string {
  return storedName(`${scope.replace(/[:%]/g, encodeURIComponent)}:${name}`)
}

/** Describes a value that cannot be a name; undefined if it can be one. */
export function notName(value: unknown): string | undefined {
  if (typeof value === 'string')
    return /\p{Surrogate}/u.test(value) ? 'a text with half of a surrogate pair' : undefined
  return Number.isFinite(value) ? undefined : value === null ? 'null' : typeof value
}
