/**
 * The `natMap` of a connection: the real addresses of servers that are not reachable under the address that a cluster
 * or Sentinels give for them.
 */
import { hostOf, invalid, type NatMap, parseHost } from './address.ts'

/** @throws STORE_INVALID */
export function readNatMap(given: unknown): NatMap {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid("natMap must be an object, such as { '172.18.0.2:6379': 'localhost:7001' }")
  return new Map(
    Object.entries(given).map(([from, to], i) => [
      hostOf(readPlace(from, `key ${i + 1} of natMap`)),
      readPlace(to, `value ${i + 1} of natMap`),
    ]),
  )
}

/** Host and port are both needed: the port tells a node from another node on the same machine. */
function readPlace(text: unknown, which: string): { host: string; port: number } {
  const place = parseHost(text, 0, which)
  if (place.port < 1 || place.port > 65_535) throw invalid(`${which} needs a port from 1 to 65535`)
  return place
}
