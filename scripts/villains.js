// `npm run villains`: jobs that loop, allocate, exit, abort and block, beside honest ones, and an account of
// all of them (docs/isolation.md). It first installs and builds what is missing. The suite itself is in
// packages/lark-jobs/test/villains.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { installPackages, root, run } from './steps.js'

const words = process.argv.slice(2)
if (!words.includes('--help')) {
  // Stdout contains only the account.
  console.log = console.error
  process.stdout.write = process.stderr.write.bind(process.stderr)
  installPackages()
  run('Building', 'npm', ['run', 'build'])
}
const runner = join(root, 'node_modules/jiti/lib/jiti-cli.mjs')
const main = join(root, 'packages/lark-jobs/test/villains/main.ts')
const child = spawn(process.execPath, [runner, main, ...words], { stdio: 'inherit' })
child.on('close', (code) => {
  process.exitCode = code ?? 130
})
