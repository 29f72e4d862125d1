/**
 * How commands get to where their key lies: over one connection, or over one for each primary of a cluster.
 */
import type { Build, Connection } from './connection.ts'
import type { Guide } from './guide.ts'

export interface Route {
  /** What people call it. */
  readonly name: string
  /** Whether all keys are on one server, so that a script may use those of several partitions. */
  readonly isWhole: boolean
  /** Rises whenever a link of this process is given up. */
  readonly epoch: number
  /** Where rings can be heard, which are the same everywhere. */
  readonly bells: Guide
  /** Until when a verb that begins now may take. */
  deadline(patience?: number): number
  /**
   * Sends a command. Every key in it has one hash tag.
   * @param key one of its keys. By default it is the command's first argument
   * @param isSure an answer counts only when it came from the primary: a late one is confirmed (`doubt.ts`)
   * @throws STORE_UNREACHABLE, STORE_UNCERTAIN, STORE_REFUSED; Refusal for what is not the server's condition
   */
  send(build: Build, deadline?: number, key?: string, isSure?: boolean): Promise<unknown>
  /** The servers that take writes, by now. */
  servers(deadline: number): Promise<readonly Connection[]>
  /** A connection beside the one that carries the calls of this key. */
  beside(key: string): Connection | undefined
  close(): void
}
