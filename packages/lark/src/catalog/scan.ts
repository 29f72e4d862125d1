/**
 * The process that imports command files to read their metadata (see `scanner.ts`). A file that opens
 * connections, prints or ends the process affects only this process.
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
