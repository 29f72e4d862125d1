// `npm run transactions`: transactions with jobs by all clients of a database, while everything around them is
// killed and frozen, and an account of all of them (docs/transactions.md). It first installs and builds what is
// missing. The suite itself is in packages/lark-jobs/test/transactions.
import { runProgram } from './steps.js'

const words = process.argv.slice(2)
await runProgram('packages/lark-jobs/test/transactions/main.ts', words, { isBuilt: words.includes('--help') })
