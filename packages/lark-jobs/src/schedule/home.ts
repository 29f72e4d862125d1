/**
 * The home of a schedule: in which partition it is kept. It has a nonce, so that the removal of a schedule
 * cannot take the home of its successor.
 */
import { newNonce } from '../model/id.ts'

/** A new home in a partition. */
export function homeIn(partition: string): string {
  return `${partition} ${newNonce()}`
}

export function partitionOf(home: string): string {
  return home.slice(0, home.lastIndexOf(' '))
}
