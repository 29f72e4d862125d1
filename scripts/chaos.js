// `npm run chaos`: breaks everything around the queue, for as long as you like, and accounts for every job
// (docs/reliability.md). It first installs and builds what is missing. The suite itself is in
// packages/lark-jobs/test/chaos.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { installPackages, root, run } from './steps.js'

const given = process.argv.slice(2)
const words = given.filter((word) => word !== '--node24')
if (!words.includes('--help')) {
  // Stdout contains only the account.
  console.log = console.error
  process.stdout.write = process.stderr.write.bind(process.stderr)
  installPackages()
  run('Building', 'npm', ['run', 'build'])
}
const runner = join(root, 'node_modules/jiti/lib/jiti-cli.mjs')
const main = join(root, 'packages/lark-jobs/test/chaos/main.ts')
const isOn24 = words.length < given.length
const node = isOn24
  ? (await import('../packages/lark-jobs/test/node24/node24.js')).node24()
  : process.execPath
const child = spawn(node, [runner, main, ...words], { stdio: 'inherit' })
// Ctrl-C also reaches the suite, which then heals its faults and prints the account.
process.on('SIGINT', () => {})
child.on('close', (code) => {
  process.exitCode = code ?? 130
})
