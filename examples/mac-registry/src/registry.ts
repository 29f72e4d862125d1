/**
 * The registry: every block of network hardware addresses (MAC addresses) that the IEEE has sold, with its
 * registrant.
 *
 * A block is one line of the public listing. The application calls a block an order when it was bought, and
 * an item when it is searched for, so `orderId` and `itemId` are block ids. A user is a registrant: all
 * blocks under the same name, spelled the same way. Blocks of registrants who paid to stay unnamed are listed
 * under "Private", and belong to no user.
 */
import { createRequire } from 'node:module'
import { countryCode } from './country'

export interface Block {
  /** The first 6, 7 or 9 hex digits of the addresses in the block. */
  id: string
  registrant: string
  /** The ISO 3166 code; missing if the listing names no country. */
  country?: string
  /** How many addresses the block has: 16,777,216, 1,048,576 or 4,096. */
  size: number
}

export interface User {
  id: number
  name: string
  country?: string
  /** The blocks of the user in the order of their ids; never empty. */
  orders: Block[]
}

// Use require(), because it can load a JSON file under every loader without an import attribute.
const listing: Record<string, string> = createRequire(import.meta.url)('oui-data')

/** All blocks, in the order of their ids: the oldest companies of the trade come first. */
export const blocks: Block[] = Object.keys(listing)
  .sort()
  .map((id) => parse(id, listing[id]!))

/** The blocks of 4,096 addresses, in the order of their ids: the smallest that the registry sells. */
export const smallBlocks = blocks.filter(({ size }) => size === 4_096)

/**
 * All registrants, in the order of their first block. The id of a user is its place in this list, counted
 * from 1.
 */
export const users: User[] = groupByRegistrant(blocks)

const blocksById = new Map(blocks.map((block) => [block.id, block]))

/** @throws {Error} if no block with this id was ever sold */
export function findBlock(id: string): Block {
  const block = blocksById.get(id)
  if (!block) throw new Error(`The registry has no block ${id}`)
  return block
}

/** @throws {Error} if there is no registrant with this id */
export function findUser(id: number): User {
  const user = users[id - 1]
  if (!user) throw new Error(`The registry has no user ${id}; it has 1 to ${users.length}`)
  return user
}

/** An entry has a name and up to three lines of address. The last line is the country, if there is one. */
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
