/**
 * A resolver says to which server a connection leads. For a server with a fixed address, `fixed` makes one.
 * `sentinel.ts` and `cluster.ts` have resolvers for servers that change places.
 */
import { type Address, nameOf } from './address.ts'
import type { Doubt } from './failover.ts'
import { endIfLate, type Link } from './link.ts'

export interface Resolver {
  /** The name that people see. */
  readonly name: string
  /**
   * Whether a call that was refused because of a failover should be sent again, because the connection may
   * soon lead to another server.
   */
  readonly moves: boolean
  /** Present if a server may be replaced by another. */
  readonly doubt?: Doubt
  /** The address to connect to. Called before every attempt. */
  find(signal: AbortSignal): Promise<Address>
  /** Called before the link is used. Rejects if the server that answered is the wrong one. */
  check?(link: Link): Promise<void>
  /**
   * Calls `move` whenever servers have changed places. Links are then given up, except those to addresses for
   * which `stays` returns true.
   */
  follow?(move: (stays: (address: Address) => boolean) => void): void
  close?(): void
}

export function fixed(address: Address): Resolver {
  return { name: nameOf(address), moves: false, find: () => Promise.resolve(address) }
}

/** Lets the resolver check a new link. @param timeout milliseconds */
export async function admit(resolver: Resolver, link: Link, timeout: number): Promise<void> {
  if (!resolver.check) return
  try {
    await endIfLate(link, timeout, 'no answer to who it is', () => resolver.check!(link))
  } catch (error) {
    link.destroy(error)
    throw error
  }
}
