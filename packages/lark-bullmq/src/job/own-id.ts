/** The ids that applications choose for their jobs (`jobId`), and the ids of these jobs in Lark. */
import { createHash } from 'node:crypto'
import { LARGEST, memberOf, tickOf } from '@s18i/lark-jobs/internal'

/**
 * The id of a job in Lark. Most ids are the same as in BullMQ. Characters that an id may not have are escaped
 * as in a URL, and a long id is hashed, so different ids stay different.
 */
export function larkId(id: string): string {
  const plain = id.replace(/[%\s:]|\p{C}/gu, (letter) => encodeURIComponent(letter))
  if (plain === 'failed') return '%66ailed'
  return plain.length <= LARGEST.id ? plain : createHash('sha256').update(id).digest('hex')
}

/**
 * The ids in Lark that a job may have which the application knows by this id. Lark itself chooses the ids of
 * members of flows and of ticks, so these ids are not escaped.
 */
export function larkIds(id: string): string[] {
  const own = larkId(id)
  if (own === id) return [id]
  return memberOf(id) !== undefined || tickOf(id) !== undefined ? [id, own] : [own, id]
}

/** The id that the application knows, as far as the id in Lark says it: of a hash, the hash. */
export function knownId(id: string): string {
  if (!id.includes('%') || memberOf(id) !== undefined || tickOf(id) !== undefined) return id
  try {
    return decodeURIComponent(id)
  } catch {
    return id
  }
}
