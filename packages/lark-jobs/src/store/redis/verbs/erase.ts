/**
 * Removes all keys with a prefix, on every server: the end of a temporary store. All keys of the database are
 * scanned, because some keys of a store (last calls, minutes) are not listed anywhere.
 */
import type { RedisServers } from '../../contract/connection/servers.ts'
import type { Connection } from '../client/connection.ts'
import { Refusal, refused } from '../client/failure.ts'
import { Keys } from '../client/keys.ts'
import { parseLocation } from '../client/location.ts'
import { openTransport } from '../client/open-transport.ts'

/** How many keys one call scans, which takes the server a fraction of a millisecond. */
const PAGE = '1000'

/** @throws STORE_INVALID, STORE_UNREACHABLE, STORE_UNCERTAIN, STORE_REFUSED */
export async function erase(servers: string | RedisServers, prefix: string): Promise<void> {
  const { everything } = new Keys(prefix)
  const transport = openTransport(parseLocation(servers, 'command'), {})
  try {
    for (const server of await transport.servers(transport.deadline())) await eraseOn(server, everything)
  } finally {
    transport.close()
  }
}

async function eraseOn(server: Connection, pattern: string): Promise<void> {
  let cursor = '0'
  do {
    const page = await server.send(['SCAN', cursor, 'MATCH', pattern, 'COUNT', PAGE])
    const [next, keys] = page as [string, string[]]
    // One command for each key, because on a cluster the keys may be in different slots.
    const answers = await server.sendTogether(keys.map((key) => ['UNLINK', key]))
    for (const answer of answers) if (answer instanceof Refusal) throw refused(server.name, answer)
    cursor = next
  } while (cursor !== '0')
}
