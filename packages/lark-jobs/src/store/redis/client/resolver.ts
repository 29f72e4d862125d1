/**
 * A resolver finds the address to which a connection connects. `fixed` makes the resolver for a server with a
 * fixed address. `sentinel.ts` and `cluster.ts` have resolvers for servers that a failover can replace.
 */
import { type Address, nameOf } from './address.ts'
import type { Doubt } from './failover.ts'
import { endIfLate, type Link } from './link.ts'

export interface Resolver {
  /** The name that people see. */
  readonly name: string
  /**
   * Whether the connection may lead to another server after a failover. If so, a call that was refused
   * because of a failover is sent again.
   */
  readonly moves: boolean
  /**
   * The doubt about the present server (`failover.ts`); absent if no other server can replace this server.
   */
  readonly doubt?: Doubt
  /** Returns the address to connect to. Called before every attempt to connect. */
  find(signal: AbortSignal): Promise<Address>
  /** Checks the server at the other end of a new link. Rejects if the link leads to the wrong server. */
  check?(link: Link): Promise<void>
  /**
   * Calls `move` after each failover. `move` gives up all links, except links to addresses for which `stays`
   * returns true.
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
