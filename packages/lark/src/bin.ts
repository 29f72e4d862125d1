/**
 * The program `lark`. The program sets the exit code and lets the process end by itself when no work is left,
 * so that a pending dispatch completes and all output reaches a pipe.
 */
import process from 'node:process'
import { run } from './application.ts'

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // EPIPE is not an error: the program that reads the output, such as `head`, has ended.
    if (error.code !== 'EPIPE') throw error
  })
}

// The symbol tells packages that the process is the program `lark`, and not a server that loads the same
// files.
Object.defineProperty(globalThis, Symbol.for('s18i.lark.program'), { value: true })

process.exitCode = await run(process.argv.slice(2))
