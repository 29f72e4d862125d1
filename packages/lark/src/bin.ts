/**
 * The program `lark`. It sets the exit code and lets the process end by itself, when nothing is left to do: a
 * pending dispatch is finished, a pipe is drained.
 */
import process from 'node:process'
import { run } from './application.ts'

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read our output (`| head`) has seen enough; that is no failure.
    if (error.code !== 'EPIPE') throw error
  })
}

// Packages whose commands run here can tell this process from a server that loads the same files.
Object.defineProperty(globalThis, Symbol.for('s18i.lark.program'), { value: true })

process.exitCode = await run(process.argv.slice(2))
