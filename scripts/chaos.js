// `npm run chaos`: kills processes, stops servers and breaks connections while jobs run, for as long as you
// like, and then checks that no job was lost (docs/broken-on-purpose.md). The script first installs missing
// packages and builds the sources. The code of the test is in packages/lark-jobs/test/chaos.
import { runProgram } from './steps.js'

const given = process.argv.slice(2)
const words = given.filter((word) => word !== '--node24')
const isOn24 = words.length < given.length
// Ctrl-C also reaches the test, which then ends its faults and prints what became of the jobs. So this
// process must not end before the test.
process.on('SIGINT', () => {})
await runProgram('packages/lark-jobs/test/chaos/main.ts', words, {
  isBuilt: words.includes('--help'),
  ...(isOn24 && { node: async () => (await import('../packages/lark-jobs/test/node24/node24.js')).node24() }),
})
