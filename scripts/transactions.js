// `npm run transactions`: dispatches jobs in transactions with every supported database client, kills and
// freezes processes and servers meanwhile, and then checks that each committed transaction has its job
// (docs/transactions.md). The script first installs missing packages and builds the sources. The code of the
// test is in packages/lark-jobs/test/transactions.
import { runProgram } from './steps.js'

const words = process.argv.slice(2)
await runProgram('packages/lark-jobs/test/transactions/main.ts', words, { isBuilt: words.includes('--help') })
