/**
 * Has command files imported by another process, which ends afterwards: a file may open a pool of connections, print
 * or even exit when it is imported, and the command that the user runs is another one.
 *
 * The channel between the two is not Lark's alone: a file may send something itself, and under `node --watch` Node
 * reports on it each module that is imported. So each message of Lark's is under the key `lark`.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { HeldCommands } from './cache.ts'

export interface ScanRequest {
  path: string
  /** How messages call it. */
  file: string
}

/** What the process says of one file. */
export interface Found {
  path: string
  held: HeldCommands
}

/** What a message of the channel says to Lark; undefined when it is from somebody else. */
export function ours<T>(message: unknown): T | undefined {
  return (message as { lark?: T } | null)?.lark
}

/** From the sources (in tests) as from the built package. */
const program = fileURLToPath(new URL('../dist/scan.js', import.meta.url))

/** What each file holds, by its path. */
export async function scan(requests: ScanRequest[]): Promise<Map<string, HeldCommands>> {
  const found = new Map<string, HeldCommands>()
  let left = requests
  while (left.length > 0) {
    await scanOnce(left, found)
    left = left.filter(({ path }) => !found.has(path))
    const culprit = left.shift()
    if (culprit !== undefined) found.set(culprit.path, { commands: [], problem: endedBy(culprit) })
  }
  return found
}

/** Resolves when the process has ended, whether or not it came to the last file. */
function scanOnce(requests: ScanRequest[], found: Map<string, HeldCommands>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    child.on('message', (message) => {
      const lark = ours<Found>(message)
      if (lark !== undefined) found.set(lark.path, lark.held)
    })
    child.on('error', reject)
    child.on('exit', () => resolve())
    child.send({ lark: requests })
  })
}

function endedBy({ file }: ScanRequest): { code: string; message: string } {
  return { code: 'COMMAND_FAILED_TO_LOAD', message: `${file} ended the process while it was imported` }
}
