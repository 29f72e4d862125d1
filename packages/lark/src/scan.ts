/**
 * The process in which command files are imported for what they hold (see scanner.ts). Whatever a file opens or
 * prints meanwhile, and even if it ends the process, concerns only this one.
 */
import { readCommands } from './holding.ts'
import type { ScanRequest } from './scanner.ts'

process.once('message', async (requests: ScanRequest[]) => {
  for (const { path, file } of requests) {
    const held = await readCommands(path, file)
    await new Promise((resolve) => process.send?.({ path, held }, resolve))
  }
  process.exit()
})
