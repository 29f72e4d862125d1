// `npm run chaos`: injects faults into everything around the queue, for as long as you like, and accounts for
// every job (docs/reliability.md). It first installs and builds what is missing. The suite itself is in
// packages/lark-jobs/test/chaos.
import { runProgram } from './steps.js'

const given = process.argv.slice(2)
const words = given.filter((word) => word !== '--node24')
const isOn24 = words.length < given.length
// Ctrl-C also reaches the suite, which then heals its faults and prints the account.
process.on('SIGINT', () => {})
await runProgram('packages/lark-jobs/test/chaos/main.ts', words, {
  isBuilt: words.includes('--help'),
  ...(isOn24 && { node: async () => (await import('../packages/lark-jobs/test/node24/node24.js')).node24() }),
})
