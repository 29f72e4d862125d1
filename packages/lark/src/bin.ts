/**
 * The program `lark`. It sets the exit code and lets the process end by itself when nothing is left to do, so
 * that a pending dispatch completes and a pipe is drained.
 */
import process from 'node:process'
import { run } from './application.ts'

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The program that reads our output (`| head`) has ended. This is not an error.
    if (error.code !== 'EPIPE') throw error
  })
}

// Packages can tell by this symbol that the process is the program `lark`, and not a server that loads the
// same files.
Object.defineProperty(globalThis, Symbol.for('s18i.lark.program'), { value: true })

process.exitCode = await run(process.argv.slice(2))
