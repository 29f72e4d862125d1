/**
 * The process in which command files are imported for what they hold (see scanner.ts). Whatever a file opens or
 * prints meanwhile, and even if it ends the process, concerns only this one.
 */
import { readCommands } from './holding.ts'
import { type Found, ours, type ScanRequest } from './scanner.ts'

process.on('message', async function read(message: unknown) {
  const requests = ours<ScanRequest[]>(message)
  if (requests === undefined) return
  process.off('message', read)
  for (const { path, file } of requests) {
    const lark: Found = { path, held: await readCommands(path, file) }
    await new Promise((resolve) => process.send?.({ lark }, resolve))
  }
  process.exit()
})
