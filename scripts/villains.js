// `npm run villains`: runs jobs that loop forever, use too much memory, exit, abort or block the event loop,
// together with well-behaved jobs, and then checks what became of each job (docs/isolation.md). The script
// first installs missing packages and builds the sources. The code of the test is in
// packages/lark-jobs/test/villains.
import { runProgram } from './steps.js'

const words = process.argv.slice(2)
await runProgram('packages/lark-jobs/test/villains/main.ts', words, { isBuilt: words.includes('--help') })
