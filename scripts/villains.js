// `npm run villains`: runs jobs that loop, allocate, exit, abort and block beside honest jobs, and accounts
// for all of them (docs/isolation.md). It first installs and builds what is missing. The suite itself is in
// packages/lark-jobs/test/villains.
import { runProgram } from './steps.js'

const words = process.argv.slice(2)
await runProgram('packages/lark-jobs/test/villains/main.ts', words, { isBuilt: words.includes('--help') })
