/**
 * Sends each command to the server that has its key, over a single connection, or over one connection for
 * each primary of a cluster.
 */
import type { Build, Connection } from './connection.ts'
import type { Resolver } from './resolver.ts'

export interface Transport {
  /** The name that people see. */
  readonly name: string
  /** Whether all keys are on one server. Then one script may use the keys of several partitions. */
  readonly isWhole: boolean
  /**
   * The resolver for the connection that receives notifications. In a cluster, it may find any server,
   * because every server sends all notifications.
   */
  readonly notifications: Resolver
  /** The deadline of a verb that starts now, by `performance.now()`. */
  deadline(patience?: number): number
  /**
   * Sends a command. All keys of the command have the same hash tag.
   * @param key one of the command's keys. The default is its first argument
   * @param isSure whether an answer counts only if it came from the primary: a late answer must be confirmed
   *   (`failover.ts`)
   * @throws STORE_UNREACHABLE, STORE_UNCERTAIN, STORE_REFUSED; Refusal if the error is not about the server's
   *   condition
   */
  send(build: Build, deadline?: number, key?: string, isSure?: boolean): Promise<unknown>
  /** The connections to all servers that accept writes now. */
  servers(deadline: number): Promise<readonly Connection[]>
  /** The name of the server that has this key. */
  serverOf(key: string): string
  /** A second connection to the server that has this key. */
  beside(key: string): Connection | undefined
  close(): void
}
