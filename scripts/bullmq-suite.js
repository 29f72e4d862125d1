// `npm run bullmq-suite -- FOLDER`: BullMQ's own tests, of which FOLDER is a checkout, on the classes of
// @s18i/lark-bullmq (CONTRIBUTING.md). It first installs and builds what is missing. The suite itself is in
// packages/lark-bullmq/test/suite.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { installPackages, root, run } from './steps.js'

const words = process.argv.slice(2)
if (words.some((word) => !word.startsWith('-')) && !words.includes('--help')) {
  // Stdout contains only the table.
  console.log = console.error
  process.stdout.write = process.stderr.write.bind(process.stderr)
  installPackages()
  run('Building', 'npm', ['run', 'build'])
}
const runner = join(root, 'node_modules/jiti/lib/jiti-cli.mjs')
const main = join(root, 'packages/lark-bullmq/test/suite/main.ts')
const child = spawn(process.execPath, [runner, main, ...words], { stdio: 'inherit' })
child.on('close', (code) => {
  process.exitCode = code ?? 130
})
