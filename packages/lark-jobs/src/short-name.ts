/**
 * Names that users give to what is alike (locks, groups), as a store keeps them: long ones are told apart by their hash.
 */
import { createHash } from 'node:crypto'

/** Names up to this length stay as they are. */
const MAX_NAME = 64

export function shortName(text: string): string {
  return text.length <= MAX_NAME ? text : `#${createHash('sha256').update(text).digest('base64url')}`
}
