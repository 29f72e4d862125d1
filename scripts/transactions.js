// `npm run transactions`: makes transactions with jobs with all clients of a database, while processes and
// servers are killed and frozen, and accounts for all of these transactions (docs/transactions.md). It first
// installs and builds what is missing. The suite itself is in packages/lark-jobs/test/transactions.
import { runProgram } from './steps.js'

const words = process.argv.slice(2)
await runProgram('packages/lark-jobs/test/transactions/main.ts', words, { isBuilt: words.includes('--help') })
