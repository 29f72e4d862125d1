/**
 * Who says where a connection leads. A server of a fixed address is its own guide; `sentinel.ts` and `cluster.ts`
 * have others, for servers that change places.
 */
import { type Address, nameOf } from './address.ts'
import type { Doubt } from './doubt.ts'
import type { Link } from './link.ts'

export interface Guide {
  /** What people call it. */
  readonly name: string
  /** Whether a call that a failover refused is worth sending again: it may soon lead elsewhere. */
  readonly moves: boolean
  /** Where a server may be replaced by another. */
  readonly doubt?: Doubt
  /** Before every attempt to connect. */
  find(signal: AbortSignal): Promise<Address>
  /** Before anybody uses the link: rejects when the server that answered is not the one. */
  check?(link: Link): Promise<void>
  /** `move` is called when links are to be given up, but for those to the addresses for which it answers true. */
  follow?(move: (stays: (address: Address) => boolean) => void): void
  close?(): void
}

export function fixed(address: Address): Guide {
  return { name: nameOf(address), moves: false, find: () => Promise.resolve(address) }
}

/** Lets the guide have a look at a link. @param timeout milliseconds */
export async function admit(guide: Guide, link: Link, timeout: number): Promise<void> {
  if (!guide.check) return
  const late = setTimeout(() => link.destroy(new Error('no answer to who it is')), timeout).unref()
  try {
    await guide.check(link)
  } catch (error) {
    link.destroy(error)
    throw error
  } finally {
    clearTimeout(late)
  }
}
