/**
 * The home of a schedule names the partition that keeps the schedule. The home contains a nonce, so that the
 * removal of a schedule cannot remove the home of a later schedule with the same id.
 */
import { newNonce } from '../model/id.ts'

/** Makes a new home in a partition. */
export function homeIn(partition: string): string {
  return `${partition} ${newNonce()}`
}

export function partitionOf(home: string): string {
  return home.slice(0, home.lastIndexOf(' '))
}
