/**
 * The registry: every block of network hardware addresses (MAC addresses) that the IEEE has sold, and to whom.
 *
 * A block is one line of the public listing. The application calls it an order where it was bought and an item
 * where it is looked up, so `orderId` and `itemId` are block ids. A user is a registrant: all blocks under the
 * same name, spelled the same way. Those who paid to stay unnamed stand under "Private" and are nobody's.
 */
import { createRequire } from 'node:module'
import { countryCode } from './country'

export interface Block {
  /** The first 6, 7 or 9 hex digits of the addresses in the block. */
  id: string
  registrant: string
  /** ISO 3166 code; missing where the listing names no country. */
  country?: string
  /** How many addresses the block holds: 16,777,216, 1,048,576 or 4,096. */
  size: number
}

export interface User {
  id: number
  name: string
  country?: string
  /** In the order of their ids; never empty. */
  orders: Block[]
}

// require(), which takes a JSON file under every loader, without an import attribute.
const listing: Record<string, string> = createRequire(import.meta.url)('oui-data')

/** All blocks, in the order of their ids: the oldest companies of the trade come first. */
export const blocks: Block[] = Object.keys(listing)
  .sort()
  .map((id) => parse(id, listing[id]!))

/** The blocks of 4,096 addresses, in the order of their ids: the smallest that the registry sells. */
export const smallBlocks = blocks.filter(({ size }) => size === 4_096)

/** All registrants, in the order of their first block. A user's id is its place in this list, from 1. */
export const users: User[] = groupByRegistrant(blocks)

const blocksById = new Map(blocks.map((block) => [block.id, block]))

/** @throws {Error} when no such block was ever sold */
export function findBlock(id: string): Block {
  const block = blocksById.get(id)
  if (!block) throw new Error(`The registry has no block ${id}`)
  return block
}

/** @throws {Error} when there is no such registrant */
export function findUser(id: number): User {
  const user = users[id - 1]
  if (!user) throw new Error(`The registry has no user ${id}; it has 1 to ${users.length}`)
  return user
}

/** An entry is a name and up to three lines of address, the last of which is the country, where there is one. */
function parse(id: string, entry: string): Block {
  const [registrant, ...address] = entry.split('\n')
  const country = countryCode(address.at(-1))
  return { id, registrant: registrant!, ...(country && { country }), size: 16 ** (12 - id.length) }
}

function groupByRegistrant(blocks: Block[]): User[] {
  const byName = new Map<string, User>()
  for (const block of blocks) {
    const { registrant: name, country } = block
    if (name === 'Private') continue
    const user = byName.get(name) ?? { id: byName.size + 1, name, ...(country && { country }), orders: [] }
    user.orders.push(block)
    byName.set(name, user)
  }
  return [...byName.values()]
}
