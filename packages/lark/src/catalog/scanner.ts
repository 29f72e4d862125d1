/**
 * Imports command files in another process, which ends after the import: a file may open connections, print
 * or even exit when it is imported, and the user runs only one of the commands.
 *
 * Other code may also send messages on the channel between the two processes: an imported file, and Node
 * itself, which sends a message for each imported module with `node --watch`. So each message of Lark has the
 * property `lark`.
 */
import { fork } from 'node:child_process'
import { scanProgram } from '../scan-program.ts'
import type { HeldCommands } from './cache.ts'

export interface ScanRequest {
  path: string
  /** The path for messages. */
  file: string
}

/** The commands that the process found in one file. */
export interface Found {
  path: string
  held: HeldCommands
}

/** The content of a message from Lark, or undefined if the message is from other code. */
export function ours<T>(message: unknown): T | undefined {
  return (message as { lark?: T } | null)?.lark
}

/** Reads the commands in each file. The result has the commands by the path of their file. */
export async function scan(requests: ScanRequest[]): Promise<Map<string, HeldCommands>> {
  const found = new Map<string, HeldCommands>()
  let left = requests
  while (left.length > 0) {
    await scanOnce(left, found)
    left = left.filter(({ path }) => !found.has(path))
    const culprit = left.shift()
    if (culprit === undefined) break
    const message = `${culprit.file} ended the process while it was imported`
    found.set(culprit.path, { commands: [], problem: { code: 'COMMAND_FAILED_TO_LOAD', message } })
  }
  return found
}

/** Starts the scan process once. Resolves when this process has ended, even if it has not read all files. */
function scanOnce(requests: ScanRequest[], found: Map<string, HeldCommands>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(scanProgram, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    child.on('message', (message) => {
      const lark = ours<Found>(message)
      if (lark !== undefined) found.set(lark.path, lark.held)
    })
    child.on('error', reject)
    child.on('exit', () => resolve())
    child.send({ lark: requests })
  })
}
